/* SPDX-License-Identifier: GPL-3.0-or-later */
/* job.c - one interface and one ip=, as a state machine that never waits itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/network/internal.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cmdline/ip.h"

#define SCOPE_GLOBAL 0x00
#define SCOPE_LINK 0x20
#define GRACE_MS 3000 /* for the script and for the check of an address, when an answer came late */

void bmr_job_init(struct bmr_net_job *job, const struct bmr_net_config *config, const char *name,
                  bool shared, unsigned metric)
{
	*job = (struct bmr_net_job){.config = config, .shared = shared, .metric = metric};
	snprintf(job->name, sizeof job->name, "%s", name);
	switch (config->method) {
	case BMR_NET_ANY:
		job->methods[job->method_count++] = BMR_NET_DHCP;
		job->methods[job->method_count++] = BMR_NET_EITHER6;
		break;
	case BMR_NET_SINGLE_DHCP:
		job->methods[job->method_count++] = BMR_NET_DHCP;
		break;
	case BMR_NET_DHCP:
	case BMR_NET_DHCP6:
	case BMR_NET_AUTO6:
	case BMR_NET_EITHER6:
	case BMR_NET_LINK6:
	case BMR_NET_STATIC:
	case BMR_NET_OFF:
		job->methods[job->method_count++] = config->method;
		break;
	}
}

/* What the script keeps of this interface: see there. */
static void kept_path(const struct bmr_net_job *job, const struct bmr_network_env *env,
                      const char *what, char path[BMR_NET_PATH])
{
	snprintf(path, BMR_NET_PATH, "%s/%s.%s", env->run_dir, what, job->name);
}

static void lease_path(const struct bmr_net_job *job, const struct bmr_network_env *env,
                       char path[BMR_NET_PATH])
{
	kept_path(job, env, job->methods[job->method] == BMR_NET_DHCP ? "lease" : "lease6", path);
}

/* What a client of this kind brought is no longer so. */
static void forget(const struct bmr_net_job *job, const struct bmr_network_env *env)
{
	static const char *const kept[][2] = {{"lease", "resolv"}, {"lease6", "resolv6"}};
	char path[BMR_NET_PATH];

	for (size_t i = 0; i < 2; i++) {
		kept_path(job, env, kept[job->methods[job->method] != BMR_NET_DHCP][i], path);
		unlink(path);
	}
}

static void end_client(struct bmr_net_job *job, const struct bmr_network_env *env)
{
	if (!job->child)
		return;
	bmr_child_kill(job->child);
	job->child = 0;
	forget(job, env);
}

void bmr_job_stop(struct bmr_net_job *job, const struct bmr_network_env *env,
                  enum bmr_job_step step, const char *reason)
{
	end_client(job, env);
	job->step = step;
	if (reason != job->reason)
		snprintf(job->reason, sizeof job->reason, "%s", reason);
}

/* Its client runs on, to renew the lease. */
static void done(struct bmr_net_job *job, const struct bmr_network_env *env, const char *address)
{
	struct bmr_network_clients *clients = env->clients;

	if (job->child && clients->count < BMR_NETWORK_CLIENTS)
		clients->pids[clients->count++] = job->child;
	job->child = 0;
	job->step = BMR_JOB_DONE;
	snprintf(job->reason, sizeof job->reason, "%s", address);
}

static void fail(struct bmr_net_job *job, const struct bmr_network_env *env, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void fail(struct bmr_net_job *job, const struct bmr_network_env *env, const char *fmt, ...)
{
	char reason[BMR_NET_REASON];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof reason, fmt, ap);
	va_end(ap);
	bmr_job_stop(job, env, BMR_JOB_FAILED, reason);
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

	end_client(job, env);
	snprintf(job->reason + used, sizeof job->reason - used, "%s%s", used ? ", " : "", reason);
	if (++job->method < job->method_count)
		start_method(job, n, env);
	else
		bmr_job_stop(job, env, BMR_JOB_FAILED, job->reason);
}

