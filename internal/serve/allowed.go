// SPDX-License-Identifier: MIT

package serve

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"thumbd/internal/access"
	"thumbd/internal/keep"
)

// questionsKept is the number of allowed questions that are remembered.
const questionsKept = 4096

// question is the digest of the text of a question: a request of nginx's auth_request, from
// its first line to the empty line. The text has all that decides about it, besides the
// time, the configuration and the list of revoked tokens. A digest has a fixed length, and
// no token can be read from it.
type question [sha256.Size]byte

// allowed is the answer to a question: a proof of the gate, and the value of markerHeader.
type allowed struct {
	gate   *access.Gate
	pass   access.Pass
	marker string
}

// allowances are the answers of one configuration. Refusals are not among them: a client
// that repeats a refused question has its answer made again, with its line in the log.
type allowances struct {
	by *keep.Sites
	of *lru.Cache[question, allowed]
}

// allowedBy returns the answers of sites. The answers of an earlier configuration are
// forgotten.
func (h *Handler) allowedBy(sites *keep.Sites) *allowances {
	if a := h.allowed.Load(); a != nil && a.by == sites {
		return a
	}
	cache, err := lru.New[question, allowed](questionsKept)
	if err != nil {
		panic(err) // The size is a constant above zero.
	}
	a := &allowances{sites, cache}
	h.allowed.Store(a)
	return a
}

// The beginning of each question of the snippets, and the end.
var (
	questionLine = []byte("GET " + authURI + " HTTP/1.1\r\n")
	headerEnd    = []byte("\r\n\r\n")
)

// permit appends the answer to text, if text is a question that is allowed. The answer is
// that of ServeHTTP through [http.Server], which answers everything else: permit then
// returns answer as it is. For a question that is remembered, permit allocates nothing.
func (h *Handler) permit(answer, text []byte) []byte {
	if !bytes.HasPrefix(text, questionLine) {
		return answer
	}
	defer h.keeper.Busy()()
	marker, ok := h.permitted(text)
	if !ok {
		return answer
	}
	h.options.Count(keep.Event{What: keep.Asked, Outcome: "allowed"})
	answer = append(answer, "HTTP/1.1 204 No Content\r\n"+markerHeader+": "...)
	answer = append(answer, marker...)
	answer = append(answer, "\r\nDate: "...)
	answer = time.Now().UTC().AppendFormat(answer, http.TimeFormat)
	return append(answer, headerEnd...)
}

// permitted returns the marker of a question that is allowed.
func (h *Handler) permitted(text []byte) (marker string, ok bool) {
	sites, err := h.keeper.Sites()
	if err != nil {
		return "", false
	}
	defer sites.Release()
	known := h.allowedBy(sites)
	q := question(sha256.Sum256(text))
	if a, ok := known.of.Get(q); ok && a.gate.Holds(a.pass) {
		return a.marker, true
	}
	r := readQuestion(text)
	if r == nil {
		return "", false
	}
	a, _, err := allow(sites, r)
	if err != nil {
		return "", false
	}
	known.of.Add(q, a)
	return a.marker, true
}

// The headers that a question can have besides Host, and the characters of its host, see
// $thumbd_host in nginx's files.
var questionHeaders = []string{originalURI, rootHeader, "Authorization", "Cookie"}

const hostCharacters = "[]._:-0123456789abcdefghijklmnopqrstuvwxyz"

// readQuestion returns text as a request. It returns nil if text is not one whole question
// just as the snippets send it: each header once, with a line of its own.
func readQuestion(text []byte) *http.Request {
	if !bytes.HasSuffix(text, headerEnd) {
		return nil
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
	if err != nil || r.Host == "" || strings.Trim(r.Host, hostCharacters) != "" {
		return nil
	}
	for name := range r.Header {
		if !slices.Contains(questionHeaders, name) {
			return nil
		}
	}
	// With the first line, Host and the empty line. If a header has two lines, or two have
	// one, or net/http took one out, or if text is longer than r, the number is another.
	lines := len(r.Header) + 3
	if bytes.Count(text, []byte("\r\n")) != lines || bytes.Count(text, []byte("\n")) != lines {
		return nil
	}
	return r
}
