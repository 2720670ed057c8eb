#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes what README.md calls made by us, again. Needs imagemagick, libvips-tools,
# libheif-examples, libavif-bin, libjxl-tools and libimage-exiftool-perl, and
# dandelion.jpg beside it.
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

# Six colors whose meaning a file tells by numbers. Their samples are the same in
# all of them. 12/13 is Display P3, 9/13 BT.2020, 1/8 linear, 16 PQ, 18 HLG.
color=../internal/engine/testdata/color
mkdir -p "$color"
six() {
	convert \( -size 40x40 "xc:rgb($1)" "xc:rgb($2)" "xc:rgb($3)" +append \) \
		\( "xc:rgb($4)" "xc:rgb($5)" "xc:rgb($6)" +append \) -append -depth 8 -strip -define png:exclude-chunk=all "PNG24:$7"
}
six 200,100,50 60,180,90 40,60,200 128,128,128 20,20,20 255,255,255 "$tmp/six.png"
six 200,200,200 60,60,60 40,40,40 128,128,128 20,20,20 255,255,255 "$tmp/gray.png"
convert "$tmp/gray.png" -colorspace Gray -strip -define png:color-type=0 -define png:exclude-chunk=all "$tmp/gray.png"
convert "$tmp/six.png" -alpha set -channel A -evaluate set 50.2% -depth 8 -strip -define png:exclude-chunk=all "PNG32:$tmp/faint.png"
avif() {
	in=$1 out=$2
	shift 2
	avifenc -s 8 -j 1 --min 0 --max 4 -y 444 "$@" "$tmp/$in.png" "$color/$out.avif"
}
avif six p3 --cicp 12/13/6
avif six camera --cicp 1/1/6
avif six bt2020-12-bits --cicp 9/13/9 -d 12
avif six linear-10-bits --cicp 1/8/6 -d 10
avif six pq-10-bits --cicp 1/16/6 -d 10
avif six hlg-10-bits --cicp 9/18/9 -d 10
avif gray gray -y 400 --cicp 1/13/6
avif gray gray-narrow -y 400 -r limited --cicp 1/13/6
avif gray gray-narrow-linear -y 400 -r limited --cicp 1/8/6 -d 10
avif faint multiplied -p --cicp 1/13/6
avif faint multiplied-p3 -p --cicp 12/13/6 -d 10
# The box of the numbers has another name: they are in the data of the picture.
sed 's/colrnclx/colxnclx/' "$color/p3.avif" >"$color/p3-in-data-alone.avif"
jxl() {
	in=$1 out=$2
	shift 2
	cjxl "$@" "$tmp/$in.png" "$color/$out.jxl"
}
jxl six p3 -d 0 -x color_space=RGB_D65_DCI_Rel_SRG
jxl six pq -d 0 -x color_space=RGB_D65_SRG_Rel_PeQ
jxl six hlg-lossy -d 0.1 -x color_space=RGB_D65_202_Rel_HLG
jxl gray pq-gray -d 0 -x color_space=Gra_D65_Rel_PeQ
jxl faint multiplied -d 0 --premultiply=1
