// SPDX-License-Identifier: MIT

// Package migrate translates the thumbnail settings of other systems into presets
// with the same pictures, and names each setting that has no equal.
//
// It is larger than other packages because each system brings the rules of its own
// settings: one file for each.
package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"thumbd/internal/config"
	"thumbd/internal/newsite"
	"thumbd/internal/thumb"
)

// mostBytes is the most bytes of a file of settings.
const mostBytes = 1 << 20

// ErrSettings is a file that holds no settings of a system that is known, or can't be
// read as such.
var ErrSettings = errors.New("want the thumbnail settings of LiipImagineBundle, Drupal or WordPress")

// Settings are the settings of another system, translated.
type Settings struct {
	Layout  thumb.Layout
	Prefix  string // of the system's URLs, for example /media/cache/
	Quality map[string]int
	Presets []newsite.Preset
	// Lost are the settings without an equal, for example
	// "liip.yaml:14: filter set collage: paste has no equal". The preset of each is
	// not among Presets.
	Lost []string
	// Remarks are differences that a preset among Presets has.
	Remarks []string
}

// Read reads LiipImagine's configuration in YAML, WordPress' registered sizes in JSON,
// or Drupal's styles, one file each, in YAML.
func Read(files ...string) (Settings, error) {
	r := &reader{}
	for _, file := range files {
		text, err := read(file)
		if err != nil {
			return Settings{}, err
		}
		r.file = filepath.Base(file)
		if err := r.read(text); err != nil {
			return Settings{}, fmt.Errorf("%s: %w", file, err)
		}
		if r.systems++; r.systems > 1 && r.Layout != thumb.DrupalLayout {
			return Settings{}, fmt.Errorf("%s: %w: want one file, or several of Drupal's styles", file, ErrSettings)
		}
	}
	return r.Settings, nil
}

func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostBytes+1))
	if err == nil && len(text) > mostBytes {
		err = fmt.Errorf("%s: %w: it has more than %d bytes", file, ErrSettings, mostBytes)
	}
	return text, err
}

type reader struct {
	Settings
	file    string
	systems int // files that were read
}

func (r *reader) read(text []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return r.wordpress(text)
	}
	root, err := parse(text)
	if err != nil {
		return err
	}
	was := r.Layout
	if root.get("effects") != nil && root.get("name") != nil {
		r.drupal(root)
	} else if err := r.liip(root); err != nil {
		return err
	}
	if r.systems > 0 && was != r.Layout {
		return fmt.Errorf("%w: it is of another system than the file before; translate one system at a time", ErrSettings)
	}
	return nil
}

// draft is a preset while it is translated from another system's settings.
type draft struct {
	newsite.Preset
	r     *reader
	what  string // for example "filter set my_thumb"
	sized bool   // a filter that gives the size was seen
	lost  bool
	// remarks are told to the administrator only if the preset is written.
	remarks []string
}

func (r *reader) draft(kind, name string, line int) *draft {
	d := &draft{Preset: newsite.Preset{Name: name}, r: r, what: fmt.Sprintf("%s %q", kind, name)}
	if err := config.PresetName(name); err != nil {
		d.no(line, "its name can't be a preset's: %v", err)
	}
	return d
}

// no notes that d has no equal.
func (d *draft) no(line int, format string, args ...any) {
	d.lost = true
	d.r.Lost = append(d.r.Lost, d.where(line)+fmt.Sprintf(format, args...))
}

// remark notes that d differs in a way that the administrator should know.
func (d *draft) remark(line int, format string, args ...any) {
	d.remarks = append(d.remarks, d.where(line)+fmt.Sprintf(format, args...))
}

func (d *draft) where(line int) string {
	return fmt.Sprintf("%s:%d: %s: ", d.r.file, line, d.what)
}

// size sets the size and the method, once. A free side is 0.
func (d *draft) size(v *value, method string, w, h int) {
	if d.sized {
		d.no(v.line, "%s is a second change of the size, which has no equal", v.name)
	}
	d.sized = true
	d.Size, d.Method = sides(w)+"x"+sides(h), method
}

func sides(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// only refuses the options of v but these.
func (d *draft) only(v *value, options ...string) {
	for _, o := range v.fields {
		if !slices.Contains(options, o.name) {
			d.no(o.line, "%s: %q has no equal", v.name, o.name)
		}
	}
}

// end adds d to the presets unless a part of it has no equal.
func (d *draft) end(line int) {
	if !d.sized && !d.lost {
		d.no(line, "nothing in it gives a size")
	}
	if gray := d.Background; d.Gray && gray != "" && strings.Count(gray, gray[:2]) != 3 {
		d.no(line, "a gray picture on a ground with a color has no equal")
	}
	if !d.lost {
		d.r.Presets = append(d.r.Presets, d.Preset)
		d.r.Remarks = append(d.r.Remarks, d.remarks...)
	}
}
