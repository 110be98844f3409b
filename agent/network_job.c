/* SPDX-License-Identifier: GPL-3.0-or-later */
/* network_job.c - one interface and one ip=, as a state machine that never waits itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/network_internal.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cmdline/ip.h"

#define SCOPE_GLOBAL 0x00
#define SCOPE_LINK 0x20
#define DISCOVER_PAUSE_S 2 /* between two packets of udhcpc */
#define DHCP_GRACE_MS 3000 /* for its script, when the last answer came late */
#define NO_APPLET 127

void bmr_job_init(struct bmr_net_job *job, const struct bmr_net_config *config, const char *name,
                  bool shared, unsigned metric)
{
	*job = (struct bmr_net_job){.config = config, .shared = shared, .metric = metric};
	snprintf(job->name, sizeof job->name, "%s", name);
	switch (config->method) {
	case BMR_NET_ANY:
		job->methods[job->method_count++] = BMR_NET_DHCP;
		job->methods[job->method_count++] = BMR_NET_AUTO6;
		job->methods[job->method_count++] = BMR_NET_DHCP6;
		break;
	case BMR_NET_EITHER6:
		job->methods[job->method_count++] = BMR_NET_AUTO6;
		job->methods[job->method_count++] = BMR_NET_DHCP6;
		break;
	case BMR_NET_SINGLE_DHCP:
		job->methods[job->method_count++] = BMR_NET_DHCP;
		break;
	case BMR_NET_DHCP:
	case BMR_NET_DHCP6:
	case BMR_NET_AUTO6:
	case BMR_NET_LINK6:
	case BMR_NET_STATIC:
	case BMR_NET_OFF:
		job->methods[job->method_count++] = config->method;
		break;
	}
}

void bmr_job_stop(struct bmr_net_job *job, enum bmr_job_step step, const char *reason)
{
	if (job->child)
		bmr_child_kill(job->child);
	job->child = 0;
	job->step = step;
	if (reason != job->reason)
		snprintf(job->reason, sizeof job->reason, "%s", reason);
}

static void done(struct bmr_net_job *job, const char *address)
{
	bmr_job_stop(job, BMR_JOB_DONE, address);
}

static void fail(struct bmr_net_job *job, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void fail(struct bmr_net_job *job, const char *fmt, ...)
{
	char reason[BMR_NET_REASON];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof reason, fmt, ap);
	va_end(ap);
	bmr_job_stop(job, BMR_JOB_FAILED, reason);
}

static void wait_in(struct bmr_net_job *job, enum bmr_job_step step, unsigned seconds)
{
	job->step = step;
	job->deadline = bmr_clock_ms() + (uint64_t)seconds * 1000;
}

static bool late(const struct bmr_net_job *job)
{
	return bmr_clock_ms() >= job->deadline;
}

static void start_method(struct bmr_net_job *job, const struct bmr_net_params *n,
                         const struct bmr_network_env *env);

/* This method failed: try the next one, and remember why. */
static void next_method(struct bmr_net_job *job, const struct bmr_net_params *n,
                        const struct bmr_network_env *env, const char *reason)
{
	size_t used = strlen(job->reason);

	if (job->child)
		bmr_child_kill(job->child);
	job->child = 0;
	snprintf(job->reason + used, sizeof job->reason - used, "%s%s", used ? ", " : "", reason);
	job->tries = 0;
	if (++job->method < job->method_count)
		start_method(job, n, env);
	else
		bmr_job_stop(job, BMR_JOB_FAILED, job->reason);
}

/* --- DHCP --- */

static void lease_path(const struct bmr_net_job *job, const struct bmr_network_env *env,
                       char path[BMR_NET_PATH])
{
	snprintf(path, BMR_NET_PATH, "%s/lease.%s", env->run_dir, job->name);
}

/* The value of KEY= in a lease. */
static bool lease_value(const char *path, const char *key, char *value, size_t size)
{
	AUTO_FILE FILE *f = fopen(path, "re");
	char line[512];
	size_t len = strlen(key);

	while (f && fgets(line, sizeof line, f)) {
		if (strncmp(line, key, len) != 0 || line[len] != '=')
			continue;
		line[strcspn(line, "\r\n")] = '\0';
		snprintf(value, size, "%s", line + len + 1);
		return *value != '\0';
	}
	return false;
}

