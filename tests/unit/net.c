/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net.c - network parameters: every form read, written back, or refused with its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "cmdline/ip.h"
#include "cmdline/net.h"

struct text {
	char all[4096];
};

static void collect(void *ctx, const char *line)
{
	struct text *t = ctx;
	size_t used = strlen(t->all);

	snprintf(t->all + used, sizeof t->all - used, "%s%s", used ? " " : "", line);
}

/* Set one "name=value"; what bmr_net_set returns. */
static int set(struct bmr_net_params *n, const char *parameter, struct bmr_err *e)
{
	char name[64];
	const char *equals = strchr(parameter, '=');
	size_t len = equals ? (size_t)(equals - parameter) : strlen(parameter);

	memcpy(name, parameter, len);
	name[len] = '\0';
	*e = (struct bmr_err){0};
	return bmr_net_set(n, name, equals ? equals + 1 : NULL, e);
}

/* Each text, and what it is when it is written again; NULL: the same. */
static const struct {
	const char *in;
	const char *out;
} forms[] = {
	{"ip=dhcp", NULL},
	{"ip=on", "ip=dhcp"},
	{"ip=any", NULL},
	{"ip=dhcp6", NULL},
	{"ip=auto6", NULL},
	{"ip=either6", NULL},
	{"ip=link6", NULL},
	{"ip=single-dhcp", NULL},
	{"ip=none", NULL},
	{"ip=off", "ip=none"},
	{"ip=eth0:dhcp", NULL},
	{"ip=eth0:auto6:1400", NULL},
	{"ip=eth0:dhcp:1400:52:54:00:AB:cd:ef", "ip=eth0:dhcp:1400:52:54:00:ab:cd:ef"},
	{"ip=eth0:dhcp::52:54:00:ab:cd:ef", NULL},
	{"ip=eth0.5:off", "ip=eth0.5:none"},
	{"ip=192.0.2.5::192.0.2.1:255.255.255.0:host:eth0:none",
         "ip=192.0.2.5::192.0.2.1:24:host:eth0:none"},
	{"ip=192.0.2.5:192.0.2.9:192.0.2.1:24::eth0:off",
         "ip=192.0.2.5:192.0.2.9:192.0.2.1:24::eth0:none"},
	{"ip=192.0.2.5:::24::eth0", "ip=192.0.2.5:::24::eth0:none"},
	{"ip=192.0.2.5:::24::eth0:none:9000", NULL},
	{"ip=192.0.2.5:::24::eth0:none:9000:52:54:00:ab:cd:ef", NULL},
	{"ip=192.0.2.5:::24::eth0:none::52:54:00:ab:cd:ef", NULL},
	{"ip=192.0.2.5:::24::eth0:none:192.0.2.53", NULL},
	{"ip=192.0.2.5:::24::eth0:none:192.0.2.53:[2001:db8::53]", NULL},
	/* PXELINUX, IPAPPEND 1: the second field is the boot server. */
	{"ip=192.0.2.5:192.0.2.2:192.0.2.1:255.255.255.0", "ip=192.0.2.5::192.0.2.1:24:::none"},
	{"ip=[2001:DB8::5]::[2001:db8::1]:64::eth0:none",
         "ip=[2001:db8::5]::[2001:db8::1]:64::eth0:none"},
	{"ip=[2001:db8::5]::::host:eth0:none", "ip=[2001:db8::5]:::64:host:eth0:none"},
	{"ip=[fe80::5]::[fe80::1]:64::eth0:none:1400", NULL},
	{"ip=::::host:eth0:dhcp", NULL},
	{"ip=:::::eth0:dhcp", "ip=eth0:dhcp"},
	{"ip=:::::eth0:dhcp:192.0.2.53", "ip=:::::eth0:dhcp:192.0.2.53"},
	{"ip=::::host::dhcp:1400", NULL},
	{"ip=::::::dhcp:1400", NULL},
	{"nameserver=192.0.2.53", NULL},
	{"nameserver=2001:db8::53", NULL},
	{"nameserver=[2001:db8::53]", "nameserver=2001:db8::53"},
	{"ifname=lan:52:54:00:ab:cd:ef", NULL},
	{"vlan=eth0.5:eth0", NULL},
	{"vlan=vlan0005:bond0", NULL},
	{"bond=bond0:eth0", NULL},
	{"bond=bond0:eth0,eth1:mode=802.3ad,miimon=100", NULL},
	{"bond=bond0:eth0,eth1::9000", NULL},
	{"bond=bond0:eth0,eth1:mode=1:9000", NULL},
	{"bridge=br0:eth0,eth1", NULL},
	{"rd.route=10.0.0.0/8:192.0.2.1", NULL},
	{"rd.route=10.0.0.0/255.0.0.0:192.0.2.1:eth0", "rd.route=10.0.0.0/8:192.0.2.1:eth0"},
	{"rd.route=10.0.0.0/8::eth0", NULL},
	{"rd.route=0.0.0.0/0:192.0.2.1", NULL},
	{"rd.route=[2001:db8::/32]:[fe80::1]:eth0", NULL},
	{"rd.route=[2001:db8::]/32:[fe80::1]", "rd.route=[2001:db8::/32]:[fe80::1]"},
	{"BOOTIF=01-52-54-00-AB-CD-EF", "BOOTIF=52:54:00:ab:cd:ef"},
	{"BOOTIF=52:54:00:ab:cd:ef", NULL},
	{"BOOTIF=52-54-00-ab-cd-ef", "BOOTIF=52:54:00:ab:cd:ef"},
	{"bootdev=eth0", NULL},
	{"rd.bootif=0", NULL},
	{"rd.bootif=1", ""},
	{"rd.peerdns=0", NULL},
	{"rd.neednet", "rd.neednet=1"},
	{"rd.neednet=1", NULL},
	{"rd.neednet=0", ""},
	{"rd.net.timeout.dhcp=3", NULL},
	{"rd.net.timeout.iflink=3", NULL},
	{"rd.net.timeout.ifup=3", NULL},
	{"rd.net.timeout.route=3", NULL},
	{"rd.net.timeout.carrier=3", NULL},
	{"rd.net.timeout.ipv6dad=3", NULL},
	{"rd.net.timeout.ipv6auto=3", NULL},
	{"rd.net.dhcp.retry=5", NULL},
};

