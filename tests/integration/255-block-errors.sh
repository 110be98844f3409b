#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 255-block-errors - a block device that fails below the kernel: a loop device on a file that QEMU's blkdebug
# serves by FUSE.  The message names the place, the exit code is 74, and the disk does not boot.
. "${0%/*}/lib.sh"
need_root
need qemu-storage-daemon sfdisk
[ -c /dev/fuse ] || skip "no FUSE here"
SERVER=

# By SIGKILL: asked to end, it sometimes waits for ever.  What it was given is in the file by then.
stop() {
	[ -z "$LOOP" ] || free_loop || true
	LOOP=
	[ -z "$SERVER" ] || kill -9 "$SERVER" || true
	[ -z "$SERVER" ] || wait "$SERVER" || true
	SERVER=
	umount "$WORK/served" 2>/dev/null || true
}

# serve RULE [OPTION]: $LOOP is a disk of 64 MiB with old content, whose calls fail by the rule (JSON).
serve() {
	old_disk "$WORK/back" 64M
	: >"$WORK/served"
	qemu-storage-daemon --blockdev '{"driver": "raw", "node-name": "n", "file": {"driver": "blkdebug",
		"inject-error": ['"$1"'], "image": {"driver": "file", "filename": "'"$WORK/back"'"}}}' \
		--export type=fuse,id=e,node-name=n,mountpoint="$WORK/served",writable=on &
	SERVER=$!
	for _ in $(seq 100); do
		[ ! -s "$WORK/served" ] || break
		sleep 0.1
	done
	[ -s "$WORK/served" ] || fail "qemu-storage-daemon does not serve"
	# --direct-io reads other bytes than dd wrote, over that export; without it a cache lies between.
	loop_of "$WORK/served" ${2:+"$2"}
}

# The last sector alone cannot be read: no image is there, and looking for a table must not end bmr.
control() {
	serve '{"event": "none", "iotype": "read", "errno": 5, "sector": 131071}'
	! dd if="$LOOP" of=/dev/null bs=512 skip=131071 count=1 status=none 2>/dev/null ||
		fail "the last sector can be read: no fault fired"
	run 0 restore --overwrite=any "$WORK/img" "$LOOP"
	stop
	cmp -n "$(stat -c %s "$WORK/img")" "$WORK/img" "$WORK/back" || fail "not the image"
}

# fails WORDS RULE [OPTION]: the restore to such a disk does.
fails() {
	serve "$2" "${3:-}"
	run 74 restore --overwrite=any "$WORK/img" "$LOOP"
	says "$1"
	stop
	zero_lba0 "$WORK/back"
	tail -n 1 "$WORK/err"
}

gpt_image "$WORK/img" 48
trap 'stop; at_exit' EXIT
LOOP=
control
fails "sector 40960): Input/output error" '{"event": "none", "iotype": "write", "errno": 5, "sector": 40960}'
fails "cannot flush" '{"event": "none", "iotype": "flush", "errno": 5}'
fails "cannot read back" '{"event": "none", "iotype": "read", "errno": 5, "sector": 40960}' --direct-io=on
done_ok
