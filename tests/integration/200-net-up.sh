#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# 200-net-up - the network set-up in a name space of its own: two cards, one with a cable.
#
# Reads: FIX (build/fixtures): the driver net_up.  Needs root, busybox, ip and dnsmasq.
# Exit:  0; 1 a check failed; 77 something is missing.
set -eu
top=$(cd "${0%/*}/../.." && pwd)
driver=${FIX:-$top/build/fixtures}/net_up
work=$(mktemp -d)
client=bmr-c$$
server=bmr-s$$
dnsmasq=

# shellcheck disable=SC2317 # called by the trap
leave() {
	[ -z "$dnsmasq" ] || kill "$dnsmasq" 2>/dev/null || :
	ip netns del "$client" 2>/dev/null || :
	ip netns del "$server" 2>/dev/null || :
	rm -rf "$work"
}
trap leave EXIT

skip() {
	echo "200-net-up: skipped: $*" >&2
	exit 77
}
[ "$(id -u)" -eq 0 ] || skip "name spaces need root"
[ -x "$driver" ] || skip "no $driver"
for tool in ip dnsmasq busybox unshare; do
	command -v "$tool" >/dev/null || skip "no $tool"
done
mountpoint -q / || skip "a plain chroot: 'ip netns exec' wants / to be a mount (mount --bind DIR DIR)"
BUSYBOX=$(command -v busybox)
export BUSYBOX

die() {
	echo "200-net-up: FAILED: $*" >&2
	sed 's/^/    /' "$work/out" >&2
	exit 1
}
in_client() {
	ip netns exec "$client" "$@"
}
in_server() {
	ip netns exec "$server" "$@"
}

# Bring the network up as LINE says; CODE is expected.  unshare: the host name is this machine's.
up() { # CODE LINE
	rm -rf "$work/run"
	mkdir "$work/run"
	rc=0
	began=$(date +%s)
	in_client unshare -u env BMR_LIB="$top/initramfs" "$driver" "$work/run" \
		"$top/initramfs/udhcpc.script" "$2" >"$work/out" 2>&1 || rc=$?
	took=$(($(date +%s) - began))
	line=$2
	[ "$rc" -eq "$1" ] || die "'$line' ended with $rc, not $1"
	[ -z "$(ip netns pids "$client")" ] || die "'$line' left a child"
}
says() { # TEXT...
	for text in "$@"; do
		grep -qF -- "$text" "$work/out" || die "'$line' does not say '$text'"
	done
}
within() { # SECONDS
	[ "$took" -le "$1" ] || die "'$line' took $took s, more than $1"
}
answers() { # ADDRESS: the server, over the network that is up
	in_client busybox ping -c 1 -W 5 "$1" >/dev/null || die "'$line': no answer from $1"
}
resolv() { # LINES
	[ "$(cat "$work/run/resolv.conf")" = "$1" ] ||
		die "'$line': resolv.conf is '$(cat "$work/run/resolv.conf")'"
}
down() {
	for card in e0 e1; do
		in_client ip addr flush dev "$card"
		in_client ip link set dev "$card" down
	done
}

: >"$work/out"
ip netns add "$client"
ip netns add "$server"
for i in 0 1; do
	ip link add "e$i" netns "$client" type veth peer name "s$i" netns "$server"
done
in_server ip addr add 10.9.0.1/24 dev s0
in_server ip -6 addr add 2001:db8:9::1/64 dev s0 nodad
in_server ip link set dev lo up
in_server ip link set dev s0 up # s1 stays down: e1 has no carrier
mac=$(in_client cat /sys/class/net/e0/address)

echo "200-net-up: fixed addresses"
up 0 "ip=10.9.0.5::10.9.0.1:24:host:e0:none:10.9.0.53 nameserver=2001:db8::53"
says "e0 ($mac): static 10.9.0.5/24, gateway 10.9.0.1"
answers 10.9.0.1
resolv "nameserver 2001:db8::53
nameserver 10.9.0.53"
down
up 0 "ip=10.9.0.5:10.9.0.1:10.9.0.1:255.255.255.0 BOOTIF=01-$(echo "$mac" | tr : -)"
answers 10.9.0.1
down
up 0 "ip=[2001:db8:9::5]::[2001:db8:9::1]:64::e0:none"
answers 2001:db8:9::1
down
up 0 "ip=10.9.0.5:::24::e0:none:1400:52:54:00:00:00:07 rd.route=10.8.0.0/16:10.9.0.1:e0"
says "52:54:00:00:00:07"
[ "$(in_client cat /sys/class/net/e0/mtu)" = 1400 ] || die "the MTU is not set"
in_client ip route | grep -q '^10.8.0.0/16 via 10.9.0.1 dev e0' || die "no route"
in_client ip link set dev e0 down address "$mac" mtu 1500
down
up 0 "ip=e0:link6"
says "link6 fe80::"
down

