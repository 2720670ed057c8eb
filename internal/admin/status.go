// SPDX-License-Identifier: MIT

package admin

// Routes for metrics. Each takes a GET.
const (
	StatusRoute  = "/status"  // answers with a list of Family
	MetricsRoute = "/metrics" // answers in the text format of Prometheus
)

// Family is a metric with its samples.
type Family struct {
	Name    string   `json:"name"`
	Help    string   `json:"help"`
	Samples []Sample `json:"samples"`
}

// Sample is one value of a metric. For a histogram, Value is the mean and Count
// the number of observations; otherwise Count is 0.
type Sample struct {
	Labels []Label `json:"labels,omitempty"`
	Value  float64 `json:"value"`
	Count  uint64  `json:"count,omitempty"`
}

// Label is the name and the value of a label.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
