// SPDX-License-Identifier: MIT

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"thumbd/internal/tidy"
)

// stateCollector makes metrics of a State at the moment when they are read.
type stateCollector func() State

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, labels, nil)
}

var (
	queueLength  = describe("queue_length", "Outputs that wait.")
	workers      = describe("workers", "Workers.", "state")
	stuck        = describe("originals_stuck", "Operations on originals that have passed original_time and still hang.", "site")
	unwatched    = describe("originals_unwatched", "1 if changes of the originals are not followed in spite of watch = true.", "site")
	buildInfo    = describe("build_info", "What runs.", "version", "libvips")
	journalLag   = describe("journal_lag_seconds", "Time since the journal was read to its end.")
	journalCount = describe("journal_entries_total", "Purges in the journal.", "result")
	nodeCount    = describe("nodes", "Nodes of the farm, this one included.", "state")
	gcRuns       = describe("gc_runs_total", "Runs of gc.", "site", "result")
	gcRemoved    = describe("gc_removed_total", "Files that gc has removed.", "site", "reason")
	gcBytes      = describe("gc_removed_bytes_total", "What the files that gc has removed took of the disk.", "site", "reason")
	gcEnd        = describe("gc_last_run_timestamp_seconds", "When gc ended last.", "site")
	gcThumbnails = describe("gc_thumbnails", "Thumbnails that the last gc left.", "site")
	gcKept       = describe("gc_thumbnail_bytes", "What the thumbnails that the last gc left take of the disk.", "site")
)

// Describe implements prometheus.Collector.
func (c stateCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{queueLength, workers, stuck, unwatched, buildInfo, journalLag, journalCount, nodeCount, gcRuns, gcRemoved, gcBytes, gcEnd, gcThumbnails, gcKept} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c stateCollector) Collect(to chan<- prometheus.Metric) {
	s := c()
	gauge := func(d *prometheus.Desc, value int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
	}
	gauge(queueLength, int64(s.Pool.Queued))
	gauge(workers, int64(s.Pool.Running), "rendering")
	gauge(workers, int64(max(s.Pool.Workers-s.Pool.Running, 0)), "idle")
	gauge(workers, int64(max(s.Workers-s.Pool.Workers, 0)), "missing")
	gauge(buildInfo, 1, s.Version, s.Vips)
	for site, n := range s.Stuck {
		gauge(stuck, int64(n), site)
	}
	for site, is := range s.Unwatched {
		n := int64(0)
		if is {
			n = 1
		}
		gauge(unwatched, n, site)
	}
	if j := s.Journal; j != nil {
		to <- prometheus.MustNewConstMetric(journalLag, prometheus.GaugeValue, j.Lag.Seconds())
		for result, n := range j.Entries {
			to <- prometheus.MustNewConstMetric(journalCount, prometheus.CounterValue, float64(n), result)
		}
		for state, n := range j.Nodes {
			gauge(nodeCount, int64(n), state)
		}
	}
	for site, t := range s.Trees {
		if t.Runs > 0 {
			collectTree(to, site, t)
			gauge(gcEnd, t.End, site)
			gauge(gcThumbnails, t.Kept.Files, site)
			gauge(gcKept, t.Kept.Bytes, site)
		}
	}
}

func collectTree(to chan<- prometheus.Metric, site string, t tidy.Totals) {
	count := func(d *prometheus.Desc, value int64, label string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), site, label)
	}
	count(gcRuns, t.Runs-t.Failed, "good")
	count(gcRuns, t.Failed, "failed")
	for _, why := range tidy.Reasons {
		count(gcRemoved, t.Removed[why].Files, why)
		count(gcBytes, t.Removed[why].Bytes, why)
	}
}
