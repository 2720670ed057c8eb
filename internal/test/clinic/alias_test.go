// SPDX-License-Identifier: MIT

package clinic

import "thumbd/internal/test/kit"

// These names are for tests that are not yet written with package kit's own.
const (
	key      = kit.Key
	tokenKey = kit.TokenKey
)

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

var _ = []any{key, tokenKey, configFile, configuration, configure, daemonWithSpool, do, documents, downloads, examine, expect, folder, freePort, gallery, get, inTrees, jpgs, mount, must, needMounts, needPrograms, nginxOf, picture, programs, protected, put, remote, run, skip, start, startOrigin, target, waitLog, wantFinding}
