# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# lib.sh - what the tests of bmr restore share.  Sourced: sets -eu, makes $WORK, cleans up at exit.
#
# Reads: BMR (../../build/bmr), FIX (../../build/fixtures).  A test ends with `done_ok`; any command
# that fails before ends it as a failure, with the output of the last bmr.
set -eu

HERE=$(cd "${0%/*}" && pwd)
BMR=${BMR:-$HERE/../../build/bmr}
FIX=${FIX:-$HERE/../../build/fixtures}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/bmr-test.XXXXXX")
LOOPS=
FINISHED=no

at_exit() {
	status=$?
	trap - EXIT
	for mounted in "$WORK"/mnt*; do
		[ ! -d "$mounted" ] || umount "$mounted" 2>/dev/null || true
	done
	for loop in $LOOPS; do
		losetup -d "$loop" || true
	done
	if [ "$FINISHED" = yes ] || [ "$status" -eq 77 ]; then
		rm -rf "$WORK"
	else
		echo "failed; kept: $WORK; the last output of bmr:"
		tail -n 20 "$WORK/err" 2>/dev/null || true
		[ "$status" -ne 0 ] || status=1
	fi
	exit "$status"
}
trap at_exit EXIT
trap 'exit 143' TERM INT

done_ok() {
	FINISHED=yes
	exit 0
}

skip() {
	echo "$*"
	exit 77
}

fail() {
	echo "FAILED: $*"
	exit 1
}

# flip FILE OFFSET: another byte there than before.
flip() {
	was=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # the number is meant for printf
	printf "\\$(printf %o $((was ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

need() {
	for program in "$@"; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}

need_root() {
	[ "$(id -u)" -eq 0 ] || skip "not root"
	[ -e /dev/loop-control ] || skip "no loop devices here"
}

# run CODE ARGUMENT ...: bmr must end with CODE, within RUN_SECONDS; its output is in $WORK/err and $WORK/out.
run() {
	want=$1
	shift
	got=0
	timeout "${RUN_SECONDS:-60}" "$BMR" "$@" >"$WORK/out" 2>"$WORK/err" || got=$?
	[ "$got" -eq "$want" ] || fail "bmr $*: exit code $got, expected $want"
}

# says WORDS: the last run said so.
says() {
	grep -qF -- "$1" "$WORK/err" || fail "the output does not say '$1'"
}

# What a file or device holds; a device is read past the cache that this machine has of it.
sum_of() {
	[ ! -b "$1" ] || blockdev --flushbufs "$1"
	sha256sum <"$1" | cut -d ' ' -f 1
}

same() {
	[ "$(sum_of "$1")" = "$(sum_of "$2")" ] || fail "'$1' and '$2' differ"
}

# zero_lba0 TARGET [BYTES]
zero_lba0() {
	[ ! -b "$1" ] || blockdev --flushbufs "$1"
	cmp -s -n "${2:-512}" "$1" /dev/zero || fail "the first ${2:-512} bytes of '$1' are not zero"
}

# An old disk: nothing of it is zero, and its first sector would boot.
old_disk() {
	tr '\0' '\252' </dev/zero | head -c "$2" >"$1"
}

# gpt_image FILE MIB: a GPT, a partition of random bytes, zeros, and random bytes near the end.
gpt_image() {
	truncate -s "$2M" "$1"
	echo '2048,' | sfdisk -q -X gpt "$1"
	dd if=/dev/urandom of="$1" bs=1M seek=1 count=$(($2 / 2)) conv=notrunc status=none
	dd if=/dev/urandom of="$1" bs=1M seek=$(($2 - 2)) count=1 conv=notrunc status=none
}

# loop_of FILE [LOSETUP-OPTION ...]: sets $LOOP.
loop_of() {
	file=$1
	shift
	LOOP=$(losetup -f --show "$@" "$file")
	LOOPS="$LOOPS $LOOP"
}

# The last loop device again.
free_loop() {
	losetup -d "$LOOP"
	LOOPS=${LOOPS% "$LOOP"}
}

# pack FORMAT FILE: to FILE.FORMAT
pack() {
	case $1 in
	raw) cp "$2" "$2.raw" ;;
	gz) gzip -1 <"$2" >"$2.gz" ;;
	zst) zstd -q -1 <"$2" >"$2.zst" ;;
	xz) xz -0 <"$2" >"$2.xz" ;;
	lz4) lz4 -q -1 -B4 <"$2" >"$2.lz4" ;;
	bz2) bzip2 -1 <"$2" >"$2.bz2" ;;
	esac
}

# shellcheck disable=SC2034 # for those that source this
FORMATS="raw gz zst xz lz4 bz2"

# The library that makes calls fail on purpose.
need_shim() {
	python3 "$HERE/../fixtures/shim.py" "$FIX" || exit $?
}
