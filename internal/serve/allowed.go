// SPDX-License-Identifier: MIT

package serve

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"

	lru "github.com/hashicorp/golang-lru/v2"

	"thumbd/internal/access"
	"thumbd/internal/keep"
)

// questionsKept is the number of allowed questions that are remembered.
const questionsKept = 4096

// question is the digest of all that decides about a question of nginx's auth_request,
// besides the time, the configuration and the list of revoked tokens. A digest has a
// fixed length, and no token can be read from it.
type question [sha256.Size]byte

// allowed is the answer to a question: a proof of the gate, and the values of
// markerHeader. Nobody changes them.
type allowed struct {
	gate   *access.Gate
	pass   access.Pass
	marker []string
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

// asking are the headers that a question has, besides the host.
var asking = []string{originalURI, rootHeader, "Authorization", "Cookie"}

// questionOf returns r's question. Each text stands behind its length, and the lines of a
// header behind their number: two requests that differ have different questions.
func questionOf(r *http.Request) question {
	// Of a usual question, on the stack: a longer one takes memory of its own.
	var memory [4096]byte
	text := appendText(memory[:0], r.Method)
	text = appendText(text, r.Host)
	for _, name := range asking {
		lines := r.Header[name]
		text = binary.AppendUvarint(text, uint64(len(lines)))
		for _, line := range lines {
			text = appendText(text, line)
		}
	}
	return sha256.Sum256(text)
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}
