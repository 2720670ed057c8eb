// SPDX-License-Identifier: MIT

// Package frontends tests the built programs with the programs around them: other servers
// in front, applications of the examples, the demo, and Prometheus.
//
// It is larger than other packages because each of these programs has its own
// configuration. They are one package, as none of them is needed for another test.
package frontends

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
