/* SPDX-License-Identifier: GPL-3.0-or-later */
/* network.h - bring the network up as the command line says (cmdline/net.h).
 *
 * Works by applets of busybox (ip, udhcpc) and, for IPv6, dhcpcd, each a child process, and by files
 * of /sys and /proc.  Everything that is waited for has a limit, and is said.  The clients of DHCP
 * and of router advertisements run on and renew what they got: a restore may take longer than a lease.
 */
#ifndef BMR_AGENT_NETWORK_NETWORK_H
#define BMR_AGENT_NETWORK_NETWORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bmr_err;
struct bmr_log;
struct bmr_net_params;

#define BMR_NETWORK_CLIENTS 64

/* The clients that run on.  All zero before its first use. */
struct bmr_network_clients {
	pid_t pids[BMR_NETWORK_CLIENTS];
	size_t count;
};

/* NULL members have the defaults that are named. */
struct bmr_network_env {
	const char *busybox;                 /* /bin/busybox */
	const char *sysfs;                   /* /sys */
	const char *proc;                    /* /proc */
	const char *run_dir;                 /* /run/bmr; the DHCP scripts write lease.IFACE here */
	const char *resolv_conf;             /* /etc/resolv.conf; "" writes none */
	const char *dhcp_script;             /* /usr/lib/bmr/udhcpc.script, for both clients */
	const char *dhcpcd;                  /* dhcpcd, looked for as base/child.h says */
	struct bmr_log *log;                 /* may be NULL: one line for each interface */
	const atomic_bool *stop;             /* may be NULL; true: give up soon */
	struct bmr_network_clients *clients; /* the caller's, needed; they end with its thread */
};

/* Bring the network up.  Without ip=: DHCP on the boot interface (BOOTIF=, bootdev=), else on every
 * interface that has a link; the first lease wins.  Several interfaces are brought up side by side.
 * While nothing works all of it is tried again, rd.net.dhcp.retry times in all, with growing pauses.
 * 0: at least one interface has an address, and so has bootdev=, and all of rd.route= are set; what
 * else failed is logged.  Also 0 if ip=off is all that is asked for.
 * Errors: BMR_E_NET says of each interface what was wrong; BMR_E_STOPPED; BMR_E_NOMEM.  After a
 * failure no child is left.  It may be called again, and first ends the clients of the last time.
 * One thread at a time. */
int bmr_network_up(const struct bmr_net_params *n, const struct bmr_network_env *env,
                   struct bmr_err *e);

/* End the clients that run on; the addresses stay as long as they are valid. */
void bmr_network_stop(struct bmr_network_clients *clients);

/* What bmr_network_up would do, for people: call line() with each sentence.  Pure. */
void bmr_network_describe(const struct bmr_net_params *n, void (*line)(void *ctx, const char *text),
                          void *ctx);

#endif
