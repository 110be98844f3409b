/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmdline/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/login.h"
#include "cmdline/ip.h"
#include "cmdline/net_internal.h"
#include "cmdline/refuse.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define TIMEOUT(field) offsetof(struct bmr_net_params, timeouts.field)

/* dracut's, but for two.  carrier: fast cards train their link for longer than its 10 s, and
 * nothing is lost where a link comes sooner.  dhcp: a switch with spanning tree drops the first
 * 30 s of packets. */
const struct bmr_net_timeout_name bmr_net_timeout_names[BMR_NET_TIMEOUTS] = {
	{"rd.net.timeout.dhcp", TIMEOUT(dhcp), 45},
	{"rd.net.timeout.iflink", TIMEOUT(iflink), 60},
	{"rd.net.timeout.ifup", TIMEOUT(ifup), 20},
	{"rd.net.timeout.route", TIMEOUT(route), 20},
	{"rd.net.timeout.carrier", TIMEOUT(carrier), 30},
	{"rd.net.timeout.ipv6dad", TIMEOUT(ipv6dad), 50},
	{"rd.net.timeout.ipv6auto", TIMEOUT(ipv6auto), 40},
	{"rd.net.dhcp.retry", offsetof(struct bmr_net_params, dhcp_retries), 3},
};

void bmr_net_init(struct bmr_net_params *n)
{
	*n = (struct bmr_net_params){0};
	for (size_t i = 0; i < BMR_NET_TIMEOUTS; i++) {
		const struct bmr_net_timeout_name *t = &bmr_net_timeout_names[i];

		*(unsigned *)((char *)n + t->offset) = t->value;
	}
}

bool bmr_net_wanted(const struct bmr_net_params *n)
{
	for (size_t i = 0; i < n->config_count; i++)
		if (n->configs[i].method != BMR_NET_OFF)
			return true;
	return n->neednet || n->bootdev[0] || n->vlan_count || n->bond_count || n->bridge_count;
}

bool bmr_fields_split(const char *value, struct bmr_fields *fields)
{
	size_t len = strlen(value);
	bool inside = false;

	if (len >= sizeof fields->text)
		return false;
	memcpy(fields->text, value, len + 1);
	fields->item[0] = fields->text;
	fields->count = 1;
	for (char *c = fields->text; *c; c++) {
		if (*c == '[' || *c == ']')
			inside = *c == '[';
		if (*c != ':' || inside)
			continue;
		if (fields->count == BMR_FIELDS_MAX)
			return false;
		*c = '\0';
		fields->item[fields->count++] = c + 1;
	}
	return !inside;
}

const char *bmr_fields_get(const struct bmr_fields *fields, size_t i)
{
	return i < fields->count ? fields->item[i] : "";
}

const char *bmr_fields_rest(const struct bmr_fields *fields, const char *value, size_t i)
{
	return i < fields->count ? value + (fields->item[i] - fields->text) : "";
}

static int too_many(struct bmr_err *e, const char *name, const char *value, size_t most)
{
	return bmr_param_refuse(e, name, value, "more than %zu of %s=", most, name);
}

/* The element of an array that starts with a name: the one with this name, else a new one behind
 * the others; NULL if there is no room. */
static void *place_by_name(void *array, size_t size, size_t *count, size_t most, const char *name)
{
	char *element = array;

	for (size_t i = 0; i < *count; i++, element += size)
		if (strcmp(element, name) == 0)
			return element;
	if (*count == most)
		return NULL;
	++*count;
	return element;
}

#define PLACE(array, count, name)                                                                  \
	place_by_name(array, sizeof(array)[0], &(count), COUNT(array), name)

static bool is_v6(const struct bmr_net_config *c)
{
	switch (c->method) {
	case BMR_NET_DHCP6:
	case BMR_NET_AUTO6:
	case BMR_NET_EITHER6:
	case BMR_NET_LINK6:
		return true;
	case BMR_NET_STATIC:
		return c->address.family == AF_INET6;
	case BMR_NET_DHCP:
	case BMR_NET_SINGLE_DHCP:
	case BMR_NET_ANY:
	case BMR_NET_OFF:
		break;
	}
	return false;
}

/* ANY and OFF speak of both families. */
static bool same_place(const struct bmr_net_config *a, const struct bmr_net_config *b)
{
	bool both = a->method == BMR_NET_ANY || a->method == BMR_NET_OFF ||
	            b->method == BMR_NET_ANY || b->method == BMR_NET_OFF;

	return strcmp(a->name, b->name) == 0 && (both || is_v6(a) == is_v6(b));
}

