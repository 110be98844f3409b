/* SPDX-License-Identifier: GPL-3.0-or-later */
/* network.c - which interfaces are brought up, side by side, until it is known what works. */
#include "agent/network/network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/network/internal.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "cmdline/ip.h"

#define TICK_MS 50
#define RESCAN_MS 1000
#define ROUTE_PAUSE_MS 250
#define FIRST_METRIC 100
#define FIRST_PAUSE_S 5 /* between two tries; each pause is twice the one before */
#define MOST_PAUSE_S 60

/* What the network is without ip=. */
static const struct bmr_net_config implicit = {.method = BMR_NET_DHCP};

struct network {
	const struct bmr_net_params *n;
	const struct bmr_network_env *env;
	struct bmr_net_job jobs[BMR_NET_JOBS];
	size_t job_count;
	const struct bmr_net_config *open; /* no name was given: every candidate gets a job */
	uint64_t open_deadline;            /* for the first candidate to appear */
	uint64_t next_scan;
};

static void pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

static bool stopped(const struct bmr_network_env *env)
{
	return env->stop && atomic_load(env->stop);
}

static int say_stopped(struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped while the network was brought up");
}

/* --- jobs --- */

static bool has_job(const struct network *w, const struct bmr_net_config *config, const char *name)
{
	for (size_t i = 0; i < w->job_count; i++)
		if (w->jobs[i].config == config && strcmp(w->jobs[i].name, name) == 0)
			return true;
	return false;
}

static void add_job(struct network *w, const struct bmr_net_config *config, const char *name,
                    bool shared)
{
	if (w->job_count == BMR_NET_JOBS || has_job(w, config, name))
		return;
	bmr_job_init(&w->jobs[w->job_count], config, name, shared,
	             FIRST_METRIC + (unsigned)w->job_count);
	w->job_count++;
}

/* The device that stands on the others: it, not its members, gets an address. */
static const char *made_device(const struct bmr_net_params *n)
{
	if (n->bridge_count)
		return n->bridges[n->bridge_count - 1].name;
	if (n->vlan_count)
		return n->vlans[n->vlan_count - 1].name;
	return n->bond_count ? n->bonds[n->bond_count - 1].name : NULL;
}

static void list_interfaces(const struct bmr_network_env *env, char *text, size_t size)
{
	char names[BMR_NET_JOBS][BMR_NET_NAME_SIZE];
	size_t count = bmr_link_candidates(env, names, BMR_NET_JOBS);
	struct bmr_text list = bmr_text_in(text, size);

	for (size_t i = 0; i < count; i++) {
		char mac[BMR_NET_MAC_TEXT_SIZE];

		bmr_link_mac(env, names[i], mac);
		bmr_text_add(&list, "%s%s %s", i ? ", " : "", names[i], mac);
	}
	if (count == 0)
		bmr_text_add(&list, "none");
}

static int find_boot_interface(const struct network *w, char name[BMR_NET_NAME_SIZE],
                               struct bmr_err *e)
{
	uint64_t deadline = bmr_clock_ms() + (uint64_t)w->n->timeouts.iflink * 1000;
	char mac[BMR_NET_MAC_TEXT_SIZE];
	char list[256];

	while (!bmr_link_by_mac(w->env, &w->n->bootif, name)) {
		if (stopped(w->env))
			return say_stopped(e);
		if (bmr_clock_ms() >= deadline) {
			list_interfaces(w->env, list, sizeof list);
			return bmr_err_set(e, BMR_E_NET, 0,
			                   "no network: no interface with the MAC %s of BOOTIF= "
			                   "appeared in %u s; there are: %s",
			                   bmr_net_mac_text(&w->n->bootif, mac),
			                   w->n->timeouts.iflink, list);
		}
		pause_ms(TICK_MS);
	}
	return 0;
}

