# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# common.sh - what the build scripts of initramfs/ and iso/ share.  Sourced, never run.
#
# Sets SOURCE_DATE_EPOCH (seconds; default: the time of the last commit) and a C locale, UTC and
# umask 022, because each of the three otherwise shows up in the bytes of an archive.

export LC_ALL=C TZ=UTC
umask 022

top=$(cd "${0%/*}/.." && pwd)
dir=${0%/*}
prog=${dir##*/}/${0##*/}

die() {
	echo "$prog: $*" >&2
	exit 1
}

usage_error() {
	echo "$prog: $*; try --help" >&2
	exit 64
}

# Print the comment at the head of the running script, which is its manual.
help() {
	sed -n '3,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p;}' "$0"
}

need_tools() {
	for tool in "$@"; do
		command -v "$tool" >/dev/null || die "'$tool' is missing; run tools/setup medium"
	done
}

# Every file a build takes from the machine is checked, so that a missing package is named.
need_file() { # FILE PACKAGE
	[ -f "$1" ] || die "'$1' is missing (package $2); run tools/setup medium"
}

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
	SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct 2>/dev/null) ||
		die "this is no git tree with a commit: set SOURCE_DATE_EPOCH (seconds since 1970)"
fi
case $SOURCE_DATE_EPOCH in
'' | *[!0-9]*) die "SOURCE_DATE_EPOCH '$SOURCE_DATE_EPOCH' is not a number of seconds" ;;
esac
# FAT cannot say a time before 1980.
[ "$SOURCE_DATE_EPOCH" -ge 315532800 ] || die "SOURCE_DATE_EPOCH is before 1980"
export SOURCE_DATE_EPOCH

# shellcheck disable=SC2034 # used by the scripts that source this
cache=${BMR_CACHE:-$top/build/cache}

# Give every file below a directory the one time of this build, links included.
set_times() { # DIR
	find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}