echo "200-net-up: names and bridges"
up 0 "ifname=lan:$mac ip=10.9.0.5:::24::lan:none"
says "e0 is now called lan"
answers 10.9.0.1
in_client ip link set dev lan down
in_client ip link set dev lan name e0
down
up 0 "bridge=br0:e0 ip=10.9.0.6:::24::br0:none"
answers 10.9.0.1
in_client ip link del br0
down
# Not every kernel that runs the tests has these; then their error is what is tried.
for kind in vlan bond; do
	if [ "$kind" = vlan ]; then
		made="vlan=e0.5:e0 ip=10.7.0.5:::24::e0.5:none"
	else
		made="bond=bond0:e0,e1:mode=active-backup,miimon=50 ip=10.9.0.7:::24::bond0:none"
	fi
	if [ "$kind" = vlan ]; then set -- link e0 name try0 type vlan id 9; else set -- try0 type bond; fi
	if in_client ip link add "$@" 2>/dev/null; then
		in_client ip link del try0
		up 0 "$made"
	else
		echo "200-net-up: this kernel has no $kind: only its error is tried"
		up 69 "$made"
		says "ot supported"
	fi
	down
done

echo "200-net-up: failures, each with its reason and in time"
up 69 "ip=e1:dhcp rd.net.timeout.carrier=2"
says "error: no network: e1: no carrier in 2 s"
within 5
down
up 69 "rd.net.timeout.carrier=2 rd.net.timeout.dhcp=3"
says "error: no network: e0: no DHCP answer in 3 s; e1: no carrier in 2 s"
within 9
down
up 69 "ip=nope:dhcp rd.net.timeout.iflink=1"
says "nope: no such interface after 1 s"
within 4
up 69 "BOOTIF=01-52-54-00-00-00-99 rd.net.timeout.iflink=1"
says "52:54:00:00:00:99" "there are: e0 $mac, e1 "
up 69 "ip=e0:auto6 rd.net.timeout.ipv6auto=2"
says "no IPv6 router advertisement in 2 s"
within 6
down
up 69 "ip=10.9.0.5:::24::e0:none rd.route=10.0.0.0/8:10.1.0.1 rd.net.timeout.route=1"
says "cannot set the route to 10.0.0.0/8 in 1 s"
down
in_server ip -6 addr add 2001:db8:9::77/64 dev s0 nodad
up 69 "ip=[2001:db8:9::77]:::64::e0:none"
says "another machine has this IPv6 address"
within 10
down
up 0 "ip=off"

echo "200-net-up: DHCP and router advertisements"
in_server dnsmasq --no-daemon --conf-file=/dev/null --port=0 --interface=s0 --bind-interfaces \
	--no-ping --dhcp-range=10.9.0.100,10.9.0.110,255.255.255.0,1h \
	--dhcp-option=3,10.9.0.1 --dhcp-option=6,10.9.0.53 --enable-ra \
	--dhcp-range=2001:db8:9::,ra-only,64 --dhcp-leasefile="$work/leases" \
	>"$work/dnsmasq.log" 2>&1 &
dnsmasq=$!
for _ in $(seq 100); do
	! grep -q 'IPv6 router advertisement enabled' "$work/dnsmasq.log" || break
	sleep 0.1
done
up 0 "quiet"
says "e0 ($mac): DHCP 10.9.0.1" "/24, gateway 10.9.0.1" "e1 (" "not needed: no carrier"
answers 10.9.0.1
resolv "nameserver 10.9.0.53"
in_client ip route | grep -q '^default via 10.9.0.1 dev e0' || die "no default route"
down
up 0 "ip=single-dhcp rd.net.timeout.carrier=2"
down
up 0 "BOOTIF=$mac nameserver=10.9.0.54"
resolv "nameserver 10.9.0.54
nameserver 10.9.0.53"
down
up 0 "ip=e0:dhcp ip=e0:auto6 rd.peerdns=0"
says "e0 ($mac): DHCP 10.9.0." "e0 ($mac): auto6 2001:db8:9:"
resolv ""
down
up 0 "ip=e0:dhcp ip=e1:dhcp rd.net.timeout.carrier=2"
says "notice: network: e1" "no carrier in 2 s"
down
up 69 "ip=e0:dhcp ip=e1:dhcp bootdev=e1 rd.net.timeout.carrier=2"
says "error: no network:" "e1: no carrier"
down
echo "200-net-up: a cable that is plugged in late"
up_late() {
	sleep 2
	in_server ip link set dev s1 up
}
up_late &
up 0 "ip=10.6.0.5:::24::e1:none"
says "e1 (" "static 10.6.0.5/24"
[ "$took" -ge 1 ] || die "it did not wait for the cable"
wait $!
down
up 0 "ip=dhcp"
says "e0 ($mac): DHCP 10.9.0." "e1 (" "not needed: a link, but slower to answer"
within 20
echo "200-net-up: ok"
