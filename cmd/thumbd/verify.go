// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thumbd/internal/access"
	"thumbd/internal/config"
	"thumbd/internal/daemon"
	"thumbd/internal/files"
	"thumbd/internal/originals"
	"thumbd/internal/rights"
	"thumbd/internal/route"
	"thumbd/internal/sign"
	"thumbd/internal/source"
	"thumbd/internal/thumb"
)

func verifyCommand() *cobra.Command {
	var file, token string
	cmd := &cobra.Command{
		Use:   "verify URL",
		Short: "Explain, stage by stage, why a URL is accepted or refused",
		Example: "  thumbd verify 'https://www.example/thumbs/a.jpg/400x300_crop_9mZs.webp?expires=2000000000&signature=x'\n" +
			"  thumbd verify --token eyJh... /thumbs/a.jpg/400x300_crop_9mZs.webp",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, err := config.Load(file, os.Getenv("CREDENTIALS_DIRECTORY"))
			if err != nil {
				return usage{err}
			}
			o, err := newOnlooker(cmd.Context())
			if err != nil {
				return err
			}
			v := verifier{out: cmd.OutOrStdout(), config: c, token: token, as: o}
			if err := v.url(args[0]); err != nil {
				return refusal{err}
			}
			_, err = fmt.Fprintln(v.out, "accepted")
			return err
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&token, "token", "", "the `TOKEN` in the request's cookie")
	return cmd
}

// verifier leads a URL through the stages of a request and tells of each that
// it has passed. It prints nothing that is secret.
type verifier struct {
	out    io.Writer
	config *config.Config
	token  string
	as     onlooker
	host   string
	query  string
	uri    string // decoded
}

func (v *verifier) say(stage, format string, args ...any) {
	fmt.Fprintf(v.out, "%-10s %s\n", stage, oneLine(fmt.Sprintf(format, args...)))
}

// refusal is why a URL is refused, in one line.
type refusal struct{ cause error }

func (r refusal) Error() string { return "refused: " + oneLine(r.cause.Error()) }

func (r refusal) Unwrap() error { return r.cause }

// oneLine escapes newlines, so that a name in a URL can't look like a line of
// verify's.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }

func (v *verifier) url(raw string) error {
	if _, rest, ok := strings.Cut(raw, "://"); ok && !strings.HasPrefix(raw, "/") {
		i := strings.IndexAny(rest, "/?#")
		if i < 0 {
			i = len(rest)
		}
		v.host, raw = rest[:i], rest[i:]
	}
	var err error
	if v.uri, err = thumb.Normalize(raw); err != nil {
		return err
	}
	raw, _, _ = strings.Cut(raw, "#")
	_, v.query, _ = strings.Cut(raw, "?")
	v.say("uri", "%q", v.uri)
	type target struct {
		route  *route.Route
		verify func() error
	}
	var all []target
	for i := range v.config.Sites {
		s := &v.config.Sites[i]
		all = append(all, target{&s.Thumb.Route, func() error { return v.site(s) }})
	}
	for i := range v.config.Files {
		f := &v.config.Files[i]
		all = append(all, target{&f.Route, func() error { return v.files(f) }})
	}
	found, ok := route.Find(all, func(t target) *route.Route { return t.route }, v.host, v.uri)
	if !ok {
		return thumb.ErrNoSite
	}
	return found.verify()
}

func (v *verifier) site(s *config.Site) error {
	v.say("site", "%s, scheme %v", s.Thumb.Name, s.Thumb.Scheme)
	if err := v.access(s); err != nil {
		return fmt.Errorf("access: %w", err)
	}
	t, err := s.Thumb.Parse(v.uri)
	if to, ok := errors.AsType[thumb.Elsewhere](err); ok {
		v.say("redirect", "302, to %s", to.URI)
		v.uri = to.URI
		t, err = s.Thumb.Parse(v.uri)
	}
	if err != nil {
		return v.explained(s, err)
	}
	if s.Thumb.Scheme == thumb.InPlace {
		v.variants(s, t)
	} else {
		v.say("thumbnail", "%v of %q", t.Transform(), t.Original)
	}
	if now, ok := t.Moved(); ok {
		v.say("moved", "to %s, if there is no original of that name", now.URI())
	}
	if s.Thumb.Scheme.HasKeys() {
		v.say("signed", "%q", t.SignedText())
	}
	if err := sign.Verify(t); err != nil {
		return v.explained(s, err)
	}
	if s.Thumb.Scheme.HasKeys() {
		v.say("signature", "good")
	}
	if err := s.Thumb.CheckName(v.uri); err != nil {
		return err
	}
	return v.original(s, t)
}

