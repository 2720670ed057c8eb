// SPDX-License-Identifier: MIT

// Package nginx holds the files that nginx includes, as this version of thumbd
// comes with them.
package nginx

import "embed"

// Files has them by their path below /usr/share/thumbd/nginx, as
// snippets/thumbd.conf.
//
//go:embed conf.d/*.conf snippets/*.conf
var Files embed.FS
