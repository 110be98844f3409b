/* SPDX-License-Identifier: GPL-3.0-or-later */
/* make.c - names, bonds, VLANs and bridges, in the order in which they stand on each other. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/network/internal.h"
#include "base/clock.h"
#include "base/log.h"

#define TICK_MS 50
#define OPTION_SIZE 96

static bool stopped(const struct bmr_network_env *env)
{
	return env->stop && atomic_load(env->stop);
}

static void tick(void)
{
	nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000L}, NULL);
}

/* Drivers may still be looking for their cards. */
static int wait_for_link(const struct bmr_net_params *n, const struct bmr_network_env *env,
                         const char *name, struct bmr_err *e)
{
	uint64_t deadline = bmr_clock_ms() + (uint64_t)n->timeouts.iflink * 1000;

	while (!bmr_link_exists(env, name)) {
		if (stopped(env))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		if (bmr_clock_ms() >= deadline)
			return bmr_err_set(e, BMR_E_NET, 0, "no interface '%s' appeared in %u s",
			                   name, n->timeouts.iflink);
		tick();
	}
	return 0;
}

static int wait_for_mac(const struct bmr_net_params *n, const struct bmr_network_env *env,
                        const struct bmr_net_name *wanted, char found[BMR_NET_NAME_SIZE],
                        struct bmr_err *e)
{
	uint64_t deadline = bmr_clock_ms() + (uint64_t)n->timeouts.iflink * 1000;
	char mac[BMR_NET_MAC_TEXT_SIZE];

	while (!bmr_link_by_mac(env, &wanted->mac, found)) {
		if (stopped(env))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		if (bmr_clock_ms() >= deadline)
			return bmr_err_set(e, BMR_E_NET, 0,
			                   "no interface with the MAC %s of ifname=%s appeared in "
			                   "%u s",
			                   bmr_net_mac_text(&wanted->mac, mac), wanted->name,
			                   n->timeouts.iflink);
		tick();
	}
	return 0;
}

static int failed(struct bmr_err *e, const char *what, const char *name, const char *reason)
{
	return bmr_err_set(e, BMR_E_NET, 0, "%s '%s': %s", what, name, reason);
}

static int rename_one(const struct bmr_net_params *n, const struct bmr_network_env *env,
                      const struct bmr_net_name *wanted, struct bmr_err *e)
{
	char old[BMR_NET_NAME_SIZE];
	char reason[BMR_NET_REASON];

	if (wait_for_mac(n, env, wanted, old, e) < 0)
		return -1;
	if (strcmp(old, wanted->name) == 0)
		return 0;
	/* The kernel does not rename an interface that is up. */
	if (!BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", old, "down") ||
	    !BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", old, "name", wanted->name)) {
		bmr_err_set(e, BMR_E_NET, 0, "cannot rename '%s' to '%s': %s", old, wanted->name,
		            reason);
		return -1;
	}
	bmr_log_say(env->log, BMR_LOG_INFO, "network: %s is now called %s", old, wanted->name);
	return 0;
}

/* Make a device of this kind unless it is there: loading the module of bonds makes bond0 by itself,
 * and the command then fails. */
static bool add_device(const struct bmr_network_env *env, const char *name, const char *kind,
                       char reason[BMR_NET_REASON])
{
	return bmr_link_exists(env, name) ||
	       BMR_NET_RUN(env, reason, "ip", "link", "add", name, "type", kind) ||
	       bmr_link_exists(env, name);
}

static bool set_mtu(const struct bmr_network_env *env, const char *name, unsigned mtu,
                    char reason[BMR_NET_REASON])
{
	char text[16];

	if (!mtu)
		return true;
	snprintf(text, sizeof text, "%u", mtu);
	return BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", name, "mtu", text);
}

static bool set_option(const struct bmr_network_env *env, const char *bond, const char *option,
                       size_t len, char reason[BMR_NET_REASON])
{
	char path[OPTION_SIZE + 16];
	char value[BMR_NET_OPTIONS_SIZE];
	size_t key = strcspn(option, "=");

	if (key >= OPTION_SIZE || len <= key) {
		snprintf(reason, BMR_NET_REASON, "option '%.40s' is too long", option);
		return false;
	}
	snprintf(path, sizeof path, "bonding/%.*s", (int)key, option);
	snprintf(value, sizeof value, "%.*s", (int)(len - key - 1), option + key + 1);
	/* A list of targets: bonding's own files take one at a time, module options use ';'. */
	for (char *rest = value, *item; (item = strsep(&rest, ";")) != NULL;) {
		char text[BMR_NET_OPTIONS_SIZE + 1];
		bool target = strncmp(option, "arp_ip_target=", 14) == 0;

		snprintf(text, sizeof text, "%s%s", target && *item != '+' ? "+" : "", item);
		if (!bmr_link_write(env, bond, path, text, reason))
			return false;
	}
	return true;
}

