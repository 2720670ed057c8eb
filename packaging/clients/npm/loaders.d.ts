// SPDX-License-Identifier: MIT
import type { Site } from './index.js'
export function nextLoader(site: Site, preset: string): (p: { src: string; width: number; quality?: number }) => string
export function nuxtProvider(site: Site, preset: string): { getImage(src: string, options?: { modifiers?: Record<string, any> }): { url: string } }
export function unpicTransformer(site: Site, preset: string): (src: string | URL, o?: { width?: number | string; format?: string }) => string
/** src with width and height: those of the original as it is seen, upright. */
export interface AstroImage { src: string | { src: string; width: number; height: number }; width?: number | string; height?: number | string; format?: string; [attribute: string]: any }
export function astroService(site: Site, preset: string): {
  getURL(o: AstroImage): string
  getSrcSet(o: AstroImage): { transform: any; descriptor?: string; attributes?: Record<string, any> }[]
  getHTMLAttributes(o: AstroImage): Record<string, any>
}
