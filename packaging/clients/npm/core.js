// SPDX-License-Identifier: MIT
// URLs, srcsets and picture elements of thumbd's thumbnails. It signs nothing, and
// does no I/O.

import { ThumbdError } from './error.js'
import { background } from './placeholder.js'

export { ThumbdError }

const THUMBNAILS = ['jpg', 'png', 'webp', 'avif', 'gif']
const EXTENSIONS = new Map(Object.entries({
  jpg: 'jpg', jpeg: 'jpg', jpe: 'jpg', png: 'png', webp: 'webp', avif: 'avif', gif: 'gif',
  heic: 'heic', heif: 'heic', tiff: 'tiff', tif: 'tiff', svg: 'svg', jxl: 'jxl',
}))
const MEDIA = { jpg: 'image/jpeg', png: 'image/png', webp: 'image/webp', avif: 'image/avif', gif: 'image/gif' }

/** A site of thumbd. Its options are the keys of thumbd.toml(5). */
export class Site {
  #sign

  constructor(options, sign) {
    if (options.scheme !== 'signed' && options.scheme !== 'preset') throw new ThumbdError(`the scheme ${options.scheme} is none of signed and preset`)
    this.options = options
    this.presets = new Map(Object.entries(options.presets ?? {}))
    this.formats = options.formats?.length ? options.formats : THUMBNAILS
    this.base = (options.base ?? '').replace(/\/$/, '')
    this.#sign = sign
  }

  url(original, spec, format) {
    format = format || this.#defaultFormat(original)
    if (!original) throw new ThumbdError('there is no original')
    const found = this.#find(spec)
    if (this.options.scheme === 'preset') {
      if (!found) throw new ThumbdError(`the preset ${spec} is unknown`)
      return this.#unsigned(original, spec, format, found.preset)
    }
    if (!found && !spec.includes('_')) throw new ThumbdError(`the preset ${spec} is unknown`)
    if (!this.formats.includes(format)) throw new ThumbdError(`the format ${format} is none of the site's`)
    if (!found) {
      const [size, method, ...options] = spec.split('_')
      spec = [size, method, ...options.sort()].join('_')
    }
    const stem = `${this.options.prefix}${original}/${spec}_`
    return this.base + escapePath(`${stem}${this.#sign(`${stem}.${format}`)}.${format}`)
  }

  #unsigned(original, spec, format, preset) {
    const own = formatOf(original)
    const formats = preset.formats ?? []
    const dot = original.lastIndexOf('.')
    const before = dot < 0 ? '' : formatOf(original.slice(0, dot))
    if (before && before !== own && original.slice(dot + 1) === own && formats.includes(own)) {
      throw new ThumbdError(`${original} would be taken for ${original.slice(0, dot)}`)
    }
    let path = `${this.options.prefix}${spec}/${original}`
    if (own === format ? !this.formats.includes(format) && !formats.includes(format) : !own || !formats.includes(format)) {
      throw new ThumbdError(`the preset ${spec} does not have the format ${format} of ${original}`)
    }
    if (own !== format) path += '.' + format
    return this.base + escapePath(path)
  }

  srcset(original, preset, { width, height, format } = {}) {
    const found = this.presets.get(preset)
    if (!found) throw new ThumbdError(`the preset ${preset} is unknown`)
    ;[width, height] = [Number(width), Number(height)]
    if (!(width >= 1 && height >= 1)) throw new ThumbdError("the original's width and height must be known")
    const list = []
    let last = 0
    for (const name of ladder(preset, found)) {
      const url = this.url(original, name, format)
      const size = this.#size(original, name, width, height)
      if (!size || size[0] <= last) continue
      last = size[0]
      list.push(`${url} ${last}w`)
    }
    return list.join(', ')
  }

  parts(original, preset, { info, ...options } = {}) {
    const of = (options.width ?? options.height) === undefined ? info : options
    const [width, height] = [Number(of?.width), Number(of?.height)]
    const { alt, sizes: wanted, lazy = false, priority = false, placeholder = false } = options
    const srcset = this.srcset(original, preset, { width, height })
    const src = this.url(original, preset)
    const size = this.#size(original, preset, width, height)
    if (!size) throw new ThumbdError('the thumbnail would be too large')
    const { method, widths = [], formats = [] } = this.presets.get(preset)
    const sizes = wanted || (widths.length ? '100vw' : `${size[0]}px`)
    const own = this.#defaultFormat(original)
    const sources = formats
      // A GIF may be an animation, and an AVIF is none.
      .filter((format) => format !== own && !(format === 'avif' && own === 'gif'))
      .map((format) => ({ type: MEDIA[format], srcset: this.srcset(original, preset, { width, height, format }), sizes }))
    const img = { src, srcset, sizes, width: size[0], height: size[1], alt: alt ?? '', loading: lazy ? 'lazy' : 'eager', decoding: 'async' }
    if (priority) img.fetchpriority = 'high'
    const style = placeholder ? background(info?.thumbhash, within([width, height], [16, 16], false), method) : ''
    if (style) img.style = style
    return { sources, img }
  }

  picture(original, preset, options) {
    const { sources, img } = this.parts(original, preset, options)
    const tag = (name, attributes) =>
      `<${name} ${Object.entries(attributes).map(([key, value]) => `${key}="${escapeHTML(String(value))}"`).join(' ')}>\n`
    return `<picture>\n${sources.map((s) => tag('source', s)).join('')}${tag('img', img)}</picture>\n`
  }

  // The name of the smallest width of a preset that is wide enough.
  nameFor(preset, width) {
    const found = this.presets.get(preset)
    if (!found) throw new ThumbdError(`the preset ${preset} is unknown`)
    const widths = [...(found.widths ?? [])].sort((a, b) => a - b)
    if (!widths.length) return preset
    return `${preset}-${widths.find((w) => w >= width) ?? widths.at(-1)}w`
  }

  #find(name) {
    const preset = this.presets.get(name)
    if (preset) return { preset, box: parseSize(preset.size) }
    const cut = /^(.*)(?:@([1-9]\d*)x|-([1-9]\d*)w)$/s.exec(name)
    const of = cut && this.presets.get(cut[1])
    if (!of) return undefined
    const [w, h] = parseSize(of.size)
    const [dpr, width] = [Number(cut[2]), Number(cut[3])]
    if (cut[2] && of.dpr?.includes(dpr)) return { preset: of, box: [w * dpr, h * dpr] }
    if (cut[3] && of.widths?.includes(width)) return { preset: of, box: [width, h && Math.max(scale(h, width, w), 1)] }
    return undefined
  }

  // The size of a thumbnail, as thumbd makes it; undefined if it is over the limits.
  #size(original, name, width, height) {
    const { preset, box } = this.#find(name)
    // A drawing has no pixels.
    const enlarge = (preset.enlarge ?? this.options.enlarge ?? false) || formatOf(original) === 'svg'
    const size = canvas([width, height], box, preset, enlarge)
    const { thumbnail_width: w = 4096, thumbnail_height: h = 4096 } = this.options
    return preset.method === 'original' || (size[0] <= w && size[1] <= h) ? size : undefined
  }

  #defaultFormat(original) {
    const own = formatOf(original)
    return this.formats.includes(own) ? own : 'jpg'
  }
}

