// SPDX-License-Identifier: MIT
// Reads a site and originals from stdin, and writes their picture elements: see all.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const { site } = await import(pathToFileURL(`${process.argv[2]}/npm/index.js`))
const { options, cases } = JSON.parse(readFileSync(0, 'utf8'))
const gallery = site(options)
console.log(JSON.stringify(cases.map(({ original, preset, ...rest }) => gallery.picture(original, preset, rest))))
