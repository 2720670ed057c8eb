// SPDX-License-Identifier: MIT

// Package e2e tests thumbd as it is installed: the built programs, a real
// nginx with the shipped files, and a held socket. It has the tests of requests,
// purges and warming; packages faults, guards, frontends, clinic and clients have the
// others.
//
// It is larger than other packages because it has a file for each subject of the man pages,
// for example gc and warm. None of them needs more than an nginx: packages are divided by
// the rights and the programs that their tests need.
package e2e

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