static void forget_same_place(struct bmr_net_params *n, const struct bmr_net_config *config)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->config_count; i++)
		if (!same_place(&n->configs[i], config))
			n->configs[kept++] = n->configs[i];
	n->config_count = kept;
}

static int set_ip(struct bmr_net_params *n, const char *name, const char *value, struct bmr_err *e)
{
	struct bmr_net_config config;

	if (bmr_net_parse_ip(value, &config, e) < 0)
		return -1;
	forget_same_place(n, &config);
	if (n->config_count == COUNT(n->configs))
		return too_many(e, name, value, COUNT(n->configs));
	n->configs[n->config_count++] = config;
	return 0;
}

static int set_nameserver(struct bmr_net_params *n, const char *name, const char *value,
                          struct bmr_err *e)
{
	struct bmr_net_address address;

	if (!bmr_ip_address(value, &address))
		return bmr_param_refuse(e, name, value, "not an IPv4 or IPv6 address");
	for (size_t i = 0; i < n->dns_count; i++)
		if (strcmp(n->dns[i].text, address.text) == 0)
			return 0;
	if (n->dns_count == COUNT(n->dns))
		return too_many(e, name, value, COUNT(n->dns));
	n->dns[n->dns_count++] = address;
	return 0;
}

static int set_ifname(struct bmr_net_params *n, const char *name, const char *value,
                      struct bmr_err *e)
{
	struct bmr_net_name result = {0};
	struct bmr_net_name *place;
	struct bmr_fields f;

	if (!bmr_fields_split(value, &f) || !bmr_ip_name(bmr_fields_get(&f, 0), result.name) ||
	    !bmr_ip_mac(bmr_fields_rest(&f, value, 1), &result.mac))
		return bmr_param_refuse(e, name, value,
		                        "it is NAME:MAC, as eth7:52:54:00:12:34:56");
	place = PLACE(n->names, n->name_count, result.name);
	if (!place)
		return too_many(e, name, value, COUNT(n->names));
	*place = result;
	return 0;
}

