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

// BuildCommit returns both programs of an earlier commit of this repository, named by its
// full hash. It builds them from the repository's history if build/earlier/COMMIT is not
// there, and keeps them in that folder.
func BuildCommit(ctx context.Context, commit string) (_ Programs, err error) {
	root, err := moduleRoot()
	if err != nil {
		return Programs{}, err
	}
	kept := filepath.Join(root, "build", "earlier", commit)
	if _, err := os.Stat(kept); err == nil {
		return programs(kept), nil
	}
	if err := exec.CommandContext(ctx, "git", "-C", root, "cat-file", "-e", commit+"^{commit}").Run(); err != nil {
		return Programs{}, fmt.Errorf("commit %s is not in this source tree: clone the repository with all of its history, "+
			"for example by git fetch --unshallow", commit)
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return Programs{}, err
	}
	source, err := os.MkdirTemp(filepath.Dir(kept), "source-")
	if err != nil {
		return Programs{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(source)) }()
	extract := exec.CommandContext(ctx, "sh", "-c", `set -e; git -C "$0" archive -o "$2/tar" "$1"; tar -C "$2" -xf "$2/tar"`,
		root, commit, source)
	if out, err := extract.CombinedOutput(); err != nil {
		return Programs{}, fmt.Errorf("git archive %s: %w\n%s", commit, err, out)
	}
	built := filepath.Join(source, "build")
	if _, err := buildAll(ctx, source, built); err != nil {
		return Programs{}, err
	}
	// Both programs at once: a build that is interrupted leaves none.
	return programs(kept), os.Rename(built, kept)
}