/* --- clients of DHCP and of router advertisements --- */

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
static void lease_text(const char *path, char text[BMR_NET_REASON])
{
	char ip[48] = "an address";
	char mask[32] = "";
	char router[64] = "";
	unsigned prefix;

	lease_value(path, "ip", ip, sizeof ip);
	lease_value(path, "mask", mask, sizeof mask);
	lease_value(path, "router", router, sizeof router);
	if (*mask && bmr_ip_prefix(mask, AF_INET, &prefix))
		snprintf(mask, sizeof mask, "/%u", prefix);
	else
		mask[0] = '\0';
	snprintf(text, BMR_NET_REASON, "DHCP %s%s%s%s", ip, mask, *router ? ", gateway " : "",
	         router);
}

/* What the script wants to know. */
struct script_words {
	char run[BMR_NET_PATH + 8];
	char etc[BMR_NET_PATH + 8];
	char metric[32];
	char servers[32];
};

static void fill_words(const struct bmr_net_job *job, const struct bmr_net_params *n,
                       const struct bmr_network_env *env, struct script_words *w)
{
	snprintf(w->run, sizeof w->run, "RUN=%s", env->run_dir);
	snprintf(w->metric, sizeof w->metric, "BMR_METRIC=%u", job->metric);
	snprintf(w->servers, sizeof w->servers, "BMR_PEERDNS=%s", n->ignore_peerdns ? "no" : "yes");
	/* The script keeps resolv.conf in $ETC. */
	snprintf(w->etc, sizeof w->etc, "ETC=%s", env->resolv_conf);
	if (strrchr(w->etc, '/'))
		*strrchr(w->etc, '/') = '\0';
	else
		snprintf(w->etc, sizeof w->etc, "ETC=%s", env->run_dir);
}

static void start_client(struct bmr_net_job *job, const struct bmr_network_env *env,
                         const char *const *args, const char *const *variables, const char *name)
{
	char output[BMR_NET_PATH + 32];
	struct bmr_err e = {0};

	forget(job, env);
	snprintf(output, sizeof output, "%s/%s.%s.log", env->run_dir, name, job->name);
	if (bmr_net_start(args, variables, output, &job->child, &e) < 0)
		fail(job, env, "%.150s", e.msg);
}

/* udhcpc asks every two seconds for as long as it lives; its time is our deadline. */
static void start_dhcp(struct bmr_net_job *job, const struct bmr_net_params *n,
                       const struct bmr_network_env *env)
{
	struct script_words w = {0};
	const char *variables[] = {w.run, w.etc, w.metric, w.servers, NULL};
	const char *args[] = {
		env->busybox, "udhcpc", "-i", job->name,        "-f", "-t", "3", "-T", "2",
		"-A",         "2",      "-s", env->dhcp_script, NULL};

	fill_words(job, n, env, &w);
	wait_in(job, BMR_JOB_DHCP, n->timeouts.dhcp);
	job->deadline += GRACE_MS;
	start_client(job, env, args, variables, "udhcpc");
}

/* dhcpcd does all of IPv6: addresses, routes and name servers of router advertisements, and DHCPv6
 * where they say so; with --ia_na it asks for DHCPv6 without a router, too.  It gives its script no
 * environment but what it is told. */
static void start_dhcp6(struct bmr_net_job *job, const struct bmr_net_params *n,
                        const struct bmr_network_env *env)
{
	bool dhcp = job->methods[job->method] != BMR_NET_AUTO6;
	char metric[16];
	struct script_words w = {0};
	const char *args[] = {env->dhcpcd,
	                      "--ipv6only",
	                      "--nobackground",
	                      "--nodev",
	                      "--config",
	                      "/dev/null",
	                      "--timeout",
	                      "0",
	                      "--script",
	                      env->dhcp_script,
	                      "--option",
	                      "dhcp6_name_servers,dhcp6_domain_search",
	                      "--slaac",
	                      "hwaddr",
	                      "--metric",
	                      metric,
	                      "--env",
	                      w.run,
	                      "--env",
	                      w.etc,
	                      "--env",
	                      w.servers,
	                      dhcp ? "--ia_na" : "--ipv6rs",
	                      job->name,
	                      NULL};

	fill_words(job, n, env, &w);
	snprintf(metric, sizeof metric, "%u", job->metric);
	wait_in(job, BMR_JOB_V6, dhcp ? n->timeouts.dhcp : n->timeouts.ipv6auto);
	job->deadline += GRACE_MS;
	start_client(job, env, args, NULL, "dhcpcd");
}

