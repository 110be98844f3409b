#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 370-verify-info - what bmr verify finds and bmr info tells, as text, as JSON, and by the exit code.
. "${0%/*}/lib.sh"
need sfdisk gzip python3

cd "$WORK" || exit
gpt_image disk 16
"$FIX/make_bmr" disk image.zst --unused 10485760:2097152 --bad 4096:1024 --fact disk.model=M \
	--sidecar image.zst.manifest --fact partition.1.start=1048576 --fact partition.1.fs=ext4 \
	--id 0123456789abcdef0123456789abcdef --created 1700000000

# json EXPRESSION: the last answer is one JSON object d, for which this holds.
json() {
	python3 -m json.tool out >/dev/null || fail "not JSON"
	python3 -c '
import json, sys
d = json.load(open("out"))
assert eval(sys.argv[1]), d
' "$1" || fail "not so: $1"
}

# flip FILE BYTE
flip() {
	python3 -c '
import sys
f = open(sys.argv[1], "r+b")
f.seek(int(sys.argv[2]))
byte = f.read(1)[0]
f.seek(int(sys.argv[2]))
f.write(bytes([byte ^ 0x55]))
' "$1" "$2"
}

# --- info ---

run 0 info --json image.zst
json 'd["id"] == "01234567-89ab-cdef-0123-456789abcdef" and d["created"] == 1700000000'
json 'd["format"] == "bmr" and d["codec"] == "zstd" and d["disk_size"] == 16 << 20'
json 'd["kinds"]["unused"] == {"chunks": 2, "bytes": 2 << 20,
	"stored_bytes": d["kinds"]["unused"]["stored_bytes"]}'
json 'sum(k["chunks"] for k in d["kinds"].values()) == 16'
json 'sum(k["bytes"] for k in d["kinds"].values()) == d["disk_bytes"]'
json 'd["bad"] == [{"byte": 4096, "bytes": 1024}] and d["facts"]["disk.model"] == "M"'
json 'd["partition_list"] == [{"number": 1, "start": 1048576, "fs": "ext4"}]'
json 'd["table"] == "gpt" and d["partitions"] == 1 and len(d["root"]) == len(d["sha256"]) == 64'
cp out whole
run 0 info --json image.zst.manifest
json 'd["format"] == "bmr manifest"'
json 'all(d[k] == json.load(open("whole"))[k] for k in ("id", "root", "sha256", "kinds", "facts"))'
run 0 info image.zst
for words in "id         01234567-89ab-cdef-0123-456789abcdef" "created    2023-11-14T22:13:20Z" \
	"unused     2 chunks, 2.00 MiB of the disk" "unreadable sectors 8-9" "its disk   M"; do
	grep -qF "$words" out || fail "info does not say '$words'"
done
[ "$(awk 'length > 80' out | wc -l)" -eq 0 ] || fail "a line has more than 80 columns"
gzip -k disk
run 0 info --json disk.gz
json 'd["format"] == "gzip" and "id" not in d'
head -c 300 image.zst.manifest >cut.manifest
run 65 info cut.manifest
[ ! -s out ] || fail "an answer and an error"
echo "info: text and JSON, of an image, of its manifest alone, of gzip"

# --- verify: the image ---

for level in sizes manifest full; do
	run 0 verify --json --level=$level image.zst
	json "d['result'] == 'good' and d['exit'] == 0 and d['level'] == '$level'"
