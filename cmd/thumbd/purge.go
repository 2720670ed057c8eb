// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// adminSocket is where thumbd-admin.socket listens.
const adminSocket = "/run/thumbd/admin.sock"

func purgeCommand() *cobra.Command {
	var socket, under, preset string
	var all, again bool
	cmd := &cobra.Command{
		Use:   "purge SITE [ORIGINAL...]",
		Short: "Take thumbnails away, at once for nginx",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form := url.Values{}
			for name, value := range map[string]string{"under": under, "preset": preset} {
				if value != "" {
					form.Set(name, value)
				}
			}
			for name, on := range map[string]bool{"all": all, "render": again} {
				if on {
					form.Set(name, "1")
				}
			}
			// Of many originals the first are purged before the rest is read.
			body := url.Values{"site": args[:1]}.Encode() + "&" + form.Encode() + "&" + url.Values{"original": args[1:]}.Encode()
			return postPurge(cmd.Context(), socket, body)
		},
	}
	cmd.Flags().StringVar(&socket, "admin", adminSocket, "`PATH` of thumbd's socket for administrators")
	cmd.Flags().StringVar(&under, "under", "", "of all originals below `DIR`, a folder of originals")
	cmd.Flags().StringVar(&preset, "preset", "", "of the preset `NAME`")
	cmd.Flags().BoolVar(&all, "all", false, "of the whole site")
	cmd.Flags().BoolVar(&again, "render", false, "make anew, in the background, those that there were")
	return cmd
}

// adminClient connects to the socket for administrators, whatever the host.
func adminClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
}

// postPurge has thumbd purge what form says; systemd starts it, if need be.
func postPurge(ctx context.Context, socket string, form string) error {
	client := adminClient(socket)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://thumbd/purge", strings.NewReader(form))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(r)
	if err != nil {
		// Its URL is of no use to anybody.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return fmt.Errorf("purge: %w: is thumbd-admin.socket started, and are you root or of the group thumbd-admin?", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	text := strings.TrimSpace(string(answer))
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode >= 400 && resp.StatusCode < 500:
		return asUsage(errors.New(text))
	}
	return fmt.Errorf("purge: %s", text)
}
