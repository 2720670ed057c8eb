// SPDX-License-Identifier: MIT

package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/render"
	"thumbd/internal/share"
	"thumbd/internal/thumb"
)

// Placeholder is the picture that clients get in place of a thumbnail whose
// original is missing or can't be shown.
type Placeholder struct {
	Path   string // absolute; "": there is none
	Status int    // of the answer, 404 for example
}

const (
	// placeholderBytes is the most memory that all placeholders take together.
	placeholderBytes = 16 << 20
	// entryBytes is the memory of a small picture's place among them.
	entryBytes = 1 << 10
)

// placeholderKey names one rendered placeholder: the version of its picture, and
// the transform.
type placeholderKey struct {
	identity  render.Identity
	transform thumb.Transform
}

// placeholders keeps rendered placeholders in memory, and has each rendered once,
// for any number of clients. Safe for concurrent use.
type placeholders struct {
	flights *flights

	mu    sync.Mutex
	bytes int
	kept  *simplelru.LRU[placeholderKey, []byte]
}

func newPlaceholders() *placeholders {
	p := &placeholders{flights: newFlights()}
	kept, err := simplelru.NewLRU(placeholderBytes/entryBytes, func(_ placeholderKey, b []byte) { p.bytes -= len(b) + entryBytes })
	if err != nil {
		panic(err) // The size is a constant above zero.
	}
	p.kept = kept
	return p
}

func (p *placeholders) get(key placeholderKey) (picture []byte, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kept.Get(key)
}

