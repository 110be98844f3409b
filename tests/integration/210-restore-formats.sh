#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 210-restore-formats - every format gives the same disk, on a file, a new file and a loop device,
# and an equal disk is not written.
. "${0%/*}/lib.sh"
need sfdisk gzip zstd xz lz4 bzip2 python3

img=$WORK/img
gpt_image "$img" 24
digest=$(sum_of "$img")

for format in $FORMATS; do
	pack "$format" "$img"
	old_disk "$WORK/disk" 24M
	run 0 restore "$img.$format" "$WORK/disk" --sha256="$digest"
	same "$WORK/disk" "$img"
	says "read back and right"
	says "sha256 $digest"
	run 0 verify "$img.$format" "$WORK/disk"
	says "holds the image"
	run 0 restore "$img.$format" "$WORK/new.$format"
	same "$WORK/new.$format" "$img"
done
echo "all formats: the same disk, on an old file and a new one"

# Many streams in one file.
for format in gz zst xz lz4 bz2; do
	for mib in 0 8 16; do
		dd if="$img" of="$WORK/part" bs=1M skip=$mib count=8 status=none
		pack "$format" "$WORK/part"
		cat "$WORK/part.$format"
	done >"$WORK/many.$format"
	old_disk "$WORK/disk" 24M
	run 0 restore "$WORK/many.$format" "$WORK/disk"
	same "$WORK/disk" "$img"
done
echo "three streams in one file: the same disk"

# The size at the end of a gzip file of many small members is that of the last: no reason to read it twice.
run 0 capture --compress=gzip "$img" "$WORK/members.gz"
rm "$WORK/members.gz.manifest"
run 0 restore "$WORK/members.gz" "$WORK/disk"
same "$WORK/disk" "$img"
! grep "reading it once" "$WORK/err" || fail "many members: read twice"
echo "many small members: read once"

# A disk that holds the image already: not one byte is written.
before=$(stat -c %Y.%y "$WORK/disk")
run 0 restore "$img.zst" "$WORK/disk" --compare=hash --events="$WORK/events"
says "held the image already; nothing was written"
tail -n 1 "$WORK/events" | grep -q '"already":true,.*"zeroed":0,.*"written":0,' || fail "not said"
[ "$(stat -c %Y.%y "$WORK/disk")" = "$before" ] || fail "the disk was written"
# One byte differs: one chunk, the first MiB and nothing else is written.
rm "$WORK/events"
flip "$WORK/disk" 5000000
run 0 restore "$img.zst" "$WORK/disk" --compare=hash --events="$WORK/events"
same "$WORK/disk" "$img"
tail -n 1 "$WORK/events" | grep -q '"zeroed":0,.*"written":1048576,' || fail "not one chunk"
echo "compare=hash: nothing, and one chunk, is written"

# verify sees a difference, and where.
flip "$WORK/disk" 7000000
run 74 verify "$img.xz" "$WORK/disk"
says "1 of 24 MiB differ, the first at byte 7000000 (sector 13671)"

# A larger target: the rest of a file stays as it was.
old_disk "$WORK/large" 32M
run 0 restore "$img.zst" "$WORK/large"
head -c 24M "$WORK/large" | cmp - "$img"
tail -c 8M "$WORK/large" | tr -d '\252' | cmp - /dev/null
echo "a larger file: its end is left alone"

if [ "$(id -u)" -eq 0 ]; then
	old_disk "$WORK/back" 24M
	loop_of "$WORK/back" --direct-io=on
	for format in $FORMATS; do
		run 0 restore "$img.$format" "$LOOP" --overwrite=any
		same "$LOOP" "$img"
		dd if=/dev/urandom of="$LOOP" bs=1M count=24 oflag=direct status=none
	done
	echo "a loop device: the same"
	# The end of a larger disk could hold an old backup GPT: it is wiped.
	old_disk "$WORK/back2" 32M
	loop_of "$WORK/back2"
	run 0 restore "$img.gz" "$LOOP" --overwrite=any
	blockdev --flushbufs "$LOOP"
	head -c 24M "$LOOP" | cmp - "$img"
	tail -c 1M "$LOOP" | cmp -n 1048576 - /dev/zero
	echo "a larger disk: its last MiB is wiped"
fi
done_ok
