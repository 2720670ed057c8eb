// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thumbd/internal/admin"
)

func statusCommand() *cobra.Command {
	var socket string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell what the running thumbd does and has done",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := admin.Dial(socket).Status(cmd.Context())
			if err != nil {
				return fmt.Errorf("status: %w", err)
			}
			if asJSON {
				_, err := cmd.OutOrStdout().Write(answer)
				return err
			}
			var families []admin.Family
			if err := json.Unmarshal(answer, &families); err != nil {
				return fmt.Errorf("status: %w", err)
			}
			return printStatus(cmd.OutOrStdout(), families)
		},
	}
	adminFlag(cmd, &socket)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printStatus prints each metric below its description.
func printStatus(w io.Writer, families []admin.Family) error {
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

func valueText(name string, s admin.Sample) string {
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
