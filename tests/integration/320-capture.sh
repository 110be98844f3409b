#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 320-capture - a disk to an image that any tool unpacks to the same disk; what fails leaves no image,
# what cannot be read is listed.
. "${0%/*}/lib.sh"
need sfdisk zstd gzip lz4 python3
need_shim

# without NAME: neither the image nor a part of it is there.
without() {
	[ ! -e "$1" ] || fail "'$1' is there"
	[ ! -e "$1.bmr-part" ] || fail "'$1.bmr-part' is there"
}

# event NAME MEMBER: of the events in $WORK/events.
event() {
	python3 - "$WORK/events" "$1" "$2" <<'END'
import json, sys
path, name, member = sys.argv[1:]
print([e for e in map(json.loads, open(path)) if e["event"] == name][-1][member])
END
}

# faulty CODE SHIM-SETTINGS... -- ARGUMENTS...: run with faults.
faulty() {
	code=$1
	shift
	settings=
	while [ "$1" != -- ]; do
		settings="$settings SHIM_$1"
		shift
	done
	shift
	rm -f "$WORK/report"
	got=0
	# shellcheck disable=SC2086 # a list of words
	env LD_PRELOAD="$FIX/shim.so" SHIM_REPORT="$WORK/report" $settings \
		timeout 60 "$BMR" "$@" >"$WORK/out" 2>"$WORK/err" || got=$?
	[ "$got" -eq "$code" ] || fail "bmr $* with faults: exit code $got, expected $code"
	grep -q '^fired' "$WORK/report" || fail "the fault never fired"
}

disk=$WORK/disk
gpt_image "$disk" 16
sum=$(sum_of "$disk")

# --- every codec, unpacked by its own tool ---
unpacked() {
	case $1 in
	zstd*) zstd -q -t "$2" && zstd -q -dc "$2" ;;
	gzip*) gzip -dc "$2" ;;
	lz4) lz4 -q -dc "$2" ;;
	none) cat "$2" ;;
	esac
}
for codec in zstd zstd:1 gzip gzip:6 lz4 none; do
	image=$WORK/$codec.img
	run 0 capture --compress="$codec" --verify=full --events="$WORK/events" "$disk" "$image"
	says "captured"
	got=$(unpacked "$codec" "$image" | sha256sum | cut -d ' ' -f 1)
	[ "$got" = "$sum" ] || fail "$codec unpacks to something else"
	[ "$(event captured sha256)" = "$sum" ] || fail "the event names another SHA-256"
	[ "$(event captured stored)" = "$(stat -c %s "$image")" ] || fail "'stored' is wrong"
done
[ -e "$WORK/none.img.manifest" ] || fail "an image that cannot hold its manifest has none beside it"
[ ! -e "$WORK/zstd.img.manifest" ] || fail "a manifest was written that nobody asked for"
echo "  every codec: its own tool unpacks the same disk"

# --- what is asked for wrongly ---
run 64 capture --compress=zip "$disk" "$WORK/x"
run 64 capture "$disk"
says "DISK and IMAGE are needed"
run 64 capture --compress=gzip --base="$WORK/zstd.img" "$disk" "$WORK/x"
run 74 capture "$WORK/absent" "$WORK/x"
run 77 capture --replace=yes "$disk" "$disk"
says "is what would be captured"
run 69 capture "$disk" "$WORK/zstd.img"
says "is there already"
run 0 capture --replace=yes --sidecar=yes "$disk" "$WORK/zstd.img"
[ -e "$WORK/zstd.img.manifest" ] || fail "sidecar=yes wrote none"
run 0 capture --plan "$disk" "$WORK/x"
says "nothing was written"
without "$WORK/x"
# refused_planned CODE ARGUMENT ...: by the plan as by the capture.
refused_planned() {
	run "$@"
	grep 'bmr: failed: ' "$WORK/err" >"$WORK/said"
	code=$1
	shift 2
	run "$code" capture --plan "$@"
	grep 'bmr: failed: ' "$WORK/err" | cmp -s - "$WORK/said" || fail "the plan says something else"
}
refused_planned 69 capture "$disk" "$WORK/zstd.img"
refused_planned 69 capture --replace=yes "$disk" "$WORK"
refused_planned 69 capture "$disk" "$WORK/absent/x"
refused_planned 64 capture "$disk" disk:LABEL=a/x
refused_planned 64 capture "$disk" htp://h/x
refused_planned 64 capture --proxy=h:1 "$disk" http://127.0.0.1:1/x
refused_planned 64 capture --compress=gzip --base="$WORK/zstd.img" "$disk" "$WORK/x"
run 0 capture --plan --replace=yes "$disk" "$WORK/zstd.img"
without "$WORK/x"
[ "$(sum_of "$disk")" = "$sum" ] || fail "the disk was written"
echo "  wrong orders are refused, --plan writes nothing"

