// SPDX-License-Identifier: MIT
// The tiny picture of a ThumbHash (https://evanw.github.io/thumbhash/), as a PNG.
import { ThumbdError } from './error.js'

/**
 * The style that shows the tiny picture below the picture until that is there; '' if it
 * would stay visible, below transparent pixels or padding.
 */
export function background(thumbhash, size, method) {
  const colors = decode(bytesOf(thumbhash))
  if (colors.alpha || method === 'pad') return ''
  const file = png(size, paint(colors, size))
  return `background:url(data:image/png;base64,${btoa(String.fromCharCode(...file))}) center/${method === 'stretch' ? '100% 100%' : 'cover'}`
}

function damaged() {
  return new ThumbdError("the original's thumbhash is missing or damaged: want that of its description")
}

function bytesOf(thumbhash) {
  try {
    return Uint8Array.from(atob(thumbhash), (c) => c.charCodeAt(0))
  } catch {
    throw damaged()
  }
}

// 24 and 16 bits of means and scales, then four bits for each wave.
function decode(hash) {
  if (hash.length < 5) throw damaged()
  const head = hash[0] | (hash[1] << 8) | (hash[2] << 16)
  const more = hash[3] | (hash[4] << 8)
  const alpha = head >> 23 === 1
  const most = alpha ? 5 : 7
  const least = Math.max(more & 7, 3)
  let at = alpha ? 12 : 10
  const channel = (mean, nx, ny, scale) => {
    const sizes = []
    for (let y = 0; y < ny; y++) {
      for (let x = y ? 0 : 1; x * ny < nx * (ny - y); x++, at++) {
        if (at >> 1 >= hash.length) throw damaged()
        sizes.push((((hash[at >> 1] >> ((at & 1) * 4)) & 15) / 7.5 - 1) * scale)
      }
    }
    return { mean, nx, ny, sizes }
  }
  const [nx, ny] = more >> 15 ? [most, least] : [least, most]
  return {
    alpha,
    l: channel((head & 63) / 63, nx, ny, ((head >> 18) & 31) / 31),
    // The differences of colors come back a quarter stronger: rounding weakens them.
    p: channel(((head >> 6) & 63) / 31.5 - 1, 3, 3, (((more >> 3) & 63) / 63) * 1.25),
    q: channel(((head >> 12) & 63) / 31.5 - 1, 3, 3, (((more >> 9) & 63) / 63) * 1.25),
  }
}

function paint({ l, p, q }, [width, height]) {
  const cosines = (i, n) => Array.from({ length: 7 }, (_, k) => Math.cos((Math.PI / n) * (i + 0.5) * k))
  const value = ({ mean, nx, ny, sizes }, across, down) => {
    let v = mean
    let i = 0
    for (let y = 0; y < ny; y++) {
      for (let x = y ? 0 : 1; x * ny < nx * (ny - y); x++) v += sizes[i++] * across[x] * down[y] * 2
    }
    return v
  }
  const sample = (v) => Math.floor(Math.min(Math.max(v, 0), 1) * 255 + 0.5)
  const lines = []
  for (let y = 0; y < height; y++) {
    const down = cosines(y, height)
    lines.push(0)
    for (let x = 0; x < width; x++) {
      const across = cosines(x, width)
      const [lum, yellow, red] = [l, p, q].map((c) => value(c, across, down))
      const b = lum - (yellow * 2) / 3
      const r = (3 * lum - b + red) / 2
      lines.push(sample(r), sample(r - red), sample(b))
    }
  }
  return lines
}

// The data are stored as they are: so all languages write the same bytes.
function png([width, height], lines) {
  const data = [0x78, 1, 1, ...little(lines.length), ...little(lines.length ^ 0xffff), ...lines, ...big(adler32(lines))]
  return [
    0x89, ...ascii('PNG\r\n\x1a\n'),
    ...chunk('IHDR', [...big(width), ...big(height), 8, 2, 0, 0, 0]), ...chunk('IDAT', data), ...chunk('IEND', []),
  ]
}

function chunk(name, data) {
  const part = [...ascii(name), ...data]
  return [...big(data.length), ...part, ...big(crc32(part))]
}

const ascii = (text) => Array.from(text, (c) => c.charCodeAt(0))
const little = (n) => [n & 255, n >> 8]
const big = (n) => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255)

function crc32(bytes) {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc
}

function adler32(bytes) {
  let [a, b] = [1, 0]
  for (const byte of bytes) {
    a = (a + byte) % 65521
    b = (b + a) % 65521
  }
  return b * 65536 + a
}
