// SPDX-License-Identifier: MIT

// Package wire is the protocol between the daemon and a worker: JSON messages,
// one a packet, over an AF_UNIX SOCK_SEQPACKET socketpair.
//
// The worker sends one Hello once it is warm. Then the daemon sends a Job with
// its descriptors by SCM_RIGHTS, the original first, then the images of
// Job.Watermarks and one memfd for each of Job.Outputs, both in their order, and
// waits for the Reply before it sends the next Job. The worker writes a picture from
// offset 0 of its memfd and cuts the memfd to the picture's length. If its socket is
// closed, the worker exits.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"thumbd/internal/thumb"
)

// Limits of the protocol.
const (
	MaxMessage = 64 << 10 // bytes of one message
	MaxOutputs = 32       // of one job
)

// ErrMessage is wrapped by every decoding error.
var ErrMessage = errors.New("not a message of the worker protocol")

// Hello is the worker's first message. It is ready, and tells its abilities.
type Hello struct {
	Version int            `json:"version"`
	Vips    string         `json:"vips"`
	Read    []thumb.Format `json:"read"`
	Write   []thumb.Format `json:"write"`
	// Missing names, for the log, each protection that the kernel lacks.
	Missing []string `json:"missing,omitempty"`
}

// Job is one original and the list of its outputs.
type Job struct {
	ID      uint64         `json:"id"`
	Formats []thumb.Format `json:"formats"` // that the original may be of
	Pixels  int64          `json:"pixels"`  // most width x height x frames that are decoded
	Frames  int            `json:"frames"`  // most of an animation
	Width   int            `json:"width"`   // most of a thumbnail
	Height  int            `json:"height"`
	Bytes   int64          `json:"bytes"` // most of a thumbnail: the size of its memfd
	// Watermarks are the names of those in Outputs, each once.
	Watermarks []string `json:"watermarks,omitempty"`
	Outputs    Outputs  `json:"outputs"`
}

// Reply is the answer to a Job, with a Result for each output in its order.
type Reply struct {
	ID      uint64   `json:"id"`
	Results []Result `json:"results"`
}

// Result tells the end of one output. If the output asks for a measure, the memfd is
// left as it is, and the original's size is the answer.
type Result struct {
	Failure Failure `json:"failure,omitempty"` // empty: it was made
	Detail  string  `json:"detail,omitempty"`  // for the log, at most 500 bytes
	Width   int     `json:"width,omitempty"`   // of the picture made, pixels
	Height  int     `json:"height,omitempty"`
	// Quality is the quality that the worker has chosen, 1 to 100, if the job left it to
	// the worker.
	Quality int `json:"quality,omitempty"`
	// Over says that the picture has more bytes than Transform.MaxBytes, as it has
	// at the lowest quality.
	Over bool `json:"over,omitempty"`
	// Decoded says that a decoder in C has seen the original: the probe, which is
	// Go, found no fault in it.
	Decoded bool `json:"decoded,omitempty"`
	// OriginalWidth x OriginalHeight are the original's as it is seen, turned:
	// the picture's follow from them.
	OriginalWidth  int `json:"original_width,omitempty"`
	OriginalHeight int `json:"original_height,omitempty"`
}

// Failure is the kind of a failure, decided by the worker from its own
// checks and never from the text of an error.
type Failure string

// The kinds. All but the last two are the original's own fault.
const (
	Unsupported       Failure = "unsupported"         // no image, or of no format allowed
	Damaged           Failure = "damaged"             // or cut off
	TooManyPixels     Failure = "too-many-pixels"     // width x height
	TooManyFrames     Failure = "too-many-frames"     // or pixels in all frames; a still can be made
	ThumbnailTooLarge Failure = "thumbnail-too-large" // a computed dimension
	ThumbnailBytes    Failure = "thumbnail-bytes"     // more bytes than Job.Bytes
	NoVariant         Failure = "no-variant"          // it would show or save too little
	Watermark         Failure = "watermark"           // its image can't be used
	Internal          Failure = "internal"            // anything else
)

func (f Failure) known() bool {
	switch f {
	case "", Unsupported, Damaged, TooManyPixels, TooManyFrames, ThumbnailTooLarge, ThumbnailBytes, NoVariant, Watermark, Internal:
		return true
	}
	return false
}

// Message is any of the three.
type Message interface{ check() error }

// Encode returns m as the bytes of one packet. It fails on a message that
// Decode would refuse.
func Encode(m Message) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(m)
	if err == nil && len(b) > MaxMessage {
		err = fmt.Errorf("%d bytes", len(b))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return b, nil
}

// Decode sets m to the message in b. It refuses further bytes, unknown fields, and messages
// beyond the limits of this package.
func Decode(b []byte, m Message) error {
	if len(b) > MaxMessage {
		return fmt.Errorf("%w: %d bytes", ErrMessage, len(b))
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: text after it", ErrMessage)
	}
	return m.check()
}

func (h *Hello) check() error {
	if h.Version != Version {
		return fmt.Errorf("%w: its version is %d, not %d: thumbd and thumbd-render are of different releases", ErrMessage, h.Version, Version)
	}
	return nil
}

func (j *Job) check() error {
	switch {
	case len(j.Outputs) == 0 || len(j.Outputs) > MaxOutputs:
		return fmt.Errorf("%w: %d outputs", ErrMessage, len(j.Outputs))
	case j.Pixels < 1 || j.Frames < 1 || j.Width < 1 || j.Height < 1 || j.Bytes < 1:
		return fmt.Errorf("%w: a limit below 1", ErrMessage)
	case len(j.Watermarks) > MaxOutputs:
		return fmt.Errorf("%w: %d watermarks", ErrMessage, len(j.Watermarks))
	}
	for _, t := range j.Outputs {
		if err := checkTransform(t, j); err != nil {
			return fmt.Errorf("%w: %w", ErrMessage, err)
		}
	}
	return nil
}

func checkTransform(t thumb.Transform, j *Job) error {
	w, h := t.Box()
	switch {
	case !t.Format.Thumbnail() && !t.Info, t.Info != (t.Format == thumb.JSON):
		return fmt.Errorf("format %v", t.Format)
	case t.Method < thumb.Scale || t.Method > thumb.Original:
		return errors.New("no method")
	case t.Width < 0 || t.Height < 0 || t.DPR < 0 || t.DPR > 4 ||
		t.Width > j.Width || t.Height > j.Height || w > j.Width || h > j.Height:
		return fmt.Errorf("box %dx%d", w, h)
	case w == 0 && h == 0 && t.Method != thumb.Original:
		return errors.New("no box")
	case t.Watermark != (thumb.Watermark{}) && !slices.Contains(j.Watermarks, t.Watermark.Name):
		return fmt.Errorf("watermark %q", t.Watermark.Name)
	}
	return t.CheckValues()
}

func (r *Reply) check() error {
	if len(r.Results) == 0 || len(r.Results) > MaxOutputs {
		return fmt.Errorf("%w: %d results", ErrMessage, len(r.Results))
	}
	for _, x := range r.Results {
		if !x.Failure.known() || len(x.Detail) > 500 || x.Width < 0 || x.Height < 0 || x.Quality < 0 || x.Quality > 100 ||
			x.OriginalWidth < 0 || x.OriginalHeight < 0 || x.OriginalWidth > 1<<24 || x.OriginalHeight > 1<<24 {
			return fmt.Errorf("%w: a result out of bounds", ErrMessage)
		}
	}
	return nil
}
