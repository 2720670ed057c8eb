// SPDX-License-Identifier: MIT

package systemd

import (
	"os"
	"strings"
	"testing"
)

// The packages install units of these names, and the socket that nginx asks.
func TestUnitsAreShipped(t *testing.T) {
	for unit, line := range map[string]string{
		Service:    "CacheDirectory=" + strings.TrimPrefix(Cache, "/var/cache/"),
		SocketUnit: "ListenStream=" + Socket,
		AdminUnit:  "Service=" + Service,
	} {
		text, err := os.ReadFile("../../packaging/systemd/" + unit)
		if err != nil {
			t.Error(err)
		} else if !strings.Contains("\n"+string(text), "\n"+line+"\n") {
			t.Errorf("%s has no line %s", unit, line)
		}
	}
}
