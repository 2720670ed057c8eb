// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thumbd/internal/config"
	"thumbd/internal/doctor"
	"thumbd/internal/newsite"
	"thumbd/internal/newsite/migrate"
	"thumbd/internal/nginxconf"
	"thumbd/internal/rights"
	"thumbd/internal/systemd"
	"thumbd/internal/thumb"
)

func initCommand() *cobra.Command {
	var file string
	var from []string
	var s newsite.Site
	var public, chain bool
	cmd := &cobra.Command{
		Use:     "init SITE --originals DIR [--prefix URI | --from FILE]",
		Short:   "Add a site with a fresh key, and print the lines for nginx",
		Example: "  thumbd init gallery --originals /srv/gallery/media --prefix /thumbs/",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := migrated(&s, from, cmd.Flags().Changed("scheme"))
			if err != nil {
				return err
			}
			if s.Originals == "" || s.Prefix == "" {
				return usage{errors.New("thumbd: want --originals and --prefix or --from; see thumbd --help")}
			}
			switch {
			case public && chain:
				return usage{errors.New("thumbd: --public and --aws exclude each other")}
			case public:
				s.S3.Credentials = "none"
			case chain:
				s.S3.Credentials = "aws"
			}
			if s.S3 != (newsite.S3{}) && !strings.HasPrefix(s.Originals, "s3://") {
				return usage{errors.New("thumbd: --endpoint, --region, --public and --aws are for --originals s3://NAME/PREFIX/")}
			}
			s.Name = args[0]
			if s.DocumentRoot == "" {
				s.DocumentRoot = systemd.Cache + "/" + s.Name
			}
			added, err := newsite.Add(file, s, "thumbd")
			switch {
			case errors.Is(err, newsite.ErrExists) || errors.Is(err, newsite.ErrMistakes):
				return usage{fmt.Errorf("thumbd: %w; nothing is changed", err)}
			case err != nil:
				return err
			}
			if err := writeMigrated(cmd.OutOrStdout(), settings); err != nil {
				return err
			}
			o, err := newOnlooker(cmd.Context())
			if err != nil {
				return err
			}
			return writeSteps(cmd.OutOrStdout(), added, nginxLines(cmd.Context(), added.Site, []string{nginxProgram()}), newMachine(o, systemd.Booted()))
		},
	}
	configFlag(cmd, &file)
	flags := cmd.Flags()
	flags.StringVar(&s.Originals, "originals", "", "the `FOLDER` of the originals, the URL of an origin, or a bucket, s3://NAME/PREFIX/")
	flags.StringVar(&s.S3.Endpoint, "endpoint", "", "the `URL` of a bucket's store, e.g. https://s3.example:9000 (AWS)")
	flags.StringVar(&s.S3.Region, "region", "", "the `REGION` of a bucket (us-east-1)")
	flags.BoolVar(&public, "public", false, "the bucket is public: no keys")
	flags.BoolVar(&chain, "aws", false, "the bucket's keys are those of AWS's chain: environment, profiles, roles")
	flags.StringVar(&s.Prefix, "prefix", "", "the `URI` below which the thumbnails are, e.g. /thumbs/")
	flags.StringSliceVar(&from, "from", nil, "the `FILE` of LiipImagine's filter sets, of WordPress' sizes, or of a Drupal style, more than once for several")
	flags.StringVar(&s.Scheme, "scheme", "signed", "signed, preset, restthumbnails or inplace")
	flags.StringSliceVar(&s.Hosts, "host", nil, "a host `NAME` that the site answers for, more than once for several (any)")
	flags.BoolVar(&s.Protected, "protected", false, "show thumbnails only to clients with a signed query")
	flags.StringSliceVar(&s.AllowAddresses, "allow-address", nil, "an `ADDRESS` of an origin that is not of the Internet, e.g. 10.1.0.0/16")
	flags.StringVar(&s.DocumentRoot, "document-root", "", "the `FOLDER` of the thumbnails ("+systemd.Cache+"/SITE)")
	return cmd
}

