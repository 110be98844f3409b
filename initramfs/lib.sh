# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=sh
# lib.sh - helpers of the live system's scripts.  Sourced.
# Paths come from variables so that a test can pass fake ones.

: "${SYSFS:=/sys}" "${PROCFS:=/proc}" "${DEV:=/dev}" "${RUN:=/run/bmr}" "${ETC:=/etc}"

# Names of the consoles a person may watch, one a line: tty1, every port named by console=, and
# every serial port that exists (type 0 is a port without hardware).
consoles() {
	{
		if [ -e "$SYSFS/class/tty/tty1" ]; then echo tty1; fi
		tr ' ' '\n' <"$SYSFS/class/tty/console/active" | grep -v '^tty[0-9]*$' || :
		for port in "$SYSFS"/class/tty/ttyS*; do
			if [ "$(cat "$port/type" 2>/dev/null || echo 0)" != 0 ]; then
				echo "${port##*/}"
			fi
		done
	} | sort -u
}

# Write one line to every console.  Each with a clock: a serial line under flow control whose other
# end is gone must not stop the boot.  Returns when all are written, so that lines keep their order.
say() {
	echo "$*" >>"$RUN/boot.log"
	for console in $(consoles); do
		# shellcheck disable=SC2016 # for the inner shell
		timeout 5 sh -c 'printf "%s\r\n" "$1" >"$2"' say "$*" "$DEV/$console" 2>/dev/null &
	done
	wait
}
