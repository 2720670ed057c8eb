// SPDX-License-Identifier: MIT
import { fileURLToPath } from 'node:url'

export default defineNuxtConfig({
  compatibilityDate: '2025-07-15',
  telemetry: false,
  modules: ['@nuxt/image'],
  image: { provider: 'thumbd', providers: { thumbd: { provider: fileURLToPath(new URL('./thumbd.ts', import.meta.url)) } } },
  // The environment sets both: NUXT_KEY for the server, NUXT_PUBLIC_THUMBS for all.
  runtimeConfig: { key: '', public: { thumbs: '' } },
})
