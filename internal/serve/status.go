// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"errors"
	"io/fs"
	"net/http"

	"thumbd/internal/access"
	"thumbd/internal/admin"
	"thumbd/internal/files"
	"thumbd/internal/journal"
	"thumbd/internal/keep"
	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/purge"
	"thumbd/internal/render"
	"thumbd/internal/share"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// Errors of this package's own.
var (
	errUnwell     = errors.New("thumbd is not well")
	errBehind     = errors.New("this node has not applied all purges of the others")
	errMoved      = errors.New("the thumbnail has another URI")
	errMethod     = errors.New("only GET and HEAD are answered")
	errMethodPost = errors.New("only POST is answered")
	errMethods    = errors.New("only GET, HEAD and POST are answered")
	errNoService  = errors.New("there is nothing at this URI of thumbd's own")
	errTaken      = errors.New("the thumbnail was purged again and again")
)

// status is how an error is answered: an HTTP status (RFC 9110) and the word
// of X-Thumbd-Reason.
type status struct {
	code   int
	reason string
}

// noOriginal is the reason of an original that does not exist.
const noOriginal = "no-original"

// absoluteLink is the reason of a refusal that administrators want to know of.
const absoluteLink = "absolute-link"

// statuses say how each error is answered; the first that matches counts.
var statuses = []struct {
	err error
	status
}{
	// Before the error that the original does not exist.
	{errMoved, status{http.StatusMovedPermanently, "moved"}},
	{thumb.ErrElsewhere, status{http.StatusFound, "resolve"}},
	{errMethod, status{http.StatusMethodNotAllowed, "method"}},
	{errMethodPost, status{http.StatusMethodNotAllowed, "method"}},
	{errMethods, status{http.StatusMethodNotAllowed, "method"}},
	{admin.ErrForm, status{http.StatusBadRequest, "form"}},
	{purge.ErrScope, status{http.StatusBadRequest, "scope"}},
	{keep.ErrSelection, status{http.StatusBadRequest, "selection"}},
	{purge.ErrNoPreset, status{http.StatusNotFound, "unknown-preset"}},
	{keep.ErrNoSuchSite, status{http.StatusNotFound, "no-site"}},
	{errNoService, status{http.StatusNotFound, "no-service"}},
	{journal.ErrNoNode, status{http.StatusNotFound, "no-node"}},
	{journal.ErrUnwritten, status{http.StatusServiceUnavailable, "journal"}},
	{errBehind, status{http.StatusServiceUnavailable, "behind"}},
	{errUnwell, status{http.StatusServiceUnavailable, "unwell"}},
	{keep.ErrConfiguration, status{http.StatusServiceUnavailable, "configuration"}},
	{keep.ErrNoWorker, status{http.StatusServiceUnavailable, "no-worker"}},
	{publish.ErrHeld, status{http.StatusServiceUnavailable, "held"}},

	// Before the errors of the question's URI: these errors wrap them.
	{errNotProtected, status{http.StatusForbidden, "not-protected"}},
	{errOtherRoot, status{http.StatusForbidden, "other-root"}},
	{errNotAsked, status{http.StatusForbidden, "not-asked"}},

	{thumb.ErrEscape, status{http.StatusBadRequest, "bad-escape"}},
	{thumb.ErrName, status{http.StatusNotFound, "bad-name"}},
	{thumb.ErrNoSite, status{http.StatusNotFound, "no-site"}},
	{thumb.ErrExtension, status{http.StatusBadRequest, "extension"}},
	{thumb.ErrNoSignature, status{http.StatusUnauthorized, "no-signature"}},
	{thumb.ErrMalformed, status{http.StatusBadRequest, "malformed"}},
	{thumb.ErrTooLarge, status{http.StatusBadRequest, "size"}},
	{thumb.ErrUnknownPreset, status{http.StatusNotFound, "unknown-preset"}},
	{thumb.ErrNoOriginal, status{http.StatusNotFound, noOriginal}},
	// Before the errors of files: they wrap these.
	{share.ErrSlow, status{http.StatusGatewayTimeout, "original-slow"}},
	{share.ErrBusy, status{http.StatusServiceUnavailable, "original-busy"}},
	// Before the reasons that an authtoken URL's refusal does not tell.
	{files.ErrNone, status{http.StatusNotFound, "no-file"}},
	{files.ErrGone, status{http.StatusGone, "expired"}},
	{files.ErrUnreadable, status{http.StatusInternalServerError, "file-unreadable"}},
	{sign.ErrNoProof, status{http.StatusUnauthorized, "no-proof"}},
	{sign.ErrQuery, status{http.StatusForbidden, "query"}},
	{sign.ErrProof, status{http.StatusForbidden, "signature"}},
	{sign.ErrExpired, status{http.StatusForbidden, "expired"}},
	{access.ErrToken, status{http.StatusForbidden, "token"}},
	{access.ErrRevoked, status{http.StatusForbidden, "revoked"}},
	{access.ErrElsewhere, status{http.StatusForbidden, "elsewhere"}},
	{sign.ErrSignature, status{http.StatusUnauthorized, "signature"}},

	// Before the errors of its image: they are the errors of originals.
	{render.ErrWatermark, status{http.StatusInternalServerError, "watermark"}},
	// Before the errors that an origin's trouble may wrap.
	{originals.ErrForbidden, status{http.StatusBadGateway, "origin-forbidden"}},
	{originals.ErrCredentials, status{http.StatusBadGateway, "origin-credentials"}},
	{originals.ErrSlowDown, status{http.StatusServiceUnavailable, "origin-busy"}},
	{originals.ErrSlow, status{http.StatusGatewayTimeout, "origin-slow"}},
	{originals.ErrOrigin, status{http.StatusBadGateway, "origin"}},
	{originals.ErrType, status{http.StatusUnsupportedMediaType, "unsupported"}},
	{originals.ErrBusy, status{http.StatusServiceUnavailable, "origin-busy"}},
	{originals.ErrStopped, status{http.StatusServiceUnavailable, admin.Shutdown}},
	{originals.ErrSpool, status{http.StatusInternalServerError, "spool"}},
	{originals.ErrTooLarge, status{http.StatusUnprocessableEntity, "original-bytes"}},
	{originals.ErrUnreadable, status{http.StatusInternalServerError, "original-unreadable"}},
	{originals.ErrNotRegular, status{http.StatusNotFound, noOriginal}},
	// Before ErrOutside: this error wraps it, too.
	{originals.ErrAbsoluteLink, status{http.StatusNotFound, absoluteLink}},
	{originals.ErrOutside, status{http.StatusNotFound, noOriginal}},
	{fs.ErrNotExist, status{http.StatusNotFound, noOriginal}},
	{keep.ErrChanged, status{http.StatusServiceUnavailable, "original-changed"}},
	{errTaken, status{http.StatusServiceUnavailable, "purged"}},

	{render.ErrUnsupported, status{http.StatusUnsupportedMediaType, "unsupported"}},
	{render.ErrDamaged, status{http.StatusUnprocessableEntity, "damaged"}},
	{render.ErrTooManyPixels, status{http.StatusUnprocessableEntity, "original-pixels"}},
	{render.ErrTooManyFrames, status{http.StatusUnprocessableEntity, "original-frames"}},
	{render.ErrNoVariant, status{http.StatusNotFound, "no-variant"}},
	{render.ErrThumbnailTooLarge, status{http.StatusUnprocessableEntity, "thumbnail-too-large"}},
	{render.ErrThumbnailBytes, status{http.StatusUnprocessableEntity, "thumbnail-bytes"}},
	{render.ErrQuarantined, status{http.StatusUnprocessableEntity, "quarantined"}},
	{render.ErrCrashed, status{http.StatusInternalServerError, "crashed"}},
	{render.ErrDeadline, status{http.StatusGatewayTimeout, "deadline"}},
	{render.ErrInternal, status{http.StatusInternalServerError, "render"}},
	{publish.ErrPicture, status{http.StatusInternalServerError, "render"}},
	{render.ErrQueueFull, status{http.StatusServiceUnavailable, "queue-full"}},
	{render.ErrQueueTime, status{http.StatusServiceUnavailable, "queue-time"}},
	{render.ErrShutdown, status{http.StatusServiceUnavailable, admin.Shutdown}},
	// nginx has gone and reads no answer.
	{context.Canceled, status{http.StatusServiceUnavailable, "canceled"}},
}

// statusOf returns the status and the reason for err. If it does not know err, the fault
// is thumbd's, not the client's: 500.
func statusOf(err error) status {
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return status{http.StatusInternalServerError, "internal"}
}

// Judge is keep.Options.Judge: it tells errors in the words of the answers.
func Judge(err error) keep.Verdict {
	s := statusOf(err)
	return keep.Verdict{
		Status: s.code, Reason: s.reason,
		Ours:       s.code == http.StatusInternalServerError,
		Passing:    s.code == http.StatusServiceUnavailable,
		Shared:     errors.Is(err, originals.ErrUntold),
		Known:      s.code == http.StatusNotFound && s.reason != absoluteLink && !errors.Is(err, originals.ErrUntold),
		NoOriginal: s.reason == noOriginal,
	}
}