/* The digits at the end of "vlan5", "vlan0005", "eth0.5". */
static bool vlan_id(const char *name, unsigned *id)
{
	const char *digits = name + strlen(name);

	while (digits > name && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	return bmr_ip_number(digits, 1, 4094, id);
}

static int set_vlan(struct bmr_net_params *n, const char *name, const char *value,
                    struct bmr_err *e)
{
	struct bmr_net_vlan result = {0};
	struct bmr_net_vlan *place;
	struct bmr_fields f;

	if (!bmr_fields_split(value, &f) || f.count != 2 ||
	    !bmr_ip_name(bmr_fields_get(&f, 0), result.name) ||
	    !bmr_ip_name(bmr_fields_get(&f, 1), result.phys) ||
	    strcmp(result.name, result.phys) == 0)
		return bmr_param_refuse(e, name, value, "it is NAME:INTERFACE, as eth0.5:eth0");
	if (!vlan_id(result.name, &result.id))
		return bmr_param_refuse(
			e, name, value,
			"the name ends in the VLAN's number, 1 to 4094: eth0.5, vlan5");
	place = PLACE(n->vlans, n->vlan_count, result.name);
	if (!place)
		return too_many(e, name, value, COUNT(n->vlans));
	*place = result;
	return 0;
}

static bool has_member(const struct bmr_net_group *group, const char *name)
{
	for (size_t i = 0; i < group->member_count; i++)
		if (strcmp(group->members[i], name) == 0)
			return true;
	return strcmp(group->name, name) == 0;
}

/* "eth0,eth1": at least one, none twice. */
static bool read_members(const char *list, struct bmr_net_group *group)
{
	while (true) {
		char name[BMR_NET_NAME_SIZE];
		char checked[BMR_NET_NAME_SIZE];
		size_t len = strcspn(list, ",");

		if (len >= sizeof name || group->member_count == COUNT(group->members))
			return false;
		memcpy(name, list, len);
		name[len] = '\0';
		if (!bmr_ip_name(name, checked) || has_member(group, checked))
			return false;
		memcpy(group->members[group->member_count++], checked, sizeof checked);
		if (!list[len])
			return true;
		list += len + 1;
	}
}

/* "mode=802.3ad,miimon=100".  The names become files of /sys: letters and '_' only. */
static bool valid_options(const char *text)
{
	while (*text) {
		size_t key = strspn(text, "abcdefghijklmnopqrstuvwxyz_");
		size_t value;

		if (key == 0 || text[key] != '=')
			return false;
		text += key + 1;
		value = strcspn(text, ",");
		if (value == 0)
			return false;
		for (size_t i = 0; i < value; i++)
			if (text[i] <= ' ' || text[i] >= 0x7f || strchr("\"\\", text[i]))
				return false;
		text += value;
		if (*text == ',' && !*++text)
			return false;
	}
	return true;
}

static int set_bond(struct bmr_net_params *n, const char *name, const char *value,
                    struct bmr_err *e)
{
	struct bmr_net_group result = {0};
	struct bmr_net_group *place;
	struct bmr_fields f;
	const char *options;
	const char *mtu;

	if (!bmr_fields_split(value, &f) || f.count > 4 ||
	    !bmr_ip_name(bmr_fields_get(&f, 0), result.name) ||
	    !read_members(bmr_fields_get(&f, 1), &result))
		return bmr_param_refuse(
			e, name, value,
			"it is NAME:INTERFACE,INTERFACE[:OPTIONS[:MTU]], %d at most",
			BMR_NET_MAX_MEMBERS);
	options = bmr_fields_get(&f, 2);
	if (strlen(options) >= sizeof result.options || !valid_options(options))
		return bmr_param_refuse(e, name, value,
		                        "'%.64s' are not options such as mode=802.3ad,miimon=100",
		                        options);
	memcpy(result.options, options, strlen(options));
	mtu = bmr_fields_get(&f, 3);
	if (*mtu && !bmr_ip_mtu(mtu, &result.mtu))
		return bmr_param_refuse(e, name, value, "'%.64s' is not an MTU (68 to 65535)", mtu);
	place = PLACE(n->bonds, n->bond_count, result.name);
	if (!place)
		return too_many(e, name, value, COUNT(n->bonds));
	*place = result;
	return 0;
}

static int set_bridge(struct bmr_net_params *n, const char *name, const char *value,
                      struct bmr_err *e)
{
	struct bmr_net_group result = {0};
	struct bmr_net_group *place;
	struct bmr_fields f;

	if (!bmr_fields_split(value, &f) || f.count != 2 ||
	    !bmr_ip_name(bmr_fields_get(&f, 0), result.name) ||
	    !read_members(bmr_fields_get(&f, 1), &result))
		return bmr_param_refuse(e, name, value,
		                        "it is NAME:INTERFACE[,INTERFACE], %d at most",
		                        BMR_NET_MAX_MEMBERS);
	place = PLACE(n->bridges, n->bridge_count, result.name);
	if (!place)
		return too_many(e, name, value, COUNT(n->bridges));
	*place = result;
	return 0;
}

static int set_team(struct bmr_net_params *n, const char *name, const char *value,
                    struct bmr_err *e)
{
	(void)n;
	return bmr_param_refuse(e, name, value, "teams are not supported; bond= does the same");
}

/* "10.0.0.0/8", "[2001:db8::/32]" or "[2001:db8::]/32". */
static bool read_destination(const char *text, struct bmr_net_route *route)
{
	char address[BMR_NET_ADDRESS_SIZE + 2];
	char bits[BMR_NET_ADDRESS_SIZE];
	const char *slash = strchr(text, '/');
	size_t len;
	size_t bits_len;

	if (!slash)
		return false;
	len = (size_t)(slash - text);
	bits_len = strlen(slash + 1);
	if (len + 2 > sizeof address || bits_len + 1 > sizeof bits || bits_len == 0)
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	memcpy(bits, slash + 1, bits_len + 1);
	if (address[0] == '[' && address[len - 1] != ']' && bits[bits_len - 1] == ']') {
		address[len] = ']';
		address[len + 1] = '\0';
		bits[bits_len - 1] = '\0';
	}
	return bmr_ip_address(address, &route->net) &&
	       bmr_ip_prefix(bits, route->net.family, &route->prefix);
}

static int set_route(struct bmr_net_params *n, const char *name, const char *value,
                     struct bmr_err *e)
{
	static const char form[] = "it is NET/MASK:GATEWAY[:INTERFACE], IPv6 in brackets";
	struct bmr_net_route result = {0};
	struct bmr_fields f;
	const char *gateway;
	const char *interface;

	if (!bmr_fields_split(value, &f) || f.count < 2 || f.count > 3 ||
	    !read_destination(bmr_fields_get(&f, 0), &result))
		return bmr_param_refuse(e, name, value, "%s", form);
	gateway = bmr_fields_get(&f, 1);
	if (*gateway && (!bmr_ip_address(gateway, &result.gateway) ||
	                 result.gateway.family != result.net.family))
		return bmr_param_refuse(e, name, value, "'%.64s' is not a gateway for this network",
		                        gateway);
	interface = bmr_fields_get(&f, 2);
	if (*interface ? !bmr_ip_name(interface, result.name) : !*gateway)
		return bmr_param_refuse(e, name, value, "%s", form);
	if (n->route_count == COUNT(n->routes))
		return too_many(e, name, value, COUNT(n->routes));
	n->routes[n->route_count++] = result;
	return 0;
}

static int set_bootif(struct bmr_net_params *n, const char *name, const char *value,
                      struct bmr_err *e)
{
	if (!bmr_ip_bootif(value, &n->bootif))
		return bmr_param_refuse(e, name, value,
		                        "not a MAC address as 01-52-54-00-12-34-56");
	return 0;
}

static int set_bootdev(struct bmr_net_params *n, const char *name, const char *value,
                       struct bmr_err *e)
{
	if (!bmr_ip_name(value, n->bootdev))
		return bmr_param_refuse(e, name, value, "not an interface's name");
	return 0;
}

/* A switch without a value is on, as dracut has it. */
static int read_switch(const char *name, const char *value, bool *on, struct bmr_err *e)
{
	if (strcmp(value, "1") == 0 || strcmp(value, "yes") == 0 || strcmp(value, "on") == 0 ||
	    !*value) {
		*on = true;
		return 0;
	}
	if (strcmp(value, "0") == 0 || strcmp(value, "no") == 0 || strcmp(value, "off") == 0) {
		*on = false;
		return 0;
	}
	return bmr_param_refuse(e, name, value, "it is 0 or 1");
}

static int set_rd_bootif(struct bmr_net_params *n, const char *name, const char *value,
                         struct bmr_err *e)
{
	bool on;

	if (read_switch(name, value, &on, e) < 0)
		return -1;
	n->ignore_bootif = !on;
	return 0;
}

static int set_peerdns(struct bmr_net_params *n, const char *name, const char *value,
                       struct bmr_err *e)
{
	bool on;

	if (read_switch(name, value, &on, e) < 0)
		return -1;
	n->ignore_peerdns = !on;
	return 0;
}

static int set_neednet(struct bmr_net_params *n, const char *name, const char *value,
                       struct bmr_err *e)
{
	return read_switch(name, value, &n->neednet, e);
}

static const struct {
	const char *name;
	int (*set)(struct bmr_net_params *n, const char *name, const char *value,
	           struct bmr_err *e);
} setters[] = {
	{"ip", set_ip},
	{"nameserver", set_nameserver},
	{"ifname", set_ifname},
	{"vlan", set_vlan},
	{"bond", set_bond},
	{"bridge", set_bridge},
	{"team", set_team},
	{"rd.route", set_route},
	{"BOOTIF", set_bootif},
	{"bootdev", set_bootdev},
	{"rd.bootif", set_rd_bootif},
	{"rd.peerdns", set_peerdns},
	{"rd.neednet", set_neednet},
};

static int set_timeout(struct bmr_net_params *n, const struct bmr_net_timeout_name *t,
                       const char *value, struct bmr_err *e)
{
	unsigned *field = (unsigned *)((char *)n + t->offset);

	if (!bmr_ip_number(value, 1, 3600, field))
		return bmr_param_refuse(e, t->name, value, "it is a number from 1 to 3600");
	return 1;
}

static int set_by_name(struct bmr_net_params *n, size_t i, const char *value, struct bmr_err *e)
{
	struct bmr_login login;

	/* It would be taken apart, and a piece of the password be shown. */
	if (bmr_login_find(value, &login))
		return bmr_param_refuse(e, setters[i].name, value, "a URL has no place here");
	return setters[i].set(n, setters[i].name, value, e) < 0 ? -1 : 1;
}

int bmr_net_set(struct bmr_net_params *n, const char *name, const char *value, struct bmr_err *e)
{
	for (size_t i = 0; i < COUNT(setters); i++)
		if (strcmp(setters[i].name, name) == 0)
			return set_by_name(n, i, value ? value : "", e);
	for (size_t i = 0; i < BMR_NET_TIMEOUTS; i++)
		if (strcmp(bmr_net_timeout_names[i].name, name) == 0)
			return set_timeout(n, &bmr_net_timeout_names[i], value ? value : "", e);
	return 0;
}
