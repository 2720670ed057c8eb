// SPDX-License-Identifier: MIT

// Package clinic tests thumbd doctor and thumbd check on installations
// that have mistakes.
package clinic

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

const (
	key      = kit.Key
	tokenKey = kit.TokenKey
)

// Helpers of package kit, which nearly each line of these tests calls.
var (
	configFile      = kit.ConfigFile
	configuration   = kit.Configuration
	configure       = kit.Configure
	daemonWithSpool = kit.DaemonWithSpool
	do              = kit.Do
	documents       = kit.Documents
	downloads       = kit.Downloads
	examine         = kit.Examine
	expect          = kit.Expect
	folder          = kit.Folder
	freePort        = kit.FreePort
	gallery         = kit.Gallery
	get             = kit.Get
	inTrees         = kit.InTrees
	jpgs            = kit.JPGs
	mount           = kit.Mount
	must            = kit.Must
	needMounts      = kit.NeedMounts
	needPrograms    = kit.NeedPrograms
	nginxOf         = kit.NginxOf
	picture         = kit.Picture
	programs        = kit.Programs
	protected       = kit.Protected
	put             = kit.Put
	remote          = kit.Remote
	run             = kit.Run
	skip            = kit.Skip
	start           = kit.Start
	startOrigin     = kit.StartOrigin
	target          = kit.Target
	waitLog         = kit.WaitLog
	wantFinding     = kit.WantFinding
)
