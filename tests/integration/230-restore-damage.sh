#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 230-restore-damage - a damaged image ends with 65 and a disk that does not boot.
. "${0%/*}/lib.sh"
need sfdisk gzip zstd xz lz4 bzip2

img=$WORK/img
gpt_image "$img" 8
digest=$(sum_of "$img")
wrong=$(printf x | sha256sum | cut -d ' ' -f 1)

# broken WORDS FILE [OPTION ...]: found out while it is written; or before, where a cut gzip file ends, by chance,
# with what could be a size, and is measured for it.
broken() {
	words=$1 file=$2
	shift 2
	old_disk "$WORK/disk" 8M
	before=$(sum_of "$WORK/disk")
	run 65 restore "$@" "$file" "$WORK/disk"
	says "$words"
	if grep -q "reading it once to know" "$WORK/err"; then
		says "'$WORK/disk' was not written"
		[ "$(sum_of "$WORK/disk")" = "$before" ] || fail "the target was written"
	else
		says "'$WORK/disk' is incomplete and does not boot"
		zero_lba0 "$WORK/disk"
	fi
	# A new file does not look like a disk either.
	rm "$WORK/disk"
	run 65 restore "$@" "$file" "$WORK/disk"
	zero_lba0_or_empty
}

# kept WORDS FILE [OPTION]: found out before the disk is touched; a new file stays empty.
kept() {
	old_disk "$WORK/disk" 8M
	before=$(sum_of "$WORK/disk")
	run 65 restore ${3:+"$3"} "$2" "$WORK/disk"
	says "$1"
	says "'$WORK/disk' was not written"
	[ "$(sum_of "$WORK/disk")" = "$before" ] || fail "the target was written"
	rm "$WORK/disk"
	run 65 restore ${3:+"$3"} "$2" "$WORK/disk"
	says "$1"
	zero_lba0_or_empty
}

zero_lba0_or_empty() {
	[ ! -s "$WORK/disk" ] || zero_lba0 "$WORK/disk"
}

for format in gz zst xz lz4 bz2; do
	pack "$format" "$img"
	size=$(stat -c %s "$img.$format")
	for end in 1 100 $((size / 2)); do
		head -c $((size - end)) "$img.$format" >"$WORK/cut"
		broken "truncated" "$WORK/cut"
	done
	for garbage in xy "\\0\\0\\0" "12345678"; do
		{
			cat "$img.$format"
			printf %b "$garbage"
		} >"$WORK/tail"
		case $format$garbage in
		gz\\0*) kept "not gzip" "$WORK/tail" ;; # zeros where the size modulo 2^32 is looked for
		*) broken "" "$WORK/tail" ;;
		esac
	done
	# A byte in the middle of the data.
	cp "$img.$format" "$WORK/flipped"
	flip "$WORK/flipped" $((size / 2))
	broken "damaged" "$WORK/flipped"
done
echo "cut, a tail of garbage, a wrong byte: 65 in every format, LBA 0 is zero"

for format in $FORMATS; do
	pack "$format" "$img"
	kept "the image's SHA-256 is $digest, not the expected $wrong" "$img.$format" \
		--sha256="$wrong"
done
echo "another digest than expected: 65, the disk is as it was"

# Nothing but the digest can see damage in a raw image: the opposite of all of the above.
cp "$img" "$WORK/flipped"
flip "$WORK/flipped" 3000000
run 0 restore "$WORK/flipped" "$WORK/new"
says "carries no checksum"
kept "not the expected" "$WORK/flipped" --sha256="$digest"
run 0 verify "$WORK/flipped"
says "was read to its end; it has no checksum"
echo "a raw image: seen by its digest alone"

# A verify of the image alone says the same.
run 65 verify "$WORK/cut"
run 65 verify --sha256="$wrong" "$img.gz"
run 0 verify --sha256="$digest" "$img.gz"
done_ok
