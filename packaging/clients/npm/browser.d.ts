// SPDX-License-Identifier: MIT
import type { Site, SiteOptions } from './index.js'
export type * from './index.js'
export class ThumbdError extends Error {}
export function site(options: Omit<SiteOptions, 'key'> & { scheme: 'preset' }): Site
