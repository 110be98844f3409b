#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 240-restore-killed - killed at any moment, the disk is untouched, not bootable or right; the next
# restore finishes it.
. "${0%/*}/lib.sh"
need sfdisk zstd
KILLS=${KILLS:-50}

img=$WORK/img
gpt_image "$img" 32
pack zst "$img"
right=$(sum_of "$img")
if [ "$(id -u)" -eq 0 ] && [ -e /dev/loop-control ]; then
	old_disk "$WORK/back" 32M
	loop_of "$WORK/back"
	disk=$LOOP
else
	disk=$WORK/disk
	old_disk "$disk" 32M
fi
old=$(sum_of "$disk")

# The time that a whole one takes, in ms, so that the kills fall all over it.
begun=$(date +%s%3N)
run 0 restore --overwrite=any "$img.zst" "$disk"
whole=$(($(date +%s%3N) - begun))

untouched=0 unbootable=0 finished=0
i=0
while [ $i -lt "$KILLS" ]; do
	i=$((i + 1))
	tr '\0' '\252' </dev/zero | dd of="$disk" bs=1M count=32 iflag=fullblock conv=notrunc status=none
	"$BMR" restore --overwrite=any "$img.zst" "$disk" 2>"$WORK/err" &
	pid=$!
	ms=$((whole * i / KILLS))
	sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	sum=$(sum_of "$disk")
	case $sum in
	"$old") untouched=$((untouched + 1)) ;;
	"$right") finished=$((finished + 1)) ;;
	*)
		zero_lba0 "$disk"
		unbootable=$((unbootable + 1))
		;;
	esac
done
echo "$KILLS kills: $untouched untouched, $unbootable not bootable, $finished finished"
[ "$unbootable" -gt 0 ] || fail "no kill fell into the writing: nothing was tested"
run 0 restore --overwrite=any --compare=hash "$img.zst" "$disk"
same "$disk" "$img"

# A new file that was left half-way is taken again.
"$BMR" restore "$img.zst" "$WORK/new" 2>"$WORK/err" &
pid=$!
until [ -s "$WORK/new" ] || ! kill -0 "$pid" 2>/dev/null; do :; done
kill -9 "$pid" 2>/dev/null || true
wait "$pid" 2>/dev/null || true
run 0 restore "$img.zst" "$WORK/new"
same "$WORK/new" "$img"

# Asked to end, it ends by itself and says so.
old_disk "$WORK/slow" 32M
"$BMR" restore --rate=1M --events="$WORK/events" "$img.zst" "$WORK/slow" 2>"$WORK/err" &
pid=$!
until grep -q '"phase":"write"' "$WORK/events" 2>/dev/null; do kill -0 "$pid"; done
kill -TERM "$pid"
code=0
wait "$pid" || code=$?
[ "$code" -eq 75 ] || fail "exit code $code after SIGTERM, expected 75"
says "is incomplete and does not boot"
zero_lba0 "$WORK/slow"
tail -n 1 "$WORK/events" | grep -q '"event":"failed".*"code":"stopped","exit":75' || fail "no event"
echo "SIGTERM: 75, and it says what the disk is"
done_ok
