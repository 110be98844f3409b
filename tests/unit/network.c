/* SPDX-License-Identifier: GPL-3.0-or-later */
/* network.c - what is known of interfaces, from a /sys and a /proc made for it; the plan in words.
 * Bringing interfaces up is tried in tests/integration/200-net-up.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/network/network.h"
#include "agent/network/internal.h"
#include "base/child.h"
#include "base/err.h"
#include "cmdline/params.h"

struct tree {
	char root[64];
	struct bmr_network_env env;
};

static void make_dir(const struct tree *t, const char *path)
{
	char full[256];

	snprintf(full, sizeof full, "%s/%s", t->root, path);
	assert_int_equal(mkdir(full, 0700), 0);
}

static void make_file(const struct tree *t, const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof full, "%s/%s", t->root, path);
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void make_link(const struct tree *t, const char *name, const char *mac, const char *uevent)
{
	char path[128];

	snprintf(path, sizeof path, "class/net/%s", name);
	make_dir(t, path);
	snprintf(path, sizeof path, "class/net/%s/type", name);
	make_file(t, path, "1\n");
	snprintf(path, sizeof path, "class/net/%s/address", name);
	make_file(t, path, mac);
	snprintf(path, sizeof path, "class/net/%s/uevent", name);
	make_file(t, path, uevent);
}

static int set_up(void **state)
{
	struct tree *t = calloc(1, sizeof *t);

	snprintf(t->root, sizeof t->root, "/tmp/bmr-network.XXXXXX");
	if (!mkdtemp(t->root))
		return -1;
	t->env = (struct bmr_network_env){
		.busybox = "/bin/busybox", .sysfs = t->root, .proc = t->root, .run_dir = t->root};
	make_dir(t, "class");
	make_dir(t, "class/net");
	make_dir(t, "net");
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct tree *t = *state;
	const char *argv[] = {"rm", "-rf", t->root, NULL};
	pid_t child = fork();

	if (child == 0) {
		execv("/bin/rm", (char *const *)(uintptr_t)argv);
		_exit(1);
	}
	waitpid(child, NULL, 0);
	free(t);
	return 0;
}

static void candidates(void **state)
{
	struct tree *t = *state;
	char names[8][BMR_NET_NAME_SIZE];
	struct bmr_net_mac mac = {.given = true, .bytes = {0x52, 0x54, 0, 0, 0, 2}};
	char found[BMR_NET_NAME_SIZE];

	assert_int_equal(bmr_link_candidates(&t->env, names, 8), 0);
	make_link(t, "lo", "00:00:00:00:00:00\n", "INTERFACE=lo\n");
	make_file(t, "class/net/lo/type", "772\n");
	make_link(t, "eth10", "52:54:00:00:00:0a\n", "INTERFACE=eth10\n");
	make_link(t, "eth2", "52:54:00:00:00:02\n", "INTERFACE=eth2\n");
	make_link(t, "wlan0", "52:54:00:00:00:03\n", "DEVTYPE=wlan\nINTERFACE=wlan0\n");
	make_link(t, "eth2.5", "52:54:00:00:00:02\n", "DEVTYPE=vlan\n");
	make_link(t, "bond0", "52:54:00:00:00:02\n", "");
	make_dir(t, "class/net/bond0/bonding");
	make_link(t, "br0", "52:54:00:00:00:02\n", "");
	make_dir(t, "class/net/br0/bridge");
	make_link(t, "eth1", "52:54:00:00:00:01\n", "");
	make_dir(t, "class/net/eth1/master");
	assert_int_equal(bmr_link_candidates(&t->env, names, 8), 2);
	assert_string_equal(names[0], "eth2");
	assert_string_equal(names[1], "eth10");
	assert_int_equal(bmr_link_candidates(&t->env, names, 1), 1);
	assert_true(bmr_link_by_mac(&t->env, &mac, found));
	assert_string_equal(found, "eth2");
	mac.bytes[5] = 1;
	assert_false(bmr_link_by_mac(&t->env, &mac, found));
	/* Hardware, where there is any. */
	make_dir(t, "class/net/eth10/device");
	assert_int_equal(bmr_link_candidates(&t->env, names, 8), 1);
	assert_string_equal(names[0], "eth10");
}

static void carrier_and_driver(void **state)
{
	struct tree *t = *state;
	char path[128];
	char driver[32];

	make_link(t, "eth0", "52:54:00:00:00:01\n", "");
	assert_true(bmr_link_exists(&t->env, "eth0"));
	assert_false(bmr_link_exists(&t->env, "eth1"));
	assert_false(bmr_link_carrier(&t->env, "eth0"));
	make_file(t, "class/net/eth0/carrier", "0\n");
	assert_false(bmr_link_carrier(&t->env, "eth0"));
	make_file(t, "class/net/eth0/carrier", "1\n");
	assert_true(bmr_link_carrier(&t->env, "eth0"));
	bmr_link_driver(&t->env, "eth0", driver, sizeof driver);
	assert_string_equal(driver, "");
	make_dir(t, "class/net/eth0/device");
	snprintf(path, sizeof path, "%s/class/net/eth0/device/driver", t->root);
	assert_int_equal(symlink("../../../bus/pci/drivers/e1000e", path), 0);
	bmr_link_driver(&t->env, "eth0", driver, sizeof driver);
	assert_string_equal(driver, "e1000e");
}