static void check_form(const char *in, const char *out)
{
	struct bmr_net_params n;
	struct text t = {""};
	struct bmr_err e;

	bmr_net_init(&n);
	if (set(&n, in, &e) != 1)
		fail_msg("%s: %s", in, e.msg);
	bmr_net_each(&n, collect, &t);
	if (strcmp(t.all, out) != 0)
		fail_msg("%s became '%s', not '%s'", in, t.all, out);
}

static void all_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		const char *out = forms[i].out ? forms[i].out : forms[i].in;

		check_form(forms[i].in, out);
		if (*out)
			check_form(out, out);
	}
}

/* Each is refused, with a message that names it and says the second text. */
static const struct {
	const char *in;
	const char *says;
} wrong[] = {
	{"ip=", "method"},
	{"ip", "method"},
	{"ip=dchp", "'dchp'"},
	{"ip=ibft", "'ibft'"},
	{"ip=192.0.2.5", "netmask"},
	{"ip=192.0.2.5:", "netmask"},
	{"ip=192.0.2.5:::", "netmask"},
	{"ip=192.0.2.5:::255.0.255.0::eth0:none", "255.0.255.0"},
	{"ip=192.0.2.5:::33::eth0:none", "'33'"},
	{"ip=192.0.2.5:::0::eth0:none", "'0'"},
	{"ip=192.0.2.256:::24::eth0:none", "192.0.2.256"},
	{"ip=192.0.2.5::192.0.2:24::eth0:none", "'192.0.2'"},
	{"ip=192.0.2.5::[fe80::1]:24::eth0:none", "same family"},
	{"ip=192.0.2.5:::24::eth0:dhcp", "not with 'dhcp'"},
	{"ip=192.0.2.5:::24:ho_st:eth0:none", "ho_st"},
	{"ip=192.0.2.5:::24::interface0123456:none", "interface0123456"},
	{"ip=192.0.2.5:::24::eth0:none:67", "'67'"},
	{"ip=192.0.2.5:::24::eth0:none:1.1.1.1:x", "'x'"},
	{"ip=192.0.2.5:::24::eth0:none:1.1.1.1:1.1.1.2:1.1.1.3", "nameserver="},
	{"ip=[2001:db8::5", "bracket"},
	{"ip=[2001:db8::5]:::129::eth0:none", "'129'"},
	{"ip=[2001:db8::5]:::255.255.0.0::eth0:none", "prefix length"},
	{"ip=[192.0.2.5]:::24::eth0:none", "192.0.2.5"},
	{"ip=2001:db8::5:::64::eth0:none", "'db8'"},
	{"ip=eth0:", "method"},
	{"ip=eth0:dhcp:1400:52:54:00:ab:cd", "MAC"},
	{"ip=eth0:dhcp:1400:52:54:00:ab:cd:eg", "MAC"},
	{"ip=::::::", "method"},
	{"nameserver=192.0.2", "not an IPv4"},
	{"nameserver=", "not an IPv4"},
	{"ifname=lan", "NAME:MAC"},
	{"ifname=lan:52:54:00:ab:cd:ef:00", "NAME:MAC"},
	{"ifname=../x:52:54:00:ab:cd:ef", "NAME:MAC"},
	{"vlan=eth0.5", "NAME:INTERFACE"},
	{"vlan=lan:eth0", "1 to 4094"},
	{"vlan=vlan4095:eth0", "1 to 4094"},
	{"vlan=vlan0:eth0", "1 to 4094"},
	{"vlan=eth5:eth5", "NAME:INTERFACE"},
	{"bond=bond0", "NAME:INTERFACE"},
	{"bond=bond0:eth0,eth0", "NAME:INTERFACE"},
	{"bond=bond0:bond0", "NAME:INTERFACE"},
	{"bond=bond0:eth0,", "NAME:INTERFACE"},
	{"bond=bond0:eth0:mode", "options"},
	{"bond=bond0:eth0:../x=1", "options"},
	{"bond=bond0:eth0:mode=1,", "options"},
	{"bond=bond0:eth0:mode=1:1", "MTU"},
	{"bridge=br0", "NAME:INTERFACE"},
	{"bridge=br0:eth0:x", "NAME:INTERFACE"},
	{"team=team0:eth0", "bond="},
	{"rd.route=10.0.0.0:192.0.2.1", "NET/MASK"},
	{"rd.route=10.0.0.0/8", "NET/MASK"},
	{"rd.route=10.0.0.0/8:", "NET/MASK"},
	{"rd.route=10.0.0.0/8:[fe80::1]", "gateway"},
	{"rd.route=[2001:db8::/129]:[fe80::1]", "NET/MASK"},
	{"BOOTIF=01-52-54-00-ab-cd", "MAC"},
	{"BOOTIF=02-52-54-00-ab-cd-ef", "MAC"},
	{"bootdev=", "name"},
	{"bootdev=-x", "name"},
	{"rd.bootif=maybe", "0 or 1"},
	{"rd.net.timeout.dhcp=0", "1 to 3600"},
	{"rd.net.timeout.dhcp=3601", "1 to 3600"},
	{"rd.net.timeout.dhcp=", "1 to 3600"},
	{"rd.net.dhcp.retry=x", "1 to 3600"},
};

