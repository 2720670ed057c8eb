// SPDX-License-Identifier: MIT
import { site } from 'thumbd'

export default defineEventHandler((event) => {
  const { key, public: { thumbs } } = useRuntimeConfig(event)
  const gallery = site({
    prefix: '/thumbs/', scheme: 'signed', key: key as string, base: thumbs as string,
    presets: { hero: { size: '160x120', method: 'crop', widths: [80, 160], formats: ['webp'] } },
  })
  return gallery.picture('fig.jpg', 'hero', { width: 1600, height: 1063, alt: 'signed' })
})
