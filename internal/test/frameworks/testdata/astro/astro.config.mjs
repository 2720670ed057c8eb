// SPDX-License-Identifier: MIT
export default { image: { service: { entrypoint: './service.mjs' } }, telemetry: false }
