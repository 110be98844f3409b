/* SPDX-License-Identifier: GPL-3.0-or-later */
/* internal.h - what the files of the network set-up share: network.c runs the jobs,
 * job.c is one interface, make.c makes bonds, VLANs and bridges, link.c
 * reads /sys, run.c runs programs, plan.c describes. */
#ifndef BMR_AGENT_NETWORK_INTERNAL_H
#define BMR_AGENT_NETWORK_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/network/network.h"
#include "base/err.h"
#include "cmdline/net.h"

#define BMR_NET_PATH 512
#define BMR_NET_REASON 160
#define BMR_NET_ARGS 24
#define BMR_NET_JOBS BMR_NETWORK_CLIENTS

/* --- programs --- */

/* Start a program that goes on (as bmr_child_start); what it says goes to the file `output`. */
int bmr_net_start(const char *const *args, const char *const *variables, const char *output,
                  pid_t *child, struct bmr_err *e);

/* Run busybox with these arguments (ended by NULL, without "busybox") to its end, 10 s at most.
 * false: *reason says why, in its own words. */
bool bmr_net_run(const struct bmr_network_env *env, char reason[BMR_NET_REASON],
                 const char *const *args);
#define BMR_NET_RUN(env, reason, ...)                                                              \
	bmr_net_run(env, reason, (const char *const[]){__VA_ARGS__, NULL})

/* --- links: what /sys/class/net knows --- */

bool bmr_link_exists(const struct bmr_network_env *env, const char *name);

/* Has it a link?  Only known once it is up. */
bool bmr_link_carrier(const struct bmr_network_env *env, const char *name);

/* "52:54:00:12:34:56", "" if unknown. */
void bmr_link_mac(const struct bmr_network_env *env, const char *name,
                  char mac[BMR_NET_MAC_TEXT_SIZE]);

/* "virtio_net", "" for a virtual device. */
void bmr_link_driver(const struct bmr_network_env *env, const char *name, char *driver,
                     size_t size);

/* The Ethernet interface with this MAC that is not part of a bond; false: there is none. */
bool bmr_link_by_mac(const struct bmr_network_env *env, const struct bmr_net_mac *mac,
                     char name[BMR_NET_NAME_SIZE]);

/* Ethernet interfaces that are no bond, bridge, VLAN, wireless card, nor part of one; sorted.  Those
 * with hardware, if there are any.  Returns how many names were filled in. */
size_t bmr_link_candidates(const struct bmr_network_env *env, char (*names)[BMR_NET_NAME_SIZE],
                           size_t most);

/* Write text to PATH below sysfs/class/net/NAME. */
bool bmr_link_write(const struct bmr_network_env *env, const char *name, const char *path,
                    const char *text, char reason[BMR_NET_REASON]);

enum bmr_v6_state {
	BMR_V6_NONE,
	BMR_V6_TENTATIVE,
	BMR_V6_DUPLICATE,
	BMR_V6_READY
};

/* Look in /proc/net/if_inet6 for an address: `wanted` (as inet_ntop writes it), or if that is NULL
 * any with this scope (0x00 global, 0x20 link).  *found: "2001:db8::1/64". */
enum bmr_v6_state bmr_link_v6(const struct bmr_network_env *env, const char *name,
                              const char *wanted, unsigned scope,
                              char found[BMR_NET_ADDRESS_SIZE + 4]);

/* --- devices that are made --- */

/* ifname=, bond=, vlan=, bridge=, in this order.  Errors: BMR_E_NET, BMR_E_STOPPED. */
int bmr_net_make(const struct bmr_net_params *n, const struct bmr_network_env *env,
                 struct bmr_err *e);

/* --- one interface --- */

enum bmr_job_step {
	BMR_JOB_QUEUED,  /* waits for the one before it (single-dhcp) */
	BMR_JOB_LINK,    /* waits until the interface exists */
	BMR_JOB_UP,      /* is brought up */
	BMR_JOB_CARRIER, /* waits for a link */
	BMR_JOB_DHCP,    /* waits for a lease of udhcpc */
	BMR_JOB_V6,      /* waits for an IPv6 address, mostly of dhcpcd */
	BMR_JOB_DONE,
	BMR_JOB_FAILED,
	BMR_JOB_LEFT, /* another interface won */
};

struct bmr_net_job {
	char name[BMR_NET_NAME_SIZE];
	const struct bmr_net_config *config;
	bool shared; /* one of several for a config without a name: the first wins */
	unsigned metric;
	enum bmr_job_step step;
	enum bmr_net_method methods[2]; /* what is tried, in order */
	size_t method_count;
	size_t method;
	uint64_t deadline;
	pid_t child;                 /* 0: none */
	char reason[BMR_NET_REASON]; /* DONE: the address; FAILED: why */
};

void bmr_job_init(struct bmr_net_job *job, const struct bmr_net_config *config, const char *name,
                  bool shared, unsigned metric);

/* Go on as far as is possible without waiting. */
void bmr_job_step(struct bmr_net_job *job, const struct bmr_net_params *n,
                  const struct bmr_network_env *env);

/* It did not come to an address: end its child, if there is one. */
void bmr_job_stop(struct bmr_net_job *job, const struct bmr_network_env *env,
                  enum bmr_job_step step, const char *reason);

static inline bool bmr_job_over(const struct bmr_net_job *job)
{
	return job->step >= BMR_JOB_DONE;
}

#endif
