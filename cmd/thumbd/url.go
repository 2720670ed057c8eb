// SPDX-License-Identifier: MIT

package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thumbd/internal/access"
	"thumbd/internal/config"
	"thumbd/internal/daemon"
	"thumbd/internal/files"
	"thumbd/internal/originals"
	"thumbd/internal/sign"
	"thumbd/internal/source"
	"thumbd/internal/thumb"
)

// urlFlags are the flags of thumbd url.
type urlFlags struct {
	file, format, preset, base string
	expires                    time.Duration
	warn                       io.Writer
	download, under            string
	token                      bool
}

func urlCommand() *cobra.Command {
	var f urlFlags
	cmd := &cobra.Command{
		Use:   "url SITE ORIGINAL {SIZE METHOD[_OPTION...] | PRESET} | url FILES PATH",
		Short: "Print the URL of a thumbnail or a file, signed if the scheme is",
		Example: "  thumbd url gallery animals/kitten.jpg 400x300 crop_q=70 --format webp\n" +
			"  thumbd url gallery animals/kitten.jpg --preset card@2x --base https://www.example\n" +
			"  thumbd url gallery animals/kitten.jpg 400x300 crop --token --under animals --expires 8h\n" +
			"  thumbd url documents report.pdf --expires 2h --download 'Annual report.pdf'",
		Args: cobra.RangeArgs(2, 4),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.warn = cmd.ErrOrStderr()
			lines, err := f.lines(args, cmd.Flags().Changed)
			switch {
			case errors.Is(err, errUsage):
				return err
			case err != nil:
				return usage{fmt.Errorf("thumbd: %w", err)}
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), strings.TrimSuffix(f.base, "/")+lines)
			return err
		},
	}
	configFlag(cmd, &f.file)
	flags := cmd.Flags()
	flags.StringVar(&f.format, "format", "", "the thumbnail's format, an extension (the original's own, else jpg)")
	flags.StringVar(&f.preset, "preset", "", "a preset's `NAME`, or NAME@2x")
	flags.StringVar(&f.base, "base", "", "the `URL` to print before the path, e.g. https://www.example")
	flags.DurationVar(&f.expires, "expires", 0, "the time for which the URL is good, e.g. 2h")
	flags.StringVar(&f.download, "download", "", "the `NAME` under which to save a file")
	flags.BoolVar(&f.token, "token", false, "prove access with a token, not with a signature")
	flags.StringVar(&f.under, "under", "", "the folder that the token is for, a `PATH` below the prefix or a whole one")
	return cmd
}

// lines returns the lines to print: the path with its query and, if the token goes into
// a cookie, the cookie.
func (f *urlFlags) lines(args []string, given func(string) bool) (string, error) {
	if given("expires") && f.expires < time.Second {
		return "", errors.New("want --expires of a second or more, e.g. 2h")
	}
	c, _, err := config.Load(f.file, os.Getenv("CREDENTIALS_DIRECTORY"))
	if err != nil {
		return "", usage{err}
	}
	if i := slices.IndexFunc(c.Files, func(x config.Files) bool { return x.Name == args[0] }); i >= 0 {
		return f.fileURL(&c.Files[i], args[1:])
	}
	i := slices.IndexFunc(c.Sites, func(x config.Site) bool { return x.Thumb.Name == args[0] })
	if i < 0 {
		return "", fmt.Errorf("no site %q in %s; it has %s", args[0], f.file, strings.Join(names(c), ", "))
	}
	if f.download != "" {
		return "", errors.New("--download is for files; a thumbnail is saved as it is called")
	}
	t, err := f.thumbnail(&c.Sites[i].Thumb, args[1:])
	if err != nil {
		return "", err
	}
	f.warnForm(c, &c.Sites[i], t)
	return f.protected(&c.Sites[i], t.URI())
}

// warnForm warns of an original that is missing, and is there in another Unicode
// normalization.
func (f *urlFlags) warnForm(c *config.Config, s *config.Site, t thumb.Thumb) {
	from := source.New(c, s, nil)
	defer from.Close()
	former, ok := from.(originals.Former)
	if exists, err := from.Exists(t.Original); !ok || exists || err != nil {
		return
	}
	if other := former.OtherForm(t.Original); other != "" {
		fmt.Fprintf(f.warn, "warning: there is no original %+q, but %+q, which differs in its Unicode normalization alone\n", t.Original, other)
	}
}

func names(c *config.Config) []string {
	var all []string
	for i := range c.Sites {
		all = append(all, c.Sites[i].Thumb.Name)
	}
	for i := range c.Files {
		all = append(all, c.Files[i].Name)
	}
	return all
}