# --- only what differs from a base ---
cp "$disk" "$WORK/changed"
dd if=/dev/urandom of="$WORK/changed" bs=1M seek=5 count=1 conv=notrunc status=none
run 0 capture --base="$WORK/zstd.img" --verify=full --events="$WORK/events" "$WORK/changed" "$WORK/inc.img"
[ "$(event captured data)" -eq 1048576 ] || fail "more than the changed chunk is stored"
! zstd -q -dc "$WORK/inc.img" >/dev/null 2>&1 || fail "zstd unpacks half a disk"
truncate -s 17M "$WORK/changed"
run 77 capture --base="$WORK/zstd.img" "$WORK/changed" "$WORK/x"
echo "  one changed MiB: one chunk, and zstd alone refuses it"

# --- sectors that cannot be read ---
at=$((5 * 1048576 + 700))
faulty 74 TARGET="$disk" CALL=pread ACTION=eio AT=$at TIMES=0 -- \
	capture --events="$WORK/events" "$disk" "$WORK/bad.img"
says "1 sectors could not be read"
[ "$(event captured bad_sectors)" -eq 1 ] || fail "the event does not count the bad sector"
[ "$(event captured exit)" -eq 74 ] || fail "the event has another exit code"
cp "$disk" "$WORK/expected"
dd if=/dev/zero of="$WORK/expected" bs=512 seek=$((at / 512)) count=1 conv=notrunc status=none
zstd -q -dc "$WORK/bad.img" | cmp - "$WORK/expected" || fail "more than the bad sector is zero"
echo "  a bad sector: 74, listed, zeros, and all around it is there"

# --- a place to write to that fails ---
for action in enospc eio; do
	faulty 69 TARGET="$WORK/x.bmr-part" CALL=pwrite ACTION=$action FROM=3 -- capture "$disk" "$WORK/x"
	without "$WORK/x"
done
faulty 137 TARGET="$WORK/x.bmr-part" CALL=pwrite ACTION=kill FROM=3 -- capture "$disk" "$WORK/x"
[ ! -e "$WORK/x" ] || fail "a killed capture has its name"
run 0 capture "$disk" "$WORK/x"
zstd -q -dc "$WORK/x" | cmp - "$disk" || fail "a capture after a killed one is wrong"
rm "$WORK/x"
run 69 capture --timeout=2 "$disk" http://127.0.0.1:9/x.img
echo "  a full disk, a kill, a dead server: no image"

# --- stopped, and slowed down ---
begun=$(date +%s%N)
run 0 capture --rate=14M --compress=none --sidecar=no "$disk" "$WORK/x"
[ $(($(date +%s%N) - begun)) -gt 900000000 ] || fail "the rate was not kept"
rm "$WORK/x"
"$BMR" capture --rate=1M "$disk" "$WORK/x" >"$WORK/out" 2>"$WORK/err" &
job=$!
for _ in $(seq 100); do
	[ ! -e "$WORK/x.bmr-part" ] || break
	sleep 0.1
done
kill -TERM $job
got=0
wait $job || got=$?
[ "$got" -eq 75 ] || fail "stopped: exit code $got, expected 75"
without "$WORK/x"
echo "  rate and SIGTERM"

# --- disks in use ---
if [ "$(id -u)" -ne 0 ] || [ ! -e /dev/loop-control ] || ! command -v mkfs.ext4 >/dev/null; then
	echo "  not root: mounted disks were not tried"
	done_ok
fi
truncate -s 32M "$WORK/fs"
head -c 6M /dev/urandom >"$WORK/closed"
"$BMR" capture --compress=none --rate=1M "$WORK/closed" "$WORK/closed.img" <&- >&- 2>&- ||
	fail "no capture without standard output"
run 0 verify "$WORK/closed.img" "$WORK/closed"
[ "$(head -c 6M "$WORK/closed.img" | sum_of /dev/stdin)" = "$(sum_of "$WORK/closed")" ] ||
	fail "what is said without standard output stands in the image"
echo "  standard input, output and error closed"

mkfs.ext4 -q "$WORK/fs"
loop_of "$WORK/fs"
mkdir "$WORK/mnt"
mount "$LOOP" "$WORK/mnt" || { echo "  nothing can be mounted here"; done_ok; }
run 77 capture "$LOOP" "$WORK/x"
says "is mounted on '$WORK/mnt'"
says "live=yes"
without "$WORK/x"
run 77 capture --live=yes "$LOOP" "$WORK/mnt/x"
says "is what would be captured"
run 0 capture --live=yes --events="$WORK/events" "$LOOP" "$WORK/x"
says "as after a power cut at best"
[ "$(event captured unused)" -eq 0 ] || fail "a map of what is used was trusted while it changes"
mount -o remount,ro "$WORK/mnt"
run 0 capture --replace=yes "$LOOP" "$WORK/x"
umount "$WORK/mnt"
zstd -q -dc "$WORK/x" >"$WORK/copy"
e2fsck -fn "$WORK/copy" >/dev/null 2>&1 || fail "the file system in the image is damaged"
echo "  a mounted disk: refused, live=yes, read-only"
done_ok