static void wrong_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct bmr_net_params n;
		struct bmr_net_params before;
		struct bmr_err e;

		bmr_net_init(&n);
		bmr_net_init(&before);
		if (set(&n, wrong[i].in, &e) != -1)
			fail_msg("accepted: %s", wrong[i].in);
		assert_int_equal(e.code, BMR_E_USAGE);
		if (!strstr(e.msg, wrong[i].says) || strncmp(e.msg + 1, wrong[i].in, 2) != 0)
			fail_msg("%s: '%s' does not say '%s'", wrong[i].in, e.msg, wrong[i].says);
		assert_memory_equal(&n, &before, sizeof n);
	}
}

static void others_are_not_taken(void **state)
{
	static const char *const names[] = {"quiet",          "IP=192.0.2.1",
	                                    "root=/dev/sda1", "rd.net.timeout.x=1",
	                                    "bootif=0",       "ipv6.disable=1"};
	struct bmr_net_params n;
	struct bmr_err e;

	(void)state;
	bmr_net_init(&n);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(set(&n, names[i], &e), 0);
}

static void check_sequence(const char *const *in, size_t count, const char *out)
{
	struct bmr_net_params n;
	struct text t = {""};
	struct bmr_err e;

	bmr_net_init(&n);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(set(&n, in[i], &e), 1);
	bmr_net_each(&n, collect, &t);
	assert_string_equal(t.all, out);
}

#define SEQUENCE(out, ...)                                                                         \
	check_sequence((const char *const[]){__VA_ARGS__},                                         \
	               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), out)