// explained adds the mistake of the signer to an error of a signature, if it is a usual
// mistake.
func (v *verifier) explained(s *config.Site, err error) error {
	if s.Thumb.Scheme != thumb.Signed {
		return err
	}
	if mistake := sign.Mistake(v.uri, s.Thumb.Prefix, s.Thumb.Keys); mistake != "" {
		return fmt.Errorf("%w: %s", err, mistake)
	}
	return err
}

// variants prints the variants that a client of the scheme inplace may get in place of t.
func (v *verifier) variants(s *config.Site, t thumb.Thumb) {
	none := true
	for _, f := range s.Thumb.Negotiate {
		if s.Thumb.Negotiates(v.uri, f) {
			v.say("variant", "%v of %q, if it saves enough", t.WithFormat(f), t.Original)
			none = false
		}
	}
	if none {
		v.say("variant", "none: the name's extension has no variants")
	}
}

// original prints the original of t, and an error if it can't be opened or fetched.
func (v *verifier) original(s *config.Site, t thumb.Thumb) error {
	from := source.New(v.config, s, nil)
	defer from.Close()
	name := t.Reading(func(name string) bool { return !errors.Is(from.Ask(name), fs.ErrNotExist) }).Original
	err := from.Ask(name)
	if former, ok := from.(originals.Former); ok && errors.Is(err, fs.ErrNotExist) {
		if other := former.OtherForm(name); other != "" {
			return fmt.Errorf("%w; but there is %+q, which differs in its Unicode normalization alone: rename it, or sign that name", err, other)
		}
	}
	if err != nil {
		return err
	}
	v.say("original", "%q", from.Path(name))
	if !s.Local() {
		return nil
	}
	return v.readable(from.Path(name))
}

// readable returns an error, with the cure, if the service's user can't read an existing
// file.
func (v *verifier) readable(path string) error {
	if v.as.Note != "" {
		v.say("rights", "%s", v.as.Note)
	}
	s, err := rights.File(path, v.as.User)
	if err != nil || s.Sees() {
		return err
	}
	return fmt.Errorf("%s; to mend it: %s", s, strings.Join(s.Cure(), "; "))
}

// access tells of each proof that the site takes.
func (v *verifier) access(s *config.Site) error {
	if s.Access == nil {
		v.say("access", "open")
		return nil
	}
	q := access.Request{URI: v.uri, Query: v.query}
	if v.token != "" {
		q.Cookies = []string{v.token}
	}
	var refused error
	for _, p := range s.Access.Proofs {
		o := *s.Access
		o.Proofs = []access.Proof{p}
		g, err := access.New(o)
		if err != nil {
			return usage{v.config.Mistake("site."+s.Thumb.Name+".access.revoked", err)}
		}
		pass, err := g.Admit(q)
		if err == nil {
			v.say("access", "%s: good until %s", p, timeText(pass.Until))
			return nil
		}
		v.say("access", "%s: %v", p, err)
		if refused == nil || errors.Is(refused, sign.ErrNoProof) {
			refused = err
		}
	}
	return refused
}

// timeText returns a time as an administrator and a signer read it, for example
// "2033-05-18T03:33:20Z (2000000000)".
func timeText(t time.Time) string {
	return fmt.Sprintf("%s (%d)", t.UTC().Format(time.RFC3339), t.Unix())
}

// until tells until when a signed download is allowed.
func (v *verifier) until(c *config.Files) string {
	q, err := sign.File.Verify(v.uri, v.query, c.Keys, time.Now())
	if c.Scheme != files.Signed || err != nil {
		return ""
	}
	return " until " + timeText(q.Expires)
}

func (v *verifier) files(c *config.Files) error {
	v.say("files", "%s, scheme %v", c.Name, c.Scheme)
	s := daemon.NewFiles(c)
	defer s.Close()
	d, err := s.Authorize(v.uri, v.query)
	if err != nil {
		return err
	}
	v.say("download", "allowed%s, as %s", v.until(c), s.Disposition(d))
	if err := s.Find(d); err != nil {
		return err
	}
	v.say("file", "%q", s.File(d))
	return v.readable(s.File(d))
}
