#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 310-image-format - bmr images are read by tools that are not ours, and by bmr from files and
# streams; cut ones, and incremental ones without their base, give no disk.
. "${0%/*}/lib.sh"
need sfdisk zstd lz4 gzip python3 nbdkit nbdcopy qemu-img
make_bmr=$FIX/make_bmr
[ -x "$make_bmr" ] || fail "no fixture make_bmr; run make fixtures"
export BMR_CACHE="${BMR_CACHE:-$HERE/../../build/cache}"

# A GPT, random data, text, and zeros of which some are unused.
raw=$WORK/raw
gpt_image "$raw" 24
seq 1 400000 | dd of="$raw" bs=1M seek=14 conv=notrunc status=none
for pack in zstd zstd:9 lz4 gzip none; do
	file=$WORK/${pack%:*}
	"$make_bmr" "$raw" "$file" --pack "$pack" --unused 18M:3M --sidecar "$file.manifest"
	case $pack in
	zstd*) zstd -q -dc "$file" ;;
	lz4) lz4 -q -dc "$file" ;;
	gzip) gzip -dc <"$file" ;;
	none) cat "$file" ;;
	esac | cmp - "$raw"
	old_disk "$WORK/disk" 24M
	run 0 restore "$file" "$WORK/disk"
	same "$WORK/disk" "$raw"
done
"$make_bmr" "$raw" "$WORK/large-chunks" --chunk 4M
zstd -q -dc "$WORK/large-chunks" | cmp - "$raw"
run 0 info "$WORK/zstd"
run 0 verify "$WORK/zstd"
echo "zstd, lz4, gzip and none: other tools and bmr give the same disk"

# The example of docs/image-format.md is an image.
python3 - "$HERE/../../docs/image-format.md" >"$WORK/example" <<'END'
import re, sys
for line in open(sys.argv[1]):
    if re.match("[0-9a-f]{8}: ", line):
        sys.stdout.buffer.write(bytes.fromhex(line[10:57]))
END
{ printf hello; head -c 2097147 /dev/zero; } >"$WORK/example.raw"
zstd -q -dc "$WORK/example" | cmp - "$WORK/example.raw"
run 0 restore "$WORK/example" "$WORK/example.disk"
same "$WORK/example.disk" "$WORK/example.raw"
run 0 info "$WORK/example"
grep -q 00112233-4455-4677-8899-aabbccddeeff "$WORK/out" || fail "another id"
echo "the example in docs/image-format.md: an image"

# What other tools say of it.
zstd -q -t "$WORK/zstd" "$WORK/large-chunks"
[ "$(zstd -l "$WORK/zstd" | awk 'NR == 2 {print $2}')" = 3 ] || fail "not three skippable frames"
truncate -s 1500M "$WORK/sparse"
printf boot | dd of="$WORK/sparse" conv=notrunc status=none
"$make_bmr" "$WORK/sparse" "$WORK/sparse.zst"
zstd -q -dc "$WORK/sparse.zst" | cmp - "$WORK/sparse"
[ "$(stat -c %s "$WORK/sparse.zst")" -lt 60000 ] || fail "runs of zeros take too much"
echo "zstd -t, zstd -l; 1.5 GiB of zeros in $(stat -c %s "$WORK/sparse.zst") bytes"

# Network block devices, of what is stored as it is (nbdkit's gzip filter knows one member alone).
nbdkit -r -U - file "$WORK/none" --run "nbdcopy \"\$uri\" '$WORK/by-nbdkit'"
same "$WORK/by-nbdkit" "$raw"
qemu-img compare -q -f raw -F raw "$WORK/none" "$raw" || fail "qemu-img sees another disk"
rm "$WORK/by-nbdkit"
echo "nbdkit and qemu-img over none: the same disk"

# As streams, which bmr cannot ask for their tail.  The server ends by itself if this test fails.
timeout 200 python3 "$HERE/../fixtures/serve" evil "$WORK" >"$WORK/server" &
server=$!
tries=0
until grep -q ^PID= "$WORK/server"; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || fail "the server does not start"
	sleep 0.1
done
url=$(sed -n 's/^URL=//p' "$WORK/server")
for pack in zstd lz4 large-chunks; do
	rm -f "$WORK/new"
	run 0 restore "${url%/}/chunked/0/$pack" "$WORK/new"
	same "$WORK/new" "$raw"
done
"$make_bmr" "$raw" "$WORK/inc-stream" --base "$WORK/zstd"
rm -f "$WORK/new"
run 65 restore "${url%/}/chunked/0/inc-stream" "$WORK/new"
says "incremental"
[ ! -s "$WORK/new" ] || fail "an incremental image was restored alone"
: >"$WORK/new"
kill "$server"
wait "$server" 2>/dev/null || true
rm "$WORK/new"
echo "from a server without sizes and ranges: the same disk"

# A reader of the seekable format that is not ours.
if source=$("$HERE/../fixtures/zstd_source"); then
	"${CC:-cc}" -O1 -DXXH_NAMESPACE=ZSTD_ -I"$source/contrib/seekable_format" \
		-I"$source/lib" -I"$source/lib/common" -o "$WORK/seekable_read" \
		"$HERE/../fixtures/foreign/seekable_read.c" \
		"$source/contrib/seekable_format/zstdseek_decompress.c" \
		"$source/lib/common/xxhash.c" -lzstd 2>"$WORK/cc" || fail "$(tail -n 5 "$WORK/cc")"
	"$WORK/seekable_read" "$WORK/zstd" "$raw" 200 1
	"$WORK/seekable_read" "$WORK/large-chunks" "$raw" 50 2
	"$WORK/seekable_read" "$WORK/sparse.zst" "$WORK/sparse" 5 3
	echo "zstd's seekable reader: the same bytes"
else
	echo "zstd's seekable reader: NOT TRIED, see above"
fi

# An incremental image: nothing but bmr with its base makes a disk of it.
cp "$raw" "$WORK/raw2"
dd if=/dev/urandom of="$WORK/raw2" bs=1M seek=5 count=1 conv=notrunc status=none
for pack in zstd lz4; do
	"$make_bmr" "$WORK/raw2" "$WORK/inc" --pack $pack --base "$WORK/$pack"
	[ "$(stat -c %s "$WORK/inc")" -lt 1200000 ] || fail "the incremental image is not small"
	! $pack -q -dc <"$WORK/inc" >"$WORK/out" 2>/dev/null || fail "$pack unpacked it"
	[ ! -s "$WORK/out" ] || fail "$pack wrote some of it"
	run 0 info "$WORK/inc"
done
echo "zstd -dc and lz4 -dc write nothing of an incremental image"

# Cut anywhere, or with something behind it, it is refused and nothing is written.
size=$(stat -c %s "$WORK/zstd")
for cut in 1 9 17 100 1000 $((size / 2)) $((size - 100)) $((size - 300)); do
	head -c $((size - cut)) "$WORK/zstd" >"$WORK/cut"
	run 65 info "$WORK/cut"
	run 65 restore "$WORK/cut" "$WORK/new"
	says "cut"
	[ ! -s "$WORK/new" ] || fail "a cut image was written"
done
{ cat "$WORK/zstd"; echo; } >"$WORK/longer"
run 65 restore "$WORK/longer" "$WORK/new"
says "ends before its manifest"
run 65 restore "$WORK/zstd.manifest" "$WORK/new"
says "name the image itself"
echo "cut and longer ones are refused"
done_ok