/* Jobs for an ip= that names no interface. */
static int add_unnamed(struct network *w, const struct bmr_net_config *config, struct bmr_err *e)
{
	char name[BMR_NET_NAME_SIZE];

	if (w->n->bootdev[0]) {
		add_job(w, config, w->n->bootdev, false);
	} else if (made_device(w->n)) {
		add_job(w, config, made_device(w->n), false);
	} else if (w->n->bootif.given && !w->n->ignore_bootif) {
		if (find_boot_interface(w, name, e) < 0)
			return -1;
		add_job(w, config, name, false);
	} else {
		w->open = config;
		w->open_deadline = bmr_clock_ms() + (uint64_t)w->n->timeouts.iflink * 1000;
	}
	return 0;
}

static int add_jobs(struct network *w, struct bmr_err *e)
{
	if (w->n->config_count == 0)
		return add_unnamed(w, &implicit, e);
	for (size_t i = 0; i < w->n->config_count; i++) {
		const struct bmr_net_config *config = &w->n->configs[i];

		if (config->name[0])
			add_job(w, config, config->name, false);
		else if (config->method != BMR_NET_OFF && add_unnamed(w, config, e) < 0)
			return -1;
	}
	return 0;
}

static bool open_jobs(const struct network *w, enum bmr_job_step step)
{
	for (size_t i = 0; i < w->job_count; i++)
		if (w->jobs[i].shared && w->jobs[i].step == step)
			return true;
	return false;
}

/* Cards on USB and those with firmware come late: look again while nothing works. */
static void scan(struct network *w)
{
	char names[BMR_NET_JOBS][BMR_NET_NAME_SIZE];
	size_t count;

	if (!w->open || bmr_clock_ms() < w->next_scan || open_jobs(w, BMR_JOB_DONE))
		return;
	w->next_scan = bmr_clock_ms() + RESCAN_MS;
	count = bmr_link_candidates(w->env, names, BMR_NET_JOBS);
	/* An ip= of its own takes an interface out. */
	for (size_t i = 0; i < count; i++) {
		bool named = false;

		for (size_t k = 0; k < w->n->config_count; k++)
			named |= strcmp(w->n->configs[k].name, names[i]) == 0;
		if (!named)
			add_job(w, w->open, names[i], true);
	}
}

/* single-dhcp: one after the other. */
static bool may_start(const struct network *w, size_t i)
{
	const struct bmr_net_job *job = &w->jobs[i];

	if (job->step != BMR_JOB_QUEUED || job->config->method != BMR_NET_SINGLE_DHCP)
		return true;
	for (size_t k = 0; k < i; k++)
		if (w->jobs[k].config == job->config && !bmr_job_over(&w->jobs[k]))
			return false;
	return true;
}

static void leave_others(struct network *w, const struct bmr_net_job *winner)
{
	for (size_t i = 0; i < w->job_count; i++) {
		struct bmr_net_job *job = &w->jobs[i];

		if (job == winner || job->config != winner->config || bmr_job_over(job))
			continue;
		bmr_job_stop(job, w->env, BMR_JOB_LEFT,
		             bmr_link_carrier(w->env, job->name) ? "a link, but slower to answer"
		                                                 : "no carrier");
	}
}

/* One round; true while any job goes on. */
static bool step_all(struct network *w)
{
	bool going = w->open && w->job_count == 0 && bmr_clock_ms() < w->open_deadline;

	for (size_t i = 0; i < w->job_count; i++) {
		struct bmr_net_job *job = &w->jobs[i];

		if (bmr_job_over(job))
			continue;
		if (may_start(w, i))
			bmr_job_step(job, w->n, w->env);
		if (job->step == BMR_JOB_DONE && job->shared)
			leave_others(w, job);
		going |= !bmr_job_over(job);
	}
	return going;
}

static void stop_all(struct network *w)
{
	for (size_t i = 0; i < w->job_count; i++)
		if (!bmr_job_over(&w->jobs[i]))
			bmr_job_stop(&w->jobs[i], w->env, BMR_JOB_FAILED, "stopped");
}

