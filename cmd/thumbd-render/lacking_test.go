// SPDX-License-Identifier: MIT

package main

import (
	"slices"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/thumb"
)

// Stand-ins for functions of libheif, which has its codecs in plugins that need
// not be installed: then these fail.
const (
	noEncoder = `typedef struct { int code, subcode; const char *message; } error;
error heif_context_get_encoder_for_format(void *c, int format, void **e) { return (error) { 2, 3000, "no plugin" }; }
`
	noDecoder = `typedef struct { int code, subcode; const char *message; } error;
error heif_decode_image(void *h, void **i, int space, int chroma, void *o) { return (error) { 2, 3000, "no plugin" }; }
`
)

// TestFormatsThatAPluginIsMissingFor are left out of the Hello, though libvips
// was built for them.
func TestFormatsThatAPluginIsMissingFor(t *testing.T) {
	whole := startWorker(t).hello
	without := func(formats []thumb.Format, lacking ...thumb.Format) []thumb.Format {
		return slices.DeleteFunc(slices.Clone(formats), func(f thumb.Format) bool { return slices.Contains(lacking, f) })
	}
	for name, c := range map[string]struct {
		source      string
		read, write []thumb.Format
	}{
		"encoder": {noEncoder, whole.Read, without(whole.Write, thumb.AVIF)},
		"decoder": {noDecoder, without(whole.Read, thumb.AVIF, thumb.HEIC), whole.Write},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("LD_PRELOAD", aid.Preload(t, c.source))
			hello := startWorker(t).hello
			if !slices.Equal(hello.Read, c.read) || !slices.Equal(hello.Write, c.write) {
				t.Errorf("reads %v, want %v; writes %v, want %v", hello.Read, c.read, hello.Write, c.write)
			}
		})
	}
	if !slices.Contains(whole.Read, thumb.HEIC) || !slices.Contains(whole.Write, thumb.AVIF) {
		t.Errorf("got %+v", whole)
	}
}

// otherLibvips is a libvips of another version, which was built without JPEG XL. A package
// that was built with one version runs with others.
const otherLibvips = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
const char *vips_version_string(void) { return "8.99.1"; }
unsigned long vips_type_find(const char *base, const char *name)
{
	unsigned long (*real)(const char *, const char *) = (unsigned long (*)(const char *, const char *)) dlsym(RTLD_NEXT, "vips_type_find");

	return name && !strncmp(name, "jxlload", 7) ? 0 : real(base, name);
}
`

// TestTheRunningLibraryIsAsked holds that the version and the formats are those of the
// libvips that is loaded, and not of the one that the program was compiled with.
func TestTheRunningLibraryIsAsked(t *testing.T) {
	built := startWorker(t).hello
	if built.Vips == "" || built.Vips == "8.99.1" || !slices.Contains(built.Read, thumb.JXL) {
		t.Fatalf("libvips %q reads %v: the test has no other version, or nothing to take away", built.Vips, built.Read)
	}
	t.Setenv("LD_PRELOAD", aid.Preload(t, otherLibvips))
	hello := startWorker(t).hello
	want := slices.DeleteFunc(slices.Clone(built.Read), func(f thumb.Format) bool { return f == thumb.JXL })
	if hello.Vips != "8.99.1" || !slices.Equal(hello.Read, want) || !slices.Equal(hello.Write, built.Write) {
		t.Errorf("libvips %q reads %v and writes %v; want 8.99.1, %v and %v", hello.Vips, hello.Read, hello.Write, want, built.Write)
	}
}
