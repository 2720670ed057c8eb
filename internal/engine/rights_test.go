// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/thumb"
)

// exiftool calls exiftool(1) for a file and returns what it prints.
func exiftool(t *testing.T, path string, arguments ...string) []byte {
	t.Helper()
	cmd := exec.Command("exiftool", append(arguments, path)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("exiftool: %v: %s", err, out)
	}
	return out
}

// tagged returns an original with what exiftool's arguments put into it.
func tagged(t *testing.T, f thumb.Format, arguments ...string) []byte {
	t.Helper()
	return retagged(t, originalFile(t, quadrants(400, 300), f), f, arguments...)
}

// retagged returns a file with what exiftool's arguments put into it.
func retagged(t *testing.T, file []byte, f thumb.Format, arguments ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "original."+f.String())
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	exiftool(t, path, append([]string{"-q", "-overwrite_original"}, arguments...)...)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// tags returns the metadata that exiftool finds, without what it says of the
// file and of pixels.
func tags(t *testing.T, file []byte, f thumb.Format) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "thumbnail."+f.String())
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	var found []map[string]any
	if err := json.Unmarshal(exiftool(t, path, "-j", "-G1", "-a"), &found); err != nil {
		t.Fatal(err)
	}
	about := []string{
		"Orientation", "XResolution", "YResolution", "ResolutionUnit", "ColorSpace", "ExifImageWidth",
		"ExifImageHeight", "ExifVersion", "FlashpixVersion", "YCbCrPositioning", "ComponentsConfiguration", "Compression",
	}
	kept := make(map[string]string)
	for name, value := range found[0] {
		group, tag, _ := strings.Cut(name, ":")
		text, isText := value.(string)
		if isText && (strings.HasPrefix(group, "XMP") || group == "IPTC" || group == "GPS" || group == "Photoshop" ||
			strings.HasPrefix(group, "IFD") || group == "ExifIFD") && !slices.Contains(about, tag) {
			kept[tag] = text
		}
	}
	return kept
}

// TestCopyrightIsAllThatIsKept reads what is left with exiftool.
func TestCopyrightIsAllThatIsKept(t *testing.T) {
	secret := []string{
		"-GPSLatitude=48.4", "-GPSLatitudeRef=N", "-XMP:GPSLongitude=10", "-XMP-dc:Title=Home", "-XMP-photoshop:City=Ulm", "-EXIF:Model=Camera",
		"-EXIF:UserComment=private", "-EXIF:SerialNumber=4711",
	}
	iptcSecret := []string{"-IPTC:City=Ulm", "-IPTC:Caption-Abstract=Home"}
	want := map[string]string{"Artist": "Jürgen Ölé; 山田", "Copyright": "© 2026 Jürgen"}
	in := map[string][]string{
		"EXIF":           {"-EXIF:Artist=Jürgen Ölé; 山田", "-EXIF:Copyright=© 2026 Jürgen"},
		"XMP":            {"-XMP-dc:Creator=Jürgen Ölé", "-XMP-dc:Creator=山田", "-XMP-dc:Rights=© 2026 Jürgen", "-XMP-dc:Rights-de=alle Rechte"},
		"IPTC":           {"-codedcharacterset=utf8", "-IPTC:By-line=Jürgen Ölé", "-IPTC:By-line=山田", "-IPTC:CopyrightNotice=© 2026 Jürgen"},
		"one of each":    {"-EXIF:Artist=Jürgen Ölé; 山田", "-XMP-dc:Creator=Someone", "-XMP-dc:Rights=© 2026 Jürgen"},
		"IPTC in Latin1": {"-charset", "iptc=Latin1", "-IPTC:By-line=Jürgen Ölé", "-IPTC:CopyrightNotice=© 2026 Jürgen"},
	}
	for name, arguments := range in {
		for _, from := range []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.TIFF, thumb.AVIF} {
			iptc := strings.HasPrefix(name, "IPTC")
			if iptc && from != thumb.JPEG && from != thumb.TIFF || name == "one of each" && from != thumb.JPEG {
				continue // They hold none, or libvips does not read it.
			}
			t.Run(name+" of "+from.String(), func(t *testing.T) {
				all := slices.Concat(arguments, secret)
				if from == thumb.JPEG || iptc {
					all = append(all, iptcSecret...)
				}
				data := tagged(t, from, all...)
				want := want
				if name == "IPTC in Latin1" {
					want = map[string]string{"Artist": "Jürgen Ölé", "Copyright": want["Copyright"]}
				}
				for _, to := range []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF} {
					want := want
					if to == thumb.GIF {
						want = map[string]string{} // It has no place for it.
					}
					tr := thumb.Transform{Width: 100, Method: thumb.Fit, Format: to, Quality: 80, Metadata: thumb.CopyrightMetadata}
					file := thumbnailFile(t, data, tr)
					if diff := cmp.Diff(want, tags(t, file, to)); diff != "" {
						t.Errorf("%v (-want +got):\n%s", to, diff)
					}
					// With its checksums, where there are some.
					decode(t, file, to)
					tr.Metadata = thumb.NoMetadata
					file = thumbnailFile(t, data, tr)
					for _, text := range []string{"rgen", "Camera", "private", "4711", "Home", "Ulm", "Exif", "EXIF", "adobe"} {
						if bytes.Contains(file, []byte(text)) {
							t.Errorf("%v without metadata has %q", to, text)
						}
					}
				}
			})
		}
	}
}

// TestAllIsKept has each format's metadata whole, but for what is said of pixels
// that are no more, and a picture of them.
func TestAllIsKept(t *testing.T) {
	want := map[string]string{
		"Artist": "Jürgen Ölé; 山田", "Copyright": "© 2026 Jürgen", "ImageDescription": "Grüße", "Make": "Maker", "Model": "Mödel",
		"Software": "Soft 1", "ModifyDate": "2021:01:02 03:04:05", "XPTitle": "XP ü",
		"DateTimeOriginal": "2020:01:02 03:04:05", "UserComment": "private ü", "LensModel": "Lens ö",
		"GPSLatitude": `48 deg 24' 0.00"`, "GPSLatitudeRef": "North", "GPSVersionID": "2.3.0.0", "Title": "Home ü",
	}
	arguments := []string{"-XMP-dc:Title=Home ü", "-GPSLatitude=48.4", "-GPSLatitudeRef=N"}
	for tag, value := range want {
		if tag != "Title" && !strings.HasPrefix(tag, "GPS") {
			arguments = append(arguments, "-EXIF:"+tag+"="+value)
		}
	}
	preview := filepath.Join(t.TempDir(), "preview.jpg")
	if err := os.WriteFile(preview, originalFile(t, uniform(16, 16, black), thumb.JPEG), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []thumb.Format{thumb.JPEG, thumb.PNG, thumb.AVIF, thumb.HEIC, thumb.TIFF} {
		arguments := slices.Clone(arguments)
		if from == thumb.JPEG {
			arguments = append(arguments, "-IFD1:ThumbnailImage<="+preview)
		}
		data := tagged(t, from, arguments...)
		for _, to := range []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF} {
			tr := thumb.Transform{Width: 100, Method: thumb.Fit, Format: to, Quality: 80, Metadata: thumb.AllMetadata}
			got := tags(t, thumbnailFile(t, data, tr), to)
			delete(got, "XMPToolkit")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v of %v (-want +got):\n%s", to, from, diff)
			}
		}
	}
}