static int run_jobs(struct network *w, struct bmr_err *e)
{
	do {
		if (stopped(w->env)) {
			stop_all(w);
			return say_stopped(e);
		}
		scan(w);
		if (!step_all(w))
			return 0;
		pause_ms(TICK_MS);
	} while (true);
}

/* --- what came of it --- */

static void report(const struct network *w)
{
	for (size_t i = 0; i < w->job_count; i++) {
		const struct bmr_net_job *job = &w->jobs[i];
		char mac[BMR_NET_MAC_TEXT_SIZE];
		char driver[32];

		bmr_link_mac(w->env, job->name, mac);
		bmr_link_driver(w->env, job->name, driver, sizeof driver);
		bmr_log_say(w->env->log,
		            job->step == BMR_JOB_FAILED ? BMR_LOG_NOTICE : BMR_LOG_INFO,
		            "network: %s (%s%s%s): %s%s", job->name, driver, *driver ? ", " : "",
		            *mac ? mac : "no MAC", job->step == BMR_JOB_LEFT ? "not needed: " : "",
		            job->reason);
	}
}

static int explain(const struct network *w, struct bmr_err *e)
{
	char buf[400];
	struct bmr_text text = bmr_text_in(buf, sizeof buf);

	if (w->job_count == 0)
		return bmr_err_set(e, BMR_E_NET, 0,
		                   "no network: no Ethernet interface appeared in %u s; its driver "
		                   "or firmware may be missing",
		                   w->n->timeouts.iflink);
	for (size_t i = 0; i < w->job_count; i++)
		bmr_text_add(&text, "%s%s: %s", i ? "; " : "", w->jobs[i].name, w->jobs[i].reason);
	return bmr_err_set(e, BMR_E_NET, 0, "no network: %s", buf);
}

/* One interface is enough, but bootdev= must be it or be among them. */
static bool good_enough(const struct network *w)
{
	bool any = false;
	bool boot = !w->n->bootdev[0];

	for (size_t i = 0; i < w->job_count; i++) {
		const struct bmr_net_job *job = &w->jobs[i];

		if (job->step != BMR_JOB_DONE || job->config->method == BMR_NET_OFF)
			continue;
		any = true;
		boot |= strcmp(job->name, w->n->bootdev) == 0;
	}
	return any && boot;
}

/* Nothing but interfaces that were to be brought up without an address. */
static bool only_off(const struct network *w)
{
	for (size_t i = 0; i < w->job_count; i++)
		if (w->jobs[i].config->method != BMR_NET_OFF || w->jobs[i].step != BMR_JOB_DONE)
			return false;
	return !w->open;
}

/* --- routes --- */

static bool try_route(const struct bmr_network_env *env, const struct bmr_net_route *r,
                      char reason[BMR_NET_REASON])
{
	const char *family = strchr(r->net.text, ':') ? "-6" : "-4";
	const char *args[BMR_NET_ARGS] = {"ip", family, "route", "replace"};
	char net[BMR_NET_ADDRESS_SIZE + 4];
	size_t count = 4;

	snprintf(net, sizeof net, "%s/%u", r->net.text, r->prefix);
	args[count++] = net;
	if (r->gateway.family) {
		args[count++] = "via";
		args[count++] = r->gateway.text;
	}
	if (r->name[0]) {
		args[count++] = "dev";
		args[count++] = r->name;
	}
	args[count] = NULL;
	return bmr_net_run(env, reason, args);
}

