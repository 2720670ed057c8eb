// SPDX-License-Identifier: MIT
// Rendered by the server, which has the key; next/image is the browser's.
import Image from 'next/image'
import { connection } from 'next/server'
import { createElement as e } from 'react'
import { site } from 'thumbd'

export default async function Page() {
  await connection()
  const gallery = site({
    prefix: '/thumbs/', scheme: 'signed', key: process.env.THUMBD_KEY, base: process.env.NEXT_PUBLIC_THUMBS,
    presets: { hero: { size: '160x120', method: 'crop', widths: [80, 160], formats: ['webp'] } },
  })
  const element = gallery.picture('fig.jpg', 'hero', { width: 1600, height: 1063, alt: 'signed' })
  return [
    e('div', { key: 1, dangerouslySetInnerHTML: { __html: element } }),
    e(Image, { key: 2, src: '/fig.jpg', width: 80, height: 60, alt: 'loaded' }),
  ]
}
