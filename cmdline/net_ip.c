/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net_ip.c - ip=: three forms in one value.
 *
 *	METHOD
 *	INTERFACE:METHOD[:MTU[:MAC]]
 *	ADDRESS:PEER:GATEWAY:MASK[:HOSTNAME:INTERFACE:METHOD[:MTU[:MAC] | :DNS1[:DNS2]]]
 */
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "cmdline/ip.h"
#include "cmdline/net_internal.h"
#include "cmdline/refuse.h"

static const struct {
	const char *name;
	enum bmr_net_method method;
} methods[] = {
	/* The first of equal methods is the one that is written. */
	{"dhcp", BMR_NET_DHCP},   {"on", BMR_NET_DHCP},
	{"any", BMR_NET_ANY},     {"dhcp6", BMR_NET_DHCP6},
	{"auto6", BMR_NET_AUTO6}, {"either6", BMR_NET_EITHER6},
	{"link6", BMR_NET_LINK6}, {"single-dhcp", BMR_NET_SINGLE_DHCP},
	{"none", BMR_NET_OFF},    {"off", BMR_NET_OFF},
};

#define METHODS "dhcp, on, any, dhcp6, auto6, either6, link6, single-dhcp, none or off"

static bool find_method(const char *name, enum bmr_net_method *method)
{
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(methods[i].name, name) == 0) {
			*method = methods[i].method;
			return true;
		}
	return false;
}

const char *bmr_net_method_name(enum bmr_net_method method)
{
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (methods[i].method == method)
			return methods[i].name;
	return "none"; /* STATIC */
}

/* What one value is while it is read. */
struct reading {
	const char *value;
	const struct bmr_fields *fields;
	struct bmr_net_config *config;
	struct bmr_err *e;
};

static int refuse(const struct reading *r, const char *field, const char *expected)
{
	return bmr_param_refuse(r->e, "ip", r->value, "'%.64s' is not %s", field, expected);
}

static int read_method(const struct reading *r, size_t field)
{
	const char *name = bmr_fields_get(r->fields, field);

	if (!find_method(name, &r->config->method))
		return refuse(r, name, "a method: " METHODS);
	return 0;
}

/* [:MTU[:MAC]], or [:DNS1[:DNS2]] where the form has them. */
static int read_tail(const struct reading *r, size_t field, bool may_be_dns)
{
	struct bmr_net_config *c = r->config;
	const char *first = bmr_fields_get(r->fields, field);

	if (may_be_dns && bmr_ip_address(first, &c->dns[0])) {
		const char *second = bmr_fields_get(r->fields, field + 1);

		if (*second && !bmr_ip_address(second, &c->dns[1]))
			return refuse(r, second, "the address of a name server");
		if (r->fields->count > field + 2)
			return refuse(
				r, bmr_fields_get(r->fields, field + 2),
				"expected here: two name servers at most, others by nameserver=");
		return 0;
	}
	if (*first && !bmr_ip_mtu(first, &c->mtu))
		return refuse(r, first,
		              may_be_dns ? "an MTU (68 to 65535) or the address of a name server"
		                         : "an MTU (68 to 65535)");
	if (r->fields->count > field + 1) {
		const char *mac = bmr_fields_rest(r->fields, r->value, field + 1);

		if (*mac && !bmr_ip_mac(mac, &c->mac))
			return refuse(r, mac, "a MAC address such as 52:54:00:12:34:56");
	}
	return 0;
}

static int read_short(const struct reading *r)
{
	const char *name = bmr_fields_get(r->fields, 0);

	if (!bmr_ip_name(name, r->config->name))
		return refuse(r, name, "an address, an interface or a method");
	if (read_method(r, 1) < 0)
		return -1;
	return read_tail(r, 2, false);
}

static int read_optional_address(const struct reading *r, size_t field, const char *what,
                                 struct bmr_net_address *out)
{
	const char *text = bmr_fields_get(r->fields, field);

	if (!*text)
		return 0;
	if (!bmr_ip_address(text, out))
		return refuse(r, text, what);
	if (r->config->address.family && out->family != r->config->address.family)
		return refuse(r, text, "of the same family as the address");
	return 0;
}

static int read_mask(const struct reading *r)
{
	struct bmr_net_config *c = r->config;
	const char *text = bmr_fields_get(r->fields, 3);

	if (!*text && c->address.family == AF_INET6) {
		c->prefix = 64; /* RFC 4291: every ordinary subnet */
		return 0;
	}
	if (bmr_ip_prefix(text, c->address.family, &c->prefix) && c->prefix > 0)
		return 0;
	return refuse(r, text,
	              c->address.family == AF_INET6 ? "a prefix length (1 to 128)"
	                                            : "a netmask (255.255.255.0 or 24)");
}

static int read_static(const struct reading *r)
{
	struct bmr_net_config *c = r->config;
	const char *method = bmr_fields_get(r->fields, 6);

	if (*method && c->method != BMR_NET_OFF)
		return bmr_param_refuse(r->e, "ip", r->value,
		                        "an address goes with none or off, not with '%.32s'",
		                        method);
	c->method = BMR_NET_STATIC;
	/* PXELINUX's IPAPPEND has four fields; the second is the boot server, which is no peer. */
	if (r->fields->count > 4 &&
	    read_optional_address(r, 1, "the address of a peer", &c->peer) < 0)
		return -1;
	if (read_optional_address(r, 2, "the address of a gateway", &c->gateway) < 0)
		return -1;
	return read_mask(r);
}

static int read_long(const struct reading *r)
{
	struct bmr_net_config *c = r->config;
	const char *hostname = bmr_fields_get(r->fields, 4);
	const char *name = bmr_fields_get(r->fields, 5);
	const char *method = bmr_fields_get(r->fields, 6);

	if (!bmr_ip_hostname(hostname, c->hostname))
		return refuse(r, hostname, "a host name");
	if (*name && !bmr_ip_name(name, c->name))
		return refuse(r, name, "an interface's name");
	if ((*method || !c->address.family) && read_method(r, 6) < 0)
		return -1;
	if (c->address.family && read_static(r) < 0)
		return -1;
	return read_tail(r, 7, true);
}

int bmr_net_parse_ip(const char *value, struct bmr_net_config *config, struct bmr_err *e)
{
	struct bmr_fields fields;
	struct reading r = {.value = value, .fields = &fields, .config = config, .e = e};
	const char *first;

	*config = (struct bmr_net_config){0};
	if (!bmr_fields_split(value, &fields))
		return bmr_param_refuse(e, "ip", value, "too long, or a bracket is not closed");
	first = bmr_fields_get(&fields, 0);
	if (fields.count > 1 && (!*first || bmr_ip_address(first, &config->address)))
		return read_long(&r);
	if (fields.count > 1)
		return read_short(&r);
	if (bmr_ip_address(first, &config->address))
		return bmr_param_refuse(e, "ip", value,
		                        "an address needs its netmask: "
		                        "ip=ADDRESS::GATEWAY:MASK::INTERFACE:none");
	return read_method(&r, 0);
}