// migrated gives s the presets, layout and prefix of another system's settings.
func migrated(s *newsite.Site, from []string, scheme bool) (migrate.Settings, error) {
	if len(from) == 0 {
		return migrate.Settings{}, nil
	}
	m, err := migrate.Read(from...)
	inPlace := m.Layout == thumb.WordPressLayout && s.Scheme == thumb.InPlace.String()
	switch {
	case scheme && s.Scheme != thumb.PresetScheme.String() && !inPlace:
		return m, usage{errors.New("thumbd: --from is for --scheme preset, and of WordPress for --scheme inplace")}
	case errors.Is(err, migrate.ErrSettings):
		return m, usage{fmt.Errorf("thumbd: %w; nothing is changed", err)}
	case err != nil:
		return m, err
	case len(m.Presets) == 0:
		return m, usage{fmt.Errorf("thumbd: none of these has an equal; nothing is changed:\n%s", strings.Join(m.Lost, "\n"))}
	}
	if !inPlace {
		s.Scheme = thumb.PresetScheme.String()
	}
	s.Layout, s.Quality, s.Presets = m.Layout.String(), m.Quality, m.Presets
	if s.Prefix == "" {
		s.Prefix = m.Prefix
	}
	return m, nil
}

// writeMigrated writes the settings of another system that have no equal, or differ.
func writeMigrated(w io.Writer, m migrate.Settings) error {
	var b strings.Builder
	list := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "%s\n\n    %s\n\n", title, strings.Join(lines, "\n    "))
		}
	}
	list("These have no equal and are not written. Their URLs stay with the other system, see MOVING.md:", m.Lost)
	list("These differ:", m.Remarks)
	if m.Layout == thumb.WordPressLayout {
		b.WriteString("Copy examples/wordpress/sizes-without-files.php into wp-content/mu-plugins, so that WordPress makes no files of sizes.\n\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// mostTried is the most names that init looks at to find a picture for its URL.
const mostTried = 10_000

// picture returns the name of a picture among the originals of s, or "".
func picture(s *config.Site) string {
	found, left := "", mostTried
	if !s.Local() {
		return ""
	}
	// An error leaves it unknown: the URL is then left to the administrator.
	_ = filepath.WalkDir(s.Originals, func(path string, d fs.DirEntry, err error) error {
		name, rerr := filepath.Rel(s.Originals, path)
		switch left--; {
		case left < 0:
			return fs.SkipAll
		case err != nil || rerr != nil:
			return fs.SkipDir
		case path != s.Originals && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type().IsRegular() && thumb.IsNamed(name, s.OriginalFormats):
			found = name
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// tryLine returns the URL of a thumbnail of one of the site's originals, or the
// command that prints one.
func tryLine(s *config.Site) string {
	f := urlFlags{base: "http://localhost"}
	if len(s.Thumb.Hosts) > 0 && !strings.HasPrefix(s.Thumb.Hosts[0], "*") {
		f.base = "http://" + s.Thumb.Hosts[0]
	}
	if s.Thumb.Layout == thumb.WordPressLayout {
		return f.base + s.Thumb.Prefix + "…, any size of a picture in one of your pages"
	}
	args := []string{picture(s), "300x300", "fit"}
	switch s.Thumb.Scheme {
	case thumb.PresetScheme:
		args, f.preset = args[:1], slices.Sorted(maps.Keys(s.Thumb.Presets))[0]
	case thumb.RestThumbnails:
		args[2] = "crop"
	case thumb.InPlace:
		args = args[:1]
	}
	if s.Access != nil {
		f.expires = time.Hour
	}
	if args[0] != "" {
		if t, err := f.thumbnail(&s.Thumb, args); err == nil {
			if line, err := f.protected(s, t.URI()); err == nil {
				return f.base + strings.TrimSuffix(line, "\n")
			}
		}
	}
	args[0] = "PICTURE"
	command := "thumbd url " + s.Thumb.Name + " " + strings.Join(args, " ") + " --base " + f.base
	if f.preset != "" {
		command += " --preset " + f.preset
	}
	if f.expires > 0 {
		command += " --expires 1h"
	}
	return command
}

// machine has the facts about the machine on which init prints its commands. If systemd
// does not run, for example in a container, the commands differ.
type machine struct {
	onlooker          onlooker
	booted            bool   // by systemd
	owner             string // of trees
	load, reloadNginx string
}

func newMachine(o onlooker, booted bool) machine {
	if booted {
		return machine{o, true, "thumbd", "systemctl try-reload-or-restart " + systemd.Service, "nginx -t && systemctl reload nginx"}
	}
	return machine{o, false, o.Name, "send thumbd serve the signal HUP, or restart its container", "nginx -t && nginx -s reload"}
}

// writeSteps writes the steps that a site still needs, with the lines for nginx's
// server block.
func writeSteps(w io.Writer, a newsite.Added, lines []string, m machine) error {
	s := a.Site
	var b strings.Builder
	fmt.Fprintf(&b, "%s has [site.%s] now", a.File, s.Thumb.Name)
	if a.Key != "" {
		fmt.Fprintf(&b, ", with a new key in %s", a.Key)
	}
	if a.AccessKey != "" {
		fmt.Fprintf(&b, ", and one for access in %s", a.AccessKey)
	}
	b.WriteString(".\n")
	if a.Key+a.AccessKey != "" && a.Group == "" {
		b.WriteString("Only you can read the key: let the daemon's user do so, too.\n")
	}
	step := 0
	say := func(what string, lines ...string) {
		step++
		fmt.Fprintf(&b, "\n%d. %s\n\n", step, what)
		for _, line := range lines {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	where := "the server block of your site"
	if len(s.Thumb.Hosts) > 0 {
		where += ", " + strings.Join(s.Thumb.Hosts, " ")
	}
	say("In nginx's configuration, in "+where+":", lines...)
	if !systemd.Within(s.Thumb.DocumentRoot, systemd.Cache) {
		say("Make the folder of the thumbnails:", rights.Make(m.owner, s.Thumb.DocumentRoot))
	}
	u := m.onlooker.User
	if m.booted && systemd.Binds(s.Originals) {
		u.Bound = append(slices.Clone(u.Bound), s.Originals) // by the drop-in below
	}
	sight, err := rights.Originals(s.Originals, s.OriginalFormats, u)
	switch {
	case !s.Local() || err != nil: // nobody can look there, or it is not there yet
	case !sight.Sees():
		say("So far, "+sight.String()+". To let it:", sight.Cure()...)
	case m.onlooker.Note != "":
		fmt.Fprintf(&b, "\nNote: %s.\n", m.onlooker.Note)
	}
	load := m.load
	if lines := systemd.DropIn(s.Originals, s.Thumb.DocumentRoot); len(lines) > 0 && m.booted {
		load = "systemctl try-restart " + systemd.Service
		say("The unit keeps thumbd out of these folders. With `systemctl edit "+systemd.Service+"` add:", lines...)
	}
	if !s.Local() && m.booted {
		say("The unit has no network. Where it has no drop-in yet that gives it one:", systemd.NetworkDropIn...)
	}
	say("Then:", load, m.reloadNginx, "thumbd doctor")
	say("A thumbnail to try:", tryLine(s))
	_, err = io.WriteString(w, b.String())
	return err
}

// inclusions are include lines for a server block. The key is the named location in the
// included file: if the block has that location already, the line must not be added, as
// nginx refuses two locations of one name.
var inclusions = map[string]string{
	"@thumbd":         "include snippets/thumbd.conf;",
	"@thumbd_inplace": "include snippets/thumbd-inplace.conf;",
}

// nginxLines returns the lines for the server block of a site, with the locations that
// it has to repeat and without the inclusions that it has, in the files of nginx, a
// command.
func nginxLines(ctx context.Context, s *config.Site, nginx []string) []string {
	conf, err := nginxconf.Load(ctx, nginx)
	if err != nil {
		return doctor.Lines(s)
	}
	servers := slices.DeleteFunc(conf.Servers(), func(server *nginxconf.Server) bool {
		return len(s.Thumb.Hosts) > 0 && !slices.ContainsFunc(s.Thumb.Hosts, func(host string) bool { return slices.Contains(server.Names, host) })
	})
	lines := doctor.LinesFor(s, servers)
	for _, server := range servers {
		for location, line := range inclusions {
			if server.Named(location) != nil {
				lines = slices.DeleteFunc(lines, func(l string) bool { return l == line })
			}
		}
	}
	return lines
}
