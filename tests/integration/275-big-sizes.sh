#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 275-big-sizes - disks around 2^31 bytes, 2^32 bytes and 2^32 sectors: the last sector is right, one
# sector too few is refused with exact numbers.  All of it is holes but for what is looked at.
. "${0%/*}/lib.sh"
need sfdisk zstd python3
need_shim
need_root
RUN_SECONDS=300

# big_disk FILE SIZE: a GPT, a partition at the start and one that ends where a last one can, its last
# sector marked.
big_disk() {
	sectors=$(($2 / 512))
	rm -f "$1"
	truncate -s "$2" "$1"
	printf 'label: gpt\n2048,8192\n%s,%s\n' $((sectors - 33 - 8192)) 8192 | sfdisk -q "$1"
	dd if=/dev/urandom of="$1" bs=1M seek=2 count=1 conv=notrunc status=none
	printf 'the last sector of the last partition' |
		dd of="$1" bs=512 seek=$((sectors - 34)) conv=notrunc status=none
}

# old_end FILE SIZE: an old disk of that size, of which begin and end are not what the image has.
old_end() {
	rm -f "$1"
	truncate -s "$2" "$1"
	tr '\0' '\252' </dev/zero | head -c 1M | dd of="$1" conv=notrunc status=none
	tr '\0' '\252' </dev/zero | head -c 1M |
		dd of="$1" oflag=seek_bytes seek=$(($2 - 1048576)) conv=notrunc status=none
}

# same_ends A B SIZE: the first 16 MiB and the last 2 are the same, and both have SIZE bytes.
same_ends() {
	[ "$(stat -Lc %s "$1")" -eq "$3" ] || [ -b "$1" ] || fail "'$1' does not have $3 bytes"
	cmp -n 16777216 "$1" "$2" || fail "$3 bytes: the start is not the image's"
	cmp -i $(($3 - 2097152)) "$1" "$2" || fail "$3 bytes: the end is not the image's"
}

# exact SIZE: capture, look, restore, refuse.
exact() {
	size=$1
	big_disk "$WORK/disk" "$size"
	run 0 capture --replace=yes "$WORK/disk" "$WORK/img.bmr"
	run 0 info "$WORK/img.bmr"
	grep -q "^disk  *$size bytes" "$WORK/out" || fail "bmr info does not say $size"
	old_end "$WORK/target" "$size"
	run 0 restore "$WORK/img.bmr" "$WORK/target"
	says "$(commas "$size") bytes"
	same_ends "$WORK/target" "$WORK/disk" "$size"
	sfdisk --verify "$WORK/target" >"$WORK/verify" 2>&1 || fail "sfdisk: $(cat "$WORK/verify")"
	run 0 verify "$WORK/img.bmr" "$WORK/target"
	flip "$WORK/target" $((size - 1))
	run 74 verify "$WORK/img.bmr" "$WORK/target"
	old_end "$WORK/target" $((size - 512))
	run 77 restore "$WORK/img.bmr" "$WORK/target"
	says "too small: it has $((size - 512)) bytes and the image needs $size, 512 more"
	[ "$(head -c 1 "$WORK/target" | od -An -tu1)" -eq 170 ] || fail "$size bytes: refused, but written"
	echo "$(commas "$size") bytes"
}

# 1234567 to 1,234,567
commas() {
	echo "$1" | sed -e :a -e 's/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/;ta'
}

exact $((1 << 31 | 512))
exact $(((1 << 41) - 512))
exact $((1 << 41))
exact $((1 << 41 | 512))
rm -f "$WORK/target" "$WORK/img.bmr"

# A stream that does not say how large it is; 4 GiB come out of it.
size=$((1 << 32 | 512))
big_disk "$WORK/disk" "$size"
{
	head -c 16M "$WORK/disk" | zstd -q
	head -c 16M /dev/zero | zstd -q >"$WORK/zeros"
	for _ in $(seq 254); do
		cat "$WORK/zeros"
	done
	tail -c $((16777216 + 512)) "$WORK/disk" | zstd -q
} >"$WORK/img.zst"
old_end "$WORK/target" $((size - 512))
run 77 restore "$WORK/img.zst" "$WORK/target"
says "too small: it has $((size - 512)) bytes and the image needs $size, 512 more"
old_end "$WORK/target" "$size"
run 0 restore "$WORK/img.zst" "$WORK/target"
says "$(commas "$size") bytes"
same_ends "$WORK/target" "$WORK/disk" "$size"
rm -f "$WORK/disk" "$WORK/target" "$WORK/img.zst"
echo "zstd, $(commas "$size") bytes"

