// SPDX-License-Identifier: MIT
'use strict'

const { readFileSync } = require('node:fs')
const root = process.argv[2]
const thumbd = require(root + '/packaging/examples/node/thumbd.js')

let checked = 0

function expect(got, want) {
  checked++
  const [a, b] = [got.split('?'), want.split('?')]
  if (decodeURIComponent(a[0]) !== decodeURIComponent(b[0]) || a[1] !== b[1]) {
    console.error(`got ${got}; want ${want}`)
    process.exit(1)
  }
}

function vectors(name) {
  const v = JSON.parse(readFileSync(`${root}/testdata/vectors/${name}.json`, 'utf8'))
  return [v.key, v.vectors.filter((x) => x.order === undefined)]
}

let [key, all] = vectors('signed')
for (const x of all) expect(thumbd.thumbnail(key, x.prefix, x.original, x.spec, x.ext), x.request)
;[key, all] = vectors('access')
for (const x of all) expect(thumbd.access(key, x.path, x.expires), x.request)
;[key, all] = vectors('files')
for (const x of all) expect(thumbd.download(key, x.path, x.expires, x.download), x.request)
console.log(checked)