function ladder(preset, { widths = [], dpr = [] }) {
  const sorted = (list) => [...list].sort((a, b) => a - b)
  if (widths.length) return sorted(widths).map((n) => `${preset}-${n}w`)
  return [preset, ...sorted(dpr).map((n) => `${preset}@${n}x`)]
}

function parseSize(size) {
  return (size ?? 'x').split('x').map(Number)
}

function canvas(from, box, { method, uncovered }, enlarge) {
  const covered = from[0] >= box[0] && from[1] >= box[1]
  const smaller = () => [Math.min(box[0], from[0]), Math.min(box[1], from[1])]
  if (method === 'original') return from
  if (!box[0] || !box[1]) {
    if (!enlarge) box = smaller()
    return box[1] ? byHeight(from, box[1]) : byWidth(from, box[0])
  }
  if (method === 'pad' || method === 'stretch') return box
  if (method === 'fit') return within(from, box, enlarge)
  if (method === 'scale') {
    if (!enlarge && !covered) return from
    return wider(box, from) ? byWidth(from, box[0]) : byHeight(from, box[1])
  }
  if (enlarge || covered) return box
  return uncovered === 'axes' ? smaller() : within(box, from, false)
}

function within(from, box, enlarge) {
  if (!enlarge && from[0] <= box[0] && from[1] <= box[1]) return from
  return wider(box, from) ? byHeight(from, box[1]) : byWidth(from, box[0])
}

const wider = (a, b) => a[0] * b[1] >= b[0] * a[1]
const byWidth = (size, width) => [width, Math.max(scale(size[1], width, size[0]), 1)]
const byHeight = (size, height) => [Math.max(scale(size[0], height, size[1]), 1), height]
// n x to / from, rounded half up.
const scale = (n, to, from) => Math.floor((2 * n * to + from) / (2 * from))

// The format that the extension of a name tells, or ''.
function formatOf(name) {
  name = name.slice(name.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  return (dot >= 0 && EXTENSIONS.get(name.slice(dot + 1).toLowerCase())) || ''
}

/** A path percent-encoded as thumbd url does: q=70 stays q=70. */
export function escapePath(path) {
  return encodeURI(path).replace(/[!'()*?#]/g, percent)
}

/** The value of a parameter of a query, percent-encoded. */
export function escapeValue(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, percent)
}

function percent(c) {
  return '%' + c.charCodeAt(0).toString(16).toUpperCase()
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escapeHTML(text) {
  return text.replace(/[&<>"']/g, (c) => ENTITIES[c])
}
