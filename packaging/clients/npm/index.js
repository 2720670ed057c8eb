// SPDX-License-Identifier: MIT
// For servers: it signs with the key of a site.
import { createHmac } from 'node:crypto'

import { Site, ThumbdError, escapePath, escapeValue } from './core.js'

export { ThumbdError }

/** A site of thumbd. options are the keys of thumbd.toml(5), and key, the content of the key's file. */
export function site(options) {
  const { key, ...rest } = options
  if (options.scheme === 'signed' && !key) throw new ThumbdError('a site of the scheme signed needs its key')
  return new Site(rest, (text) => sign(key, text))
}

/** The URL of a protected path until expires, in seconds since 1970. */
export function access(key, path, expires) {
  return signed('access', key, path, `expires=${Math.trunc(expires)}`)
}

/** The URL of a file until expires, to be saved under name. */
export function download(key, path, expires, name) {
  let query = `expires=${Math.trunc(expires)}`
  if (name !== undefined) query += `&download=${escapeValue(name)}`
  return signed('file', key, path, query)
}

function signed(purpose, key, path, query) {
  return `${escapePath(path)}?${query}&signature=${sign(key, `${purpose}\n${path}\n${query}`)}`
}

// The newline at the end of a key's file is not of the key.
function sign(key, text) {
  const bytes = Buffer.from(key)
  const own = bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes
  return createHmac('sha256', own).update(text).digest().subarray(0, 21).toString('base64url')
}
