// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"strings"
	"time"

	"thumbd/internal/journal"
)

// Nodes is the journal by which several machines purge together.
type Nodes struct {
	Journal string   // absolute path of a folder
	Keys    [][]byte // the first signs, all verify
	Name    string   // of this node
	Poll    time.Duration
	Wait    time.Duration
	Settle  time.Duration
	Lag     time.Duration
	Keep    time.Duration

	keys []string
}

// nodes reads [nodes]. The drafts are those of all sites.
func (r *reader) nodes(c *Config, top table, drafts []*draft) {
	t, ok := r.table(top, "nodes")
	if !ok {
		return
	}
	n := &Nodes{Poll: 2 * time.Second, Wait: 10 * time.Second, Settle: 5 * time.Second, Lag: time.Minute, Keep: 7 * day}
	r.read(t, nodesFields(n))
	r.missing(t, "journal", `"/srv/shared/thumbd"`)
	r.missing(t, "keys", `["nodes.key"]`)
	if n.Name == "" && !r.bad[t.at("name")] {
		n.Name, _, _ = strings.Cut(strings.ToLower(r.env.Host), ".")
		if !journal.Name.MatchString(n.Name) {
			r.mistake(t.at("name"), "the name of this machine, %q, can't be that of a node; name the node", r.env.Host)
		}
	}
	if n.Lag < 2*n.Poll && !r.bad[t.at("lag")] && !r.bad[t.at("poll")] {
		r.mistake(t.at("lag"), "is %s, less than two poll, %s; raise it", durationText(n.Lag), durationText(2*n.Poll))
	}
	r.nodesKeys(t, n)
	r.checkJournal(t, n, drafts)
	c.Nodes = n
}

func nodesFields(n *Nodes) fields {
	return fields{
		"journal": folder(&n.Journal),
		"keys":    list(&n.keys, keyName),
		"name":    text(&n.Name, checkNodeName),
		"poll":    duration(&n.Poll, 200*time.Millisecond, time.Minute),
		"wait":    duration(&n.Wait, 0, 5*time.Minute),
		"settle":  duration(&n.Settle, 0, 5*time.Minute),
		"lag":     duration(&n.Lag, time.Second, time.Hour),
		"keep":    keepTime(&n.Keep),
	}
}

func checkNodeName(s string) error {
	if s != "" && !journal.Name.MatchString(s) {
		return fmt.Errorf("want a name of at most 63 letters a to z, digits and -, have %q", s)
	}
	return nil
}

// keepTime takes a time that is longer than clocks differ.
func keepTime(dst *time.Duration) setter {
	return func(v any) error {
		s, _ := v.(string)
		d, err := ParseAge(s)
		if err != nil || d < time.Hour || d > 366*day {
			return fmt.Errorf(`want a time from 1h to 366d such as "7d" or "36h", have %s`, have(v))
		}
		*dst = d
		return nil
	}
}

// nodesKeys reads the keys of n.
func (r *reader) nodesKeys(t table, n *Nodes) {
	key := t.at("keys")
	if t.has("keys") && !r.bad[key] && len(n.keys) == 0 {
		r.mistake(key, "is empty; whoever writes into the journal could purge: name a key")
	}
	for _, name := range n.keys {
		content := r.key(key, name)
		if len(content) > 0 {
			r.checkLength(key, name, content)
		}
		r.uses = append(r.uses, keyUse{key, "the journal", name, content})
		n.Keys = append(n.Keys, content)
	}
}

// checkJournal notes a journal that shares files with a tree or with originals.
func (r *reader) checkJournal(t table, n *Nodes, drafts []*draft) {
	if !r.sound(t, "journal") {
		return
	}
	path, err := r.env.Resolve(n.Journal)
	if err != nil {
		path = n.Journal
		r.warn(t.at("journal"), "%v; whether it shares files with other folders is not known", err)
	}
	for _, d := range drafts {
		for _, other := range []struct{ what, path string }{{"tree", d.tree}, {"originals", d.originals}} {
			if within(path, other.path) || within(other.path, path) {
				r.mistake(t.at("journal"), "%s and the %s of %s, %s, contain each other; choose another folder", path, other.what, r.ref(d), other.path)
			}
		}
	}
}
