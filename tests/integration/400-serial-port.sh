#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 400-serial-port - each serial port that is no console of the kernel's gets 115200 baud, and only it.
set -eu
. "${0%/*}/lib.sh"

fake=$WORK/sys/class/tty
mkdir -p "$fake/console" "$fake/tty1" "$fake/ttyS0" "$fake/ttyS1" "$fake/ttyS2" "$WORK/bin"
echo 4 >"$fake/ttyS0/type"
echo 4 >"$fake/ttyS1/type"
echo 0 >"$fake/ttyS2/type" # without hardware
cat >"$WORK/bin/stty" <<END
#!/bin/sh
echo "\$*" >>"$WORK/calls"
END
chmod 755 "$WORK/bin/stty"

speeds() { # ACTIVE: arguments of each stty
	echo "$1" >"$fake/console/active"
	rm -f "$WORK/calls"
	SYSFS=$WORK/sys DEV=/dev PATH=$WORK/bin:$PATH BMR_LIB=$HERE/../../initramfs \
		"$HERE/../../initramfs/steps/40-serial"
	cat "$WORK/calls" 2>/dev/null || true
}

# The kernel has set the speed of its own.
[ "$(speeds 'tty0 ttyS0')" = '-F /dev/ttyS1 115200 cs8 clocal' ] || fail "second port, console on the first"
[ "$(speeds 'ttyS1 tty0')" = '-F /dev/ttyS0 115200 cs8 clocal' ] || fail "first port, console on the second"
[ "$(speeds 'ttyS0 ttyS1')" = '' ] || fail "both are the kernel's"
[ "$(speeds 'tty0' | wc -l)" -eq 2 ] || fail "none is the kernel's"
done_ok
