# SPDX-License-Identifier: MIT
# frozen_string_literal: true

require 'zlib'

module Thumbd
  # The tiny picture of a ThumbHash (https://evanw.github.io/thumbhash/), as a PNG.
  # Internal.
  module Placeholder
    module_function

    # The style that shows the tiny picture below the picture until that is there; '' if it
    # would stay visible, below transparent pixels or padding.
    def style(thumbhash, size, method)
      alpha, channels = decode(bytes(thumbhash))
      return '' if alpha || method == 'pad'

      file = [png(size, paint(channels, *size))].pack('m0')
      "background:url(data:image/png;base64,#{file}) center/#{method == 'stretch' ? '100% 100%' : 'cover'}"
    end

    def bytes(thumbhash)
      thumbhash.to_s.unpack1('m0').bytes
    rescue ArgumentError
      raise damaged
    end

    def damaged
      Mistake.new("the original's thumbhash is missing or damaged: want that of its description")
    end

    # 24 and 16 bits of means and scales, then four bits for each wave.
    def decode(hash)
      raise damaged if hash.size < 5

      head = hash[0] | hash[1] << 8 | hash[2] << 16
      more = hash[3] | hash[4] << 8
      alpha = head >> 23 == 1
      sides = [[more & 7, 3].max, alpha ? 5 : 7]
      sides.reverse! if more >> 15 == 1
      at = alpha ? 12 : 10
      channels = [
        [(head & 63) / 63.0, triangle(*sides), (head >> 18 & 31) / 31.0],
        # The differences of colors come back a quarter stronger: rounding weakens them.
        [(head >> 6 & 63) / 31.5 - 1, triangle(3, 3), (more >> 3 & 63) / 63.0 * 1.25],
        [(head >> 12 & 63) / 31.5 - 1, triangle(3, 3), (more >> 9 & 63) / 63.0 * 1.25]
      ].map do |mean, waves, scale|
        sized = waves.map do |x, y|
          byte = hash[at / 2] || raise(damaged)
          size = ((byte >> at % 2 * 4 & 15) / 7.5 - 1) * scale
          at += 1
          [x, y, size]
        end
        [mean, sized]
      end
      [alpha, channels]
    end

    # The numbers of the waves across and down of a channel.
    def triangle(width, height)
      (0...height).flat_map do |y|
        (0...width).select { |x| (x + y).positive? && x * height < width * (height - y) }.map { |x| [x, y] }
      end
    end

    # The lines of pixels, each with the 0 of a PNG without a filter before it.
    def paint(channels, width, height)
      columns = (0...width).map { |x| cosines(x, width) }
      (0...height).map do |y|
        down = cosines(y, height)
        [0, *columns.flat_map { |across| pixel(*channels.map { |c| value(c, across, down) }) }].pack('C*')
      end.join
    end

    def pixel(luminance, yellow, red)
      b = luminance - yellow * 2 / 3
      r = (3 * luminance - b + red) / 2
      [r, r - red, b].map { |v| (v.clamp(0, 1) * 255 + 0.5).floor }
    end

    def cosines(index, length)
      (0..6).map { |k| Math.cos(Math::PI / length * (index + 0.5) * k) }
    end

    # Not sum: that is more exact, and all languages are to give the same.
    def value(channel, across, down)
      channel[1].reduce(channel[0]) { |v, (x, y, size)| v + size * across[x] * down[y] * 2 }
    end

    # The data are stored as they are: so all languages write the same bytes.
    def png(size, lines)
      data = [0x78, 1, 1, lines.size, lines.size ^ 0xFFFF].pack('C3v2') + lines + [Zlib.adler32(lines)].pack('N')
      "\x89PNG\r\n\x1A\n".b + chunk('IHDR', [*size, 8, 2, 0, 0, 0].pack('N2C5')) + chunk('IDAT', data) + chunk('IEND', ''.b)
    end

    def chunk(name, data)
      [data.size].pack('N') + name.b + data + [Zlib.crc32(name.b + data)].pack('N')
    end
  end
end
