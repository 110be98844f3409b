#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 270-restore-memory - the most memory that a restore of 512 MiB takes, in every format: the agent and its
# processes that unpack together.
. "${0%/*}/lib.sh"
need sfdisk gzip zstd xz lz4 bzip2 python3
[ "$(id -u)" -eq 0 ] || skip "not root"
LIMIT_KIB=${LIMIT_KIB:-98304}

img=$WORK/img
truncate -s 512M "$img"
echo '2048,' | sfdisk -q -X gpt "$img"
for mib in 1 200 400 500; do
	dd if=/dev/urandom of="$img" bs=1M seek=$mib count=4 conv=notrunc status=none
done

# peak NAME ARGUMENT ...
peak() {
	name=$1
	shift
	"$HERE/../fixtures/peak.py" "$WORK/peak" "$BMR" "$@" 2>"$WORK/err" || fail "bmr $*"
	read -r kib unpackers <"$WORK/peak"
	printf '%-24s %3d MiB\n' "$name" $((kib / 1024))
	case $name in
	raw | *compared) ;; # nothing is unpacked
	*) [ "$unpackers" -gt 0 ] || fail "$name: no process that unpacks was seen" ;;
	esac
	[ "$kib" -le "$LIMIT_KIB" ] || fail "$name took $kib KiB, more than $LIMIT_KIB"
}

for format in raw gz zst xz lz4 bz2; do
	if [ $format = raw ]; then
		file=$img
	else
		pack $format "$img"
		file=$img.$format
	fi
	peak "$format" restore "$file" "$WORK/disk"
	rm -f "$WORK/disk" "$img.$format"
done

# bmr images, with the smallest and the largest chunks; a disk of 1 TiB that is nearly all unused.
[ -x "$FIX/make_bmr" ] || skip "make_bmr is not built: make fixtures"
truncate -s 128M "$WORK/medium"
dd if=/dev/urandom of="$WORK/medium" bs=1M seek=1 count=64 conv=notrunc status=none
for chunk in 1M 4M; do
	"$FIX/make_bmr" "$WORK/medium" "$WORK/medium.bmr" --chunk $chunk
	peak "bmr, chunks of $chunk" restore "$WORK/medium.bmr" "$WORK/disk"
	peak "the same, compared" restore --compare=hash "$WORK/medium.bmr" "$WORK/disk"
	peak "the same, verified" verify "$WORK/medium.bmr"
	rm -f "$WORK/disk"
done
head -c 16M "$WORK/medium" >"$WORK/small"
"$FIX/make_bmr" "$WORK/small" "$WORK/small.bmr"
peak "bmr, 16 MiB" restore "$WORK/small.bmr" "$WORK/disk"
rm -f "$WORK/disk"
truncate -s 1T "$WORK/large"
for gib in 0 100 700 1023; do
	dd if=/dev/urandom of="$WORK/large" bs=1M seek=$((gib * 1024 + 1)) count=2 conv=notrunc status=none
done
"$FIX/make_bmr" "$WORK/large" "$WORK/large.bmr" --unused 1G:99G --unused 101G:598G --unused 701G:322G
peak "bmr, 1 TiB sparse" restore "$WORK/large.bmr" "$WORK/disk"
rm -f "$WORK/disk" "$WORK/large" "$WORK/large.bmr"
# The largest windows that are taken, 64 MiB: an image that is larger fills them.
truncate -s 96M "$WORK/window"
dd if=/dev/urandom of="$WORK/window" bs=1M seek=1 count=4 conv=notrunc status=none
img=$WORK/window
zstd -q -3 --long=26 <"$img" >"$img.zst"
peak "zst --long=26" verify "$img.zst"
xz -9 <"$img" >"$img.xz"
peak "xz -9" verify "$img.xz"
done_ok
