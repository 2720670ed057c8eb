// SPDX-License-Identifier: MIT
export type Format = 'jpg' | 'png' | 'webp' | 'avif' | 'gif'

export interface Preset {
  size?: string
  method: 'scale' | 'crop' | 'smart' | 'attention' | 'fit' | 'pad' | 'stretch' | 'original'
  dpr?: number[]
  widths?: number[]
  formats?: Format[]
  enlarge?: boolean
  uncovered?: 'ratio' | 'axes'
}

export interface SiteOptions {
  prefix: string
  scheme: 'signed' | 'preset'
  /** The content of the key's file: on servers alone. */
  key?: string | Uint8Array
  /** Before each path, for example https://img.example. */
  base?: string
  enlarge?: boolean
  formats?: Format[]
  presets?: Record<string, Preset>
  thumbnail_width?: number
  thumbnail_height?: number
}

/** The original's size as it is seen: turned upright. */
export interface Size {
  width: number
  height: number
}

/** The part of an original's description that a page needs: what `thumbd info` prints. */
export interface Info {
  width?: number
  height?: number
  thumbhash?: string
}

/** Without width and height they are those of info. */
export interface PictureOptions extends Partial<Size> {
  info?: Info
  /** Show the tiny picture of info's thumbhash until the picture is there. */
  placeholder?: boolean
  alt?: string
  sizes?: string
  lazy?: boolean
  priority?: boolean
}

export interface Parts {
  sources: { type: string; srcset: string; sizes: string }[]
  img: {
    src: string; srcset: string; sizes: string; width: number; height: number; alt: string
    loading: 'lazy' | 'eager'; decoding: 'async'; fetchpriority?: 'high'; style?: string
  }
}

export interface Site {
  url(original: string, spec: string, format?: string): string
  srcset(original: string, preset: string, options: Size & { format?: string }): string
  parts(original: string, preset: string, options: PictureOptions): Parts
  picture(original: string, preset: string, options: PictureOptions): string
  nameFor(preset: string, width: number): string
}

export class ThumbdError extends Error {}
export function site(options: SiteOptions): Site
/** On servers alone. */
export function access(key: string | Uint8Array, path: string, expires: number): string
/** On servers alone. */
export function download(key: string | Uint8Array, path: string, expires: number, name?: string): string