static void dhcp_failed(struct bmr_net_job *job, const struct bmr_net_params *n,
                        const struct bmr_network_env *env, bool ended, int status)
{
	char reason[BMR_NET_REASON];
	char why[96];
	char lease[BMR_NET_PATH];

	lease_path(job, env, lease);
	if (ended)
		snprintf(reason, sizeof reason, "udhcpc ended with status %d", status);
	else if (lease_value(lease, "error", why, sizeof why))
		snprintf(reason, sizeof reason, "DHCP: %s", why);
	else
		snprintf(reason, sizeof reason, "no DHCP answer in %u s", n->timeouts.dhcp);
	next_method(job, n, env, reason);
}

static void step_dhcp(struct bmr_net_job *job, const struct bmr_net_params *n,
                      const struct bmr_network_env *env)
{
	char lease[BMR_NET_PATH];
	char text[BMR_NET_REASON];
	int status = 0;
	bool ended = bmr_child_ended(job->child, &status);

	if (ended)
		job->child = 0;
	lease_path(job, env, lease);
	if (!ended && lease_value(lease, "ip", text, sizeof text)) {
		lease_text(lease, text);
		done(job, env, text);
	} else if (ended || late(job)) {
		dhcp_failed(job, n, env, ended, status);
	}
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

static void describe_static(struct bmr_net_job *job, const struct bmr_network_env *env)
{
	const struct bmr_net_config *c = job->config;
	char text[BMR_NET_REASON];

	snprintf(text, sizeof text, "static %s/%u%s%s", c->address.text, c->prefix,
	         c->gateway.family ? ", gateway " : "", c->gateway.text);
	done(job, env, text);
}

static void finish_static(struct bmr_net_job *job, const struct bmr_network_env *env)
{
	char reason[BMR_NET_REASON];

	if (job->config->gateway.family && !set_gateway(job, env, reason)) {
		fail(job, env, "cannot set gateway %s: %.100s", job->config->gateway.text, reason);
		return;
	}
	describe_static(job, env);
}

static void start_static(struct bmr_net_job *job, const struct bmr_net_params *n,
                         const struct bmr_network_env *env)
{
	const struct bmr_net_config *c = job->config;
	char reason[BMR_NET_REASON];

	if (*c->hostname && sethostname(c->hostname, strlen(c->hostname)) < 0) {
		fail(job, env, "cannot set host name '%s': %s", c->hostname, strerror(errno));
		return;
	}
	if (!set_address(job, env, reason)) {
		fail(job, env, "cannot set address %s/%u: %.100s", c->address.text, c->prefix,
		     reason);
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
	done(job, env, text);
}

static void v6_late(struct bmr_net_job *job, const struct bmr_net_params *n,
                    const struct bmr_network_env *env, enum bmr_v6_state state)
{
	char reason[BMR_NET_REASON];

	if (state == BMR_V6_DUPLICATE)
		snprintf(reason, sizeof reason, "another machine has this IPv6 address");
	else if (state == BMR_V6_TENTATIVE)
		snprintf(reason, sizeof reason, "IPv6 address still being checked");
	else if (job->methods[job->method] == BMR_NET_AUTO6)
		snprintf(reason, sizeof reason, "no IPv6 router advertisement in %u s",
		         n->timeouts.ipv6auto);
	else if (job->methods[job->method] == BMR_NET_DHCP6)
		snprintf(reason, sizeof reason, "no DHCPv6 answer in %u s", n->timeouts.dhcp);
	else if (job->methods[job->method] == BMR_NET_EITHER6)
		snprintf(reason, sizeof reason,
		         "no IPv6 router advertisement and no DHCPv6 answer in %u s",
		         n->timeouts.dhcp);
	else
		snprintf(reason, sizeof reason, "no IPv6 address in %u s", n->timeouts.ipv6dad);
	next_method(job, n, env, reason);
}

/* The address that is waited for: the one of the order, the one of the lease, or (NULL) any. */
static const char *v6_wanted(const struct bmr_net_job *job, const struct bmr_network_env *env,
                             char leased[BMR_NET_ADDRESS_SIZE])
{
	char lease[BMR_NET_PATH];

	switch (job->methods[job->method]) {
	case BMR_NET_STATIC:
		return job->config->address.text;
	case BMR_NET_DHCP6:
		lease_path(job, env, lease);
		leased[0] = '\0';
		lease_value(lease, "ip", leased, BMR_NET_ADDRESS_SIZE);
		return leased;
	default:
		return NULL;
	}
}

/* The script comes after the address. */
static bool servers_known(const struct bmr_net_job *job, const struct bmr_network_env *env)
{
	char path[BMR_NET_PATH];

	kept_path(job, env, "resolv6", path);
	return access(path, F_OK) == 0;
}

static void step_v6(struct bmr_net_job *job, const struct bmr_net_params *n,
                    const struct bmr_network_env *env)
{
	char leased[BMR_NET_ADDRESS_SIZE];
	char found[BMR_NET_ADDRESS_SIZE + 4];
	unsigned scope = job->methods[job->method] == BMR_NET_LINK6 ? SCOPE_LINK : SCOPE_GLOBAL;
	enum bmr_v6_state state;
	int status;

	if (job->child && bmr_child_ended(job->child, &status)) {
		char reason[BMR_NET_REASON];

		job->child = 0;
		snprintf(reason, sizeof reason, "dhcpcd ended with status %d", status);
		next_method(job, n, env, reason);
		return;
	}
	state = bmr_link_v6(env, job->name, v6_wanted(job, env, leased), scope, found);
	if (state == BMR_V6_READY && (!job->child || servers_known(job, env)))
		v6_ready(job, env, found);
	else if (state == BMR_V6_DUPLICATE || late(job))
		v6_late(job, n, env, state);
}

static void start_method(struct bmr_net_job *job, const struct bmr_net_params *n,
                         const struct bmr_network_env *env)
{
	switch (job->methods[job->method]) {
	case BMR_NET_DHCP:
		start_dhcp(job, n, env);
		break;
	case BMR_NET_DHCP6:
	case BMR_NET_AUTO6:
	case BMR_NET_EITHER6:
		start_dhcp6(job, n, env);
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
		done(job, env, "up, no address asked for");
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
		fail(job, env, "no such interface after %u s", n->timeouts.iflink);
}

/* A card that is still loading its firmware refuses at first. */
static void step_up(struct bmr_net_job *job, const struct bmr_net_params *n,
                    const struct bmr_network_env *env)
{
	char reason[BMR_NET_REASON];

	if (!prepare(job, env, reason)) {
		if (late(job))
			fail(job, env, "cannot bring it up: %.120s", reason);
		return;
	}
	if (job->config->method == BMR_NET_OFF)
		done(job, env, "up, no address asked for");
	else
		wait_in(job, BMR_JOB_CARRIER, n->timeouts.carrier);
}

static void step_carrier(struct bmr_net_job *job, const struct bmr_net_params *n,
                         const struct bmr_network_env *env)
{
	if (bmr_link_carrier(env, job->name))
		start_method(job, n, env);
	else if (late(job))
		fail(job, env, "no carrier in %u s", n->timeouts.carrier);
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
