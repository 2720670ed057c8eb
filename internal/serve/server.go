// SPDX-License-Identifier: MIT

package serve

import (
	"log/slog"
	"net/http"
	"time"
)

// sendTime is the longest that an answer takes to send.
const sendTime = time.Minute

// NewServer returns an http.Server for h.
func NewServer(h *Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 30 * time.Second,
		ReadTimeout:       time.Minute,
		// A request that is rendered gets more: see Handler.ServeHTTP.
		WriteTimeout: sendTime,
		// Above keepalive_timeout of nginx's upstream, 60 s, so that it is
		// nginx who closes and never finds a connection closed under it.
		IdleTimeout: 2 * time.Minute,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		// OPTIONS * is answered as any other method.
		DisableGeneralOptionsHandler: true,
	}
}