func (f *urlFlags) thumbnail(site *thumb.Site, args []string) (thumb.Thumb, error) {
	args = f.spelled(site, args)
	w := thumb.Wanted{Original: args[0], Preset: f.preset, Ext: f.format}
	presets := strings.Join(slices.Sorted(maps.Keys(site.Presets)), ", ")
	switch {
	case site.Scheme == thumb.PresetScheme && (f.preset == "" || len(args) != 1):
		return thumb.Thumb{}, fmt.Errorf("site %s has the scheme preset: want --preset, one of %s, and no SIZE", site.Name, presets)
	case site.Scheme == thumb.RestThumbnails && (f.preset != "" || len(args) != 3):
		return thumb.Thumb{}, fmt.Errorf("site %s has the scheme restthumbnails: want SIZE and METHOD, for example 400x300 crop", site.Name)
	case site.Scheme == thumb.InPlace && (f.preset != "" || f.format != "" || len(args) != 1):
		return thumb.Thumb{}, fmt.Errorf("site %s has the scheme inplace: its URLs are the originals' own; give no SIZE, --preset or --format", site.Name)
	case site.Scheme == thumb.InPlace:
	case len(args) == 3 && f.preset == "":
		w.Size, w.Method = args[1], sortOptions(args[2])
	case len(args) != 1 || f.preset == "":
		return thumb.Thumb{}, errors.New("want SIZE and METHOD, for example 400x300 crop_q=70, or --preset NAME")
	}
	t, err := site.New(w)
	if err == nil && site.Scheme.HasKeys() {
		t.Signature = sign.Sign(t, site.Keys[0])
	}
	return t, err
}

// spelled returns the arguments ORIGINAL SIZE METHOD of a thumbnail that is spelled
// as in its URL: "400x300_crop_q=70" is SIZE and METHOD, and "card@2x" sets the
// preset.
func (f *urlFlags) spelled(site *thumb.Site, args []string) []string {
	if len(args) != 2 || f.preset != "" {
		return args
	}
	if site.HasPreset(args[1]) {
		f.preset = args[1]
		return args[:1]
	}
	if size, method, ok := strings.Cut(args[1], "_"); ok {
		return []string{args[0], size, method}
	}
	return args
}

// protected adds to uri the proof that the flags ask for.
func (f *urlFlags) protected(site *config.Site, uri string) (string, error) {
	line := (&url.URL{Path: uri}).EscapedPath()
	switch {
	case f.under != "" && !f.token:
		return "", errors.New("--under is for --token")
	case f.token && f.expires == 0:
		return "", errors.New("a token ends: want --expires too")
	case f.expires == 0:
		return line + "\n", nil
	case site.Access == nil:
		return "", fmt.Errorf("site %s is open: it has no access section", site.Thumb.Name)
	}
	expires := time.Now().Add(f.expires)
	if f.token {
		return f.withToken(site, line, expires)
	}
	if !slices.Contains(site.Access.Proofs, access.Signature) {
		return "", fmt.Errorf("site %s takes no signatures: add signature to proofs, or use --token", site.Thumb.Name)
	}
	return line + "?" + sign.Access.Sign(uri, sign.Query{Expires: expires}, site.Access.Keys[0]) + "\n", nil
}

func (f *urlFlags) withToken(site *config.Site, line string, expires time.Time) (string, error) {
	g := &access.Gate{Options: *site.Access}
	prefix := ""
	if f.under != "" {
		var err error
		if prefix, err = access.Folder(site.Thumb.Prefix, f.under); err != nil {
			return "", err
		}
	}
	token, err := g.NewToken(rand.Text(), prefix, expires)
	switch {
	case err != nil:
		return "", err
	case g.Accepts(access.TokenQuery):
		return line + "?token=" + token + "\n", nil
	}
	return line + "\nCookie: " + g.Cookie + "=" + token + "\n", nil
}

func (f *urlFlags) fileURL(c *config.Files, args []string) (string, error) {
	switch {
	case len(args) != 1 || f.preset != "" || f.format != "":
		return "", fmt.Errorf("%s are files; want a PATH alone", c.Name)
	case f.token || f.under != "":
		return "", errors.New("--token and --under are for protected sites")
	case c.Scheme == files.Signed && f.expires == 0:
		return "", errors.New("a signed URL ends: want --expires too")
	case c.Scheme != files.Signed && (f.expires != 0 || f.download != ""):
		return "", fmt.Errorf("--expires and --download are for the scheme signed, and that of %s is %v", c.Name, c.Scheme)
	}
	section := daemon.NewFiles(c)
	defer section.Close()
	uri, query, err := section.URI(files.Download{Path: args[0], SaveAs: f.download}, time.Now().Add(f.expires))
	if err != nil {
		return "", err
	}
	line := (&url.URL{Path: uri}).EscapedPath()
	if query != "" {
		line += "?" + query
	}
	return line + "\n", nil
}

// sortOptions puts the options of METHOD_OPTION… into the order of URLs.
func sortOptions(method string) string {
	fields := strings.Split(method, "_")
	slices.Sort(fields[1:])
	return strings.Join(fields, "_")
}