static int set_route(const struct network *w, const struct bmr_net_route *r, struct bmr_err *e)
{
	uint64_t deadline = bmr_clock_ms() + (uint64_t)w->n->timeouts.route * 1000;
	char reason[BMR_NET_REASON];

	while (!try_route(w->env, r, reason)) {
		if (stopped(w->env))
			return say_stopped(e);
		if (bmr_clock_ms() >= deadline)
			return bmr_err_set(e, BMR_E_NET, 0,
			                   "cannot set the route to %s/%u in %u s: %s", r->net.text,
			                   r->prefix, w->n->timeouts.route, reason);
		pause_ms(ROUTE_PAUSE_MS);
	}
	return 0;
}

static int set_routes(const struct network *w, struct bmr_err *e)
{
	for (size_t i = 0; i < w->n->route_count; i++)
		if (set_route(w, &w->n->routes[i], e) < 0)
			return -1;
	return 0;
}

/* --- name servers --- */

static void put_server(FILE *f, const struct bmr_net_address *address, size_t *count)
{
	if (!address->family)
		return;
	fprintf(f, "nameserver %s\n", address->text);
	++*count;
}

/* What the script kept of this lease. */
static void put_lease(const struct network *w, const struct bmr_net_job *job, FILE *f,
                      size_t *count)
{
	bool v4 = job->methods[job->method] == BMR_NET_DHCP;
	char path[BMR_NET_PATH];
	char line[256];
	AUTO_FILE FILE *lease = NULL;

	snprintf(path, sizeof path, "%s/%s.%s", w->env->run_dir, v4 ? "resolv" : "resolv6",
	         job->name);
	lease = fopen(path, "re");
	while (lease && fgets(line, sizeof line, lease)) {
		struct bmr_net_address address = {0};

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "nameserver ", 11) == 0 && bmr_ip_address(line + 11, &address))
			put_server(f, &address, count);
		else if (strncmp(line, "search ", 7) == 0)
			fprintf(f, "%s\n", line);
	}
}

/* Those of the command line. */
static void put_ordered(const struct bmr_net_params *n, FILE *f, size_t *count)
{
	for (size_t i = 0; i < n->dns_count; i++)
		put_server(f, &n->dns[i], count);
	for (size_t i = 0; i < n->config_count; i++) {
		put_server(f, &n->configs[i].dns[0], count);
		put_server(f, &n->configs[i].dns[1], count);
	}
}

static size_t put_servers(const struct network *w, FILE *f)
{
	size_t count = 0;

	put_ordered(w->n, f, &count);
	for (size_t i = 0; i < w->job_count; i++)
		if (w->jobs[i].step == BMR_JOB_DONE)
			put_lease(w, &w->jobs[i], f, &count);
	return count;
}

/* For the script, which writes resolv.conf anew with every lease, and may be at it when we are. */
static void keep_ordered(const struct network *w)
{
	char path[BMR_NET_PATH];
	size_t count = 0;
	AUTO_FILE FILE *f = NULL;

	snprintf(path, sizeof path, "%s/servers", w->env->run_dir);
	f = fopen(path, "we");
	if (f)
		put_ordered(w->n, f, &count);
}

/* The command line's servers first.  A file that cannot be written is said, and no failure: the
 * image may be at an address. */
static void write_resolv_conf(const struct network *w)
{
	char path[BMR_NET_PATH];
	size_t count;
	FILE *f;
	bool bad;

	if (!*w->env->resolv_conf)
		return;
	snprintf(path, sizeof path, "%s.bmr", w->env->resolv_conf);
	f = fopen(path, "we");
	if (!f) {
		bmr_log_say(w->env->log, BMR_LOG_NOTICE, "network: cannot write '%s': %s", path,
		            strerror(errno));
		return;
	}
	count = put_servers(w, f);
	bad = ferror(f) != 0;
	bad |= fclose(f) != 0;
	if (bad || rename(path, w->env->resolv_conf) < 0)
		bmr_log_say(w->env->log, BMR_LOG_NOTICE, "network: cannot write '%s': %s",
		            w->env->resolv_conf, strerror(errno));
	else if (count == 0)
		bmr_log_say(w->env->log, BMR_LOG_INFO,
		            "network: no name server is known; addresses work, names do not");
}

