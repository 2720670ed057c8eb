// SPDX-License-Identifier: MIT

package warm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/admin/client"
)

// errAway means that thumbd does not answer at the moment.
var errAway = errors.New("thumbd does not answer")

// pause is the time between two attempts to reach thumbd.
const pause = 200 * time.Millisecond

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

// ask calls r.asking, and returns its error as away does.
func (r *run) ask(ctx context.Context, original string) (admin.Warmed, error) {
	w, err := r.asking(ctx, original)
	if err != nil && ctx.Err() != nil {
		return w, context.Cause(ctx)
	}
	return w, away(err)
}

// away returns err as errAway, ErrRefused or with thumbd's text.
func away(err error) error {
	if _, ok := errors.AsType[*client.NoAnswer](err); ok {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	answer, ok := errors.AsType[*client.Refused](err)
	switch {
	case !ok:
		return err
	case answer.Code == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %w", errAway, err)
	case answer.Code < http.StatusInternalServerError:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}
