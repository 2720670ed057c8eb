// SPDX-License-Identifier: MIT
import { site } from 'thumbd'

const presets = { hero: { size: '160x120', method: 'crop', widths: [80, 160], formats: ['webp'] } }
const base = process.env.THUMBS

export const photos = site({ prefix: '/p/', scheme: 'preset', base, presets })
export const gallery = site({ prefix: '/thumbs/', scheme: 'signed', key: process.env.THUMBD_KEY, base, presets })
