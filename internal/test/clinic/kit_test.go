// SPDX-License-Identifier: MIT

// Package clinic tests thumbd doctor and thumbd check on installations
// that have mistakes.
package clinic

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
