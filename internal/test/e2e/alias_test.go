// SPDX-License-Identifier: MIT

package e2e

import "thumbd/internal/test/kit"

// These names are for tests that are not yet written with package kit's own.
type reply = kit.Reply

const (
	accessKey = kit.AccessKey
	gate      = kit.Gate
	key       = kit.Key
	patience  = kit.Patience
	upright   = kit.Upright
)

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

var _ = []any{accessKey, gate, key, patience, upright, ask, atGate, background, becomes, configFile, configuration, configure, daemonWithSpool, do, examine, expect, expires, faulty, folder, gallery, get, inTrees, jpgs, many, missAndHit, mount, must, needMounts, needPrograms, newGate, noTempFiles, old, picture, post, programs, proof, publicPrograms, put, reload, remote, remoteTarget, run, signed, signedWith, skip, solid, spec, start, startLoad, startOrigin, stopDaemon, target, testdata, thumbd, thumbnails, times, unmount, versionColor, waitLog, warm, warmCommand, warmSites, warmed}

var _ reply
