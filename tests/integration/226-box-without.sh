#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 226-box-without - what bmr needs to unpack in a process of its own, and what it says where that is missing.
. "${0%/*}/lib.sh"
need gzip unshare sysctl setpriv
[ "$(id -u)" -eq 0 ] || skip "not root"
[ -e /proc/sys/vm/memfd_noexec ] || skip "Linux is older than 6.3: any file in memory may be run"

cd "$WORK" || exit
head -c 3M /dev/urandom >img
gzip -1 <img >img.gz
export BMR

# inside EXIT-CODE COMMAND ...: bmr verify where COMMAND was run before, in namespaces of its own.
inside() {
	code=$1
	shift
	rc=0
	unshare -m -p -f --mount-proc sh -c "$*"' && exec "$BMR" verify img.gz' >out 2>err || rc=$?
	[ "$rc" -eq "$code" ] || fail "$*: exit code $rc: $(cat err)"
}

inside 0 true
inside 0 sysctl -q vm.memfd_noexec=1
inside 71 sysctl -q vm.memfd_noexec=2
grep -q 'cannot start a process for unpacking (.*vm.memfd_noexec=2): Permission denied' err || fail "$(cat err)"
for there in /proc /dev; do
	# A sanitizer reads its options there, and fails at the end when it cannot look for leaks.
	[ $there = /dev ] || ! grep -q __asan_init "$BMR" || continue
	inside 71 mount -t tmpfs none $there
	grep -q 'cannot start a process for unpacking (it needs /proc and /dev): No such file' err || fail "$(cat err)"
done

# Started by somebody who ignores the ends of children, bmr still knows how its own have ended.
env --ignore-signal=CHLD "$BMR" verify --rate=1M img.gz 2>err &
unpacker=
for _ in $(seq 200); do
	unpacker=$(pgrep -P $! -x bmr-unpack) && break
	sleep 0.01
done
kill -s SEGV "$unpacker" || kill $!
rc=0
wait $! || rc=$?
[ "$rc" -eq 65 ] && grep -q 'made the gzip decoder crash (signal 11)' err || fail "a crash: exit code $rc: $(cat err)"

# As a user, who may not be able to read where bmr was built.
chmod 755 .
cp "$BMR" bmr
for action in info verify; do
	setpriv --reuid 1000 --regid 1000 --clear-groups ./bmr $action img.gz >out 2>err ||
		fail "bmr $action as a user: $(cat err)"
done
done_ok