/* "DHCP 10.0.2.15/24, gateway 10.0.2.2" */
static void lease_text(const char *path, const char *kind, char text[BMR_NET_REASON])
{
	char ip[48];
	char mask[32] = "";
	char router[64] = "";
	unsigned prefix;

	if (!lease_value(path, "ip", ip, sizeof ip) && !lease_value(path, "ipv6", ip, sizeof ip))
		snprintf(ip, sizeof ip, "an address");
	lease_value(path, "mask", mask, sizeof mask);
	lease_value(path, "router", router, sizeof router);
	if (*mask && bmr_ip_prefix(mask, AF_INET, &prefix))
		snprintf(mask, sizeof mask, "/%u", prefix);
	else
		mask[0] = '\0';
	snprintf(text, BMR_NET_REASON, "%s %s%s%s%s", kind, ip, mask, *router ? ", gateway " : "",
	         router);
}

static void start_dhcp(struct bmr_net_job *job, const struct bmr_net_params *n,
                       const struct bmr_network_env *env)
{
	bool v6 = job->methods[job->method] == BMR_NET_DHCP6;
	char packets[16];
	char pause[16];
	char run[BMR_NET_PATH + 8];
	char etc[BMR_NET_PATH + 8];
	char metric[32];
	char output[BMR_NET_PATH + 32];
	char lease[BMR_NET_PATH];
	struct bmr_err e = {0};
	/* -f and -n -q: it ends with the first lease, or when its packets are spent. */
	const char *args[] = {env->busybox,
	                      v6 ? "udhcpc6" : "udhcpc",
	                      "-i",
	                      job->name,
	                      "-f",
	                      "-n",
	                      "-q",
	                      "-t",
	                      packets,
	                      "-T",
	                      pause,
	                      "-A",
	                      "1",
	                      "-s",
	                      v6 ? env->dhcp6_script : env->dhcp_script,
	                      NULL};
	const char *variables[] = {run, metric, etc, NULL};

	lease_path(job, env, lease);
	unlink(lease);
	snprintf(packets, sizeof packets, "%u", n->timeouts.dhcp / DISCOVER_PAUSE_S + 1);
	snprintf(pause, sizeof pause, "%d", DISCOVER_PAUSE_S);
	snprintf(run, sizeof run, "RUN=%s", env->run_dir);
	snprintf(metric, sizeof metric, "BMR_METRIC=%u", job->metric);
	snprintf(output, sizeof output, "%s/%s.%s.log", env->run_dir, args[1], job->name);
	/* The script keeps resolv.conf in $ETC. */
	snprintf(etc, sizeof etc, "ETC=%s", env->resolv_conf);
	if (strrchr(etc, '/'))
		*strrchr(etc, '/') = '\0';
	else
		snprintf(etc, sizeof etc, "ETC=%s", env->run_dir);
	wait_in(job, BMR_JOB_DHCP, n->timeouts.dhcp);
	job->deadline += DHCP_GRACE_MS;
	job->tries++;
	if (bmr_net_start(args, variables, output, &job->child, &e) < 0)
		fail(job, "%.150s", e.msg);
}

static void dhcp_failed(struct bmr_net_job *job, const struct bmr_net_params *n,
                        const struct bmr_network_env *env, int status)
{
	bool v6 = job->methods[job->method] == BMR_NET_DHCP6;
	char reason[BMR_NET_REASON];

	if (status == NO_APPLET) {
		next_method(job, n, env,
		            v6 ? "no DHCPv6: this busybox has no udhcpc6"
		               : "no DHCP: this busybox has no udhcpc");
		return;
	}
	if (job->tries < n->dhcp_retries) {
		start_dhcp(job, n, env);
		return;
	}
	snprintf(reason, sizeof reason, "no DHCP%s answer in %u s", v6 ? "v6" : "",
	         n->timeouts.dhcp);
	if (n->dhcp_retries > 1)
		snprintf(reason + strlen(reason), sizeof reason - strlen(reason), ", %u times",
		         n->dhcp_retries);
	next_method(job, n, env, reason);
}

static void step_dhcp(struct bmr_net_job *job, const struct bmr_net_params *n,
                      const struct bmr_network_env *env)
{
	bool v6 = job->methods[job->method] == BMR_NET_DHCP6;
	char lease[BMR_NET_PATH];
	char text[BMR_NET_REASON];
	int status = 0;
	bool ended = bmr_child_ended(job->child, &status);

	if (!ended && !late(job))
		return;
	if (!ended)
		bmr_child_kill(job->child);
	job->child = 0;
	lease_path(job, env, lease);
	if (!ended || status != 0 || access(lease, R_OK) < 0) {
		dhcp_failed(job, n, env, ended ? status : 1);
		return;
	}
	lease_text(lease, v6 ? "DHCPv6" : "DHCP", text);
	done(job, text);
}

/* --- addresses --- */

