# SPDX-License-Identifier: MIT
# frozen_string_literal: true

require 'openssl'

# URLs, srcsets and picture elements of thumbd's thumbnails. It needs the standard
# library alone, and does no I/O.
module Thumbd
  # A mistake of the caller.
  class Mistake < ArgumentError; end

  # A site of thumbd. Its options are the keys of thumbd.toml(5), as strings or symbols;
  # key is the content of the key's file, base comes before each path, for example
  # https://img.example.
  class Site
    THUMBNAILS = %w[jpg png webp avif gif].freeze
    EXTENSIONS = {
      'jpg' => 'jpg', 'jpeg' => 'jpg', 'jpe' => 'jpg', 'png' => 'png', 'webp' => 'webp', 'avif' => 'avif', 'gif' => 'gif',
      'heic' => 'heic', 'heif' => 'heic', 'tiff' => 'tiff', 'tif' => 'tiff', 'svg' => 'svg', 'jxl' => 'jxl'
    }.freeze
    MEDIA = {
      'jpg' => 'image/jpeg', 'png' => 'image/png', 'webp' => 'image/webp', 'avif' => 'image/avif', 'gif' => 'image/gif'
    }.freeze
    ENTITIES = { '&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;', "'" => '&#39;' }.freeze
    private_constant :THUMBNAILS, :EXTENSIONS, :MEDIA, :ENTITIES

    def initialize(options)
      @options = options.transform_keys(&:to_s)
      scheme = @options['scheme']
      raise Mistake, "the scheme #{scheme} is none of signed and preset" unless %w[signed preset].include?(scheme)
      raise Mistake, 'a site of the scheme signed needs its key' if signed? && @options['key'].to_s.empty?

      @base = @options['base'].to_s.delete_suffix('/')
      @presets = (@options['presets'] || {}).to_h { |name, table| [name.to_s, table.transform_keys(&:to_s)] }
      @formats = @options['formats'].to_a.empty? ? THUMBNAILS : @options['formats']
    end

    # Without the key: a page or a log of errors may show it.
    def inspect
      "#<#{self.class} #{@options.except('key').inspect}>"
    end

    # The URL of a thumbnail. spec is the name of a preset, card, card@2x or hero-320w,
    # or in the scheme signed a size and a method: 400x300_crop_q=70. Without a format it
    # is the original's own, or jpg if thumbnails can't have that format.
    def url(original, spec, format = nil)
      format = default_format(original) if format.to_s.empty?
      raise Mistake, 'there is no original' if original.empty?

      preset, = find(spec)
      raise Mistake, "the preset #{spec} is unknown" unless preset || (signed? && spec.include?('_'))
      return unsigned(original, spec, format, preset) unless signed?
      raise Mistake, "the format #{format} is none of the site's" unless @formats.include?(format)

      unless preset
        size, method, *options = spec.split('_', -1)
        spec = [size, method, *options.sort].join('_')
      end
      stem = "#{@options['prefix']}#{original}/#{spec}_"
      @base + Thumbd.escape_path("#{stem}#{Thumbd.signature(@options['key'], "#{stem}.#{format}")}.#{format}")
    end

    # The srcset of a preset: its widths, or if it has none the preset and its NAME@Nx,
    # each with the width that the thumbnail really has. width and height are the
    # original's as it is seen, upright.
    def srcset(original, preset, width:, height:, format: nil)
      table = @presets[preset]
      raise Mistake, "the preset #{preset} is unknown" unless table
      raise Mistake, "the original's width and height must be known" unless width.to_i >= 1 && height.to_i >= 1

      last = 0
      entries = ladder(preset, table).filter_map do |name|
        address = url(original, name, format)
        size = size(original, name, width, height)
        next unless size && size[0] > last

        last = size[0]
        "#{address} #{last}w"
      end
      entries.join(', ')
    end

    # The parts of a picture element: { sources: [attributes], img: attributes }. info is
    # the original's description, a hash of the JSON that thumbd info prints. Without width
    # and height they are info's. placeholder shows the tiny picture of info's thumbhash
    # until the picture is there.
    def parts(original, preset, width: nil, height: nil, info: {}, alt: '', sizes: nil, lazy: false, priority: false, placeholder: false)
      info = info.to_h.transform_keys(&:to_s)
      width, height = info.values_at('width', 'height') unless width || height
      srcset = srcset(original, preset, width: width, height: height)
      size = size(original, preset, width, height)
      raise Mistake, 'the thumbnail would be too large' unless size

      table = @presets[preset]
      sizes = table['widths'].to_a.empty? ? "#{size[0]}px" : '100vw' if sizes.to_s.empty?
      img = { src: url(original, preset), srcset: srcset, sizes: sizes, width: size[0], height: size[1], alt: alt,
              loading: lazy ? 'lazy' : 'eager', decoding: 'async' }
      img[:fetchpriority] = 'high' if priority
      style = placeholder ? Placeholder.style(info['thumbhash'], within([width, height], [16, 16], false), table['method']) : ''
      img[:style] = style unless style.empty?
      own = default_format(original)
      # A GIF may be an animation, and an AVIF is none.
      formats = table['formats'].to_a.reject { |f| f == own || (f == 'avif' && own == 'gif') }
      sources = formats.map do |f|
        { type: MEDIA[f], srcset: srcset(original, preset, width: width, height: height, format: f), sizes: sizes }
      end
      { sources: sources, img: img }
    end

    # The picture element, escaped. Its options are those of parts.
    def picture(original, preset, **options)
      parts = parts(original, preset, **options)
      "<picture>\n#{parts[:sources].map { |s| tag('source', s) }.join}#{tag('img', parts[:img])}</picture>\n"
    end

    private

    def tag(name, attributes)
      "<#{name} #{attributes.map { |k, v| "#{k}=\"#{v.to_s.gsub(/[&<>"']/, ENTITIES)}\"" }.join(' ')}>\n"
    end

    def signed?
      @options['scheme'] == 'signed'
    end

    def unsigned(original, spec, format, preset)
      own = format_of(original)
      formats = preset['formats'].to_a
      stem, _, extension = original.rpartition('.')
      before = format_of(stem)
      if before && before != own && extension == own && formats.include?(own)
        raise Mistake, "#{original} would be taken for #{stem}"
      end

      known = own == format ? (@formats | formats).include?(format) : own && formats.include?(format)
      raise Mistake, "the preset #{spec} does not have the format #{format} of #{original}" unless known

      @base + Thumbd.escape_path("#{@options['prefix']}#{spec}/#{original}#{".#{format}" if own != format}")
    end

    def ladder(preset, table)
      widths = table['widths'].to_a
      return widths.sort.map { |n| "#{preset}-#{n}w" } unless widths.empty?

      [preset, *table['dpr'].to_a.sort.map { |n| "#{preset}@#{n}x" }]
    end

    # The preset of a name in URLs, and its box.
    def find(name)
      return @presets[name], parse_size(@presets[name]) if @presets[name]

      cut = /\A(.*)(?:@([1-9][0-9]*)x|-([1-9][0-9]*)w)\z/m.match(name)
      preset = cut && @presets[cut[1]]
      return nil unless preset

      w, h = parse_size(preset)
      n = (cut[2] || cut[3]).to_i
      if cut[2]
        [preset, [w * n, h * n]] if preset['dpr'].to_a.include?(n)
      elsif preset['widths'].to_a.include?(n)
        [preset, [n, h.zero? ? 0 : [scale(h, n, w), 1].max]]
      end
    end

    def parse_size(preset)
      w, h = preset['size'].to_s.split('x', -1)
      [w.to_i, h.to_i]
    end

    # The size of a thumbnail, as thumbd makes it, or nil over the limits.
    def size(original, name, width, height)
      preset, box = find(name)
      enlarge = preset.fetch('enlarge') { @options['enlarge'] }
      # A drawing has no pixels.
      enlarge ||= format_of(original) == 'svg'
      size = canvas([width, height], box, preset, enlarge)
      limits = [@options['thumbnail_width'] || 4096, @options['thumbnail_height'] || 4096]
      size if preset['method'] == 'original' || (size[0] <= limits[0] && size[1] <= limits[1])
    end

    def canvas(from, box, preset, enlarge)
      covered = from[0] >= box[0] && from[1] >= box[1]
      smaller = [[box[0], from[0]].min, [box[1], from[1]].min]
      return from if preset['method'] == 'original'

      if box.include?(0)
        box = smaller unless enlarge
        return box[1].zero? ? by_width(from, box[0]) : by_height(from, box[1])
      end
      case preset['method']
      when 'pad', 'stretch' then box
      when 'fit' then within(from, box, enlarge)
      when 'scale'
        return from unless enlarge || covered

        wider?(box, from) ? by_width(from, box[0]) : by_height(from, box[1])
      else
        return box if enlarge || covered

        preset['uncovered'] == 'axes' ? smaller : within(box, from, false)
      end
    end

    def within(from, box, enlarge)
      return from if !enlarge && from[0] <= box[0] && from[1] <= box[1]

      wider?(box, from) ? by_height(from, box[1]) : by_width(from, box[0])
    end

    def wider?(one, other)
      one[0] * other[1] >= other[0] * one[1]
    end

    def by_width(size, width)
      [width, [scale(size[1], width, size[0]), 1].max]
    end

    def by_height(size, height)
      [[scale(size[0], height, size[1]), 1].max, height]
    end

    # number x to / from, rounded half up.
    def scale(number, to, from)
      ((2 * number * to) + from) / (2 * from)
    end

    def default_format(original)
      own = format_of(original)
      @formats.include?(own) ? own : 'jpg'
    end

    # The format that the extension of a name tells, or nil.
    def format_of(name)
      _, dot, extension = name.rpartition('/').last.rpartition('.')
      EXTENSIONS[extension.downcase] unless dot.empty?
    end
  end

  autoload :Placeholder, 'thumbd/placeholder'

  module_function

  # The URL of a protected path until expires, in seconds since 1970.
  def access(key, path, expires)
    signed('access', key, path, "expires=#{expires.to_i}")
  end

  # The URL of a file until expires, to be saved under name.
  def download(key, path, expires, name = nil)
    query = "expires=#{expires.to_i}"
    query += "&download=#{escape(name, /[^A-Za-z0-9_.~-]/n)}" if name
    signed('file', key, path, query)
  end

  # Internal.
  def signed(purpose, key, path, query)
    "#{escape_path(path)}?#{query}&signature=#{signature(key, [purpose, path, query].join("\n"))}"
  end

  # Internal. The newline at the end of a key's file is not of the key.
  def signature(key, text)
    mac = OpenSSL::HMAC.digest('SHA256', key.delete_suffix("\n"), text)[0, 21]
    [mac].pack('m0').tr('+/', '-_')
  end

  # Internal. The path percent-encoded as thumbd url does: q=70 stays q=70.
  def escape_path(path)
    escape(path, %r{[^A-Za-z0-9_.~/$&+,:;=@-]}n)
  end

  # Internal.
  def escape(text, bytes)
    text.b.gsub(bytes) { |c| format('%%%02X', c.ord) }.force_encoding(Encoding::UTF_8)
  end
end
