// SPDX-License-Identifier: MIT

package faults

import "thumbd/internal/test/kit"

// These names are for tests that are not yet written with package kit's own.
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

var _ = []any{crash, gate, hang, late, once, patience, sound, touch, upright, ask, atGate, background, becomes, campaign, configFile, configuration, configure, count, daemonWithSpool, decode, do, examine, expect, faulty, folder, gallery, get, hangUp, jpgs, many, missAndHit, mount, must, needMounts, needPrograms, newGate, noTempFiles, old, picture, post, programs, publicPrograms, put, random, reload, remote, remoteTarget, run, signed, skip, solid, spec, start, startLoad, stays, stopDaemon, target, testdata, thumbd, thumbnails, times, unmount, versionColor, versionOf, waitLog, waitNotified, wantFinding, warm, warmCommand, warmSites}

var _ load

var _ reply
