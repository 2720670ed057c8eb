// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"image"

	_ "golang.org/x/image/webp" // for DecodeConfig

	"thumbd/internal/engine"
	"thumbd/internal/geometry"
	"thumbd/internal/test/peer/vips"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// The places of the peers that make thumbnails of WebP, or a step of them.
const (
	webpAll = iota
	webpPeer
	webpPeerToSRGB
	webpDecode
	webpPeerDecode
	webpLeft
	webpEncode
)

// webpRows are the steps of thumbd and of vips_thumbnail. Both encode in the same way.
var webpRows = []row{
	{"thumbd", webpAll, nil},
	{"  decode, to 3/2 of the size", webpDecode, nil},
	{"  read, resize and the rest", webpAll, []int{webpDecode, webpEncode}},
	{"  encode", webpEncode, nil},
	{"vips_thumbnail", webpPeer, nil},
	{"  decode by libvips, to the very size", webpPeerDecode, nil},
	{"  read and the rest", webpPeer, []int{webpPeerDecode, webpEncode}},
	{"if thumbd left all resizing to the decoder", webpLeft, nil},
}

// whereWebPGoes compares thumbd with vips_thumbnail step by step, and the thumbnails
// of both with a reduction of all pixels.
func whereWebPGoes(ctx context.Context, _ rig.Programs) (f figure, err error) {
	const rounds = 7
	e, err := engine.Start()
	if err != nil {
		return f, err
	}
	err = withOriginals("webp", func(_ string, originals []original) error {
		s, err := newWebPStages(e, originals)
		if err != nil {
			return err
		}
		defer s.close()
		if err := compare(ctx, &s.comparison, originals, rounds); err != nil {
			return err
		}
		n := rounds * len(originals)
		whole := comparison{s.peers[:webpDecode], s.spent[:webpDecode]}
		f = figure{value: s.ratio(), detail: times + whole.detail(n) + s.table(webpRows, n)}
		for i, name := range []string{"thumbd", "vips_thumbnail"} {
			least, err := leastLikeness(originals, func(o original, box image.Point) (image.Image, error) {
				if i == 0 {
					return ownPixels(e, o, box)
				}
				return peerPixels(o, box)
			})
			if err != nil {
				return err
			}
			f.detail += fmt.Sprintf("\n            least SSIM of %s with a Lanczos3 reduction of all pixels: %s", name, least)
		}
		return nil
	})
	return f, err
}

func newWebPStages(e *engine.Engine, originals []original) (*stages, error) {
	s, err := stagesOf(originals)
	if err != nil {
		return nil, err
	}
	decoder := func(to func(original, image.Point) image.Point, asEngine, encoded bool) *peer {
		return &peer{name: "decode", spent: clock, make: func(o original, box image.Point) error {
			scale := float64(to(o, box).X) / float64(s.sizes[o.name].X)
			p, err := vips.DecodeWebP(o.data, scale, asEngine)
			if err != nil {
				return err
			}
			defer p.Close()
			if encoded {
				_, err = p.Encode(defaultQuality)
			}
			return err
		}}
	}
	reduced := func(o original, box image.Point) image.Point {
		return geometry.Scaled(s.sizes[o.name], s.fitted(o, box))
	}
	s.peers = []*peer{
		webpAll:        own(e, "thumbd", thumb.JPEG, defaultQuality),
		webpPeer:       inProcess("vips_thumbnail", false),
		webpPeerToSRGB: inProcess("the same to sRGB", true),
		webpDecode:     decoder(reduced, true, false),
		webpPeerDecode: decoder(s.fitted, false, false),
		webpLeft:       decoder(s.fitted, true, true),
		webpEncode:     {name: "encode", spent: clock, make: s.encode},
	}
	return s, nil
}
