// SPDX-License-Identifier: MIT
import { site } from 'thumbd'
import { nuxtProvider } from 'thumbd/loaders'

export const getImage: ReturnType<typeof nuxtProvider>['getImage'] = (src, options) => {
  const photos = site({
    prefix: '/p/', scheme: 'preset', base: useRuntimeConfig().public.thumbs as string,
    presets: { hero: { size: '160x120', method: 'crop', widths: [80, 160] } },
  })
  return nuxtProvider(photos, 'hero').getImage(src, options)
}
