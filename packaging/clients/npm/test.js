// SPDX-License-Identifier: MIT
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import * as browser from './browser.js'
import { access, download, site } from './index.js'
import { astroService, nextLoader, nuxtProvider, unpicTransformer } from './loaders.js'

const read = (name) => JSON.parse(readFileSync(new URL(`../../../testdata/vectors/${name}.json`, import.meta.url), 'utf8'))
const v = read('clients')
const sites = Object.fromEntries(Object.entries(v.sites).map(([name, options]) => [name, site(options)]))

test('what thumbd prints', () => {
  assert(v.urls.length && v.srcsets.length && v.pictures.length && v.refused.length)
  for (const x of v.urls) assert.equal(sites[x.site].url(x.original, x.spec, x.format), x.want)
  for (const x of v.srcsets) assert.equal(sites[x.site].srcset(x.original, x.spec, x), x.want)
  for (const x of v.pictures) assert.equal(sites[x.site].picture(x.original, x.spec, x), x.want)
  for (const x of v.refused) assert.throws(() => sites[x.site].picture(x.original, x.spec, x), /./, x.why)
})

test('signatures', () => {
  // The other vectors have one right encoding of many.
  const same = (got, want) => {
    const [a, b] = [got.split('?'), want.split('?')]
    assert.equal(decodeURIComponent(a[0]), decodeURIComponent(b[0]))
    assert.equal(a[1], b[1])
  }
  let { key, vectors } = read('signed')
  for (const x of vectors) {
    same(site({ prefix: x.prefix, scheme: 'signed', key: key + '\n', presets: { [x.spec]: {} } }).url(x.original, x.spec, x.ext), x.request)
  }
  ;({ key, vectors } = read('access'))
  for (const x of vectors) same(access(key, x.path, x.expires), x.request)
  ;({ key, vectors } = read('files'))
  for (const x of vectors) if (x.order === undefined) same(download(key, x.path, x.expires, x.download), x.request)
})

test('a browser has no signer', () => {
  for (const x of v.urls) {
    if (x.site === 'preset') assert.equal(browser.site(v.sites.preset).url(x.original, x.spec, x.format), x.want)
  }
  assert.throws(() => browser.site(v.sites.signed), /sign on the server/)
  assert.throws(() => browser.site({ ...v.sites.preset, key: 'k' }), /sign on the server/)
  for (const file of ['browser.js', 'core.js', 'error.js', 'loaders.js', 'placeholder.js']) {
    assert(!/crypto|hmac/i.test(readFileSync(new URL(file, import.meta.url), 'utf8')), file)
  }
})

test('loaders take the next width', () => {
  const s = browser.site(v.sites.preset)
  const at = (n) => `https://img.example/p/hero-${n}w/a/b.jpg`
  for (const [width, n] of [[1, 320], [320, 320], [321, 640], [3840, 1600]]) {
    assert.equal(nextLoader(s, 'hero')({ src: '/a/b.jpg', width, quality: 75 }), at(n))
    assert.equal(nuxtProvider(s, 'hero').getImage('a/b.jpg', { modifiers: { width } }).url, at(n))
    assert.equal(unpicTransformer(s, 'hero')('a/b.jpg', { width }), at(n))
    assert.equal(astroService(s, 'hero').getURL({ src: 'a/b.jpg', width }), at(n))
  }
  // Astro writes no attribute that its service does not name, not even alt.
  const astro = astroService(s, 'hero')
  const options = { src: { src: '/a/b.jpg', width: 700, height: 1000 }, width: 700, height: 1000, alt: 'B', priority: true, quality: 80 }
  assert.deepEqual(astro.getSrcSet(options).map((x) => [astro.getURL(x.transform), x.descriptor]), [[at(320), '320w'], [at(640), '640w'], [at(960), '700w']])
  assert.deepEqual(astro.getHTMLAttributes(options), {
    alt: 'B', width: 700, height: 394, sizes: '100vw', loading: 'eager', decoding: 'async', fetchpriority: 'high',
  })
  assert.deepEqual(astro.getHTMLAttributes({ ...options, width: 320, height: 457, loading: 'eager', sizes: '20vw' }), {
    alt: 'B', width: 320, height: 180, sizes: '20vw', loading: 'eager', decoding: 'async', fetchpriority: 'high',
  })
  assert.deepEqual(astro.getSrcSet({ src: 'a/b.jpg', width: 10, height: 10 }), [])
  assert.deepEqual(astro.getHTMLAttributes({ src: 'a/b.jpg', width: 10, height: 8, alt: '' }), { alt: '', width: 10, height: 8, loading: 'lazy', decoding: 'async' })
  assert.equal(nuxtProvider(s, 'card').getImage('a/b.jpg', { modifiers: { format: 'webp' } }).url, 'https://img.example/p/card/a/b.jpg.webp')
})
