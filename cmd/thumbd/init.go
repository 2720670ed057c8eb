// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"thumbd/internal/doctor"
	"thumbd/internal/newsite"
	"thumbd/internal/shell"
	"thumbd/internal/systemd"
)

func initCommand() *cobra.Command {
	var file string
	var s newsite.Site
	cmd := &cobra.Command{
		Use:     "init SITE --originals DIR --prefix URI",
		Short:   "Add a site with a fresh key, and say what nginx needs",
		Example: "  thumbd init gallery --originals /srv/gallery/media --prefix /thumbs/",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.Originals == "" || s.Prefix == "" {
				return usage{errors.New("thumbd: want --originals and --prefix; see thumbd --help")}
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
			return writeSteps(cmd.OutOrStdout(), file, added)
		},
	}
	configFlag(cmd, &file)
	flags := cmd.Flags()
	flags.StringVar(&s.Originals, "originals", "", "the `FOLDER` of the originals")
	flags.StringVar(&s.Prefix, "prefix", "", "the `URI` below which the thumbnails are, e.g. /thumbs/")
	flags.StringVar(&s.Scheme, "scheme", "signed", "signed, preset or restthumbnails")
	flags.StringSliceVar(&s.Hosts, "host", nil, "a `NAME` that the site is for, more than once for several (any)")
	flags.StringVar(&s.DocumentRoot, "document-root", "", "the `FOLDER` of the thumbnails ("+systemd.Cache+"/SITE)")
	return cmd
}

// writeSteps says what is left to do for a site.
func writeSteps(w io.Writer, file string, a newsite.Added) error {
	s := a.Site
	var b strings.Builder
	fmt.Fprintf(&b, "%s has [site.%s] now", file, s.Thumb.Name)
	if a.Key != "" {
		fmt.Fprintf(&b, ", with a new key in %s", a.Key)
	}
	b.WriteString(".\n")
	if a.Key != "" && a.Group == "" {
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
	say("In nginx's configuration, in "+where+":", doctor.Lines(s)...)
	restart := "systemctl try-reload-or-restart " + unit
	outside := s.Thumb.DocumentRoot != systemd.Cache && !strings.HasPrefix(s.Thumb.DocumentRoot, systemd.Cache+"/")
	if outside {
		say("Make the folder of the thumbnails:", shell.Line("install", "-d", "-o", "thumbd", "-g", "thumbd", s.Thumb.DocumentRoot))
	}
	if lines := systemd.DropIn(s.Originals, s.Thumb.DocumentRoot); len(lines) > 0 {
		restart = "systemctl try-restart " + unit
		say("The unit keeps thumbd out of these folders. With `systemctl edit "+unit+"` add:", lines...)
	}
	say("Then:", restart, "nginx -t && systemctl reload nginx", "thumbd doctor")
	_, err := io.WriteString(w, b.String())
	return err
}
