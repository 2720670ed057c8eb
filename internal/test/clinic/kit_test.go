// SPDX-License-Identifier: MIT

// Package clinic tests thumbd doctor and thumbd check on installations
// that have mistakes.
//
// It is larger than other packages because each finding of the doctor is seen on an
// installation with its mistake; the common helpers are in package kit.
package clinic

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
