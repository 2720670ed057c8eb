// SPDX-License-Identifier: MIT
//
// Reads a list of pictures, {w, h, rgba, thumbhash, blurhash}, and prints for each one the
// hashes of the reference implementations, and the mean difference between the samples of
// the pictures that their decoders make of both hashes.
import { readFileSync } from 'node:fs';
import { decode, encode } from 'blurhash';
import { rgbaToThumbHash, thumbHashToRGBA } from 'thumbhash';

const bytes = (base64) => new Uint8ClampedArray(Buffer.from(base64, 'base64'));
const off = (a, b) => a.length === b.length ? a.reduce((sum, v, i) => sum + Math.abs(v - b[i]), 0) / a.length : 256;
const result = [];
for (const p of JSON.parse(readFileSync(0))) {
  const thumbhash = Buffer.from(rgbaToThumbHash(p.w, p.h, bytes(p.rgba))).toString('base64');
  const blurhash = encode(bytes(p.rgba), p.w, p.h, 4, 3);
  result.push({
    thumbhash, blurhash,
    thumbhash_off: off(thumbHashToRGBA(bytes(thumbhash)).rgba, thumbHashToRGBA(bytes(p.thumbhash)).rgba),
    blurhash_off: off(decode(blurhash, 32, 32), decode(p.blurhash, 32, 32)),
  });
}
console.log(JSON.stringify(result));
