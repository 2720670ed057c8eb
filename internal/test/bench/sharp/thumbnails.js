// SPDX-License-Identifier: MIT

// Makes a thumbnail for every line of standard input, "mode width height
// quality path", and answers each with a line: nothing, or what went wrong.
const sharp = require('sharp');
sharp.cache(false);
sharp.concurrency(1);
const modes = {
  jpeg: (image, quality) => image.jpeg({ quality }).toBuffer(),
  progressive: (image, quality) => image.jpeg({ quality, progressive: true }).toBuffer(),
  raw: (image) => image.raw().toBuffer(),
  nearest: (image) => image.raw().toBuffer(),
  pack: (image) => image.png().toBuffer(),
  png: (image, quality, path) => image.png().toFile(path + '.png'),
};
const lines = require('readline').createInterface({ input: process.stdin });
(async () => {
  console.log('');
  for await (const line of lines) {
    const [mode, width, height, quality, ...words] = line.split(' ');
    const path = words.join(' ');
    const kernel = mode === 'nearest' ? 'nearest' : 'lanczos3';
    let wrong = '';
    try {
      await modes[mode](sharp(path).rotate()
        .resize({ width: +width, height: +height, fit: 'inside', withoutEnlargement: true, kernel }), +quality, path);
    } catch (error) {
      wrong = String(error).replaceAll('\n', ' ');
    }
    console.log(wrong);
  }
})();
