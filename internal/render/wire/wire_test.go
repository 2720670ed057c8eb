// SPDX-License-Identifier: MIT

package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

func job() *wire.Job {
	return &wire.Job{
		ID: 1<<64 - 1, Formats: []thumb.Format{thumb.JPEG, thumb.HEIC},
		Watermarks: []string{"logo"},
		Pixels:     100, Frames: 2, Width: 400, Height: 300, Bytes: 1 << 20,
		Outputs: []thumb.Transform{
			{Width: 200, Height: 150, Method: thumb.Crop, Gravity: thumb.NorthEast, DPR: 2, Quality: 7, Format: thumb.WebP, Enlarge: true},
			{
				Width: 1, Method: thumb.Crop, Focus: thumb.NewFocus(0, 6250), Background: thumb.NewColor(0, 0, 0), Blur: 30, Sharpen: 10,
				Gray: true, Frames: 1, Watermark: thumb.Watermark{Name: "logo", Opacity: 50, Position: thumb.South, Scale: 25}, Format: thumb.GIF,
			},
			{Method: thumb.Original, Format: thumb.GIF, Metadata: thumb.CopyrightMetadata, FramesOver: thumb.FirstFrame},
		},
	}
}

// An output has its protocol's names, whatever the fields of thumb.Transform are called.
func TestOutputsHaveTheirText(t *testing.T) {
	full := thumb.Transform{
		Width: 200, Height: 150, Method: thumb.Crop, Gravity: thumb.NorthEast, Focus: thumb.NewFocus(3000, 6250), Uncovered: thumb.Axes,
		DPR: 2, Quality: 70, MaxBytes: 4096, Format: thumb.JPEG, Background: thumb.NewColor(0, 255, 128), Blur: 30, Sharpen: 100, Gray: true,
		Frames: 1, Watermark: thumb.Watermark{Name: "logo", Opacity: 50, Position: thumb.South, Scale: 25},
		Enlarge: true, Metadata: thumb.CopyrightMetadata, FramesOver: thumb.FirstFrame, Variant: true, MinSaving: 10, Measure: true, Info: true,
	}
	for _, v := range []any{full, full.Watermark} {
		for f, value := range reflect.ValueOf(v).Fields() {
			if value.IsZero() {
				t.Errorf("no value for %s", f.Name)
			}
		}
	}
	const want = `[{"width":200,"height":150,"method":"crop","gravity":"northeast","focus":"30:62.5","uncovered":"axes","dpr":2,"quality":70,` +
		`"max_bytes":4096,"format":"jpg","background":"00ff80","blur":30,"sharpen":100,"gray":true,"frames":1,` +
		`"watermark":{"name":"logo","opacity":50,"position":"south","scale":25},"enlarge":true,"metadata":"copyright","frames_over":"first",` +
		`"variant":true,"min_saving":10,"measure":true,"info":true},{"method":"fit","format":"png"}]`
	sent := wire.Outputs{full, {Method: thumb.Fit, Format: thumb.PNG}}
	got, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var received wire.Outputs
	if err := json.Unmarshal(got, &received); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sent, received); diff != "" {
		t.Errorf("(-sent +received):\n%s", diff)
	}
}

func TestMessagesSurviveTheWire(t *testing.T) {
	for _, tt := range []struct{ sent, received wire.Message }{
		{job(), &wire.Job{}},
		{&wire.Hello{Version: wire.Version, Vips: "8.14.1", Read: []thumb.Format{thumb.HEIC}, Missing: []string{"landlock"}}, &wire.Hello{}},
		{&wire.Reply{ID: 7, Results: []wire.Result{{Width: 1, Height: 2}, {Failure: wire.Damaged, Detail: "x"}}}, &wire.Reply{}},
	} {
		b, err := wire.Encode(tt.sent)
		if err != nil {
			t.Fatal(err)
		}
		if err := wire.Decode(b, tt.received); err != nil {
			t.Errorf("Decode(%s): %v", b, err)
		}
		if diff := cmp.Diff(tt.sent, tt.received); diff != "" {
			t.Errorf("%s (-sent +received):\n%s", b, diff)
		}
	}
}

