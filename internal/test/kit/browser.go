// SPDX-License-Identifier: MIT

package kit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"thumbd/internal/test/aid"
)

// Browser is a page of a headless Chromium, which is told what to do in the DevTools
// protocol: JSON with a NUL behind it, over two pipes. It ends with the test.
type Browser struct {
	t       *testing.T
	to      *os.File
	from    *os.File
	lines   *bufio.Reader
	last    int
	session string
	events  []browserMessage // those that came since Go was called
}

// browserMessage is an answer, with an id, or an event, with a method.
type browserMessage struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// OpenBrowser starts a Chromium.
func OpenBrowser(t *testing.T) *Browser {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatalf("%v: make test installs it", err)
	}
	theirIn, to, err := os.Pipe()
	aid.Must(t, err)
	from, theirOut, err := os.Pipe()
	aid.Must(t, err)
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-breakpad",
		"--remote-debugging-pipe", "--user-data-dir="+t.TempDir())
	// A Chromium that is killed leaves a folder there.
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	// Chromium reads from 3 and writes to 4.
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	// Its other processes write below the folder until they have ended too.
	t.Cleanup(func() {
		for end := time.Now().Add(aid.Patience); syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) == nil && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		to.Close()
		from.Close()
	})
	Background(t, cmd)
	theirIn.Close()
	theirOut.Close()
	b := &Browser{t: t, to: to, from: from, lines: bufio.NewReader(from)}
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Page.enable", nil, nil)
	b.call("Network.enable", nil, nil)
	b.call("Network.setCacheDisabled", map[string]any{"cacheDisabled": true}, nil)
	return b
}

// call calls a method and reads its result, if that is wanted.
func (b *Browser) call(method string, params, result any) {
	b.t.Helper()
	b.last++
	m := map[string]any{"id": b.last, "method": method}
	if params != nil {
		m["params"] = params
	}
	if b.session != "" {
		m["sessionId"] = b.session
	}
	text, err := json.Marshal(m)
	aid.Must(b.t, err)
	_, err = b.to.Write(append(text, 0))
	aid.Must(b.t, err)
	answer := b.await(func(m browserMessage) bool { return m.ID == b.last })
	if answer.Error != nil {
		b.t.Fatalf("%s %s: %s", method, text, answer.Error)
	}
	if result != nil {
		aid.Must(b.t, json.Unmarshal(answer.Result, result))
	}
}

// await reads until a message is the wanted one.
func (b *Browser) await(wanted func(browserMessage) bool) browserMessage {
	b.t.Helper()
	aid.Must(b.t, b.from.SetReadDeadline(time.Now().Add(aid.Patience)))
	for {
		text, err := b.lines.ReadBytes(0)
		aid.Must(b.t, err)
		var m browserMessage
		aid.Must(b.t, json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m))
		if m.Method != "" {
			b.events = append(b.events, m)
		}
		if wanted(m) {
			return m
		}
	}
}

// Resize sets the size of the window in pixels of CSS, and how many pixels of the
// screen are one of these.
func (b *Browser) Resize(width, height, ratio int) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": false}, nil)
}

// Go opens a URL, and returns when its document has been read: pictures may be missing.
func (b *Browser) Go(url string) {
	b.t.Helper()
	b.events = nil
	var result struct{ ErrorText string }
	b.call("Page.navigate", map[string]any{"url": url}, &result)
	if result.ErrorText != "" {
		b.t.Fatalf("%s: %s", url, result.ErrorText)
	}
	for _, m := range b.events {
		if m.Method == "Page.domContentEventFired" {
			return
		}
	}
	b.await(func(m browserMessage) bool { return m.Method == "Page.domContentEventFired" })
}

// Eval evaluates an expression in the page, waits for it if it is a promise, and reads
// its value.
func (b *Browser) Eval(expression string, value any) {
	b.t.Helper()
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &got)
	if got.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, got.ExceptionDetails)
	}
	if value != nil {
		aid.Must(b.t, json.Unmarshal(got.Result.Value, value))
	}
}

// Requests returns the URLs with a prefix that the page has asked for since Go.
func (b *Browser) Requests(prefix string) (urls []string) {
	b.t.Helper()
	for _, m := range b.events {
		var p struct{ Request struct{ URL string } }
		if m.Method == "Network.requestWillBeSent" {
			aid.Must(b.t, json.Unmarshal(m.Params, &p))
			if strings.HasPrefix(p.Request.URL, prefix) {
				urls = append(urls, p.Request.URL)
			}
		}
	}
	return urls
}

// MediaTypes returns those of the answers for URLs with a prefix since Go, by the URLs.
func (b *Browser) MediaTypes(prefix string) map[string]string {
	b.t.Helper()
	types := make(map[string]string)
	for _, m := range b.events {
		var p struct {
			Response struct{ URL, MimeType string }
		}
		if m.Method == "Network.responseReceived" {
			aid.Must(b.t, json.Unmarshal(m.Params, &p))
			if strings.HasPrefix(p.Response.URL, prefix) {
				types[p.Response.URL] = p.Response.MimeType
			}
		}
	}
	return types
}

// KeepCache turns the browser's cache on, or off, as it is at first.
func (b *Browser) KeepCache(on bool) {
	b.t.Helper()
	b.call("Network.setCacheDisabled", map[string]any{"cacheDisabled": !on}, nil)
}

// Without has the browser neither accept nor show formats of images: "avif" or "webp".
func (b *Browser) Without(formats ...string) {
	b.t.Helper()
	b.call("Emulation.setDisabledImageTypes", map[string]any{"imageTypes": append([]string{}, formats...)}, nil)
}

// Screenshot returns what the window shows.
func (b *Browser) Screenshot() image.Image {
	b.t.Helper()
	var shot struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	m, err := png.Decode(bytes.NewReader(shot.Data))
	aid.Must(b.t, err)
	return m
}
