// SPDX-License-Identifier: MIT

package warm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"thumbd/internal/serve"
)

// errAway means that thumbd does not answer at the moment.
var errAway = errors.New("thumbd does not answer")

// pause is the time between two attempts to reach thumbd.
const pause = 200 * time.Millisecond

// maxText is a bound for the text of an error from thumbd, in bytes.
const maxText = 64 << 10

// insist calls f until it returns another result than errAway, for at most
// Patience.
func (r *run) insist(ctx context.Context, f func() error) error {
	var since time.Time
	for {
		err := f()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.Is(err, errAway):
			return err
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > r.Patience:
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// ask sends a form and returns the decoded answer. Errors are those of post.
func (r *run) ask(ctx context.Context, path string, form url.Values) (w serve.Warmed, err error) {
	resp, err := r.post(ctx, path, form)
	if err != nil {
		return w, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&w); err != nil {
		return w, fmt.Errorf("%w: %w", errAway, err)
	}
	return w, nil
}

// post sends a form and returns the answer, whose body the caller closes. The
// error is errAway, ErrRefused or has thumbd's text.
func (r *run) post(ctx context.Context, path string, form url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://thumbd"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := r.Client.Do(req)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		// The URL of a unix socket says nothing.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, fmt.Errorf("%w: %w", errAway, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxText))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAway, err)
	}
	answer := strings.TrimSpace(string(text))
	switch {
	case resp.StatusCode == http.StatusServiceUnavailable:
		return nil, fmt.Errorf("%w: %s", errAway, answer)
	case resp.StatusCode < http.StatusInternalServerError:
		return nil, fmt.Errorf("%w: %s", ErrRefused, answer)
	}
	return nil, errors.New(answer)
}
