/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net.h - the network parameters of a kernel command line, in the forms that dracut gave them
 * (dracut.cmdline(7)), as one struct.
 *
 * Pure: text in, struct out.  The struct owns no memory: it is copied by assignment and needs no
 * clean-up.  All counts are limited, because a DHCP or PXE server may have written the line.
 */
#ifndef BMR_CMDLINE_NET_H
#define BMR_CMDLINE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_err;

#define BMR_NET_NAME_SIZE 16     /* IFNAMSIZ, with the final NUL */
#define BMR_NET_ADDRESS_SIZE 46  /* INET6_ADDRSTRLEN */
#define BMR_NET_HOSTNAME_SIZE 65 /* HOST_NAME_MAX and a NUL */
#define BMR_NET_MAC_SIZE 6
#define BMR_NET_MAC_TEXT_SIZE 18
#define BMR_NET_OPTIONS_SIZE 256
#define BMR_NET_MAX_CONFIGS 32 /* ip= */
#define BMR_NET_MAX_NAMES 32   /* ifname= */
#define BMR_NET_MAX_VLANS 16
#define BMR_NET_MAX_GROUPS 8   /* bond= or bridge= */
#define BMR_NET_MAX_MEMBERS 16 /* of one bond or bridge */
#define BMR_NET_MAX_ROUTES 32
#define BMR_NET_MAX_DNS 8

/* family: AF_INET, AF_INET6, or 0: none given.  text: as inet_ntop(3) writes it. */
struct bmr_net_address {
	int family;
	char text[BMR_NET_ADDRESS_SIZE];
};

struct bmr_net_mac {
	bool given;
	uint8_t bytes[BMR_NET_MAC_SIZE];
};

enum bmr_net_method {
	BMR_NET_DHCP,        /* dhcp, on: IPv4 by DHCP */
	BMR_NET_SINGLE_DHCP, /* single-dhcp: the same, one interface after the other */
	BMR_NET_ANY,         /* any: DHCP for IPv4, else either6 */
	BMR_NET_DHCP6,       /* dhcp6 */
	BMR_NET_AUTO6,       /* auto6: router advertisements */
	BMR_NET_EITHER6,     /* either6: auto6 or dhcp6 */
	BMR_NET_LINK6,       /* link6: the link-local address is enough */
	BMR_NET_STATIC,      /* an address, with none or off */
	BMR_NET_OFF,         /* none or off without an address: only up */
};

/* One ip=. */
struct bmr_net_config {
	char name[BMR_NET_NAME_SIZE]; /* "": the boot interface, else whichever has a link */
	enum bmr_net_method method;
	struct bmr_net_address address; /* STATIC only, as the next three */
	unsigned prefix;                /* bits of the network part */
	struct bmr_net_address peer;    /* the other end of a point-to-point link */
	struct bmr_net_address gateway;
	char hostname[BMR_NET_HOSTNAME_SIZE];
	unsigned mtu; /* bytes; 0: leave it */
	struct bmr_net_mac mac;
	struct bmr_net_address dns[2];
};

/* ifname=: the interface with this MAC is called name. */
struct bmr_net_name {
	char name[BMR_NET_NAME_SIZE];
	struct bmr_net_mac mac;
};

/* vlan=: name carries VLAN id of phys. */
struct bmr_net_vlan {
	char name[BMR_NET_NAME_SIZE];
	char phys[BMR_NET_NAME_SIZE];
	unsigned id; /* 1 to 4094, the digits at the end of name */
};

/* bond= or bridge=. */
struct bmr_net_group {
	char name[BMR_NET_NAME_SIZE];
	char members[BMR_NET_MAX_MEMBERS][BMR_NET_NAME_SIZE];
	size_t member_count;
	char options[BMR_NET_OPTIONS_SIZE]; /* bond only: "mode=802.3ad,miimon=100" */
	unsigned mtu;                       /* bond only */
};

/* rd.route= */
struct bmr_net_route {
	struct bmr_net_address net;
	unsigned prefix;
	struct bmr_net_address gateway; /* may be absent, if name is given */
	char name[BMR_NET_NAME_SIZE];   /* "": the kernel finds the interface */
};

/* Seconds, rd.net.timeout.*; see bmr(7) for the defaults. */
struct bmr_net_timeouts {
	unsigned dhcp;     /* one attempt to get a lease */
	unsigned iflink;   /* an interface that was named exists */
	unsigned ifup;     /* it is up */
	unsigned route;    /* a route can be set */
	unsigned carrier;  /* it has a link */
	unsigned ipv6dad;  /* an address is no longer tentative */
	unsigned ipv6auto; /* a router gave an address */
};

struct bmr_net_params {
	struct bmr_net_config configs[BMR_NET_MAX_CONFIGS];
	size_t config_count; /* 0: DHCP on the boot interface, else on all */
	struct bmr_net_name names[BMR_NET_MAX_NAMES];
	size_t name_count;
	struct bmr_net_vlan vlans[BMR_NET_MAX_VLANS];
	size_t vlan_count;
	struct bmr_net_group bonds[BMR_NET_MAX_GROUPS];
	size_t bond_count;
	struct bmr_net_group bridges[BMR_NET_MAX_GROUPS];
	size_t bridge_count;
	struct bmr_net_route routes[BMR_NET_MAX_ROUTES];
	size_t route_count;
	struct bmr_net_address dns[BMR_NET_MAX_DNS];
	size_t dns_count;
	struct bmr_net_mac bootif; /* BOOTIF=: the interface that the firmware booted from */
	bool ignore_bootif;        /* rd.bootif=0 */
	char bootdev[BMR_NET_NAME_SIZE];
	bool ignore_peerdns; /* rd.peerdns=0: name servers from DHCP are not used */
	bool neednet;        /* rd.neednet=1: wanted even if the image is local */
	struct bmr_net_timeouts timeouts;
	unsigned dhcp_retries; /* rd.net.dhcp.retry: tries of all of it, at least 1 */
};

/* Set the defaults. */
void bmr_net_init(struct bmr_net_params *n);

/* Take one parameter ("ip", "rd.route", ...).  A later ip= replaces an earlier one of the same
 * interface and address family; a later vlan=, bond=, bridge=, ifname= the earlier one of the same
 * name.  1: taken; 0: name is no network parameter; -1: BMR_E_USAGE, naming the parameter, its
 * value and what is allowed.  After an error *n is as before. */
int bmr_net_set(struct bmr_net_params *n, const char *name, const char *value, struct bmr_err *e);

/* Call line() with "name=value" of each parameter that differs from its default, such that
 * bmr_net_set reads it again. */
void bmr_net_each(const struct bmr_net_params *n, void (*line)(void *ctx, const char *text),
                  void *ctx);

/* Is the network wanted even if the image is local?  True if any of ip= (other than off), bootdev=,
 * vlan=, bond=, bridge= or rd.neednet=1 was given. */
bool bmr_net_wanted(const struct bmr_net_params *n);

/* The word of a method: "dhcp", "auto6", ...; "none" for STATIC and OFF. */
const char *bmr_net_method_name(enum bmr_net_method method);

/* Lower-case "52:54:00:12:34:56"; returns text. */
char *bmr_net_mac_text(const struct bmr_net_mac *mac, char text[BMR_NET_MAC_TEXT_SIZE]);

#endif
