// SPDX-License-Identifier: MIT
import { astroService } from 'thumbd/loaders'
import { photos } from './photos.mjs'

export default astroService(photos, 'hero')
