/* SPDX-License-Identifier: GPL-3.0-or-later */
/* network.h - bring the network up as the command line says (cmdline/net.h).
 *
 * Works by applets of busybox (ip, udhcpc), each a child process with a deadline, and by files of
 * /sys and /proc.  Everything that is waited for has a limit, and is said.
 */
#ifndef BMR_AGENT_NETWORK_H
#define BMR_AGENT_NETWORK_H

#include <stdatomic.h>
#include <stdbool.h>

struct bmr_err;
struct bmr_log;
struct bmr_net_params;

/* NULL members have the defaults that are named. */
struct bmr_network_env {
	const char *busybox;      /* /bin/busybox */
	const char *sysfs;        /* /sys */
	const char *proc;         /* /proc */
	const char *run_dir;      /* /run/bmr; the DHCP scripts write lease.IFACE here */
	const char *resolv_conf;  /* /etc/resolv.conf; "" writes none */
	const char *dhcp_script;  /* /usr/lib/bmr/udhcpc.script */
	const char *dhcp6_script; /* the same */
	struct bmr_log *log;      /* may be NULL: one line for each interface */
	const atomic_bool *stop;  /* may be NULL; true: give up soon */
};

/* Bring the network up.  Without ip=: DHCP on the boot interface (BOOTIF=, bootdev=), else on every
 * interface that has a link; the first lease wins.  Several interfaces are brought up side by side.
 * 0: at least one interface has an address, and so has bootdev=, and all of rd.route= are set; what
 * else failed is logged.  Also 0 if ip=off is all that is asked for.
 * Errors: BMR_E_NET says of each interface what was wrong; BMR_E_STOPPED; BMR_E_NOMEM.  After a
 * failure no child is left, and it may be called again.  One thread at a time. */
int bmr_network_up(const struct bmr_net_params *n, const struct bmr_network_env *env,
                   struct bmr_err *e);

/* What bmr_network_up would do, for people: call line() with each sentence.  Pure. */
void bmr_network_describe(const struct bmr_net_params *n, void (*line)(void *ctx, const char *text),
                          void *ctx);

#endif
