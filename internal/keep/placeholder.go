// SPDX-License-Identifier: MIT

package keep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/render"
	"thumbd/internal/share"
	"thumbd/internal/thumb"
)

// Placeholder is the picture that clients get in place of a thumbnail if its original is
// missing or can't be shown.
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

// add keeps a picture. If the pictures are over the bound, it evicts the least recently
// used.
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

// PlaceholderTransform is a's transform for the site's placeholder: in exactly the size
// of the URL, if need be enlarged, and without a watermark, because watermarks are for
// originals.
func (a Request) PlaceholderTransform() thumb.Transform {
	t := a.transform
	t.Enlarge, t.Watermark = true, thumb.Watermark{}
	return t
}

// Placeholder returns the placeholder of a's site, in the size and format of a, from memory
// or rendered now. The caller calls release when it has read the picture.
func (k *Keeper) Placeholder(ctx context.Context, sites *Sites, a Request) (picture io.Reader, size int64, release func(), err error) {
	original, info, err := a.openPlaceholder()
	if err != nil {
		return nil, 0, func() {}, err
	}
	a.gate().Close(original)
	key := placeholderKey{a.placeholderIdentity(info), a.PlaceholderTransform()}
	// The flight has the name of the key: not of a thumbnail, but of the picture that all
	// missing thumbnails of this transform share.
	a.Name = fmt.Sprintf("%+v", key)
	for {
		if b, ok := k.placeholders.get(key); ok {
			return bytes.NewReader(b), int64(len(b)), func() {}, nil
		}
		out, release, err := k.placeholders.flights.Do(ctx, a, func() makeFunc {
			sites.users.Add(1)
			return func(ctx context.Context, _ <-chan struct{}) (Outcome, error) {
				defer sites.users.Done()
				return k.renderPlaceholder(ctx, sites.renderer, a)
			}
		})
		switch {
		case errors.Is(err, errKept):
			release()
		case err != nil:
			return nil, 0, release, err
		default:
			return io.NewSectionReader(out.Unpublished, 0, out.Size), out.Size, release, nil
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
func (k *Keeper) renderPlaceholder(ctx context.Context, renderer Renderer, a Request) (out Outcome, err error) {
	original, info, err := a.openPlaceholder()
	if err != nil {
		return Outcome{}, err
	}
	defer a.gate().Close(original)
	key := placeholderKey{a.placeholderIdentity(info), a.PlaceholderTransform()}
	if _, ok := k.placeholders.get(key); ok {
		return Outcome{}, errKept
	}
	picture, err := renderer.Render(ctx, render.Request{
		Original: original, Identity: key.identity, Formats: a.OriginalFormats, Transform: key.transform, Protected: a.Access != nil,
	})
	if err != nil {
		return Outcome{}, err
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
		return Outcome{}, err
	}
	changed, err := share.Do(a.gate(), func() (bool, error) { return originals.Changed(original, info) }, nil)
	if err != nil || changed {
		return Outcome{}, errors.Join(ErrChanged, err)
	}
	stat, err := picture.File.Stat()
	if err != nil {
		return Outcome{}, err
	}
	b := make([]byte, min(stat.Size(), placeholderBytes+1))
	if _, err := picture.File.ReadAt(b, 0); err != nil {
		return Outcome{}, err
	}
	k.placeholders.add(key, b)
	return Outcome{Unpublished: picture.File, Size: stat.Size(), rendered: true}, nil
}
