// SPDX-License-Identifier: MIT

package frontends

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// prometheusExamples is the folder of the examples for Prometheus.
func prometheusExamples(t *testing.T) string {
	t.Helper()
	return filepath.Join(filepath.Dir(kit.Testdata(t, ".")), "packaging/examples/prometheus")
}

// readExample returns the text of one of them.
func readExample(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(prometheusExamples(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// promtool runs it in a folder.
func promtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", cmd, err, out)
	}
}

// foreground starts a thumbd that makes its own sockets, front for nginx. In env,
// $STDERR stands for what JOURNAL_STREAM would say of its stderr, which is to be
// read once it has ended.
func foreground(t *testing.T, r *rig.Rig, front string, env ...string) (ended <-chan struct{}, stderr func() string) {
	t.Helper()
	p, err := kit.Programs()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	var st unix.Stat_t
	if err := unix.Fstat(int(log.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(p.Thumbd, "serve", "-c", kit.ConfigFile(r), "--listen", front)
	cmd.Stderr = log
	cmd.Env = append(os.Environ(), env...)
	for i := range cmd.Env {
		cmd.Env[i] = strings.ReplaceAll(cmd.Env[i], "$STDERR", fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	}
	return kit.UntilTestEnds(t, cmd), func() string {
		b, err := os.ReadFile(log.Name())
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
}

// fetchText returns status and body of a GET.
func fetchText(ctx context.Context, address string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// Prometheus scrapes a thumbd with the shipped configuration, loads the shipped
// rules, and answers each question of the shipped dashboard.
func TestPrometheusScrapes(t *testing.T) {
	if _, err := exec.LookPath("prometheus"); err != nil {
		t.Fatalf("%v: make test installs it", err)
	}
	metrics := kit.FreePort(t)
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: fmt.Sprintf("[daemon]\nmetrics = %q\n", metrics), Stopped: true,
	})
	ended, _ := foreground(t, r, filepath.Join(r.Dir, "own.sock"))
	awaitPort(t, metrics, ended, nil)
	status, text, err := fetchText(t.Context(), "http://"+metrics+"/health")
	if err != nil || status != 200 || text != "ready\n" {
		t.Fatalf("health: status %d, %v: %s", status, err, text)
	}

	dir := t.TempDir()
	config := strings.Replace(readExample(t, "prometheus.yml"), "127.0.0.1:9105", metrics, 1) +
		"global: {scrape_interval: 100ms, scrape_timeout: 100ms, evaluation_interval: 100ms}\n"
	for name, text := range map[string]string{"prometheus.yml": config, "thumbd.rules.yml": readExample(t, "thumbd.rules.yml")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	web := kit.FreePort(t)
	ended, out := kit.Background(t, exec.Command("prometheus", "--config.file="+dir+"/prometheus.yml",
		"--storage.tsdb.path="+dir+"/data", "--web.listen-address="+web, "--log.level=error"))
	awaitPort(t, web, ended, out)

	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	for askPrometheus(ctx, t, web, `up{job="thumbd"} == 1`) == 0 {
		select {
		case <-ended:
			t.Fatalf("prometheus has ended: %s", out)
		case <-ctx.Done():
			t.Fatal("prometheus has not scraped thumbd")
		case <-time.After(50 * time.Millisecond):
		}
	}
	if n := askPrometheus(ctx, t, web, "thumbd_build_info"); n != 1 {
		t.Errorf("%d of thumbd_build_info", n)
	}
	if n := askPrometheus(ctx, t, web, "thumbd_requests_total"); n != 0 {
		t.Error("a scrape counts as a request")
	}
	_, rules, err := fetchText(ctx, "http://"+web+"/api/v1/rules")
	if want := strings.Count(readExample(t, "thumbd.rules.yml"), "- alert:"); err != nil || strings.Count(rules, `"health":"`) != want {
		t.Errorf("%v: want %d rules: %s", err, want, rules)
	}
	for _, expression := range dashboard(t) {
		askPrometheus(ctx, t, web, expression)
	}
}

// askPrometheus returns how many series a question to Prometheus has, and fails the test if
// it is not answered.
func askPrometheus(ctx context.Context, t *testing.T, web, expression string) int {
	t.Helper()
	status, text, err := fetchText(ctx, "http://"+web+"/api/v1/query?query="+url.QueryEscape(expression))
	var answer struct {
		Data struct{ Result []any }
	}
	if status == http.StatusServiceUnavailable {
		return 0 // It starts.
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &answer)
	}
	if err != nil || status != 200 {
		t.Errorf("%s: status %d, %v: %s", expression, status, err, text)
	}
	return len(answer.Data.Result)
}

// dashboard returns the questions of the shipped dashboard, as Grafana asks them.
func dashboard(t *testing.T) []string {
	t.Helper()
	var board struct {
		UID, Title string
		Panels     []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readExample(t, "grafana.json")), &board); err != nil {
		t.Fatal(err)
	}
	if board.UID == "" || board.Title == "" || len(board.Panels) == 0 {
		t.Errorf("not a dashboard: %+v", board)
	}
	var all []string
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if p.Title == "" || ids[p.ID] || len(p.Targets) == 0 {
			t.Errorf("panel %d, %q", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			all = append(all, strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(target.Expr))
		}
	}
	return all
}

// The alerts fire when they say, and they and the dashboard name metrics and
// reasons that exist.
func TestAlertRules(t *testing.T) {
	dir := prometheusExamples(t)
	promtool(t, dir, "check", "config", "prometheus.yml")
	promtool(t, dir, "test", "rules", "thumbd.rules.test.yml")
	rules, tests := readExample(t, "thumbd.rules.yml"), readExample(t, "thumbd.rules.test.yml")
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1) {
		if !strings.Contains(tests, `alertname="`+m[1]+`"`) {
			t.Errorf("%s has no test", m[1])
		}
	}
	manual := func(page string) string {
		b, err := os.ReadFile(filepath.Join(dir, "../../man", page))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	metrics, reasons := manual("thumbd-admin.7"), manual("thumbd-url.7")
	all := rules + strings.Join(dashboard(t), "\n")
	for _, name := range regexp.MustCompile(`\bthumbd_[a-z_]+`).FindAllString(all, -1) {
		name = strings.TrimSuffix(name, "_bucket")
		if !strings.Contains(metrics, ".It Li "+name) {
			t.Errorf("there is no metric %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`outcome=~"([^"]*)"`).FindAllStringSubmatch(rules, -1) {
		for reason := range strings.SplitSeq(m[1], "|") {
			if !regexp.MustCompile(`(?m)^\.It Li (.* )?` + reason + `\b( |$)`).MatchString(reasons) {
				t.Errorf("there is no reason %s", reason)
			}
		}
	}
}

// A thumbd that can't listen for Prometheus does not start, and says why with the
// priority of an error.
func TestMetricsAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: fmt.Sprintf("[daemon]\nmetrics = %q\n", l.Addr()), Stopped: true,
	})
	ended, stderr := foreground(t, r, filepath.Join(r.Dir, "own.sock"), "JOURNAL_STREAM=$STDERR")
	<-ended
	for line := range strings.Lines(stderr()) {
		if !strings.HasPrefix(line, "<3>") && !strings.HasPrefix(line, "<6>") {
			t.Errorf("a line without its priority: %s", line)
		}
	}
	if want := "<3>thumbd: metrics " + l.Addr().String() + ": "; !strings.Contains(stderr(), want) {
		t.Errorf("no %q in %s", want, stderr())
	}
}

// A socket of Prometheus, which systemd hands over, keeps thumbd from an idle
// exit, and knows no route of administrators.
func TestMetricsSocketOfSystemd(t *testing.T) {
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: "[daemon]\nidle_exit = \"60ms\"", Env: []string{"WATCHDOG_USEC=60000"}, Metrics: true,
	})
	// It would have ended by itself.
	kit.WaitNotified(t, r, 10, "WATCHDOG=1")
	for target, want := range map[string]int{"/metrics": 200, "/health": 200, "/purge": 404, "/status": 404} {
		resp, err := r.Do(t.Context(), rig.Request{Target: target, Metrics: true})
		if err != nil || resp.Status != want {
			t.Errorf("%s: status %d, %v; want %d", target, resp.Status, err, want)
		}
	}
	resp, err := r.Do(t.Context(), rig.Request{Method: "POST", Target: "/purge", Body: "site=gallery&all=1", Metrics: true,
		Header: []string{"Content-Type: application/x-www-form-urlencoded", "Content-Length: 18"}})
	if err != nil || resp.Status != 405 {
		t.Errorf("purge: status %d, %v", resp.Status, err)
	}
	if n := r.Notified.Count("STOPPING=1"); n > 0 {
		t.Error("it has stopped")
	}
}
