// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thumbd/internal/metrics"
)

func statusCommand() *cobra.Command {
	var socket string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell what the running thumbd does and has done",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, "http://thumbd/status", nil)
			if err != nil {
				return err
			}
			answer, err := askAdmin(socket, r)
			if err != nil {
				return fmt.Errorf("status: %w", err)
			}
			if asJSON {
				_, err := cmd.OutOrStdout().Write(answer)
				return err
			}
			var families []metrics.Family
			if err := json.Unmarshal(answer, &families); err != nil {
				return fmt.Errorf("status: %w", err)
			}
			return printStatus(cmd.OutOrStdout(), families)
		},
	}
	cmd.Flags().StringVar(&socket, "admin", adminSocket, "`PATH` of thumbd's socket for administrators")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// maxStatus is more than all metrics take.
const maxStatus = 16 << 20

// askAdmin returns what is answered with 200 on the socket for administrators;
// systemd starts thumbd, if need be.
func askAdmin(socket string, r *http.Request) ([]byte, error) {
	client := adminClient(socket)
	resp, err := client.Do(r)
	if err != nil {
		// Its URL is of no use to anybody.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, fmt.Errorf("%w: is thumbd-admin.socket started, and are you root or of the group thumbd-admin?", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxStatus))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(answer)))
	}
	return answer, err
}

// printStatus prints each metric under what it says.
func printStatus(w io.Writer, families []metrics.Family) error {
	var b strings.Builder
	for _, f := range families {
		fmt.Fprintln(&b, strings.TrimSuffix(f.Help, "."))
		for _, s := range f.Samples {
			var labels []string
			for _, l := range s.Labels {
				if l.Value != "" {
					labels = append(labels, l.Name+" "+l.Value)
				}
			}
			fmt.Fprintf(&b, "  %-40s %s\n", strings.Join(labels, ", "), valueText(f.Name, s))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func valueText(name string, s metrics.Sample) string {
	switch {
	case s.Count > 0:
		mean := time.Duration(s.Value * float64(time.Second))
		return fmt.Sprintf("%d, %v each", s.Count, mean.Round(100*time.Microsecond))
	case strings.HasSuffix(name, "timestamp_seconds"):
		return time.Unix(int64(s.Value), 0).Format(time.DateTime)
	case strings.Contains(name, "bytes"):
		return bytesText(int64(s.Value))
	}
	return fmt.Sprintf("%.0f", s.Value)
}
