#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 300-medium-twice - the same sources give the same bytes: initramfs, ISO and netboot files are made
# twice, elsewhere and under another umask, and compared.  Also: kernel and initramfs together are
# small enough for machines of 256 MiB.
set -eu
top=$(cd "${0%/*}/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
limit=48000000
# One time for both builds, also if a commit is made between them.
SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct 2>/dev/null || echo 1700000000)
export SOURCE_DATE_EPOCH

die() {
	echo "300-medium-twice: $*" >&2
	exit 1
}

# The sanitizer builds are not what goes on a medium.  A copy: it may be built anew meanwhile.
bmr=$work/bmr
cp "$top/build/bmr" "$bmr"

make_all() { # NAME
	mkdir "$work/$1"
	"$top/initramfs/build" --bmr "$bmr" --out "$work/$1/boot" >"$work/$1/log" 2>&1 ||
		die "initramfs/build failed: $(tail -n 3 "$work/$1/log")"
	"$top/iso/build" --boot "$work/$1/boot" --out "$work/$1/bmr.iso" >>"$work/$1/log" 2>&1 ||
		die "iso/build failed: $(tail -n 3 "$work/$1/log")"
	"$top/iso/netboot" --boot "$work/$1/boot" --out "$work/$1/netboot" >>"$work/$1/log" 2>&1 ||
		die "iso/netboot failed: $(tail -n 3 "$work/$1/log")"
	rm "$work/$1/log"
}

make_all one
sleep 1 # a build that looks at the clock would show it
umask 077
make_all two
diff -r "$work/one" "$work/two" >"$work/differences" || die "two builds differ:
$(cat "$work/differences")"

size=$(cat "$work/one/boot/vmlinuz" "$work/one/boot/initrd.img" | wc -c)
echo "kernel + initramfs: $size bytes (limit $limit); ISO: $(wc -c <"$work/one/bmr.iso") bytes"
[ "$size" -le "$limit" ] || die "kernel + initramfs are too large"

# Another time stamp must show, or nothing was compared.
SOURCE_DATE_EPOCH=1000000000 "$top/iso/build" --boot "$work/one/boot" --out "$work/other.iso" \
	>/dev/null 2>&1
! cmp -s "$work/one/bmr.iso" "$work/other.iso" || die "the time stamp has no effect"
