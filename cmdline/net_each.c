/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net_each.c - the network parameters as text again. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cmdline/net_internal.h"

/* The longest is a bond: name, 16 members, options and MTU. */
#define LINE_SIZE 1024

struct out {
	void (*line)(void *ctx, const char *text);
	void *ctx;
	char text[LINE_SIZE];
	size_t used;
};

static void add(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(o->text + o->used, sizeof o->text - o->used, fmt, ap);
	va_end(ap);
	if (len > 0)
		o->used += (size_t)len;
	if (o->used > sizeof o->text - 1)
		o->used = sizeof o->text - 1;
}

static void finish(struct out *o)
{
	o->line(o->ctx, o->text);
	o->used = 0;
}

static void add_address(struct out *o, const struct bmr_net_address *a)
{
	if (a->family == AF_INET6)
		add(o, "[%s]", a->text);
	else if (a->family)
		add(o, "%s", a->text);
}

static void add_tail(struct out *o, const struct bmr_net_config *c)
{
	char mac[BMR_NET_MAC_TEXT_SIZE];

	for (size_t i = 0; i < 2 && c->dns[i].family; i++) {
		add(o, ":");
		add_address(o, &c->dns[i]);
	}
	if (c->mtu)
		add(o, ":%u", c->mtu);
	if (c->mac.given)
		add(o, "%s:%s", c->mtu ? "" : ":", bmr_net_mac_text(&c->mac, mac));
}

static void config_line(struct out *o, const struct bmr_net_config *c)
{
	bool bare = !c->name[0] && !c->mtu && !c->mac.given && !c->dns[0].family;

	add(o, "ip=");
	if (c->method == BMR_NET_STATIC) {
		add_address(o, &c->address);
		add(o, ":");
		add_address(o, &c->peer);
		add(o, ":");
		add_address(o, &c->gateway);
		add(o, ":%u:%s:%s:", c->prefix, c->hostname, c->name);
	} else if (c->hostname[0] || c->dns[0].family || (!c->name[0] && !bare)) {
		add(o, "::::%s:%s:", c->hostname, c->name);
	} else if (c->name[0]) {
		add(o, "%s:", c->name);
	}
	add(o, "%s", bmr_net_method_name(c->method));
	add_tail(o, c);
	finish(o);
}

static void group_line(struct out *o, const char *name, const struct bmr_net_group *g)
{
	add(o, "%s=%s:", name, g->name);
	for (size_t i = 0; i < g->member_count; i++)
		add(o, "%s%s", i ? "," : "", g->members[i]);
	if (g->options[0] || g->mtu)
		add(o, ":%s", g->options);
	if (g->mtu)
		add(o, ":%u", g->mtu);
	finish(o);
}

static void route_line(struct out *o, const struct bmr_net_route *r)
{
	add(o, "rd.route=");
	add(o, r->net.family == AF_INET6 ? "[%s/%u]:" : "%s/%u:", r->net.text, r->prefix);
	add_address(o, &r->gateway);
	if (r->name[0])
		add(o, ":%s", r->name);
	finish(o);
}

static void device_lines(struct out *o, const struct bmr_net_params *n)
{
	char mac[BMR_NET_MAC_TEXT_SIZE];

	for (size_t i = 0; i < n->name_count; i++) {
		add(o, "ifname=%s:%s", n->names[i].name, bmr_net_mac_text(&n->names[i].mac, mac));
		finish(o);
	}
	for (size_t i = 0; i < n->vlan_count; i++) {
		add(o, "vlan=%s:%s", n->vlans[i].name, n->vlans[i].phys);
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
		add(o, "BOOTIF=%s", bmr_net_mac_text(&n->bootif, mac));
		finish(o);
	}
	if (n->bootdev[0]) {
		add(o, "bootdev=%s", n->bootdev);
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
		add(o, "%s=%u", t->name, value);
		finish(o);
	}
}

void bmr_net_each(const struct bmr_net_params *n, void (*line)(void *ctx, const char *text),
                  void *ctx)
{
	struct out o = {.line = line, .ctx = ctx};

	for (size_t i = 0; i < n->config_count; i++)
		config_line(&o, &n->configs[i]);
	for (size_t i = 0; i < n->dns_count; i++) {
		add(&o, "nameserver=%s", n->dns[i].text);
		finish(&o);
	}
	device_lines(&o, n);
	for (size_t i = 0; i < n->route_count; i++)
		route_line(&o, &n->routes[i]);
	boot_lines(&o, n);
	timeout_lines(&o, n);
}
