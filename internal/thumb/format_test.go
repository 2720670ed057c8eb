// SPDX-License-Identifier: MIT

package thumb

import "testing"

// Each row of the table of formats is complete, and no two have an extension or
// a media type in common.
func TestEachFormatIsComplete(t *testing.T) {
	mediaTypes := make(map[string]Format)
	brands := make(map[string]Format)
	count := 0
	for _, f := range Formats() {
		row := formats[f]
		if len(row.extensions) == 0 || row.mediaType == "" || f != SVG && len(row.signatures) == 0 {
			t.Errorf("%v: %+v", f, row)
		}
		if other := mediaTypes[row.mediaType]; other != 0 {
			t.Errorf("%v and %v: %s", f, other, row.mediaType)
		}
		mediaTypes[row.mediaType] = f
		count += len(row.extensions)
		for _, brand := range row.brands {
			if other := brands[brand]; other != 0 || FormatOfBrand(brand) != f {
				t.Errorf("the brand %s is of %v, %v and %v", brand, f, other, FormatOfBrand(brand))
			}
			brands[brand] = f
		}
		for _, ext := range row.varies {
			if extensions[ext] != f {
				t.Errorf("%v varies as %s, which is no extension of it", f, ext)
			}
		}
		for _, s := range row.signatures {
			if len(s) > SignatureLength {
				t.Errorf("%v: SignatureLength is less than a signature", f)
			}
			if !f.Begins([]byte(s + " and so on")) {
				t.Errorf("%v does not begin as %+v", f, s)
			}
		}
		if f.Begins([]byte("a text, which is no image")) {
			t.Errorf("a text begins as %v", f)
		}
	}
	if count != len(extensions) {
		t.Errorf("%d extensions in the table, %d that differ", count, len(extensions))
	}
	for _, f := range Variants() {
		if !f.Thumbnail() {
			t.Errorf("the variant %v is no format of thumbnails", f)
		}
	}
}