/* The mode first: the others depend on it. */
static bool set_options(const struct bmr_network_env *env, const struct bmr_net_group *bond,
                        char reason[BMR_NET_REASON])
{
	for (int pass = 0; pass < 2; pass++) {
		for (const char *o = bond->options; *o;) {
			size_t len = strcspn(o, ",");
			bool mode = strncmp(o, "mode=", 5) == 0;

			if (mode == (pass == 0) && !set_option(env, bond->name, o, len, reason))
				return false;
			o += len + (o[len] == ',');
		}
	}
	return true;
}

/* Without it a bond never notices that a link is gone. */
static bool watch_links(const struct bmr_network_env *env, const struct bmr_net_group *bond,
                        char reason[BMR_NET_REASON])
{
	if (strstr(bond->options, "miimon=") || strstr(bond->options, "arp_interval="))
		return true;
	return bmr_link_write(env, bond->name, "bonding/miimon", "100", reason);
}

static bool add_members(const struct bmr_network_env *env, const struct bmr_net_group *group,
                        char reason[BMR_NET_REASON])
{
	for (size_t i = 0; i < group->member_count; i++) {
		const char *member = group->members[i];

		/* A bond takes only interfaces that are down. */
		if (!BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", member, "down") ||
		    !BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", member, "master",
		                 group->name) ||
		    !BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", member, "up"))
			return false;
	}
	return true;
}

static int wait_for_members(const struct bmr_net_params *n, const struct bmr_network_env *env,
                            const struct bmr_net_group *group, struct bmr_err *e)
{
	for (size_t i = 0; i < group->member_count; i++)
		if (wait_for_link(n, env, group->members[i], e) < 0)
			return -1;
	return 0;
}

static int make_bond(const struct bmr_net_params *n, const struct bmr_network_env *env,
                     const struct bmr_net_group *bond, struct bmr_err *e)
{
	char reason[BMR_NET_REASON];

	if (wait_for_members(n, env, bond, e) < 0)
		return bmr_err_while(e, "making bond '%s'", bond->name);
	if (!add_device(env, bond->name, "bond", reason) ||
	    !BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", bond->name, "down") ||
	    !set_options(env, bond, reason) || !watch_links(env, bond, reason) ||
	    !add_members(env, bond, reason) || !set_mtu(env, bond->name, bond->mtu, reason) ||
	    !BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", bond->name, "up"))
		return failed(e, "cannot make bond", bond->name, reason);
	return 0;
}

static int make_vlan(const struct bmr_net_params *n, const struct bmr_network_env *env,
                     const struct bmr_net_vlan *vlan, struct bmr_err *e)
{
	char reason[BMR_NET_REASON];
	char id[16];

	if (wait_for_link(n, env, vlan->phys, e) < 0)
		return bmr_err_while(e, "making VLAN '%s'", vlan->name);
	snprintf(id, sizeof id, "%u", vlan->id);
	if (!BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", vlan->phys, "up") ||
	    (!bmr_link_exists(env, vlan->name) &&
	     !BMR_NET_RUN(env, reason, "ip", "link", "add", "link", vlan->phys, "name", vlan->name,
	                  "type", "vlan", "id", id)))
		return failed(e, "cannot make VLAN", vlan->name, reason);
	return 0;
}

static int make_bridge(const struct bmr_net_params *n, const struct bmr_network_env *env,
                       const struct bmr_net_group *bridge, struct bmr_err *e)
{
	char reason[BMR_NET_REASON];

	if (wait_for_members(n, env, bridge, e) < 0)
		return bmr_err_while(e, "making bridge '%s'", bridge->name);
	/* Without a delay: the bridge has no loops that it would have to wait out. */
	if (!add_device(env, bridge->name, "bridge", reason) ||
	    !bmr_link_write(env, bridge->name, "bridge/forward_delay", "0", reason) ||
	    !add_members(env, bridge, reason) ||
	    !BMR_NET_RUN(env, reason, "ip", "link", "set", "dev", bridge->name, "up"))
		return failed(e, "cannot make bridge", bridge->name, reason);
	return 0;
}

int bmr_net_make(const struct bmr_net_params *n, const struct bmr_network_env *env,
                 struct bmr_err *e)
{
	for (size_t i = 0; i < n->name_count; i++)
		if (rename_one(n, env, &n->names[i], e) < 0)
			return -1;
	for (size_t i = 0; i < n->bond_count; i++)
		if (make_bond(n, env, &n->bonds[i], e) < 0)
			return -1;
	for (size_t i = 0; i < n->vlan_count; i++)
		if (make_vlan(n, env, &n->vlans[i], e) < 0)
			return -1;
	for (size_t i = 0; i < n->bridge_count; i++)
		if (make_bridge(n, env, &n->bridges[i], e) < 0)
			return -1;
	return 0;
}
