// SPDX-License-Identifier: MIT

// Package frontends tests the built programs with access rules, downloads,
// other servers in front, programs in other languages, and Prometheus.
package frontends

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

const (
	accessKey = kit.AccessKey
	filesKey  = kit.FilesKey
	key       = kit.Key
	patience  = kit.Patience
	tokenKey  = kit.TokenKey
	topSecret = kit.TopSecret
)

// Helpers of package kit, which nearly each line of these tests calls.
var (
	background    = kit.Background
	configFile    = kit.ConfigFile
	do            = kit.Do
	documents     = kit.Documents
	downloads     = kit.Downloads
	examine       = kit.Examine
	expect        = kit.Expect
	expires       = kit.Expires
	folder        = kit.Folder
	freePort      = kit.FreePort
	gallery       = kit.Gallery
	get           = kit.Get
	jpgs          = kit.JPGs
	picture       = kit.Picture
	programs      = kit.Programs
	proof         = kit.Proof
	protected     = kit.Protected
	put           = kit.Put
	random        = kit.Random
	signed        = kit.Signed
	start         = kit.Start
	stopDaemon    = kit.StopDaemon
	target        = kit.Target
	testdata      = kit.Testdata
	times         = kit.Times
	untilTestEnds = kit.UntilTestEnds
	waitLog       = kit.WaitLog
	waitNotified  = kit.WaitNotified
)