static bool set_gateway(const struct bmr_net_job *job, const struct bmr_network_env *env,
                        char reason[BMR_NET_REASON])
{
	const struct bmr_net_address *gateway = &job->config->gateway;
	const char *family = gateway->family == AF_INET6 ? "-6" : "-4";
	char host[BMR_NET_ADDRESS_SIZE + 4];
	char metric[16];

	snprintf(metric, sizeof metric, "%u", job->metric);
	if (BMR_NET_RUN(env, reason, "ip", family, "route", "replace", "default", "via",
	                gateway->text, "dev", job->name, "metric", metric))
		return true;
	/* A gateway outside the subnet, as clouds have it, is reached over the link itself. */
	snprintf(host, sizeof host, "%s/%d", gateway->text, gateway->family == AF_INET6 ? 128 : 32);
	return BMR_NET_RUN(env, reason, "ip", family, "route", "replace", host, "dev", job->name) &&
	       BMR_NET_RUN(env, reason, "ip", family, "route", "replace", "default", "via",
	                   gateway->text, "dev", job->name, "metric", metric);
}

static bool set_address(const struct bmr_net_job *job, const struct bmr_network_env *env,
                        char reason[BMR_NET_REASON])
{
	const struct bmr_net_config *c = job->config;
	const char *family = c->address.family == AF_INET6 ? "-6" : "-4";
	char address[BMR_NET_ADDRESS_SIZE + 4];
	char peer[BMR_NET_ADDRESS_SIZE + 4];

	snprintf(address, sizeof address, "%s/%u", c->address.text, c->prefix);
	if (c->peer.family) {
		snprintf(peer, sizeof peer, "%s/%u", c->peer.text, c->prefix);
		return BMR_NET_RUN(env, reason, "ip", family, "addr", "replace", c->address.text,
		                   "peer", peer, "dev", job->name);
	}
	if (c->address.family == AF_INET6)
		return BMR_NET_RUN(env, reason, "ip", family, "addr", "replace", address, "dev",
		                   job->name);
	return BMR_NET_RUN(env, reason, "ip", family, "addr", "replace", address, "broadcast", "+",
	                   "dev", job->name);
}

static void describe_static(struct bmr_net_job *job)
{
	const struct bmr_net_config *c = job->config;
	char text[BMR_NET_REASON];

	snprintf(text, sizeof text, "static %s/%u%s%s", c->address.text, c->prefix,
	         c->gateway.family ? ", gateway " : "", c->gateway.text);
	done(job, text);
}

static void finish_static(struct bmr_net_job *job, const struct bmr_network_env *env)
{
	char reason[BMR_NET_REASON];

	if (job->config->gateway.family && !set_gateway(job, env, reason)) {
		fail(job, "cannot set gateway %s: %.100s", job->config->gateway.text, reason);
		return;
	}
	describe_static(job);
}

static void start_static(struct bmr_net_job *job, const struct bmr_net_params *n,
                         const struct bmr_network_env *env)
{
	const struct bmr_net_config *c = job->config;
	char reason[BMR_NET_REASON];

	if (*c->hostname && sethostname(c->hostname, strlen(c->hostname)) < 0) {
		fail(job, "cannot set host name '%s': %s", c->hostname, strerror(errno));
		return;
	}
	if (!set_address(job, env, reason)) {
		fail(job, "cannot set address %s/%u: %.100s", c->address.text, c->prefix, reason);
		return;
	}
	if (c->address.family == AF_INET6)
		wait_in(job, BMR_JOB_V6, n->timeouts.ipv6dad);
	else
		finish_static(job, env);
}

static void v6_ready(struct bmr_net_job *job, const struct bmr_network_env *env, const char *found)
{
	enum bmr_net_method method = job->methods[job->method];
	char text[BMR_NET_REASON];

	if (method == BMR_NET_STATIC) {
		finish_static(job, env);
		return;
	}
	snprintf(text, sizeof text, "%s %s", bmr_net_method_name(method), found);
	done(job, text);
}

static void v6_late(struct bmr_net_job *job, const struct bmr_net_params *n,
                    const struct bmr_network_env *env, enum bmr_v6_state state)
{
	char reason[BMR_NET_REASON];

	if (state == BMR_V6_DUPLICATE)
		snprintf(reason, sizeof reason, "another machine has this IPv6 address");
	else if (state == BMR_V6_TENTATIVE)
		snprintf(reason, sizeof reason, "IPv6 address still being checked after %u s",
		         n->timeouts.ipv6dad);
	else
		snprintf(reason, sizeof reason, "no IPv6 %s in %u s",
		         job->methods[job->method] == BMR_NET_AUTO6 ? "router advertisement"
		                                                    : "address",
		         job->methods[job->method] == BMR_NET_AUTO6 ? n->timeouts.ipv6auto
		                                                    : n->timeouts.ipv6dad);
	next_method(job, n, env, reason);
}

