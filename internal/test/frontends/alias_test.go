// SPDX-License-Identifier: MIT

package frontends

import "thumbd/internal/test/kit"

// These names are for tests that are not yet written with package kit's own.
const (
	accessKey = kit.AccessKey
	filesKey  = kit.FilesKey
	key       = kit.Key
	patience  = kit.Patience
	tokenKey  = kit.TokenKey
	topSecret = kit.TopSecret
)

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

var _ = []any{accessKey, filesKey, key, patience, tokenKey, topSecret, background, configFile, do, documents, downloads, examine, expect, expires, folder, freePort, gallery, get, jpgs, picture, programs, proof, protected, put, random, signed, start, stopDaemon, target, testdata, times, untilTestEnds, waitLog, waitNotified}