done
json 'd["checked_bytes"] == 14 << 20 and d["unused_bytes"] == 2 << 20'
json 'd["bad"] == d["differing"] == {"count": 0, "chunks": []}'
json 'd["decoded"] > 0 and d["workers"] > 0 and d["stages"]["hash"] > 0'
cp image.zst bad.zst
flip bad.zst 1500000
flip bad.zst 3600000
run 0 verify --level=manifest bad.zst
run 65 verify --json bad.zst
json 'd["result"] == "image bad" and d["exit"] == 65 and d["bad"]["count"] == 2'
json '[c["chunk"] for c in d["bad"]["chunks"]] == [2, 4]'
json '[c["sector"] for c in d["bad"]["chunks"]] == [4096, 8192]'
json 'd["reason"].startswith("the image is damaged: 2 of 16 chunks, the first at byte 2097152")'
says "image: chunk 2, sectors 4096-6143, wrong from 4096: "
says "image: chunk 4, sectors 8192-10239, wrong from 8192: "
head -c -1 image.zst >cut.zst
run 65 verify --level=sizes cut.zst
flip bad.zst $(($(stat -c %s bad.zst) - 500))
run 65 verify --level=sizes bad.zst
run 65 verify --sha256="$(printf x | sha256sum | cut -d ' ' -f 1)" --level=sizes image.zst
says "not the expected"

# One object whatever is wrong: json_failed CODE RESULT ARGUMENT ...
json_failed() {
	code=$1
	result=$2
	shift 2
	run "$code" verify --json "$@"
	json "d['result'] == '$result' and d['exit'] == $code and d['reason']"
	[ "$(wc -l <out)" -eq 1 ] || fail "more than one object"
	says "bmr: failed: $(python3 -c 'import json; print(json.load(open("out"))["reason"])')"
}
json_failed 65 "image bad" cut.zst
json_failed 65 "image bad" bad.zst
cp image.zst head.zst
flip head.zst 30
json_failed 65 "image bad" head.zst
head -c 4000000 disk.gz >cut.gz
json_failed 65 "image bad" cut.gz
json_failed 65 "image bad" --sha256="$(printf x | sha256sum | cut -d ' ' -f 1)" image.zst
json_failed 69 failed absent.zst
json_failed 74 failed image.zst absent
json_failed 64 failed htp://h/x
printf 'user=u\npassword=failed\n' >credentials
chmod 600 credentials
json_failed 69 failed --credentials=credentials absent.zst
echo "verify --json: an object for every end"

echo "verify: all bad chunks of an image, named by sector; cut; another digest"

