// SPDX-License-Identifier: MIT
'use client'
import { site } from 'thumbd'
import { nextLoader } from 'thumbd/loaders'

const photos = site({
  prefix: '/p/', scheme: 'preset', base: process.env.NEXT_PUBLIC_THUMBS,
  presets: { hero: { size: '160x120', method: 'crop', widths: [80, 160] } },
})

export default nextLoader(photos, 'hero')
