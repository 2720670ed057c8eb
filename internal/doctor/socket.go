// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/admin"
	"thumbd/internal/admin/client"
	"thumbd/internal/config"
	"thumbd/internal/keep"
	"thumbd/internal/publish"
	"thumbd/internal/shell"
	"thumbd/internal/systemd"
)

// socket tries to connect as nginx's workers do.
func (v *visit) socket(context.Context) string {
	unit, _, _ := strings.Cut(v.listening["Listen"], " ")
	v.at = systemd.Socket
	if unit != "" {
		v.at = unit
	}
	if path, where := v.upstream(); path != "" {
		if unit != "" && path != unit {
			v.find("socket-elsewhere", where, fmt.Sprintf("nginx asks at %s, and %s listens at %s", path, systemd.SocketUnit, unit),
				"write: server "+quoted("unix:"+unit)+";", reloadNginx)
		}
		v.at = path
	}
	fi, err := os.Stat(v.at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		v.find("socket-missing", v.at, "there is no socket", "systemctl enable --now "+systemd.SocketUnit)
		return v.at + " is missing"
	case err != nil:
		return v.skip("%v", err)
	case fi.Mode()&fs.ModeSocket == 0:
		v.find("socket-missing", v.at, "it is no socket", shell.Line("rm", v.at), "systemctl restart "+systemd.SocketUnit)
		return v.at + " is no socket"
	}
	if v.worker.Name == "" {
		return v.at
	}
	err = v.worker.Do(func() error { return connect(v.at) })
	switch {
	case errors.Is(err, unix.EACCES):
		group := groupName(v.worker.GID)
		cure := []string{"systemctl edit " + systemd.SocketUnit + "\n[Socket]\nSocketGroup=" + group, "systemctl restart " + systemd.SocketUnit}
		if !v.booted {
			cure = []string{"start thumbd serve --listen " + shell.Quote(v.at) + ",group=" + group}
		}
		v.find("socket-rights", v.at, fmt.Sprintf("nginx's workers, user %s, may not connect: it is %v of group %s", v.worker.Name, fi.Mode().Perm(), groupOf(fi)), cure...)
	case errors.Is(err, unix.ECONNREFUSED):
		v.find("socket-dead", v.at, "nobody listens on it", "systemctl restart "+systemd.SocketUnit)
	case err != nil:
		v.find("socket-dead", v.at, err.Error(), "systemctl restart "+systemd.SocketUnit)
	}
	return fmt.Sprintf("%s, %v of group %s", v.at, fi.Mode().Perm(), groupOf(fi))
}

// upstream returns the socket that nginx asks at, and the place of the directive.
func (v *visit) upstream() (path, where string) {
	if v.conf == nil {
		return "", ""
	}
	u := v.conf.Upstream("thumbd")
	if u == nil {
		return "", ""
	}
	for _, s := range u.All("server") {
		if path, ok := strings.CutPrefix(s.Arg(0), "unix:"); ok {
			return path, s.Where()
		}
	}
	return "", ""
}

// connect connects to a unix socket in this very thread.
func connect(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	return errors.Join(unix.Connect(fd, &unix.SockaddrUnix{Name: path}), unix.Close(fd))
}

// askTime is the longest that a daemon that has to be started may take.
const askTime = 90 * time.Second

// daemon asks the daemon how it is, and so starts one that is idle, and loads
// the configuration as it does. nginx's socket and the one for administrators
// are asked both, as one of them may be of a daemon that hangs.
func (v *visit) daemon(ctx context.Context) string {
	if v.has("service-failed") && v.stumbles() && v.service["ActiveState"] == "activating" {
		v.load()
		return v.skip("it does not start: requests wait in the socket")
	}
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var err error
	v.host, err = client.Dial(v.Admin).Report(asking)
	v.load()
	if v.has("socket-missing") || v.has("socket-dead") {
		return v.skip("no socket to ask at")
	}
	asking, cancel = context.WithTimeout(ctx, askTime)
	defer cancel()
	return v.heard(err, client.Dial(v.at).Health(asking))
}

// heard looks at the daemon's report of itself, and at the errors of the requests for
// the report and for its health.
func (v *visit) heard(err, health error) string {
	dead, ok := errors.AsType[*client.NoAnswer](health)
	if ok && !errors.Is(dead, fs.ErrPermission) {
		return v.silent(v.at, dead.Cause)
	}
	refused, ok := errors.AsType[*client.Refused](err)
	switch {
	case ok && refused.Code == http.StatusNotFound:
		v.find("daemon-outdated", v.Admin, "a daemon answers that does not know this program, of "+v.Version, v.restart())
		return "it tells nothing of itself"
	case errors.Is(err, fs.ErrPermission):
		return v.skip("%v: are you root or of the group thumbd-admin?", err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ECONNREFUSED):
		v.find("admin-socket", v.Admin, "nobody listens on the socket for administrators, so the daemon tells nothing of itself, and purge, warm and status don't reach it", v.adminCure()...)
		return "it tells nothing of itself"
	case err != nil:
		return v.silent(v.Admin, err)
	}
	if v.host.Version != v.Version {
		v.find("daemon-outdated", v.at, "version "+v.host.Version+" runs, and "+v.Version+" is installed", v.restart())
	}
	switch {
	case v.untouched:
	case v.host.NoWorker:
		v.find("no-worker", "", "no worker starts: "+v.host.Refused, journal, "apt install --reinstall thumbd")
	case v.host.Shared && v.config != nil:
		v.find("tree-shared", v.host.File, "the daemon has refused it: "+v.host.Refused, v.cureShared(admin.Trouble{})...)
	case v.host.Refused != "" && v.config != nil:
		v.find("configuration", v.host.File, fmt.Sprintf("the daemon, as user %s, has refused it: %s", v.host.User, v.host.Refused), v.reload())
	case v.config != nil && v.host.Checksum != v.config.Checksum():
		v.find("not-reloaded", v.File, "it has changed since the daemon loaded it", v.reload())
		v.presets()
	case v.config != nil && v.host.Unwell != "":
		v.find("daemon-unwell", "", v.host.Unwell, journal, v.restart())
	}
	return fmt.Sprintf("process %d, version %s, user %s", v.host.PID, v.host.Version, v.host.User)
}