static void v6(void **state)
{
	struct tree *t = *state;
	char found[BMR_NET_ADDRESS_SIZE + 4];

	assert_int_equal(bmr_link_v6(&t->env, "eth0", NULL, 0, found), BMR_V6_NONE);
	make_file(t, "net/if_inet6",
	          "fe800000000000005054000000000001 02 40 20 80     eth0\n"
	          "20010db8000000000000000000000005 02 40 00 40     eth0\n"
	          "20010db8000000000000000000000006 02 30 00 80     eth1\n"
	          "20010db8000000000000000000000007 02 40 00 48     eth2\n"
	          "short line\n");
	assert_int_equal(bmr_link_v6(&t->env, "eth0", NULL, 0, found), BMR_V6_TENTATIVE);
	assert_int_equal(bmr_link_v6(&t->env, "eth0", NULL, 0x20, found), BMR_V6_READY);
	assert_string_equal(found, "fe80::5054:0:0:1/64");
	assert_int_equal(bmr_link_v6(&t->env, "eth1", "2001:db8::6", 0, found), BMR_V6_READY);
	assert_string_equal(found, "2001:db8::6/48");
	assert_int_equal(bmr_link_v6(&t->env, "eth1", "2001:db8::5", 0, found), BMR_V6_NONE);
	assert_int_equal(bmr_link_v6(&t->env, "eth2", NULL, 0, found), BMR_V6_DUPLICATE);
	assert_int_equal(bmr_link_v6(&t->env, "eth", NULL, 0, found), BMR_V6_NONE);
}

static void write_file(void **state)
{
	struct tree *t = *state;
	char reason[BMR_NET_REASON];

	make_link(t, "bond0", "\n", "");
	make_file(t, "class/net/bond0/mtu", "");
	assert_true(bmr_link_write(&t->env, "bond0", "mtu", "9000", reason));
	assert_false(bmr_link_write(&t->env, "bond0", "bonding/mode", "9", reason));
	assert_non_null(strstr(reason, "cannot write '9' to 'bonding/mode'"));
}

static void children(void **state)
{
	struct tree *t = *state;
	const char *const say_args[] = {t->env.busybox, "echo", "said", NULL};
	char reason[BMR_NET_REASON];
	char output[96];
	char text[16];
	struct bmr_err e = {0};
	pid_t child;
	int status;
	FILE *f;

	if (access("/bin/busybox", X_OK) < 0)
		skip();
	assert_true(BMR_NET_RUN(&t->env, reason, "true"));
	assert_false(BMR_NET_RUN(&t->env, reason, "false"));
	assert_string_equal(reason, "'false' ended with status 1");
	assert_false(BMR_NET_RUN(&t->env, reason, "ls", "/nowhere/at/all"));
	assert_non_null(strstr(reason, "/nowhere/at/all"));
	/* More than a pipe holds must not stop it. */
	assert_true(BMR_NET_RUN(&t->env, reason, "seq", "100000"));
	snprintf(output, sizeof output, "%s/output", t->root);
	assert_int_equal(bmr_net_start(say_args, NULL, output, &child, &e), 0);
	while (!bmr_child_ended(child, &status))
		;
	assert_int_equal(status, 0);
	f = fopen(output, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_string_equal(text, "said\n");
	t->env.busybox = "/nowhere/busybox";
	assert_false(BMR_NET_RUN(&t->env, reason, "true"));
	assert_non_null(strstr(reason, "/nowhere/busybox"));
}

static void collect(void *ctx, const char *line)
{
	char *text = ctx;
	size_t used = strlen(text);

	snprintf(text + used, 2048 - used, "%s\n", line);
}

static void check_plan(const char *line, const char *expected)
{
	struct bmr_params p;
	struct bmr_err e = {0};
	char text[2048] = "";

	bmr_params_init(&p);
	if (bmr_params_parse_line(&p, line, &e) < 0)
		fail_msg("%s: %s", line, e.msg);
	bmr_network_describe(&p.net, collect, text);
	bmr_params_clear(&p);
	assert_string_equal(text, expected);
}

static void plans(void **state)
{
	(void)state;
	check_plan("", "every interface with a link; the first that works: DHCP\n");
	check_plan("BOOTIF=01-52-54-00-00-00-01",
	           "the interface with MAC 52:54:00:00:00:01 (BOOTIF): DHCP\n");
	check_plan("BOOTIF=01-52-54-00-00-00-01 rd.bootif=0 ip=auto6",
	           "every interface with a link; the first that works: IPv6 by router "
	           "advertisements\n");
	check_plan("ip=off", "no network is set up\n");
	check_plan("bond=bond0:eth0,eth1:mode=1 vlan=bond0.5:bond0 nameserver=192.0.2.53 "
	           "rd.route=10.0.0.0/8:192.0.2.1:bond0.5 rd.peerdns=0",
	           "bond bond0 of eth0, eth1; mode=1\n"
	           "bond0.5 is VLAN 5 of bond0\n"
	           "bond0.5: DHCP\n"
	           "route to 10.0.0.0/8 by 192.0.2.1 on bond0.5\n"
	           "name server 192.0.2.53\n"
	           "name servers from DHCP are not used\n");
	check_plan("ip=192.0.2.5::192.0.2.1:24::eth0:none:1400:52:54:00:00:00:01 "
	           "ip=eth1:either6 bridge=br0:eth2 ifname=lan:52:54:00:00:00:02",
	           "the interface with MAC 52:54:00:00:00:02 is called lan\n"
	           "bridge br0 of eth2\n"
	           "eth0: 192.0.2.5/24, gateway 192.0.2.1, MTU 1400, MAC set to "
	           "52:54:00:00:00:01\n"
	           "eth1: IPv6 by router advertisements or DHCPv6\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(candidates, set_up, tear_down),
		cmocka_unit_test_setup_teardown(carrier_and_driver, set_up, tear_down),
		cmocka_unit_test_setup_teardown(v6, set_up, tear_down),
		cmocka_unit_test_setup_teardown(write_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(children, set_up, tear_down),
		cmocka_unit_test(plans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
