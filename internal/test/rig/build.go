// SPDX-License-Identifier: MIT

package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Programs are the paths of the two built programs.
type Programs struct {
	Thumbd string
	Render string // beside Thumbd, where Thumbd looks for it
}

// Build builds both programs into dir. If THUMBD_BUILD names a folder, for example
// "/src/thumbd/build", they are taken from there, and nothing is built.
func Build(ctx context.Context, dir string) (Programs, error) {
	if built := os.Getenv("THUMBD_BUILD"); built != "" {
		p := programs(built)
		for _, path := range []string{p.Thumbd, p.Render} {
			if _, err := os.Stat(path); err != nil {
				return Programs{}, fmt.Errorf("THUMBD_BUILD: %w", err)
			}
		}
		return p, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return Programs{}, err
	}
	return buildAll(ctx, root, dir)
}

// buildAll builds both programs of the source tree root into dir.
func buildAll(ctx context.Context, root, dir string) (Programs, error) {
	p := programs(dir)
	for path, pure := range map[string]bool{p.Thumbd: true, p.Render: false} {
		if err := build(ctx, root, path, pure); err != nil {
			return Programs{}, err
		}
	}
	return p, nil
}

func programs(dir string) Programs {
	return Programs{Thumbd: filepath.Join(dir, "thumbd"), Render: filepath.Join(dir, "thumbd-render")}
}

// build builds the program that is named like path from the source tree root. A pure
// one has no cgo, as the Makefile has it.
func build(ctx context.Context, root, path string, pure bool) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/"+filepath.Base(path))
	cmd.Dir = root
	if pure {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/%s: %w\n%s", filepath.Base(path), err, out)
	}
	return nil
}

// Testdata returns the path of a file or folder in the module's testdata.
func Testdata(name string) (string, error) {
	root, err := moduleRoot()
	return filepath.Join(root, "testdata", name), err
}

// moduleRoot returns the folder of go.mod, the current folder or one above it. In go run
// and in tests this is the module's folder.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod here or above: this runs within thumbd's source tree")
		}
		dir = parent
	}
}