func TestEncodeRefusesJobs(t *testing.T) {
	for name, spoil := range map[string]func(*wire.Job){
		"no outputs":         func(j *wire.Job) { j.Outputs = nil },
		"too many outputs":   func(j *wire.Job) { j.Outputs = make([]thumb.Transform, wire.MaxOutputs+1) },
		"no pixels":          func(j *wire.Job) { j.Pixels = 0 },
		"no frames":          func(j *wire.Job) { j.Frames = 0 },
		"no bytes":           func(j *wire.Job) { j.Bytes = -1 },
		"original's format":  func(j *wire.Job) { j.Outputs[0].Format = thumb.HEIC },
		"no format":          func(j *wire.Job) { j.Outputs[0].Format = 0 },
		"no method":          func(j *wire.Job) { j.Outputs[0].Method = 0 },
		"wide":               func(j *wire.Job) { j.Outputs[0].Width = 201 },
		"high":               func(j *wire.Job) { j.Outputs[0].Height = 151 },
		"negative":           func(j *wire.Job) { j.Outputs[0].Width = -1 },
		"overflowing":        func(j *wire.Job) { j.Outputs[0].Width = 1 << 62 },
		"boxless":            func(j *wire.Job) { j.Outputs[2].Method = thumb.Fit },
		"scaled too much":    func(j *wire.Job) { j.Outputs[0].Width, j.Outputs[0].DPR = 1, 5 },
		"quality over 100":   func(j *wire.Job) { j.Outputs[0].Quality = 101 },
		"too much blur":      func(j *wire.Job) { j.Outputs[0].Blur = 5001 },
		"too sharp":          func(j *wire.Job) { j.Outputs[0].Sharpen = -1 },
		"focus outside":      func(j *wire.Job) { j.Outputs[0].Focus = thumb.NewFocus(10001, 0) },
		"two frames":         func(j *wire.Job) { j.Outputs[0].Frames = 2 },
		"no such watermark":  func(j *wire.Job) { j.Watermarks = nil },
		"more than opaque":   func(j *wire.Job) { j.Outputs[1].Watermark.Opacity = 101 },
		"too wide a mark":    func(j *wire.Job) { j.Outputs[1].Watermark.Scale = 101 },
		"too many marks":     func(j *wire.Job) { j.Watermarks = append(make([]string, wire.MaxOutputs), "logo") },
		"a message too long": func(j *wire.Job) { j.Formats = make([]thumb.Format, 20000) },
	} {
		j := job()
		spoil(j)
		if b, err := wire.Encode(j); !errors.Is(err, wire.ErrMessage) && !strings.Contains(name, "long") || err == nil {
			t.Errorf("%s: Encode = %s, %v; want ErrMessage", name, b, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, b := range []string{
		"", "null", "[]", "7", `{"id":1}`, `{"id":1,"results":[]}`, `{"id":1,"results":[{}]}{}`, `{"id":1,"results":[{}],"x":1}`,
		`{"id":1,"results":[{"failure":"nonsense"}]}`, `{"id":1,"results":[{"width":-1}]}`,
		`{"id":1,"results":[{"detail":"` + strings.Repeat("a", 501) + `"}]}`,
		`{"id":1,"results":[{}` + strings.Repeat(",{}", wire.MaxOutputs) + `]}`,
		`{"id":1,"results":[{"detail":"` + strings.Repeat("a", wire.MaxMessage) + `"}]}`,
	} {
		if err := wire.Decode([]byte(b), &wire.Reply{}); !errors.Is(err, wire.ErrMessage) {
			t.Errorf("Decode(%.60s) = %v; want ErrMessage", b, err)
		}
	}
	b, err := wire.Encode(job())
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte(`{"width":200,`), []byte(`{"weight":7,"width":200,`), 1)
	if err := wire.Decode(b, &wire.Job{}); !errors.Is(err, wire.ErrMessage) || !strings.Contains(err.Error(), "weight") {
		t.Errorf("an unknown field of an output: %v; want ErrMessage", err)
	}
	if err := wire.Decode([]byte(`{"version":1,"vips":""}`), &wire.Hello{}); !errors.Is(err, wire.ErrMessage) {
		t.Errorf("a hello of another version: %v; want ErrMessage", err)
	}
}

// FuzzDecode holds that what is accepted is within the limits and encodes
// again.
func FuzzDecode(f *testing.F) {
	for _, m := range []wire.Message{job(), &wire.Hello{Version: wire.Version}, &wire.Reply{Results: make([]wire.Result, 2)}} {
		b, err := wire.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range []wire.Message{&wire.Job{}, &wire.Hello{}, &wire.Reply{}} {
			if wire.Decode(b, m) != nil {
				continue
			}
			if _, err := wire.Encode(m); err != nil {
				t.Fatalf("%T of %q: %v", m, b, err)
			}
		}
	})
}