# 2 MiB of data, 4 MiB of zeros, 1 MiB of data: other tools would unpack a damaged run to something else.
{
	head -c 2097152 /dev/urandom
	head -c 4194304 /dev/zero
	head -c 1048576 /dev/urandom
} >holed
for codec in none gzip lz4 zstd; do
	rm -f holed.img*
	run 0 capture --compress=$codec holed holed.img
	run 0 verify holed.img
	# What only zeros are packed to, behind the data before them, which does not get smaller.
	at=$(python3 -c '
import sys
zeros = {"none": bytes(400), "gzip": bytes(400), "lz4": b"\xff" * 60,
         "zstd": b"\x02\0\x10\0\x02\0\x10\0"}
print(open("holed.img", "rb").read().index(zeros[sys.argv[1]], 2 << 20) + 5)
' $codec)
	flip holed.img "$at"
	run 65 verify --json holed.img
	json 'd["bad"]["count"] == 1 and d["bad"]["chunks"][0]["byte"] == 2 << 20'
	says "the zeros at byte "
done
rm -f holed*
echo "verify: a damaged run of zeros, whatever it is packed by"

# --- verify: the disk ---

run 0 verify --json image.zst disk
json 'd["result"] == "good" and d["verified"] == 14 << 20 and d["fetched"] == 0'
cp disk other
flip other 11000000
run 0 verify image.zst other
flip other 3000000
flip other 9000123
run 74 verify --json image.zst other
json 'd["result"] == "disk differs" and d["exit"] == 74 and d["target"] == "other"'
json '[c["byte"] for c in d["differing"]["chunks"]] == [3000000, 9000123]'
json '[c["sector"] for c in d["differing"]["chunks"]] == [3000000 // 512, 9000123 // 512]'
says "disk: chunk 2, sectors 4096-6143, wrong from 5859: "
says "'other' does not hold the image: 2 of 16 MiB differ, the first at byte 3000000 (sector 5859)"
run 74 verify image.zst absent
echo "verify: what a disk has another, by byte and sector; unused chunks do not count"

# A disk that is too small differs from its end on, whatever the format and the level.
head -c 14680576 disk >small
for order in image.zst "--level=sizes image.zst" "--level=manifest image.zst" disk.gz disk; do
	# shellcheck disable=SC2086 # words
	json_failed 74 "disk differs" $order small
	says "'small' does not hold the image: it has 14680576 bytes, and the image 16777216"
	json 'd["target"] == "small" and d["bytes"] == 16 << 20 and d["differing"]["count"] == 2'
	json '[(c["chunk"], c["byte"]) for c in d["differing"]["chunks"]] == [(14, 14680576)]'
done
echo "verify: a disk that is too small, by JSON and by text"

# --- other formats ---

run 0 verify --json disk.gz disk
json 'd["result"] == "good" and d["format"] == "gzip" and d["differing"]["count"] == 0'
cp disk other
flip other 3000000
run 74 verify --json disk.gz other
json 'd["differing"]["count"] == 1 and d["differing"]["chunks"][0]["byte"] == 3000000'

# What nothing guards is not called good, but for what it was compared with.
run 0 verify --json disk
json 'd["result"] == "no checksum" and d["exit"] == 0 and "reason" not in d'
says "was read to its end; it has no checksum"
run 0 verify --json --sha256="$(sha256sum disk | cut -d ' ' -f 1)" disk
json 'd["result"] == "good"'
cp disk other
run 0 verify --json disk other
json 'd["result"] == "good"'
echo "verify of other formats, and of what has no checksum"

# --- figures ---

run 0 verify --stats=csv image.zst
python3 -c '
import csv
rows = list(csv.DictReader(open("out")))
assert len(rows) == 1 and rows[0]["event"] == "verified" and int(rows[0]["bytes"]) == 16 << 20, rows
assert int(rows[0]["fetched"]) > 8 << 20 and float(rows[0]["stage_hash"]) > 0, rows
'
for format in image.zst disk.gz; do
	rm -f new
	run 0 restore --stats=json $format new
	json 'd["event"] == "restored" and d["written"] > 0 and d["verified"] >= 14 << 20'
	json 'd["peak_memory"] > 1 << 20 and d["rate"] > 0 and d["duration"] > 0'
	json 'all(d["stages"][s] > 0 for s in ("fetch", "unpack", "hash", "write", "read"))'
done
run 0 capture --stats=json --events=events disk captured.zst
json 'd["event"] == "captured" and d["written"] > 8 << 20 and d["bytes"] == 16 << 20'
json 'all(d["stages"][s] > 0 for s in ("read", "hash", "pack", "write", "wait"))'
grep -q '"figures":{"duration":' events
run 64 verify --stats=xml image.zst
says "json or csv, not 'xml'"
echo "the figures of a run, as JSON and as CSV"

# --- standard output ---

# full CODE ARGUMENT ...: with a standard output that takes nothing.
full() {
	code=$1
	shift
	got=0
	timeout 60 "$BMR" "$@" >/dev/full 2>"$WORK/err" || got=$?
	[ "$got" -eq "$code" ] || fail "bmr $*, with no room: exit code $got, expected $code"
	says "bmr: failed: cannot write to standard output"
}
full 74 --help
full 74 --version
full 74 info image.zst
full 74 info --json image.zst
full 74 verify --json image.zst
full 74 verify --stats=csv image.zst
full 74 disks
full 65 verify --json cut.zst
rm -f new
full 74 restore --stats=json image.zst new
says "bmr: restored"
run 0 verify image.zst new
run 0 verify image.zst
"$BMR" verify image.zst >&- 2>"$WORK/err" || fail "a closed standard output, and nothing to say there"
echo "an answer that could not be written: 74"
done_ok
