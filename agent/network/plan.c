/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan.c - the network parameters in sentences. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent/network/network.h"
#include "base/text.h"
#include "cmdline/net.h"

#define SENTENCE_SIZE 512

struct out {
	void (*line)(void *ctx, const char *text);
	void *ctx;
};

static void say(const struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(const struct out *o, const char *fmt, ...)
{
	char text[SENTENCE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	o->line(o->ctx, text);
}

static const char *method_text(enum bmr_net_method method)
{
	switch (method) {
	case BMR_NET_DHCP:
		return "DHCP";
	case BMR_NET_SINGLE_DHCP:
		return "DHCP, one interface after the other";
	case BMR_NET_ANY:
		return "DHCP, else IPv6 by router advertisements or DHCPv6";
	case BMR_NET_DHCP6:
		return "DHCPv6";
	case BMR_NET_AUTO6:
		return "IPv6 by router advertisements";
	case BMR_NET_EITHER6:
		return "IPv6 by router advertisements or DHCPv6";
	case BMR_NET_LINK6:
		return "the IPv6 link-local address";
	case BMR_NET_STATIC:
		return "a fixed address";
	case BMR_NET_OFF:
		return "up, no address";
	}
	return "";
}

/* The interface that an ip= without a name means. */
static void place(const struct bmr_net_params *n, char *text, size_t size)
{
	char mac[BMR_NET_MAC_TEXT_SIZE];

	if (n->bootdev[0])
		snprintf(text, size, "%s", n->bootdev);
	else if (n->bridge_count)
		snprintf(text, size, "%s", n->bridges[n->bridge_count - 1].name);
	else if (n->vlan_count)
		snprintf(text, size, "%s", n->vlans[n->vlan_count - 1].name);
	else if (n->bond_count)
		snprintf(text, size, "%s", n->bonds[n->bond_count - 1].name);
	else if (n->bootif.given && !n->ignore_bootif)
		snprintf(text, size, "the interface with MAC %s (BOOTIF)",
		         bmr_net_mac_text(&n->bootif, mac));
	else
		snprintf(text, size, "every interface with a link; the first that works");
}

static void describe_config(const struct out *o, const struct bmr_net_params *n,
                            const struct bmr_net_config *c)
{
	char where[96];
	char mac[BMR_NET_MAC_TEXT_SIZE];
	char extra[96];
	struct bmr_text more = bmr_text_in(extra, sizeof extra);

	if (c->name[0])
		snprintf(where, sizeof where, "%s", c->name);
	else
		place(n, where, sizeof where);
	if (c->mtu)
		bmr_text_add(&more, ", MTU %u", c->mtu);
	if (c->mac.given)
		bmr_text_add(&more, ", MAC set to %s", bmr_net_mac_text(&c->mac, mac));
	if (c->method == BMR_NET_STATIC)
		say(o, "%s: %s/%u%s%s%s", where, c->address.text, c->prefix,
		    c->gateway.family ? ", gateway " : "", c->gateway.text, extra);
	else if (!c->name[0] && c->method == BMR_NET_OFF)
		say(o, "no network is set up");
	else
		say(o, "%s: %s%s", where, method_text(c->method), extra);
	for (size_t i = 0; i < 2 && c->dns[i].family; i++)
		say(o, "name server %s", c->dns[i].text);
}

static void describe_group(const struct out *o, const char *kind, const struct bmr_net_group *g)
{
	char members[BMR_NET_MAX_MEMBERS * (BMR_NET_NAME_SIZE + 2)];
	struct bmr_text text = bmr_text_in(members, sizeof members);

	for (size_t i = 0; i < g->member_count; i++)
		bmr_text_add(&text, "%s%s", i ? ", " : "", g->members[i]);
	say(o, "%s %s of %s%s%.200s", kind, g->name, members, g->options[0] ? "; " : "",
	    g->options);
}

static void describe_devices(const struct out *o, const struct bmr_net_params *n)
{
	char mac[BMR_NET_MAC_TEXT_SIZE];

	for (size_t i = 0; i < n->name_count; i++)
		say(o, "the interface with MAC %s is called %s",
		    bmr_net_mac_text(&n->names[i].mac, mac), n->names[i].name);
	for (size_t i = 0; i < n->bond_count; i++)
		describe_group(o, "bond", &n->bonds[i]);
	for (size_t i = 0; i < n->vlan_count; i++)
		say(o, "%s is VLAN %u of %s", n->vlans[i].name, n->vlans[i].id, n->vlans[i].phys);
	for (size_t i = 0; i < n->bridge_count; i++)
		describe_group(o, "bridge", &n->bridges[i]);
}

void bmr_network_describe(const struct bmr_net_params *n, void (*line)(void *ctx, const char *text),
                          void *ctx)
{
	static const struct bmr_net_config implicit = {.method = BMR_NET_DHCP};
	const struct out o = {.line = line, .ctx = ctx};

	describe_devices(&o, n);
	for (size_t i = 0; i < n->config_count; i++)
		describe_config(&o, n, &n->configs[i]);
	if (n->config_count == 0)
		describe_config(&o, n, &implicit);
	for (size_t i = 0; i < n->route_count; i++) {
		const struct bmr_net_route *r = &n->routes[i];

		say(&o, "route to %s/%u%s%s%s%s", r->net.text, r->prefix,
		    r->gateway.family ? " by " : "", r->gateway.text, r->name[0] ? " on " : "",
		    r->name);
	}
	for (size_t i = 0; i < n->dns_count; i++)
		say(&o, "name server %s", n->dns[i].text);
	if (n->ignore_peerdns)
		say(&o, "name servers from DHCP are not used");
}
