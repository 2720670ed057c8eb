// SPDX-License-Identifier: MIT

package doctor

import (
	"io"
	"os"
	"strings"
	"time"

	"thumbd/internal/nginxconf"
)

// maxTail is how much of the end of nginx's error log is looked at.
const maxTail = 256 << 10

// logged returns the last line about the URI of a request line that nginx has written
// into the error log of a block since then, as "; nginx's error log: …", or "".
func (v *visit) logged(b *nginxconf.Block, line string, since time.Time) string {
	path := v.conf.ErrorLog(b)
	if path == "" {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if fi, err := f.Stat(); err == nil && fi.Size() > maxTail {
		if _, err := f.Seek(-maxTail, io.SeekEnd); err != nil {
			return ""
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, 2*maxTail))
	if err != nil {
		return ""
	}
	if said := lastAbout(string(text), line, since); said != "" {
		return "; nginx's error log: " + said
	}
	return ""
}

// lastAbout returns the last line of an error log that names the URI and is not older
// than since, without its date: "[error] 12#12: *3 open() …".
func lastAbout(log, uri string, since time.Time) string {
	found := ""
	for line := range strings.Lines(log) {
		const layout = "2006/01/02 15:04:05"
		if len(line) <= len(layout) || !strings.Contains(line, " "+uri) {
			continue
		}
		// The log has whole seconds.
		if at, err := time.ParseInLocation(layout, line[:len(layout)], time.Local); err == nil && !at.Before(since.Truncate(time.Second)) {
			found = strings.TrimSpace(line[len(layout):])
		}
	}
	return found
}
