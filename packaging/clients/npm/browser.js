// SPDX-License-Identifier: MIT
// For browsers: presets without a signature alone. A key never belongs into a page.
import { Site, ThumbdError } from './core.js'

export { ThumbdError }

/** A site of the scheme preset. options are the keys of thumbd.toml(5). */
export function site(options) {
  if (options.scheme !== 'preset' || options.key !== undefined) {
    throw new ThumbdError('in a browser a site has the scheme preset and no key: sign on the server')
  }
  return new Site(options)
}