// add keeps a picture and evicts the least recently used ones beyond the bound.
func (p *placeholders) add(key placeholderKey, picture []byte) {
	if len(picture)+entryBytes > placeholderBytes {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept.Remove(key)
	p.kept.Add(key, picture)
	for p.bytes += len(picture) + entryBytes; p.bytes > placeholderBytes; {
		p.kept.RemoveOldest()
	}
}

// replaceable reports whether a placeholder may be sent in place of a refusal: if
// the original is missing, is no picture (415) or can't be shown (422). All other
// refusals concern the request or the machine.
func (s status) replaceable() bool {
	return s.reason == "no-original" || s.reason == absoluteLink || s.code == http.StatusUnsupportedMediaType || s.code == http.StatusUnprocessableEntity
}

// answerPlaceholder answers with the site's placeholder, with which cause is not
// told by a text, and reports whether it did. The signature and the access of a
// are proven.
func (h *Handler) answerPlaceholder(w http.ResponseWriter, r *http.Request, sites *Sites, a asked, cause error) bool {
	s := statusOf(cause)
	if a.Placeholder.Path == "" || !s.replaceable() {
		return false
	}
	// As in thumbnail: the wait for the original may have taken most of it.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sites.longest + sendTime))
	picture, size, release, err := h.placeholder(r.Context(), sites, a)
	defer release()
	if err != nil {
		if more, due := h.telling.due("placeholder "+a.Thumb.Name, tellPause); due && r.Context().Err() == nil {
			h.options.Log.Warn("no placeholder sent: see placeholder in thumbd.toml(5)",
				"site", a.Thumb.Name, "placeholder", a.Placeholder.Path, "transform", a.placeholderTransform().String(), "err", err, "more", more)
		}
		return false
	}
	w.Header().Set("X-Thumbd-Reason", s.reason)
	if w.Header().Set("Cache-Control", "no-store"); a.Access != nil {
		w.Header().Set("Cache-Control", privateNoStore)
	}
	a.header(w, size)
	w.WriteHeader(a.Placeholder.Status)
	send(w, r, picture)
	return true
}

// placeholderTransform is a's for the site's placeholder: in the very size that
// was asked for, if need be enlarged, and without a watermark, which is for
// originals.
func (a asked) placeholderTransform() thumb.Transform {
	t := a.transform
	t.Enlarge, t.Watermark = true, thumb.Watermark{}
	return t
}

// placeholder returns the placeholder of a's site as a asks for it, from memory or
// rendered now. The caller calls release when it has read the picture.
func (h *Handler) placeholder(ctx context.Context, sites *Sites, a asked) (picture io.Reader, size int64, release func(), err error) {
	original, info, err := a.openPlaceholder()
	if err != nil {
		return nil, 0, func() {}, err
	}
	a.gate().Close(original)
	key := placeholderKey{a.placeholderIdentity(info), a.placeholderTransform()}
	// The name of the flight is the key's: not of a thumbnail, but of the picture
	// that all missing ones of this transform share.
	a.name = fmt.Sprintf("%+v", key)
	for {
		if b, ok := h.placeholders.get(key); ok {
			return bytes.NewReader(b), int64(len(b)), func() {}, nil
		}
		out, release, err := h.placeholders.flights.do(ctx, a, func() makeFunc {
			sites.users.Add(1)
			return func(ctx context.Context, _ <-chan struct{}) (outcome, error) {
				defer sites.users.Done()
				return h.renderPlaceholder(ctx, sites.renderer, a)
			}
		})
		switch {
		case errors.Is(err, errKept):
			release()
		case err != nil:
			return nil, 0, release, err
		default:
			return io.NewSectionReader(out.unpublished, 0, out.size), out.size, release, nil
		}
	}
}

// errKept means that an earlier flight has kept the placeholder after this one's
// client had looked for it.
var errKept = errors.New("the placeholder is in memory")

// openPlaceholder opens the placeholder's picture through the gate of the
// originals. The caller closes it.
func (s *Site) openPlaceholder() (*os.File, originals.Info, error) {
	m, err := share.Do(s.gate(), func() (markImage, error) {
		f, info, err := originals.OpenFile(s.Placeholder.Path, s.WatermarkBytes)
		return markImage{f, info}, err
	}, markImage.close)
	return m.file, m.info, err
}

// CheckPlaceholder returns why the placeholder's picture can't be opened.
func (s *Site) CheckPlaceholder() error {
	if s.Placeholder.Path == "" {
		return nil
	}
	f, _, err := s.openPlaceholder()
	if err != nil {
		return fmt.Errorf("placeholder: %w", err)
	}
	s.gate().Close(f)
	return nil
}

// placeholderIdentity names a version of the placeholder for the workers. Names of
// originals do not begin with /, so it is no original's.
func (s *Site) placeholderIdentity(info originals.Info) render.Identity {
	return render.Identity{
		Site: s.Thumb.Name, Name: s.Placeholder.Path, Mtime: info.Mtime.UnixNano(), Size: info.Size,
		Ctime: info.Ctime.UnixNano(), Inode: info.Ino,
	}
}

// renderPlaceholder renders the placeholder as a asks for it, and keeps it.
func (h *Handler) renderPlaceholder(ctx context.Context, renderer Renderer, a asked) (out outcome, err error) {
	original, info, err := a.openPlaceholder()
	if err != nil {
		return outcome{}, err
	}
	defer a.gate().Close(original)
	key := placeholderKey{a.placeholderIdentity(info), a.placeholderTransform()}
	if _, ok := h.placeholders.get(key); ok {
		return outcome{}, errKept
	}
	picture, err := renderer.Render(ctx, render.Request{
		Original: original, Identity: key.identity, Formats: a.OriginalFormats, Transform: key.transform, Protected: a.Access != nil,
	})
	if err != nil {
		return outcome{}, err
	}
	defer func() {
		if err != nil {
			picture.File.Close()
		}
	}()
	want := publish.Want{Format: key.transform.Format, Width: picture.Width, Height: picture.Height}
	if key.transform.Method == thumb.Original {
		want.Width, want.Height = 0, 0
	}
	if err := publish.Check(picture.File, want); err != nil {
		picture.Distrust()
		return outcome{}, err
	}
	changed, err := share.Do(a.gate(), func() (bool, error) { return originals.Changed(original, info) }, nil)
	if err != nil || changed {
		return outcome{}, errors.Join(errChanged, err)
	}
	stat, err := picture.File.Stat()
	if err != nil {
		return outcome{}, err
	}
	b := make([]byte, min(stat.Size(), placeholderBytes+1))
	if _, err := picture.File.ReadAt(b, 0); err != nil {
		return outcome{}, err
	}
	h.placeholders.add(key, b)
	return outcome{unpublished: picture.File, size: stat.Size(), rendered: true}, nil
}
