// SPDX-License-Identifier: MIT

// Package e2e tests thumbd as it is installed: the built programs, a real
// nginx with the shipped files, and a held socket. It has the tests of requests,
// purges and warming; packages faults, frontends and clinic have the others.
package e2e

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

type reply = kit.Reply

const (
	accessKey = kit.AccessKey
	gate      = kit.Gate
	key       = kit.Key
	patience  = kit.Patience
	upright   = kit.Upright
)

// Helpers of package kit, which nearly each line of these tests calls.
var (
	ask             = kit.Ask
	atGate          = kit.AtGate
	background      = kit.Background
	becomes         = kit.Becomes
	configFile      = kit.ConfigFile
	configuration   = kit.Configuration
	configure       = kit.Configure
	daemonWithSpool = kit.DaemonWithSpool
	do              = kit.Do
	examine         = kit.Examine
	expect          = kit.Expect
	expires         = kit.Expires
	faulty          = kit.Faulty
	folder          = kit.Folder
	gallery         = kit.Gallery
	get             = kit.Get
	inTrees         = kit.InTrees
	jpgs            = kit.JPGs
	many            = kit.Many
	missAndHit      = kit.MissAndHit
	mount           = kit.Mount
	must            = kit.Must
	needMounts      = kit.NeedMounts
	needPrograms    = kit.NeedPrograms
	newGate         = kit.NewGate
	noTempFiles     = kit.NoTempFiles
	old             = kit.Old
	picture         = kit.Picture
	post            = kit.Post
	programs        = kit.Programs
	proof           = kit.Proof
	publicPrograms  = kit.PublicPrograms
	put             = kit.Put
	reload          = kit.Reload
	remote          = kit.Remote
	remoteTarget    = kit.RemoteTarget
	run             = kit.Run
	signed          = kit.Signed
	signedWith      = kit.SignedWith
	skip            = kit.Skip
	solid           = kit.Solid
	spec            = kit.Spec
	start           = kit.Start
	startLoad       = kit.StartLoad
	startOrigin     = kit.StartOrigin
	stopDaemon      = kit.StopDaemon
	target          = kit.Target
	testdata        = kit.Testdata
	thumbd          = kit.Thumbd
	thumbnails      = kit.Thumbnails
	times           = kit.Times
	unmount         = kit.Unmount
	versionColor    = kit.VersionColor
	waitLog         = kit.WaitLog
	warm            = kit.Warm
	warmCommand     = kit.WarmCommand
	warmSites       = kit.WarmSites
	warmed          = kit.Warmed
)
