// SPDX-License-Identifier: MIT

package metrics

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/journal"
	"thumbd/internal/keep"
	"thumbd/internal/render"
	"thumbd/internal/thumb"
	"thumbd/internal/tidy"
)

// counted returns Metrics of which every one has a value.
func counted() *Metrics {
	m := New(func() State {
		return State{
			Version: "1.2", Vips: "8.14", Workers: 4, Stuck: map[string]int{"gallery": 3}, Unwatched: map[string]bool{"gallery": true}, Pool: render.State{Workers: 3, Running: 2, Queued: 7},
			Journal: &journal.State{Lag: 1500 * time.Millisecond, Entries: map[string]uint64{"applied": 4}, Nodes: map[string]int{journal.Silent: 2}},
			Trees: map[string]tidy.Totals{"gallery": {
				Runs: 5, Failed: 1, Removed: map[string]tidy.Count{tidy.Orphan: {Files: 6, Bytes: 4096}}, End: 1000, Kept: tidy.Count{Files: 8, Bytes: 9000},
			}, "never": {}},
		}
	})
	for _, e := range []keep.Event{
		{What: keep.Requested, Site: "gallery", Outcome: "published"},
		{What: keep.Requested, Site: "gallery", Outcome: "published"},
		{What: keep.Requested, Outcome: "no-site"},
		{What: keep.Asked, Outcome: "allowed"},
		{What: keep.Rendered, Site: "gallery"},
		{What: keep.Published, Site: "gallery", Bytes: 1234},
		{What: keep.Unpublished, Site: "gallery"},
		{What: keep.Looped, Site: "gallery"},
		{What: keep.Refused, Site: "gallery", Outcome: "damaged", Remembered: true},
		{What: keep.Purged, Site: "gallery"},
	} {
		m.Serve(e)
	}
	m.Worker(render.Event{Text: "worker started"})
	m.Worker(render.Event{Text: "worker replaced", Reason: "crashed"})
	m.Output(render.Times{Format: thumb.WebP, Waited: 30 * time.Millisecond, Took: 300 * time.Millisecond})
	m.Output(render.Times{Format: thumb.WebP, Waited: 10 * time.Millisecond, Took: 100 * time.Millisecond})
	return m
}

func show(m *Metrics, path string) string {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Body.String()
}

func TestMetricsAsPrometheusReadsThem(t *testing.T) {
	text := show(counted(), "/metrics")
	for _, line := range []string{
		`thumbd_requests_total{outcome="published",site="gallery"} 2`,
		`thumbd_requests_total{outcome="no-site",site=""} 1`,
		`thumbd_auth_total{outcome="allowed"} 1`,
		`thumbd_renders_total{site="gallery"} 1`,
		`thumbd_published_bytes_total{site="gallery"} 1234`,
		`thumbd_disk_fallbacks_total{site="gallery"} 1`,
		`thumbd_loops_total{site="gallery"} 1`,
		`thumbd_refusals_total{reason="damaged",remembered="true",site="gallery"} 1`,
		`thumbd_purges_total{site="gallery"} 1`,
		`thumbd_worker_replacements_total{reason="crashed"} 1`,
		`thumbd_render_seconds_bucket{format="webp",le="0.1"} 1`,
		`thumbd_render_seconds_bucket{format="webp",le="0.5"} 2`,
		`thumbd_queue_seconds_count{format="webp"} 2`,
		`thumbd_queue_length 7`,
		`thumbd_originals_stuck{site="gallery"} 3`,
		`thumbd_workers{state="idle"} 1`,
		`thumbd_workers{state="rendering"} 2`,
		`thumbd_workers{state="missing"} 1`,
		`thumbd_build_info{libvips="8.14",version="1.2"} 1`,
		`thumbd_journal_lag_seconds 1.5`,
		`thumbd_journal_entries_total{result="applied"} 4`,
		`thumbd_nodes{state="silent"} 2`,
		`thumbd_gc_runs_total{result="good",site="gallery"} 4`,
		`thumbd_gc_runs_total{result="failed",site="gallery"} 1`,
		`thumbd_gc_removed_total{reason="orphan",site="gallery"} 6`,
		`thumbd_gc_removed_bytes_total{reason="orphan",site="gallery"} 4096`,
		`thumbd_gc_last_run_timestamp_seconds{site="gallery"} 1000`,
		`thumbd_gc_thumbnails{site="gallery"} 8`,
		`thumbd_gc_thumbnail_bytes{site="gallery"} 9000`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("no %s", name)
		}
	}
	if strings.Contains(text, `site="never"`) {
		t.Error("a site on which gc has never run has counts of it")
	}
}

func TestStatusHasTheMeans(t *testing.T) {
	var families []admin.Family
	if err := json.Unmarshal([]byte(show(counted(), "/status")), &families); err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.Name != "thumbd_render_seconds" {
			continue
		}
		if len(f.Samples) != 1 || f.Samples[0].Count != 2 || f.Samples[0].Value != 0.2 || f.Samples[0].Labels[0].Value != "webp" {
			t.Errorf("%+v, want the mean of two", f)
		}
		return
	}
	t.Error("no render times")
}

// Every metric is in thumbd-admin(7), with its labels, and no other.
func TestEveryMetricIsInTheManual(t *testing.T) {
	page, err := os.ReadFile("../../packaging/man/thumbd-admin.7")
	if err != nil {
		t.Fatal(err)
	}
	families, err := counted().status()
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^\.It Li (thumbd_\S+)(?: Pq (.*))?$`).FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = m[2]
	}
	for _, f := range families {
		labels, ok := documented[f.Name]
		if !ok {
			t.Errorf("%s is not in thumbd-admin(7)", f.Name)
		}
		delete(documented, f.Name)
		given := strings.FieldsFunc(labels, func(c rune) bool { return c == ' ' || c == ',' })
		if len(given) != len(f.Samples[0].Labels) {
			t.Errorf("%s has the labels %v, in thumbd-admin(7) %v", f.Name, f.Samples[0].Labels, given)
		}
		for _, l := range f.Samples[0].Labels {
			if !strings.Contains(" "+labels+" ", " "+l.Name+" ") {
				t.Errorf("the label %s of %s is not in thumbd-admin(7)", l.Name, f.Name)
			}
		}
	}
	for name := range documented {
		t.Errorf("%s of thumbd-admin(7) does not exist", name)
	}
}