static void step_v6(struct bmr_net_job *job, const struct bmr_net_params *n,
                    const struct bmr_network_env *env)
{
	enum bmr_net_method method = job->methods[job->method];
	const char *wanted = method == BMR_NET_STATIC ? job->config->address.text : NULL;
	char found[BMR_NET_ADDRESS_SIZE + 4];
	enum bmr_v6_state state = bmr_link_v6(
		env, job->name, wanted, method == BMR_NET_LINK6 ? SCOPE_LINK : SCOPE_GLOBAL, found);

	if (state == BMR_V6_READY)
		v6_ready(job, env, found);
	else if (state == BMR_V6_DUPLICATE || late(job))
		v6_late(job, n, env, state);
}

static void start_method(struct bmr_net_job *job, const struct bmr_net_params *n,
                         const struct bmr_network_env *env)
{
	switch (job->methods[job->method]) {
	case BMR_NET_DHCP:
	case BMR_NET_DHCP6:
		start_dhcp(job, n, env);
		break;
	case BMR_NET_AUTO6:
		wait_in(job, BMR_JOB_V6, n->timeouts.ipv6auto);
		break;
	case BMR_NET_LINK6:
		wait_in(job, BMR_JOB_V6, n->timeouts.ipv6dad);
		break;
	case BMR_NET_STATIC:
		start_static(job, n, env);
		break;
	case BMR_NET_OFF:
	case BMR_NET_SINGLE_DHCP: /* bmr_job_init turned these two into others */
	case BMR_NET_ANY:
	case BMR_NET_EITHER6:
		done(job, "up, no address asked for");
		break;
	}
}

/* --- the link --- */

static bool prepare(const struct bmr_net_job *job, const struct bmr_network_env *env,
                    char reason[BMR_NET_REASON])
{
	const struct bmr_net_config *c = job->config;
	char mac[BMR_NET_MAC_TEXT_SIZE];
	char mtu[16];

	snprintf(mtu, sizeof mtu, "%u", c->mtu);
	if (c->mac.given &&
	    (!BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", job->name, "down") ||
	     !BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", job->name, "address",
	                  bmr_net_mac_text(&c->mac, mac))))
		return false;
	if (c->mtu && !BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", job->name, "mtu", mtu))
		return false;
	return BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", job->name, "up");
}

static void step_link(struct bmr_net_job *job, const struct bmr_net_params *n,
                      const struct bmr_network_env *env)
{
	if (bmr_link_exists(env, job->name))
		wait_in(job, BMR_JOB_UP, n->timeouts.ifup);
	else if (late(job))
		fail(job, "no such interface after %u s", n->timeouts.iflink);
}

/* A card that is still loading its firmware refuses at first. */
static void step_up(struct bmr_net_job *job, const struct bmr_net_params *n,
                    const struct bmr_network_env *env)
{
	char reason[BMR_NET_REASON];

	if (!prepare(job, env, reason)) {
		if (late(job))
			fail(job, "cannot bring it up: %.120s", reason);
		return;
	}
	if (job->config->method == BMR_NET_OFF)
		done(job, "up, no address asked for");
	else
		wait_in(job, BMR_JOB_CARRIER, n->timeouts.carrier);
}

static void step_carrier(struct bmr_net_job *job, const struct bmr_net_params *n,
                         const struct bmr_network_env *env)
{
	if (bmr_link_carrier(env, job->name))
		start_method(job, n, env);
	else if (late(job))
		fail(job, "no carrier in %u s", n->timeouts.carrier);
}

void bmr_job_step(struct bmr_net_job *job, const struct bmr_net_params *n,
                  const struct bmr_network_env *env)
{
	switch (job->step) {
	case BMR_JOB_QUEUED:
		wait_in(job, BMR_JOB_LINK, n->timeouts.iflink);
		break;
	case BMR_JOB_LINK:
		step_link(job, n, env);
		break;
	case BMR_JOB_UP:
		step_up(job, n, env);
		break;
	case BMR_JOB_CARRIER:
		step_carrier(job, n, env);
		break;
	case BMR_JOB_DHCP:
		step_dhcp(job, n, env);
		break;
	case BMR_JOB_V6:
		step_v6(job, n, env);
		break;
	case BMR_JOB_DONE:
	case BMR_JOB_FAILED:
	case BMR_JOB_LEFT:
		break;
	}
}