// presets finds the changed presets: the next reload purges their thumbnails.
func (v *visit) presets() {
	for i := range v.config.Sites {
		s := &v.config.Sites[i].Thumb
		tree := publish.New(s.DocumentRoot, s.Prefix, nil)
		gone := (&keep.Site{Thumb: s, Tree: tree}).ChangedPresets()
		tree.Close()
		if gone != nil {
			v.find("presets-changed", s.Name, "the reload purges the thumbnails of presets that were removed, renamed or changed: "+strings.Join(gone, ", "),
				"to keep them, first write the presets as they were into "+v.config.FileOf("site."+s.Name), v.reload())
		}
	}
}

// silent says that the daemon does not answer at a socket.
func (v *visit) silent(at string, err error) string {
	what := "thumbd does not answer: " + err.Error()
	if v.managed {
		// It may have failed only now, by this very request.
		if now, err := systemd.Properties(context.Background(), systemd.Service, "Result", "ExecMainStatus", "ExecMainCode", "NRestarts"); err == nil {
			maps.Copy(v.service, now)
		}
		what += "; " + systemd.Service + " has " + v.outcome()
	}
	v.find("daemon-silent", at, what, journal, v.restart())
	return "it does not answer"
}

// adminCure returns the commands that make the socket for administrators. systemd refuses to
// start it beside a daemon that runs, so the socket that wants it starts again.
func (v *visit) adminCure() []string {
	if v.managed {
		return []string{"systemctl unmask " + systemd.AdminUnit, "systemctl restart " + systemd.SocketUnit}
	}
	return []string{
		"start thumbd serve with --listen and: --admin " + shell.Quote(v.Admin),
		"or name the socket that it has: thumbd doctor --admin PATH",
	}
}

// load loads the configuration with the keys that the daemon has.
func (v *visit) load() {
	credentials := os.Getenv("CREDENTIALS_DIRECTORY")
	if credentials == "" && v.managed {
		credentials = "/run/credentials/" + systemd.Service
	}
	v.config, v.warnings, v.mistakes = config.Load(v.File, credentials)
	// Without a line of its own an error is of the file.
	_, isMistake := errors.AsType[config.Mistake](v.mistakes)
	v.untouched = errors.Is(v.mistakes, config.ErrNoSite) || !isMistake && errors.Is(v.mistakes, fs.ErrNotExist)
}

// configuration tells the mistakes of thumbd.toml.
func (v *visit) configuration(context.Context) string {
	switch {
	case v.untouched:
		what := "there is no site yet"
		if !errors.Is(v.mistakes, config.ErrNoSite) {
			what = "it is missing, and with it a site"
		}
		v.find("no-site", v.File, what,
			"thumbd init gallery --originals /srv/gallery/media --prefix /thumbs/",
			"put the lines that it prints into the server block of your site in nginx's configuration",
			v.reload(), reloadNginx)
		return v.File + ": no site yet"
	case errors.Is(v.mistakes, fs.ErrPermission):
		return v.skip("%v", v.mistakes)
	case v.mistakes != nil:
		v.eachMistake(v.mistakes)
		return v.File + " has mistakes"
	}
	warnings := make([]string, 0, len(v.warnings))
	for _, w := range v.warnings {
		warnings = append(warnings, w.Error())
	}
	if v.host != nil && v.host.Checksum == v.config.Checksum() {
		warnings = v.host.Warnings
	}
	for _, w := range warnings {
		v.find("configuration-warning", "", w, "see thumbd.toml(5)", v.reload())
	}
	return fmt.Sprintf("%s: %d sites, %d sections of files", v.File, len(v.config.Sites), len(v.config.Files))
}

// eachMistake tells each of the errors that err joins, with the file to mend.
func (v *visit) eachMistake(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			v.eachMistake(err)
		}
		return
	}
	file := v.File
	if m, ok := errors.AsType[config.Mistake](err); ok {
		file = m.File
	}
	v.find("configuration", "", err.Error(), "mend it in "+file+"; thumbd.toml(5)", v.reload())
}

// workers tells the formats and protections that the workers lack.
func (v *visit) workers(context.Context) string {
	if v.host == nil || v.host.Vips == "" {
		return v.skip("no daemon at work to ask")
	}
	for _, f := range v.host.Formats {
		v.find("formats-missing", "", f, "install the packages that it names, then: "+v.restart())
	}
	for _, m := range v.host.Missing {
		v.find("sandbox-incomplete", "", "the workers' sandbox lacks "+m, "a later kernel has it; until then the unit protects alone")
	}
	return "libvips " + v.host.Vips
}
