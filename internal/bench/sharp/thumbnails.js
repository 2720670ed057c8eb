// SPDX-License-Identifier: MIT

// Makes a thumbnail for every line of standard input, "width height quality
// path", and answers each with a line: nothing, or what went wrong.
const sharp = require('sharp');
sharp.cache(false);
sharp.concurrency(1);
const lines = require('readline').createInterface({ input: process.stdin });
(async () => {
  console.log('');
  for await (const line of lines) {
    const [width, height, quality, ...path] = line.split(' ');
    let wrong = '';
    try {
      await sharp(path.join(' ')).rotate()
        .resize({ width: +width, height: +height, fit: 'inside', withoutEnlargement: true })
        .jpeg({ quality: +quality }).toBuffer();
    } catch (error) {
      wrong = String(error).replaceAll('\n', ' ');
    }
    console.log(wrong);
  }
})();
