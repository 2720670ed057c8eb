// SPDX-License-Identifier: MIT
import type { Site } from './index.js'
export function nextLoader(site: Site, preset: string): (p: { src: string; width: number; quality?: number }) => string
export function nuxtProvider(site: Site, preset: string): { getImage(src: string, options?: { modifiers?: Record<string, any> }): { url: string } }
export function unpicTransformer(site: Site, preset: string): (src: string | URL, o?: { width?: number | string; format?: string }) => string
export function astroService(site: Site, preset: string): { getURL(o: { src: string | { src: string }; width?: number; format?: string }): string }
