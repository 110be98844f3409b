#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 220-restore-refused - every refusal has its exit code and leaves the target as it was.
. "${0%/*}/lib.sh"
need sfdisk gzip zstd xz lz4 bzip2

img=$WORK/img
gpt_image "$img" 8
for format in $FORMATS; do
	pack "$format" "$img"
done
old_disk "$WORK/disk" 8M
before=$(sum_of "$WORK/disk")

# untouched CODE WORDS ARGUMENT ...
untouched() {
	code=$1 words=$2
	shift 2
	run "$code" "$@"
	says "$words"
	[ "$(sum_of "$WORK/disk")" = "$before" ] || fail "bmr $*: the target was written"
}

untouched 69 "No such file" restore "$WORK/missing" "$WORK/disk"
untouched 64 "unknown or incomplete option '--frobnicate'" restore --frobnicate "$img" "$WORK/disk"
untouched 64 "IMAGE and DISK are needed" restore "$img"
untouched 64 "one argument too many" restore "$img" "$WORK/disk" "$WORK/disk"
untouched 64 "unknown command" resotre "$img" "$WORK/disk"
untouched 64 "verify" restore --verify=maybe "$img" "$WORK/disk"
untouched 64 "sha256" restore --sha256=abc "$img" "$WORK/disk"
echo "a wrong order: 64; a missing image: 69"

# Not images.
printf '<html><body>404 Not Found</body></html>\n' >"$WORK/page"
untouched 65 "text, perhaps an error page" restore "$WORK/page" "$WORK/disk"
: >"$WORK/empty"
untouched 65 "empty" restore "$WORK/empty" "$WORK/disk"
gzip -c "$WORK/empty" >"$WORK/empty.gz"
untouched 65 "holds nothing" restore "$WORK/empty.gz" "$WORK/disk"
printf 'QFI\373\0\0\0\3' >"$WORK/qcow2"
head -c 1M /dev/urandom >>"$WORK/qcow2"
untouched 65 "qcow2" restore "$WORK/qcow2" "$WORK/disk"
zstd -q <"$WORK/qcow2" >"$WORK/qcow2.zst"
untouched 65 "qcow2" restore "$WORK/qcow2.zst" "$WORK/disk"
tar -C "$WORK" -czf "$WORK/t.tar.gz" page
untouched 65 "tar archive" restore "$WORK/t.tar.gz" "$WORK/disk"
gzip -1 <"$img.gz" >"$WORK/twice.gz"
untouched 65 "gzip data within gzip data" restore "$WORK/twice.gz" "$WORK/disk"
lz4 -q -l -1 <"$img" >"$WORK/legacy.lz4"
untouched 65 "legacy" restore "$WORK/legacy.lz4" "$WORK/disk"
head -c 1000 /dev/urandom >"$WORK/odd"
untouched 65 "whole sectors" restore "$WORK/odd" "$WORK/disk"
head -c 7M "$img" >"$WORK/cut.raw"
untouched 65 "the image is truncated" restore "$WORK/cut.raw" "$WORK/disk"
echo "not an image, or a cut one: 65, and nothing is written"

# Too small by one sector, whatever the image says of its size.
head -c $((8 * 1048576 - 512)) "$WORK/disk" >"$WORK/small"
mv "$WORK/small" "$WORK/disk"
before=$(sum_of "$WORK/disk")
for format in $FORMATS; do
	untouched 77 "too small: it has 8388096 bytes and the image needs 8388608, 512 more" \
		restore "$img.$format" "$WORK/disk"
done
# An image without a table, and one whose MBR ends before the disk does.
head -c 8M /dev/urandom >"$WORK/none"
truncate -s 8M "$WORK/mbr"
echo '2048,8192,83' | sfdisk -q -X dos "$WORK/mbr"
for kind in none mbr; do
	for format in $FORMATS; do
		pack "$format" "$WORK/$kind"
		untouched 77 "too small" restore "$WORK/$kind.$format" "$WORK/disk"
	done
done
echo "too small by one sector: 77, and nothing is written"

# A disk that was larger than its GPT knows, as one is after a restore onto a larger disk.
cp "$img" "$WORK/longer"
head -c 4M /dev/urandom >>"$WORK/longer"
old_disk "$WORK/disk" 10M
before=$(sum_of "$WORK/disk")
pack gz "$WORK/longer"
untouched 77 "too small: it has 10485760 bytes and the image needs 12582912, 2097152 more" \
	restore "$WORK/longer.gz" "$WORK/disk"
echo "larger than its partition table says: 77, and nothing is written"

cp "$img" "$WORK/disk"
before=$(sum_of "$WORK/disk")
untouched 77 "is the image itself" restore "$WORK/disk" "$WORK/disk"
untouched 77 "is the image itself" restore "file://$WORK/disk" "$WORK/../${WORK##*/}/disk"
untouched 77 "neither a disk nor a regular file" restore "$img" /dev/null
untouched 77 "No such file" restore "$img" /dev/no-such-disk
echo "the image itself, a character device, a disk that is not there: 77"

[ "$(id -u)" -eq 0 ] || done_ok
need mkfs.ext4

# refused_loop WORDS: the loop device is refused and not written.
refused_loop() {
	words=$1
	shift
	held=$(sum_of "$LOOP")
	run 77 restore "$@" "$LOOP"
	says "$words"
	[ "$(sum_of "$LOOP")" = "$held" ] || fail "the loop device was written"
}

old_disk "$WORK/back" 8M
loop_of "$WORK/back" -b 4096
refused_loop "has sectors of 4096 bytes" --overwrite=any "$img.zst"
free_loop
# A file has no sectors: those of the table in it count, also in a bmr image of it.
truncate -s 8M "$WORK/table4k"
loop_of "$WORK/table4k" -b 4096
printf 'label: gpt\n' | sfdisk -q --no-reread "$LOOP" 2>&1
free_loop
run 0 capture "$WORK/table4k" "$WORK/table4k.img.zst"
loop_of "$WORK/back" -b 4096
run 0 restore --overwrite=any "$WORK/table4k.img.zst" "$LOOP"
free_loop
loop_of "$WORK/back"
refused_loop "4096" --overwrite=any "$WORK/table4k.img.zst"
free_loop
echo "another sector size: 77"

truncate -s 8M "$WORK/fs"
mkfs.ext4 -q "$WORK/fs"
loop_of "$WORK/fs"
refused_loop "" "$img.zst"
echo "a file system and no consent: 77"
refused_loop "" --overwrite=not-this-one "$img.zst"
mkdir "$WORK/mnt"
mount "$LOOP" "$WORK/mnt"
refused_loop "" --overwrite=any "$img.zst"
umount "$WORK/mnt"
echo "mounted: 77, also with consent"
free_loop
loop_of "$WORK/fs" -r
refused_loop "" --overwrite=any "$img.zst"
echo "read-only: 77"
# With consent, and free, the same disk is taken.
free_loop
loop_of "$WORK/fs"
run 0 restore --overwrite=any "$img.zst" "$LOOP"
same "$LOOP" "$img"
done_ok
