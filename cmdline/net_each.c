/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net_each.c - the network parameters as text again. */
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "cmdline/net_internal.h"

/* The longest is a bond: name, 16 members, options and MTU. */
#define LINE_SIZE 1024

struct out {
	void (*line)(void *ctx, const char *text);
	void *ctx;
	char buf[LINE_SIZE];
	struct bmr_text text; /* in buf */
};

static void finish(struct out *o)
{
	o->line(o->ctx, o->text.at);
	o->text = bmr_text_in(o->buf, sizeof o->buf);
}

static void add_address(struct out *o, const struct bmr_net_address *a)
{
	if (a->family == AF_INET6)
		bmr_text_add(&o->text, "[%s]", a->text);
	else if (a->family)
		bmr_text_add(&o->text, "%s", a->text);
}

static void add_tail(struct out *o, const struct bmr_net_config *c)
{
	char mac[BMR_NET_MAC_TEXT_SIZE];

	for (size_t i = 0; i < 2 && c->dns[i].family; i++) {
		bmr_text_add(&o->text, ":");
		add_address(o, &c->dns[i]);
	}
	if (c->mtu)
		bmr_text_add(&o->text, ":%u", c->mtu);
	if (c->mac.given)
		bmr_text_add(&o->text, "%s:%s", c->mtu ? "" : ":", bmr_net_mac_text(&c->mac, mac));
}

static void config_line(struct out *o, const struct bmr_net_config *c)
{
	bool bare = !c->name[0] && !c->mtu && !c->mac.given && !c->dns[0].family;

	bmr_text_add(&o->text, "ip=");
	if (c->method == BMR_NET_STATIC) {
		add_address(o, &c->address);
		bmr_text_add(&o->text, ":");
		add_address(o, &c->peer);
		bmr_text_add(&o->text, ":");
		add_address(o, &c->gateway);
		bmr_text_add(&o->text, ":%u:%s:%s:", c->prefix, c->hostname, c->name);
	} else if (c->hostname[0] || c->dns[0].family || (!c->name[0] && !bare)) {
		bmr_text_add(&o->text, "::::%s:%s:", c->hostname, c->name);
	} else if (c->name[0]) {
		bmr_text_add(&o->text, "%s:", c->name);
	}
	bmr_text_add(&o->text, "%s", bmr_net_method_name(c->method));
	add_tail(o, c);
	finish(o);
}

static void group_line(struct out *o, const char *name, const struct bmr_net_group *g)
{
	bmr_text_add(&o->text, "%s=%s:", name, g->name);
	for (size_t i = 0; i < g->member_count; i++)
		bmr_text_add(&o->text, "%s%s", i ? "," : "", g->members[i]);
	if (g->options[0] || g->mtu)
		bmr_text_add(&o->text, ":%s", g->options);
	if (g->mtu)
		bmr_text_add(&o->text, ":%u", g->mtu);
	finish(o);
}

static void route_line(struct out *o, const struct bmr_net_route *r)
{
	bmr_text_add(&o->text, "rd.route=");
	bmr_text_add(&o->text, r->net.family == AF_INET6 ? "[%s/%u]:" : "%s/%u:", r->net.text,
	             r->prefix);
	add_address(o, &r->gateway);
	if (r->name[0])
		bmr_text_add(&o->text, ":%s", r->name);
	finish(o);
}

static void device_lines(struct out *o, const struct bmr_net_params *n)
{
	char mac[BMR_NET_MAC_TEXT_SIZE];

	for (size_t i = 0; i < n->name_count; i++) {
		bmr_text_add(&o->text, "ifname=%s:%s", n->names[i].name,
		             bmr_net_mac_text(&n->names[i].mac, mac));
		finish(o);
	}
	for (size_t i = 0; i < n->vlan_count; i++) {
		bmr_text_add(&o->text, "vlan=%s:%s", n->vlans[i].name, n->vlans[i].phys);
		finish(o);
	}
	for (size_t i = 0; i < n->bond_count; i++)
		group_line(o, "bond", &n->bonds[i]);
	for (size_t i = 0; i < n->bridge_count; i++)
		group_line(o, "bridge", &n->bridges[i]);
}

static void boot_lines(struct out *o, const struct bmr_net_params *n)
{
	char mac[BMR_NET_MAC_TEXT_SIZE];

	if (n->bootif.given) {
		bmr_text_add(&o->text, "BOOTIF=%s", bmr_net_mac_text(&n->bootif, mac));
		finish(o);
	}
	if (n->bootdev[0]) {
		bmr_text_add(&o->text, "bootdev=%s", n->bootdev);
		finish(o);
	}
	if (n->ignore_bootif)
		o->line(o->ctx, "rd.bootif=0");
	if (n->ignore_peerdns)
		o->line(o->ctx, "rd.peerdns=0");
	if (n->neednet)
		o->line(o->ctx, "rd.neednet=1");
}

static void timeout_lines(struct out *o, const struct bmr_net_params *n)
{
	for (size_t i = 0; i < BMR_NET_TIMEOUTS; i++) {
		const struct bmr_net_timeout_name *t = &bmr_net_timeout_names[i];
		unsigned value;

		memcpy(&value, (const char *)n + t->offset, sizeof value);
		if (value == t->value)
			continue;
		bmr_text_add(&o->text, "%s=%u", t->name, value);
		finish(o);
	}
}

void bmr_net_each(const struct bmr_net_params *n, void (*line)(void *ctx, const char *text),
                  void *ctx)
{
	struct out o = {.line = line, .ctx = ctx};

	o.text = bmr_text_in(o.buf, sizeof o.buf);
	for (size_t i = 0; i < n->config_count; i++)
		config_line(&o, &n->configs[i]);
	for (size_t i = 0; i < n->dns_count; i++) {
		bmr_text_add(&o.text, "nameserver=%s", n->dns[i].text);
		finish(&o);
	}
	device_lines(&o, n);
	for (size_t i = 0; i < n->route_count; i++)
		route_line(&o, &n->routes[i]);
	boot_lines(&o, n);
	timeout_lines(&o, n);
}
