// SPDX-License-Identifier: MIT

// Package metrics counts events of the daemon, and writes the counters for
// Prometheus and, as JSON, for thumbd status. Other packages report events and do
// not import it.
package metrics

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"thumbd/internal/admin"
	"thumbd/internal/journal"
	"thumbd/internal/keep"
	"thumbd/internal/render"
	"thumbd/internal/tidy"
)

// prefix is the beginning of the names of thumbd's own metrics.
const prefix = "thumbd_"

// seconds are the buckets of histograms: a render takes some ms to some s.
var seconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40}

// State has the values that are read at the moment of a request, not counted.
type State struct {
	Version, Vips string
	Pool          render.State
	Workers       int                    // that there ought to be
	Trees         map[string]tidy.Totals // of gc, by site
	Stuck         map[string]int         // operations on originals that hang, by site
	Journal       *journal.State         // nil without [nodes]
	Unwatched     map[string]bool        // sites with watch; true: their originals can't be followed
}

// Metrics has the counters. Its methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry

	requests, auth, renders, replacements, bytes *prometheus.CounterVec
	loops, fallbacks, refusals, purges           *prometheus.CounterVec
	took, waited                                 *prometheus.HistogramVec
}

// New returns Metrics with all counters at 0. state is called for each request.
func New(state func() State) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		c := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: seconds}, []string{"format"})
		m.registry.MustRegister(c)
		return c
	}
	m.requests = counter("requests_total", "Requests for thumbnails and downloads.", "site", "outcome")
	m.auth = counter("auth_total", "What nginx has asked with auth_request.", "outcome")
	m.renders = counter("renders_total", "Thumbnails rendered.", "site")
	m.took = histogram("render_seconds", "How long an output was in work.")
	m.waited = histogram("queue_seconds", "How long an output waited for a worker.")
	m.replacements = counter("worker_replacements_total", "Workers replaced.", "reason")
	m.bytes = counter("published_bytes_total", "Bytes published.", "site")
	m.loops = counter("loops_total", "Requests that came back because nginx did not find the published file.", "site")
	m.fallbacks = counter("disk_fallbacks_total", "Thumbnails sent that could not be published.", "site")
	m.refusals = counter("refusals_total", "Thumbnails not made because of their original.", "site", "reason", "remembered")
	m.purges = counter("purges_total", "Purges.", "site")
	m.registry.MustRegister(stateCollector(state),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Serve counts an event of the handler.
func (m *Metrics) Serve(e keep.Event) {
	switch e.What {
	case keep.Requested:
		m.requests.WithLabelValues(e.Site, e.Outcome).Inc()
	case keep.Asked:
		m.auth.WithLabelValues(e.Outcome).Inc()
	case keep.Rendered:
		m.renders.WithLabelValues(e.Site).Inc()
	case keep.Published:
		m.bytes.WithLabelValues(e.Site).Add(float64(e.Bytes))
	case keep.Unpublished:
		m.fallbacks.WithLabelValues(e.Site).Inc()
	case keep.Looped:
		m.loops.WithLabelValues(e.Site).Inc()
	case keep.Refused:
		m.refusals.WithLabelValues(e.Site, e.Outcome, strconv.FormatBool(e.Remembered)).Inc()
	case keep.Purged:
		m.purges.WithLabelValues(e.Site).Inc()
	}
}

// Worker counts an event in a worker's life.
func (m *Metrics) Worker(e render.Event) {
	if e.Reason != "" {
		m.replacements.WithLabelValues(e.Reason).Inc()
	}
}

// Output counts the times of one output.
func (m *Metrics) Output(t render.Times) {
	format := t.Format.String()
	m.took.WithLabelValues(format).Observe(t.Took.Seconds())
	m.waited.WithLabelValues(format).Observe(t.Waited.Seconds())
}

// ServeHTTP writes the metrics: for admin.StatusRoute as a JSON list of admin.Family, otherwise in
// the text format of Prometheus.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != admin.StatusRoute {
		promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: time.Minute}).ServeHTTP(w, r)
		return
	}
	families, err := m.status()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	// An error means that the client has closed the connection.
	_ = json.NewEncoder(w).Encode(families)
}

// status returns thumbd's own metrics, sorted by name.
func (m *Metrics) status() ([]admin.Family, error) {
	gathered, err := m.registry.Gather()
	if err != nil {
		return nil, err
	}
	var families []admin.Family
	for _, g := range gathered {
		if !strings.HasPrefix(g.GetName(), prefix) {
			continue
		}
		f := admin.Family{Name: g.GetName(), Help: g.GetHelp()}
		for _, metric := range g.GetMetric() {
			s := admin.Sample{Value: metric.GetCounter().GetValue() + metric.GetGauge().GetValue()}
			if h := metric.GetHistogram(); h.GetSampleCount() > 0 {
				s.Count = h.GetSampleCount()
				s.Value = h.GetSampleSum() / float64(s.Count)
			}
			for _, l := range metric.GetLabel() {
				s.Labels = append(s.Labels, admin.Label{Name: l.GetName(), Value: l.GetValue()})
			}
			f.Samples = append(f.Samples, s)
		}
		families = append(families, f)
	}
	return families, nil
}
