// SPDX-License-Identifier: MIT
// Loaders of frameworks, for sites of the scheme preset. Each asks for the smallest of
// the preset's widths that is wide enough.

const clean = (src) => src.replace(/^\/+/, '')

/** next/image: export default nextLoader(site, 'hero') in the file of images.loaderFile. */
export function nextLoader(site, preset) {
  return ({ src, width }) => site.url(clean(src), site.nameFor(preset, width))
}

/** @nuxt/image: the provider's getImage. */
export function nuxtProvider(site, preset) {
  return {
    getImage: (src, { modifiers = {} } = {}) => ({
      url: site.url(clean(src), site.nameFor(modifiers.preset ?? preset, Number(modifiers.width) || Infinity), modifiers.format),
    }),
  }
}

/** unpic: transformer of <Image>. */
export function unpicTransformer(site, preset) {
  return (src, { width, format } = {}) => site.url(clean(String(src)), site.nameFor(preset, Number(width) || Infinity), format)
}

/** Astro: the default export of an external image service. */
export function astroService(site, preset) {
  return {
    getURL: ({ src, width, format }) =>
      site.url(clean(typeof src === 'string' ? src : src.src), site.nameFor(preset, Number(width) || Infinity), format),
  }
}
