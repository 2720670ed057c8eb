// SPDX-License-Identifier: MIT

// Package names decides which names files can have below a folder that nginx or thumbd
// serves: within the limits of Linux, and without segments that begin with a dot. An
// example of a name is "animals/kitten.jpg". Names are bytes, without an encoding.
package names

import (
	"errors"
	"fmt"
	"strings"
)

// Limits in bytes: NAME_MAX, and PATH_MAX without its final NUL.
const (
	MaxSegment = 255
	MaxPath    = 4095
)

var (
	errFolder = errors.New("it is a folder's name")
	errDot    = errors.New("a segment begins with a dot")
	errNUL    = errors.New("it has a NUL")
	errLong   = fmt.Errorf("a segment is over %d bytes", MaxSegment)
	errPath   = fmt.Errorf("its path is over %d bytes", MaxPath)
)

// Check returns an error if no served file can have the path folder + "/" + name. Of
// folder, only the length counts. The error's text has no name: "it has a NUL".
func Check(folder, name string) error {
	if len(folder)+1+len(name) > MaxPath {
		return errPath
	}
	for segment := range strings.SplitSeq(name, "/") {
		if err := checkSegment(segment); err != nil {
			return err
		}
		if len(segment) > MaxSegment {
			return errLong
		}
	}
	if strings.IndexByte(name, 0) >= 0 {
		return errNUL
	}
	return nil
}

// Visible reports whether no segment of name is empty or begins with a dot. Other names
// are hidden files, thumbd's own files in a tree, or lead out of a folder by "..".
func Visible(name string) bool {
	for segment := range strings.SplitSeq(name, "/") {
		if checkSegment(segment) != nil {
			return false
		}
	}
	return true
}

func checkSegment(segment string) error {
	switch {
	case segment == "":
		return errFolder
	case segment[0] == '.':
		return errDot
	}
	return nil
}
