#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes what README.md calls made by us, again. Needs imagemagick, libvips-tools,
# libheif-examples and libimage-exiftool-perl, and dandelion.jpg beside it.
set -eu
cd "$(dirname "$0")"
made=originals/tests/made
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Four colors and an arrow up: no turn and no mirroring goes unseen.
convert -size 240x160 xc:white -fill '#d02030' -draw 'rectangle 0,0 119,79' \
	-fill '#20a040' -draw 'rectangle 120,0 239,79' \
	-fill '#2050c0' -draw 'rectangle 0,80 119,159' \
	-fill '#f0c020' -draw 'rectangle 120,80 239,159' \
	-fill black -draw 'polygon 120,20 160,70 130,70 130,140 110,140 110,70 80,70' \
	"$tmp/mark.png"

# Stored as the tag says that it was taken, so that each shows the arrow up.
n=0
for turn in '' '-flop' '-rotate 180' '-flip' '-transpose' '-rotate 270' '-transverse' '-rotate 90'; do
	n=$((n + 1))
	# shellcheck disable=SC2086 # two words where it is a turn
	convert "$tmp/mark.png" $turn -quality 92 -strip "originals/tests/orientation/$n.jpg"
	exiftool -q -overwrite_original -n -Orientation=$n "originals/tests/orientation/$n.jpg"
done

# The same picture in Display P3: shown right, it looks like 1.jpg.
vips icc_transform "$tmp/mark.png" "$made/p3.jpg[Q=92]" p3 --embedded --input-profile srgb

# Soft edges on nothing: a halo shows as a dark or light ring.
convert -size 400x400 radial-gradient:white-black -level 45%,55% "$tmp/alpha.png"
convert -size 400x400 gradient:'#f0c020'-'#d02030' "$tmp/alpha.png" \
	-alpha off -compose CopyOpacity -composite -depth 8 -strip "PNG32:$made/alpha.png"

for i in 0 1 2 3 4 5 6 7; do
	convert -size 160x160 xc:white -fill '#2050c0' -draw "translate 80,80 rotate $((i * 45)) ellipse 50,0 14,14 0,360" "$tmp/spin$i.png"
done
convert -delay 12 -loop 0 "$tmp"/spin?.png "$made/spin.gif"

photo=originals/photos/dandelion.jpg
vipsthumbnail $photo -s 1200x -o "$tmp/photo.png[strip]"
vips copy "$tmp/photo.png" "$made/dandelion.webp[Q=80,strip]"
heif-enc -q 60 -A -o "$made/dandelion.avif" "$tmp/photo.png"
heif-enc -q 60 -o "$made/dandelion.heic" "$tmp/photo.png"
vipsthumbnail $photo -s 400x -o "$PWD/originals/tests/names/two words.jpg[Q=80,strip]"
vipsthumbnail $photo -s 240x -o "$PWD/originals/tests/names/été à la plage/photo 100%.png[strip]"

head -c 70000 $photo >refused/cut-off.jpg
echo 'This is text.' >refused/text.jpg
