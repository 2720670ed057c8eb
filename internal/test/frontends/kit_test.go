// SPDX-License-Identifier: MIT

// Package frontends tests the built programs with access rules, downloads,
// other servers in front, programs in other languages, and Prometheus.
package frontends

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
