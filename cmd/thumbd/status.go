// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thumbd/internal/admin"
	"thumbd/internal/admin/client"
)

func statusCommand() *cobra.Command {
	var socket, forget string
	var asJSON, nodes bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print the state and the counters of the running thumbd",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := client.Dial(socket)
			switch {
			case forget != "" && !nodes:
				return asUsage(errors.New("--forget is for --nodes"))
			case forget != "":
				return forgetNode(cmd.Context(), c, forget)
			case nodes:
				return printNodes(cmd.Context(), cmd.OutOrStdout(), c, asJSON)
			}
			answer, err := c.Status(cmd.Context())
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
	cmd.Flags().BoolVar(&nodes, "nodes", false, "print the machines that share a journal, see [nodes]")
	cmd.Flags().StringVar(&forget, "forget", "", "with --nodes: purges don't wait for node `NAME` any more")
	return cmd
}

// forgetNode forgets a node that has gone for good.
func forgetNode(ctx context.Context, c *client.Client, name string) error {
	err := c.Forget(ctx, name)
	if r, ok := errors.AsType[*client.Refused](err); ok && r.Code < http.StatusInternalServerError {
		return asUsage(err)
	}
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	return nil
}

// printNodes prints a line for each node.
func printNodes(ctx context.Context, w io.Writer, c *client.Client, asJSON bool) error {
	all, err := c.Nodes(ctx)
	if r, ok := errors.AsType[*client.Refused](err); ok && r.Code == http.StatusNotFound {
		return errors.New("status: thumbd.toml has no [nodes]: this machine is the only one")
	}
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	if asJSON {
		return json.NewEncoder(w).Encode(all)
	}
	var b strings.Builder
	for _, n := range all {
		text := n.State
		if n.Here {
			text += " (this node)"
		}
		if n.Trouble != "" {
			text += ": " + n.Trouble
		}
		if n.Taken {
			text += "; another process has this name too"
		}
		if len(n.Differs) > 0 {
			text += "; has " + strings.Join(n.Differs, ", ")
		}
		read := "never"
		if !n.Read.IsZero() {
			read = n.Read.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(&b, "%-20s read %-20s waits %-4d thumbd %s, libvips %s: %s\n", n.Name, read, n.Waits, n.Version, n.Libvips, text)
	}
	_, err = io.WriteString(w, b.String())
	return err
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
