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
for tool in ip dnsmasq busybox unshare dhcpcd; do
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

# Bring the network up as LINE says, and keep it for SECONDS; CODE is expected.  unshare: the host name
# and what dhcpcd keeps are this machine's; the live system has no user for it.
up() { # CODE LINE [SECONDS]
	rm -rf "$work/run"
	mkdir -p "$work/run/etc"
	rc=0
	began=$(date +%s)
	case "$1 $2" in
	"69 "*retry=* | "0 "*) once='' ;;
	*) once=' rd.net.dhcp.retry=1' ;;
	esac
	# shellcheck disable=SC2016 # for the inner shell
	in_client unshare -um sh -c 'mount -t tmpfs none /run && mount -t tmpfs none /var/lib &&
		mount --bind "$0" /etc/passwd && exec "$@"' "$work/passwd" "$driver" "$work/run" "$top/initramfs/udhcpc.script" "$2$once" "${3:-0}" \
		>"$work/out" 2>&1 || rc=$?
	took=$(($(date +%s) - began))
	line=$2
	[ "$rc" -eq "$1" ] || die "'$line' ended with $rc, not $1"
	# A script of dhcpcd may just be running.
	for _ in $(seq 20); do
		[ -n "$(ip netns pids "$client")" ] || return 0
		sleep 0.1
	done
	die "'$line' left a child"
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
	[ "$(cat "$work/run/etc/resolv.conf")" = "$1" ] ||
		die "'$line': resolv.conf is '$(cat "$work/run/etc/resolv.conf")'"
}
down() {
	for card in e0 e1; do
		in_client ip -6 route flush dev "$card"
		in_client ip addr flush dev "$card"
		in_client ip link set dev "$card" down
	done
}

: >"$work/out"
grep -v '^dhcpcd:' /etc/passwd >"$work/passwd"
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
up 69 "rd.net.timeout.carrier=1 rd.net.timeout.dhcp=2 rd.net.dhcp.retry=2"
says "notice: network: e0 ($mac): no DHCP answer in 2 s" "try 1 of 2 failed; the next one in 5 s" \
	"error: no network: e0: no DHCP answer in 2 s; e1: no carrier in 1 s; while trying 2 times"
within 18
down
up 69 "ip=e0:dhcp6 rd.net.timeout.dhcp=3"
says "e0: no DHCPv6 answer in 3 s"
within 8
down
up 69 "ip=e0:either6 rd.net.timeout.dhcp=3"
says "e0: no IPv6 router advertisement and no DHCPv6 answer in 3 s"
down
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
serve() { # OPTIONS for dnsmasq; returns when it listens
	ip netns exec "$server" dnsmasq --no-daemon --conf-file=/dev/null --port=0 --interface=s0 \
		--bind-interfaces --no-ping --dhcp-leasefile="$work/leases" "$@" \
		>"$work/dnsmasq.log" 2>&1 &
	dnsmasq=$!
	for _ in $(seq 100); do
		! grep -q 'sockets bound exclusively' "$work/dnsmasq.log" || break
		sleep 0.1
	done
}
end_server() {
	kill "$dnsmasq"
	wait "$dnsmasq" || :
	dnsmasq=
}
v4="--dhcp-range=10.9.0.100,10.9.0.110,255.255.255.0,1h --dhcp-option=3,10.9.0.1
	--dhcp-option=6,10.9.0.53"
# shellcheck disable=SC2086 # options
serve $v4 --enable-ra --dhcp-range=2001:db8:9::,ra-only,64 \
	"--dhcp-option=option6:dns-server,[2001:db8:9::53]" --dhcp-option=option6:domain-search,x.test
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
up 0 "ip=e0:auto6"
says "e0 ($mac): auto6 2001:db8:9:"
answers 2001:db8:9::1
resolv "nameserver 2001:db8:9::53
search x.test"
in_client ip -6 route | grep -q '^default via fe80:' || die "no default route for IPv6"
down
up 0 "ip=e0:dhcp ip=e1:dhcp rd.net.timeout.carrier=2"
says "notice: network: e1" "no carrier in 2 s"
down
up 69 "ip=e0:dhcp ip=e1:dhcp bootdev=e1 rd.net.timeout.carrier=2"
says "error: no network:" "e1: no carrier"
down
end_server

echo "200-net-up: DHCPv6, by a router's word and without a router"
v6="--dhcp-range=2001:db8:9::100,2001:db8:9::1ff,64,2m --dhcp-option=option6:dns-server,[2001:db8:9::53]"
# shellcheck disable=SC2086 # options
serve $v6 --enable-ra
for method in dhcp6 auto6 either6; do
	up 0 "ip=e0:$method nameserver=2001:db8:9::54"
	says "e0 ($mac): $method 2001:db8:9::1"
	answers 2001:db8:9::1
	grep -qx 'nameserver 2001:db8:9::54' "$work/run/etc/resolv.conf" || die "not the servers of the line"
	down
done
end_server
# shellcheck disable=SC2086 # options
serve $v6
up 0 "ip=e0:dhcp6"
says "e0 ($mac): dhcp6 2001:db8:9::1"
resolv "nameserver 2001:db8:9::53"
down
up 0 "ip=any rd.net.timeout.dhcp=3"
says "e0 ($mac): either6 2001:db8:9::1"
down
end_server

echo "200-net-up: a server that comes late, and a lease shorter than a restore"
serve_late() {
	sleep 9
	exec ip netns exec "$server" busybox udhcpd -f -S "$work/udhcpd.conf"
}
cat >"$work/udhcpd.conf" <<END
interface s0
start 10.9.0.120
end 10.9.0.120
max_leases 1
lease_file $work/udhcpd.leases
pidfile $work/udhcpd.pid
option subnet 255.255.255.0
option router 10.9.0.1
option dns 10.9.0.53
option lease 20
min_lease 10
END
: >"$work/udhcpd.leases"
serve_late >"$work/udhcpd.log" 2>&1 &
dnsmasq=$!
# Half of its lease is over after 10 s.
up 0 "ip=e0:dhcp nameserver=10.9.0.54 rd.net.timeout.dhcp=4" 24
says "e0 ($mac): no DHCP answer in 4 s" "try 1 of 3 failed" "e0 ($mac): DHCP 10.9.0.120/24"
[ "$(grep -c 'lease of 10.9.0.120 obtained' "$work/run/udhcpc.e0.log")" -ge 2 ] ||
	die "the lease was not renewed"
answers 10.9.0.1
resolv "nameserver 10.9.0.54
nameserver 10.9.0.53"
down
end_server
# shellcheck disable=SC2086 # options
serve $v4

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
