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

/**
 * Astro: the default export of an image service. If src is { src, width, height } of the
 * original, the element has the preset's widths, as wide as they really are.
 */
export function astroService(site, preset) {
  const known = (src) => typeof src === 'object'
  const name = (src) => clean(known(src) ? src.src : src)
  const size = ({ width, height }) => ({ width, height })
  return {
    getURL: ({ url, src, width, format }) => url ?? site.url(name(src), site.nameFor(preset, Number(width) || Infinity), format),

    getSrcSet({ src, format }) {
      const srcset = known(src) ? site.srcset(name(src), preset, { ...size(src), format }) : ''
      return srcset.split(', ').filter(Boolean).map((entry) => {
        const [url, descriptor] = entry.split(' ')
        return { transform: { src, url }, descriptor }
      })
    },

    // Astro writes these and no others: all but those that name the file.
    getHTMLAttributes(options) {
      const { src, width, height, format, formats, quality, densities, widths, layout, priority, fit, position, inferSize, ...attributes } = options
      const own = { loading: priority ? 'eager' : 'lazy', decoding: 'async', width, height }
      if (priority) own.fetchpriority = 'high'
      if (known(src)) {
        const { img } = site.parts(name(src), preset, size(src))
        own.width = Math.min(Number(width) || Infinity, img.width)
        own.height = Math.max(Math.round((own.width * img.height) / img.width), 1)
        own.sizes = own.width < img.width ? `${own.width}px` : img.sizes
      }
      return { ...own, ...attributes }
    },
  }
}
