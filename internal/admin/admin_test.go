// SPDX-License-Identifier: MIT

package admin

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFormsAreReadAsTheyWereWritten(t *testing.T) {
	odd := "a b&c=d+e%2f/ü\n.jpg"
	for _, want := range []Purge{
		{Site: "g", Originals: []string{odd, "", odd}},
		{Site: "g", Under: odd, Render: true},
		{Site: "g", Preset: "small"},
		{Site: "g", All: true},
	} {
		var got []Purge
		err := ReadPurge(strings.NewReader(want.Form()), func(p Purge) error {
			got = append(got, p)
			return nil
		})
		if diff := cmp.Diff([]Purge{want}, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", want.Form(), err, diff)
		}
	}
	want := Selection{
		Presets: []string{"a", "b@2x"}, Specs: []string{"300x200_crop,q=70"}, Formats: []string{"webp"},
		Since: time.Date(2026, 1, 31, 18, 0, 0, 5, time.UTC),
	}
	form, err := url.ParseQuery(want.Form("g", odd))
	if err != nil {
		t.Fatal(err)
	}
	site, original, got, err := ParseSelection(form)
	if diff := cmp.Diff(want, got); diff != "" || err != nil || site != "g" || original != odd {
		t.Errorf("%s, %q: %v (-want +got):\n%s", site, original, err, diff)
	}
}

func TestFormsWithMistakesAreRefused(t *testing.T) {
	many := strings.Repeat("original=a.jpg&", PurgeNames)
	for _, form := range []string{
		"site=g&site=h&all=1", "sight=g", "all=perhaps", "site=%zz", many, "site=g&" + many + "all=1",
		"original=" + strings.Repeat("a", MaxField),
	} {
		if err := ReadPurge(strings.NewReader(form), func(Purge) error { return nil }); !errors.Is(err, ErrForm) {
			t.Errorf("%.40s: %v", form, err)
		}
	}
	for _, form := range []string{"site=g&site=h", "since=today", "since=" + url.QueryEscape("2026-01-31T18:00:00Z") + "&since=", "all=1", "original=a&original=b"} {
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := ParseSelection(values); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v", form, err)
		}
	}
}
