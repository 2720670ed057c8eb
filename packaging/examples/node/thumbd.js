// SPDX-License-Identifier: MIT
// Signed URLs for thumbd. Paths are not percent-encoded.
//
//     const thumbd = require('./thumbd')
//     const key = thumbd.readKey('/etc/myapp/gallery.key')
//     thumbd.thumbnail(key, '/thumbs/', 'a.jpg', '400x300_crop', 'webp')
'use strict'

const { createHmac } = require('node:crypto')
const { readFileSync } = require('node:fs')

function readKey(path) {
  const key = readFileSync(path)
  return key.at(-1) === 0x0a ? key.subarray(0, -1) : key
}

function signature(key, text) {
  return createHmac('sha256', key).update(text).digest().subarray(0, 21).toString('base64url')
}

function thumbnail(key, prefix, original, spec, ext) {
  const stem = `${prefix}${original}/${spec}_`
  return escapePath(`${stem}${signature(key, `${stem}.${ext}`)}.${ext}`)
}

// The URL of a protected path until expires, in seconds since 1970.
function access(key, path, expires) {
  return signed('access', key, path, `expires=${Math.trunc(expires)}`)
}

// The URL of a file until expires, to be saved under name.
function download(key, path, expires, name) {
  let query = `expires=${Math.trunc(expires)}`
  if (name !== undefined) query += `&download=${escape(name)}`
  return signed('file', key, path, query)
}

function signed(purpose, key, path, query) {
  return `${escapePath(path)}?${query}&signature=${signature(key, `${purpose}\n${path}\n${query}`)}`
}

function escapePath(path) {
  return path.split('/').map(escape).join('/')
}

function escape(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase())
}

module.exports = { readKey, thumbnail, access, download }