# gzip_zeros FILE SIZE: FILE.gz is what gzip makes of FILE, of SIZE bytes, of which all from 16 MiB on are
# zeros: one member, and what a MiB of them is packed to stands in it again and again.
gzip_zeros() {
	python3 - "$1" "$2" <<-'END'
		import sys, zlib
		name, size = sys.argv[1], int(sys.argv[2])
		head = open(name, "rb").read(1 << 24)
		zeros, count = bytes(1 << 20), (size >> 20) - 16
		pack = zlib.compressobj(1, zlib.DEFLATED, -15)
		sum = zlib.crc32(head)
		for _ in range(count):
		    sum = zlib.crc32(zeros, sum)
		with open(name + ".gz", "wb") as out:
		    out.write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
		    out.write(pack.compress(head) + pack.flush(zlib.Z_FULL_FLUSH))
		    out.write((pack.compress(zeros) + pack.flush(zlib.Z_FULL_FLUSH)) * count + pack.flush())
		    out.write(sum.to_bytes(4, "little") + (size % (1 << 32)).to_bytes(4, "little"))
	END
}

# A disk that is larger than its GPT knows, and the size in its gzip file is modulo 2^32.
size=$(((1 << 32) + (65 << 20)))
for table in $((1 << 28)) $(((1 << 32) + (1 << 20))); do
	rm -f "$WORK/longer"
	truncate -s "$table" "$WORK/longer"
	printf 'label: gpt\n2048,8192\n' | sfdisk -q "$WORK/longer"
	truncate -s 16M "$WORK/longer"
	truncate -s "$size" "$WORK/longer"
	gzip_zeros "$WORK/longer" "$size"
	old_end "$WORK/target" $((size - 512))
	run 77 restore "$WORK/longer.gz" "$WORK/target"
	says "too small: it has $((size - 512)) bytes and the image needs $size, 512 more"
	[ "$(head -c 1 "$WORK/target" | od -An -tu1)" -eq 170 ] || fail "gzip: refused, but written"
	echo "gzip, $(commas "$size") bytes, of which its table knows $(commas "$table")"
done
rm -f "$WORK/longer" "$WORK/longer.gz" "$WORK/target"

# A small image on a disk of over 2^32 sectors: what an old GPT has at its end goes, or the new one's
# comes; chunks that share a sum, as they do from 1 TiB on, are written again together.
size=$((1 << 41 | 1 << 30 | 512))
truncate -s $size "$WORK/back"
loop_of "$WORK/back"

# An image of 16 MiB, and a disk of $size that has an old table of its own.
small() {
	rm -f "$WORK/small"
	truncate -s 16M "$WORK/small"
	printf 'label: gpt\n2048,8192\n' | sfdisk -q "$WORK/small"
	dd if=/dev/urandom of="$WORK/small" bs=1M seek=1 count=8 conv=notrunc status=none
	printf 'label: gpt\n2048,\n' | sfdisk -q --no-reread --no-tell-kernel "$LOOP"
	[ "$(end_magic)" = "EFI PART" ] || fail "there is no old table"
}

end_magic() {
	dd if="$LOOP" iflag=direct bs=512 skip=$((size / 512 - 1)) count=1 status=none | head -c 8 | tr -d '\0'
}

small
run 0 restore --overwrite=any "$WORK/small" "$LOOP"
cmp -n 16777216 "$WORK/small" "$LOOP" || fail "another disk"
[ -z "$(end_magic)" ] || fail "the old table is still at the end"
small
LD_PRELOAD=$FIX/shim.so SHIM_TARGET=$LOOP SHIM_CALL=pwrite SHIM_ACTION=flip SHIM_FROM=4 \
	SHIM_REPORT=$WORK/fired run 0 restore --overwrite=any --grow=table "$WORK/small" "$LOOP"
grep -q '^fired pwrite' "$WORK/fired" || fail "no fault fired"
says "reads back wrong in 1 places"
cmp -n 15728640 -i 1048576 "$WORK/small" "$LOOP" || fail "another disk"
sfdisk --verify "$LOOP" >"$WORK/verify" 2>&1 || fail "sfdisk: $(cat "$WORK/verify")"
[ "$(end_magic)" = "EFI PART" ] || fail "the table was not moved to the end"
echo "on a disk of $(commas "$size") bytes"
done_ok
