// SPDX-License-Identifier: MIT
export default { images: { loader: 'custom', loaderFile: './loader.js' } }
