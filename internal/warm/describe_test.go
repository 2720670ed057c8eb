// SPDX-License-Identifier: MIT

package warm

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/admin"
)

// Failures are counted, those of the caller too; a thumbd without sites is asked again,
// and another error of the caller's ends the run.
func TestDescribe(t *testing.T) {
	asked := make(map[string]int)
	away := map[string]string{"a": "held", "b": admin.Shutdown}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+admin.InfoRoute, func(w http.ResponseWriter, r *http.Request) {
		original := r.FormValue("original")
		asked[original]++
		switch {
		case original == "bad":
			w.Header().Set("X-Thumbd-Reason", "damaged")
			w.WriteHeader(http.StatusUnprocessableEntity)
		case original == "busy":
			w.Header().Set("X-Thumbd-Reason", "original-busy")
			w.WriteHeader(http.StatusServiceUnavailable)
		case asked[original] == 1 && away[original] != "":
			w.Header().Set("X-Thumbd-Reason", away[original])
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			fmt.Fprintf(w, "file of %s", original)
		}
	})
	got := make(map[string]string)
	each := func(original string, file []byte) error {
		if original == "odd" {
			return Failure("odd-name")
		}
		got[original] = string(file)
		return nil
	}
	o, p := options(t, mux, "a", "bad", "b", "busy", "odd")
	o.AtOnce = 1
	sum, err := Describe(t.Context(), o, each)
	want := Summary{Originals: 5, Made: 2, Failed: map[string]int{"damaged": 1, "original-busy": 1, "odd-name": 1}}
	if diff := cmp.Diff(want, sum); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if diff := cmp.Diff(map[string]string{"a": "file of a", "b": "file of b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	slices.Sort(p.failed)
	if diff := cmp.Diff([]string{"bad damaged 1", "busy original-busy 1", "odd odd-name 1"}, p.failed); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}

	closed := errors.New("the output is closed")
	o, _ = options(t, mux, "a", "b")
	o.AtOnce = 1
	if _, err := Describe(t.Context(), o, func(string, []byte) error { return closed }); !errors.Is(err, closed) {
		t.Errorf("got %v", err)
	}
}
