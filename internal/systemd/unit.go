// SPDX-License-Identifier: MIT

package systemd

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// The units that the packages install, and the path of nginx's socket, which SocketUnit
// makes. The admin socket's path is admin.Socket.
const (
	Service     = "thumbd.service"
	SocketUnit  = "thumbd.socket"
	AdminUnit   = "thumbd-admin.socket"
	MetricsUnit = "thumbd-metrics.socket" // for Prometheus
	Socket      = "/run/thumbd/thumbd.sock"
)

// ErrNoUnit means that the service manager does not know the unit, or that there
// is no service manager.
var ErrNoUnit = errors.New("no such unit")

// StopTimeout returns TimeoutStopSec= of a unit with its drop-ins, or 0 for
// infinity. The error is ErrNoUnit if it is not known.
func StopTimeout(ctx context.Context, unit string) (time.Duration, error) {
	values, err := Properties(ctx, unit, "LoadState", "TimeoutStopUSec")
	if err != nil {
		return 0, err
	}
	return stopTimeout(values)
}

// Properties returns properties of a unit with its drop-ins, as systemctl show
// prints them. Without a service manager the error is ErrNoUnit. A unit that the
// manager does not know has the LoadState not-found.
func Properties(ctx context.Context, unit string, names ...string) (map[string]string, error) {
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--property="+strings.Join(names, ","), unit).Output()
	if err != nil {
		return nil, ErrNoUnit
	}
	return parseProperties(string(out)), nil
}

func parseProperties(text string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[name] = value
	}
	return values
}

func stopTimeout(values map[string]string) (time.Duration, error) {
	if values["LoadState"] != "loaded" {
		return 0, ErrNoUnit
	}
	return parseSpan(values["TimeoutStopUSec"])
}

// parseSpan parses a time span as systemd prints it, systemd.time(7): 1min 30s.
func parseSpan(span string) (time.Duration, error) {
	if span == "infinity" {
		return 0, nil
	}
	days := time.Duration(0)
	text := strings.NewReplacer(" ", "", "min", "m").Replace(span)
	if d, rest, ok := strings.Cut(text, "d"); ok {
		n, err := time.ParseDuration(d + "h")
		if err != nil {
			return 0, fmt.Errorf("time span %q: %w", span, err)
		}
		days, text = 24*n, "0"+rest
	}
	rest, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("time span %q: %w", span, err)
	}
	return days + rest, nil
}