/* --- all of it --- */

static struct bmr_network_env with_defaults(const struct bmr_network_env *env)
{
	static const char script[] = "/usr/lib/bmr/udhcpc.script";
	struct bmr_network_env full = *env;

	full.busybox = env->busybox ? env->busybox : "/bin/busybox";
	full.sysfs = env->sysfs ? env->sysfs : "/sys";
	full.proc = env->proc ? env->proc : "/proc";
	full.run_dir = env->run_dir ? env->run_dir : "/run/bmr";
	full.resolv_conf = env->resolv_conf ? env->resolv_conf : "/etc/resolv.conf";
	full.dhcp_script = env->dhcp_script ? env->dhcp_script : script;
	full.dhcpcd = env->dhcpcd ? env->dhcpcd : "dhcpcd";
	return full;
}

/* All interfaces once; 0: it is good enough. */
static int try_once(struct network *w, struct bmr_err *e)
{
	w->job_count = 0;
	w->open = NULL;
	if (add_jobs(w, e) < 0 || run_jobs(w, e) < 0)
		return -1;
	report(w);
	return only_off(w) || good_enough(w) ? 0 : explain(w, e);
}

static int wait_for_next(const struct network *w, unsigned seconds, struct bmr_err *e)
{
	uint64_t deadline = bmr_clock_ms() + (uint64_t)seconds * 1000;

	while (bmr_clock_left(deadline) > 0) {
		if (stopped(w->env))
			return say_stopped(e);
		pause_ms(TICK_MS);
	}
	return 0;
}

/* After a power cut a machine is there before its switch and its DHCP server, and a person at the
 * console needs a moment to plug in a cable. */
static int try_often(struct network *w, struct bmr_err *e)
{
	unsigned most = w->n->dhcp_retries;
	unsigned seconds = FIRST_PAUSE_S;

	for (unsigned round = 1; try_once(w, e) < 0; round++) {
		if (e->code != BMR_E_NET)
			return -1;
		if (round >= most)
			return most == 1 ? -1 : bmr_err_while(e, "trying %u times", most);
		bmr_network_stop(w->env->clients);
		bmr_log_say(w->env->log, BMR_LOG_NOTICE,
		            "network: try %u of %u failed; the next one in %u s: check cable, "
		            "switch and DHCP server",
		            round, most, seconds);
		if (wait_for_next(w, seconds, e) < 0)
			return -1;
		seconds = 2 * seconds < MOST_PAUSE_S ? 2 * seconds : MOST_PAUSE_S;
	}
	*e = (struct bmr_err){0}; /* of tries before */
	return 0;
}

static int bring_up(struct network *w, struct bmr_err *e)
{
	char reason[BMR_NET_REASON];

	/* Without it 127.0.0.1 does not answer; nothing that we need, so no reason to stop. */
	BMR_NET_RUN(w->env, reason, "ip", "link", "set", "dev", "lo", "up");
	keep_ordered(w);
	if (bmr_net_make(w->n, w->env, e) < 0 || try_often(w, e) < 0 || set_routes(w, e) < 0)
		return -1;
	write_resolv_conf(w);
	return 0;
}

void bmr_network_stop(struct bmr_network_clients *clients)
{
	for (size_t i = 0; i < clients->count; i++)
		bmr_child_kill(clients->pids[i]);
	clients->count = 0;
}

int bmr_network_up(const struct bmr_net_params *n, const struct bmr_network_env *env,
                   struct bmr_err *e)
{
	const struct bmr_network_env full = with_defaults(env);
	AUTO_FREE struct network *w = calloc(1, sizeof *w);

	if (!w)
		return bmr_err_nomem(e, "the network");
	bmr_network_stop(env->clients);
	w->n = n;
	w->env = &full;
	if (bring_up(w, e) == 0)
		return 0;
	bmr_network_stop(env->clients);
	return -1;
}
