// SPDX-License-Identifier: MIT

package nginxconf

import (
	"fmt"
	"slices"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"
)

// Block is a directive, with those within its braces.
type Block struct {
	Name     string
	Args     []string
	File     string
	Line     int
	Parent   *Block // nil: the top of nginx.conf
	Children []*Block
}

func (b *Block) add(directives crossplane.Directives) {
	for _, d := range directives {
		child := &Block{Name: d.Directive, Args: d.Args, File: d.File, Line: d.Line, Parent: b}
		child.add(d.Block)
		b.Children = append(b.Children, child)
	}
}

// files returns known, and after it the files that b and its inner blocks come
// from.
func (b *Block) files(known []string) []string {
	if !slices.Contains(known, b.File) {
		known = append(known, b.File)
	}
	for _, child := range b.Children {
		known = child.files(known)
	}
	return known
}

// Where returns the file and line of b, for people.
func (b *Block) Where() string { return fmt.Sprintf("%s:%d", b.File, b.Line) }

// Arg returns an argument, or "" if b has fewer.
func (b *Block) Arg(i int) string {
	if i >= len(b.Args) {
		return ""
	}
	return b.Args[i]
}

// All returns the directives of that name directly within b.
func (b *Block) All(name string) []*Block {
	var all []*Block
	for _, child := range b.Children {
		if child.Name == name {
			all = append(all, child)
		}
	}
	return all
}

// First returns the first of All, or nil.
func (b *Block) First(name string) *Block {
	if all := b.All(name); len(all) > 0 {
		return all[0]
	}
	return nil
}

// Text returns b in a line, without its braces: "location ^~ /thumbs/".
func (b *Block) Text() string { return strings.Join(append([]string{b.Name}, b.Args...), " ") }

// Lines returns b as nginx's files have it, with all that is within its braces:
//
//	location ~ "\.sql$" {
//	    deny all;
//	}
func (b *Block) Lines() ([]string, error) {
	var text strings.Builder
	err := crossplane.Build(&text, crossplane.Config{Parsed: crossplane.Directives{b.directive()}}, &crossplane.BuildOptions{Indent: 4})
	if err != nil {
		return nil, fmt.Errorf("write %s of %s: %w", b.Text(), b.Where(), err)
	}
	return strings.Split(strings.TrimSpace(text.String()), "\n"), nil
}

func (b *Block) directive() *crossplane.Directive {
	d := &crossplane.Directive{Directive: b.Name, Args: b.Args, Line: b.Line}
	for _, child := range b.Children {
		d.Block = append(d.Block, child.directive())
	}
	return d
}

// Find returns the directive directly within b that has the name and the arguments of
// like, or nil.
func (b *Block) Find(like *Block) *Block {
	for _, child := range b.Children {
		if child.Name == like.Name && slices.Equal(child.Args, like.Args) {
			return child
		}
	}
	return nil
}

// Lacks returns the first directive within want, however deep, that is not at
// the same place within b, or nil. The order of directives does not matter.
func (b *Block) Lacks(want *Block) *Block {
	for _, w := range want.Children {
		have := b.Find(w)
		if have == nil {
			return w
		}
		if missing := have.Lacks(w); missing != nil {
			return missing
		}
	}
	return nil
}

// Effective returns the directives of that name that hold in b: its own or, if it
// has none, those of the nearest block around it that has some. nginx inherits
// all directives this way.
func (b *Block) Effective(name string) []*Block {
	for at := b; at != nil; at = at.Parent {
		if all := at.All(name); len(all) > 0 {
			return all
		}
	}
	return nil
}

// IsOn reports whether a directive that is on or off is on in b; it is off
// if no directive says so.
func (b *Block) IsOn(name string) bool {
	all := b.Effective(name)
	return len(all) > 0 && all[0].Arg(0) == "on"
}
