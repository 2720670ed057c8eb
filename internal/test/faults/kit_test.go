// SPDX-License-Identifier: MIT

// Package faults tests the built programs behind nginx while disks, shares,
// workers and processes fail. Many of its tests need root, mounts, FUSE or strace.
package faults

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

type (
	load  = kit.Load
	reply = kit.Reply
)

const (
	crash    = kit.Crash
	gate     = kit.Gate
	hang     = kit.Hang
	late     = kit.Late
	once     = kit.Once
	patience = kit.Patience
	sound    = kit.Sound
	touch    = kit.Touch
	upright  = kit.Upright
)

// Helpers of package kit, which nearly each line of these tests calls.
var (
	ask             = kit.Ask
	atGate          = kit.AtGate
	background      = kit.Background
	becomes         = kit.Becomes
	campaign        = kit.Campaign
	configFile      = kit.ConfigFile
	configuration   = kit.Configuration
	configure       = kit.Configure
	count           = kit.Count
	daemonWithSpool = kit.DaemonWithSpool
	decode          = kit.Decode
	do              = kit.Do
	examine         = kit.Examine
	expect          = kit.Expect
	faulty          = kit.Faulty
	folder          = kit.Folder
	gallery         = kit.Gallery
	get             = kit.Get
	hangUp          = kit.HangUp
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
	publicPrograms  = kit.PublicPrograms
	put             = kit.Put
	random          = kit.Random
	reload          = kit.Reload
	remote          = kit.Remote
	remoteTarget    = kit.RemoteTarget
	run             = kit.Run
	signed          = kit.Signed
	skip            = kit.Skip
	solid           = kit.Solid
	spec            = kit.Spec
	start           = kit.Start
	startLoad       = kit.StartLoad
	stays           = kit.Stays
	stopDaemon      = kit.StopDaemon
	target          = kit.Target
	testdata        = kit.Testdata
	thumbd          = kit.Thumbd
	thumbnails      = kit.Thumbnails
	times           = kit.Times
	unmount         = kit.Unmount
	versionColor    = kit.VersionColor
	versionOf       = kit.VersionOf
	waitLog         = kit.WaitLog
	waitNotified    = kit.WaitNotified
	wantFinding     = kit.WantFinding
	warm            = kit.Warm
	warmCommand     = kit.WarmCommand
	warmSites       = kit.WarmSites
)
