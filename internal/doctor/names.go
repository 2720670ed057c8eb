// SPDX-License-Identifier: MIT

package doctor

// names are the findings and how bad each is. thumbd-doctor(8) explains them all.
var names = map[string]Status{
	// The units.
	"unit-missing":       Wrong,
	"unit-masked":        Wrong,
	"unit-outdated":      Warning,
	"socket-not-enabled": Warning,
	"socket-not-active":  Wrong,
	"service-failed":     Wrong,
	"service-user":       Wrong,
	"hardening-loosened": Warning,
	"network-missing":    Wrong,
	"backlog-bounded":    Warning,
	"no-root":            Warning,

	// nginx and the way from it to thumbd.
	"nginx-missing":       Wrong,
	"nginx-configuration": Wrong,
	"nginx-not-running":   Wrong,
	"nginx-not-reloaded":  Warning,
	"upstream-missing":    Wrong,
	"snippet-edited":      Warning,
	"front-429":           Warning,
	"front-502":           Wrong,
	"worker-connections":  Warning,
	"socket-missing":      Wrong,
	"socket-dead":         Wrong,
	"socket-rights":       Wrong,
	"socket-elsewhere":    Wrong,

	// The daemon.
	"daemon-unwell":          Wrong,
	"daemon-silent":          Wrong,
	"daemon-outdated":        Warning,
	"admin-socket":           Warning,
	"configuration":          Wrong,
	"configuration-warning":  Warning,
	"no-site":                Wrong,
	"not-reloaded":           Wrong,
	"presets-changed":        Warning,
	"no-worker":              Wrong,
	"formats-missing":        Warning,
	"sandbox-incomplete":     Warning,
	"originals-unreadable":   Wrong,
	"partly-unreadable":      Warning,
	"originals-slow":         Wrong,
	"originals-unwatched":    Wrong,
	"origin-unreachable":     Wrong,
	"bucket-refused":         Wrong,
	"bucket-unlisted":        Warning,
	"spool-unwritable":       Wrong,
	"tree-unwritable":        Wrong,
	"tree-shared":            Wrong,
	"watermark-unreadable":   Wrong,
	"placeholder-unreadable": Wrong,
	"files-unreadable":       Wrong,
	"disk-full":              Wrong,
	"disk-low":               Warning,

	// Several machines.
	"journal-unreadable":  Wrong,
	"journal-unwritable":  Wrong,
	"node-behind":         Warning,
	"node-silent":         Warning,
	"node-clock":          Warning,
	"node-name-taken":     Wrong,
	"nodes-differ":        Warning,
	"nginx-before-thumbd": Warning,

	// A site in nginx.
	"location-missing":  Wrong,
	"host-elsewhere":    Wrong,
	"location-regexp":   Wrong,
	"location-taken":    Wrong,
	"location-denied":   Wrong,
	"location-password": Warning,
	"symlinks-disabled": Wrong,
	"host-missing":      Wrong,
	"caret-missing":     Warning,
	"snippet-missing":   Wrong,
	"root-wrong":        Wrong,
	"try-files":         Wrong,
	"negotiation":       Wrong,
	"inplace-shadows":   Warning,
	"error-page":        Wrong,
	"vary-missing":      Warning,
	"mime-types":        Wrong,
	"open-file-cache":   Warning,
	"gzip-images":       Warning,
	"auth-missing":      Wrong,
	"auth-needless":     Wrong,
	"snippet-outdated":  Wrong,
	"tree-open":         Wrong,
	"files-location":    Wrong,
	"files-open":        Wrong,
	"nginx-cannot-read": Wrong,

	// A thumbnail.
	"no-original":       Warning,
	"probe-untried":     Warning,
	"probe-miss":        Wrong,
	"probe-hit":         Wrong,
	"probe-unpublished": Wrong,
	"probe-open":        Wrong,
	"probe-left":        Warning,
}

// Names returns the name of every Finding that there can be.
func Names() []string {
	all := make([]string, 0, len(names))
	for name := range names {
		all = append(all, name)
	}
	return all
}
