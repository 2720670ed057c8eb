// SPDX-License-Identifier: MIT

// Package e2e tests thumbd as it is installed: the built programs, a real
// nginx with the shipped files, and a held socket. It has the tests of requests,
// purges and warming; packages faults, frontends, clinic and clients have the
// others.
package e2e

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