static void later_replaces(void **state)
{
	(void)state;
	SEQUENCE("ip=eth0:dhcp ip=eth0:auto6 ip=eth1:dhcp", "ip=eth0:dhcp", "ip=eth0:auto6",
	         "ip=eth1:dhcp");
	SEQUENCE("ip=eth0:auto6 ip=192.0.2.5:::24::eth0:none", "ip=eth0:dhcp", "ip=eth0:auto6",
	         "ip=192.0.2.5:::24::eth0:none");
	SEQUENCE("ip=eth0:none", "ip=eth0:dhcp", "ip=eth0:auto6", "ip=eth0:off");
	SEQUENCE("ip=eth0:dhcp", "ip=eth0:any", "ip=eth0:dhcp");
	SEQUENCE("nameserver=192.0.2.1 nameserver=192.0.2.2", "nameserver=192.0.2.1",
	         "nameserver=192.0.2.2", "nameserver=192.0.2.1");
	SEQUENCE("vlan=eth0.5:eth1", "vlan=eth0.5:eth0", "vlan=eth0.5:eth1");
	SEQUENCE("bond=bond0:eth2", "bond=bond0:eth0,eth1", "bond=bond0:eth2");
	SEQUENCE("bootdev=eth1", "bootdev=eth0", "bootdev=eth1");
}

static void counts_are_limited(void **state)
{
	static const struct {
		const char *format;
		unsigned most;
	} limits[] = {
		{"ip=eth%u:dhcp", BMR_NET_MAX_CONFIGS},
		{"nameserver=192.0.2.%u", BMR_NET_MAX_DNS},
		{"ifname=eth%u:52:54:00:ab:cd:ef", BMR_NET_MAX_NAMES},
		{"vlan=eth0.%u:eth0", BMR_NET_MAX_VLANS},
		{"bond=bond%u:eth0", BMR_NET_MAX_GROUPS},
		{"bridge=br%u:eth0", BMR_NET_MAX_GROUPS},
		{"rd.route=10.%u.0.0/16:192.0.2.1", BMR_NET_MAX_ROUTES},
	};

	(void)state;
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		struct bmr_net_params n;
		struct bmr_err e;
		char text[64];

		bmr_net_init(&n);
		for (unsigned k = 1; k <= limits[i].most; k++) {
			snprintf(text, sizeof text, limits[i].format, k);
			assert_int_equal(set(&n, text, &e), 1);
		}
		snprintf(text, sizeof text, limits[i].format, limits[i].most + 1);
		assert_int_equal(set(&n, text, &e), -1);
		assert_non_null(strstr(e.msg, "more than"));
	}
}

static void long_values(void **state)
{
	char value[5000] = "ip=";
	struct bmr_net_params n;
	struct bmr_err e;

	(void)state;
	bmr_net_init(&n);
	memset(value + 3, 'x', sizeof value - 4);
	assert_int_equal(set(&n, value, &e), -1);
	memset(value + 3, ':', sizeof value - 4);
	assert_int_equal(set(&n, value, &e), -1);
	assert_true(strlen(e.msg) < 300);
}

static void wanted(void **state)
{
	struct bmr_net_params n;
	struct bmr_err e;

	(void)state;
	bmr_net_init(&n);
	assert_false(bmr_net_wanted(&n));
	set(&n, "ip=off", &e);
	set(&n, "BOOTIF=52:54:00:ab:cd:ef", &e);
	assert_false(bmr_net_wanted(&n));
	set(&n, "ip=dhcp", &e);
	assert_true(bmr_net_wanted(&n));
}

static void prefixes(void **state)
{
	unsigned prefix;

	(void)state;
	for (unsigned bits = 0; bits <= 32; bits++) {
		uint32_t mask = bits ? ~(uint32_t)0 << (32 - bits) : 0;
		char text[32];

		snprintf(text, sizeof text, "%u.%u.%u.%u", mask >> 24, mask >> 16 & 255,
		         mask >> 8 & 255, mask & 255);
		assert_true(bmr_ip_prefix(text, 2, &prefix));
		assert_int_equal(prefix, bits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms),
		cmocka_unit_test(wrong_forms),
		cmocka_unit_test(others_are_not_taken),
		cmocka_unit_test(later_replaces),
		cmocka_unit_test(counts_are_limited),
		cmocka_unit_test(long_values),
		cmocka_unit_test(wanted),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
