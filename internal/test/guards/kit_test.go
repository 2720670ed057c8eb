// SPDX-License-Identifier: MIT

// Package guards tests access rules and downloads with the built programs behind an nginx
// that asks thumbd (auth_request).
//
// It is larger than other packages because the guards of pages, downloads and thumbnails
// are one promise: its tests make requests that mix all of them, and share their
// signatures, tokens and sites.
package guards

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
