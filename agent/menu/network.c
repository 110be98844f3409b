/* SPDX-License-Identifier: GPL-3.0-or-later */
/* network.c - interfaces and addresses; bringing the network up. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "agent/menu/internal.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/text.h"

/* --- what there is --- */

static void add_line(struct bmr_text *t, const struct ifaddrs *a)
{
	char address[NI_MAXHOST] = "";

	if (a->ifa_addr->sa_family == AF_PACKET) {
		const struct sockaddr_ll *link = (const void *)a->ifa_addr;
		const unsigned char *mac = link->sll_addr;

		bmr_text_add(t, "%-12s %02x:%02x:%02x:%02x:%02x:%02x  %s\n", a->ifa_name, mac[0],
		             mac[1], mac[2], mac[3], mac[4], mac[5],
		             a->ifa_flags & IFF_RUNNING ? "link"
		             : a->ifa_flags & IFF_UP    ? "no link"
		                                        : "down");
		return;
	}
	if (getnameinfo(a->ifa_addr,
	                a->ifa_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
	                                                   : sizeof(struct sockaddr_in),
	                address, sizeof address, NULL, 0, NI_NUMERICHOST) == 0)
		bmr_text_add(t, "%-12s   address %s\n", a->ifa_name, address);
}

static void describe(char *text, size_t size)
{
	struct bmr_text t = bmr_text_in(text, size);
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0) {
		bmr_text_add(&t, "The interfaces cannot be listed.\n");
		return;
	}
	for (const struct ifaddrs *a = all; a; a = a->ifa_next)
		if (a->ifa_addr && !(a->ifa_flags & IFF_LOOPBACK))
			add_line(&t, a);
	freeifaddrs(all);
	if (t.used == 0)
		bmr_text_add(&t, "No network interface was found: its driver may be missing.\n");
}

/* --- bringing it up --- */

static bool bring_up(struct bmr_menu *m)
{
	struct bmr_err err = {0};
	char text[160];
	int rc;

	snprintf(text, sizeof text, "Bringing the network up: %.100s ...", m->network);
	bmr_menu_ui_busy(text);
	rc = m->env->network(m->env->ctx, &err);
	bmr_menu_ui_busy_end();
	m->network_up = rc == 0;
	if (rc < 0)
		bmr_menu_error(m, "No network", &err);
	return rc == 0;
}

bool bmr_menu_need_network(struct bmr_menu *m)
{
	return m->network_up || bring_up(m);
}

/* The words are those of the kernel command line, so that they are read by the same rules. */
static bool set_network(struct bmr_menu *m, const char *words)
{
	struct bmr_params params;
	struct bmr_err err = {0};
	int rc;

	bmr_params_init(&params);
	rc = bmr_params_parse_line(&params, words, &err);
	if (rc == 0) {
		m->session->options->params.net = params.net;
		snprintf(m->network, sizeof m->network, "%s", words);
	} else {
		bmr_menu_error(m, "Not an address", &err);
	}
	bmr_params_clear(&params);
	return rc == 0;
}

static bool ask_static(struct bmr_menu *m)
{
	char address[64] = "", mask[64] = "24", gateway[64] = "", dns[64] = "", interface[16] = "";
	char words[sizeof m->network];
	struct bmr_menu_field fields[] = {
		{"Address", address, sizeof address, false},
		{"Netmask or prefix length", mask, sizeof mask, false},
		{"Gateway", gateway, sizeof gateway, false},
		{"Name server", dns, sizeof dns, false},
		{"Interface", interface, sizeof interface, false},
	};

	if (!bmr_menu_ok(m,
	                 bmr_menu_ui_fields("Static address",
	                                    "IPv6 addresses in [brackets]. Without an interface: "
	                                    "the one that has a link.",
	                                    fields, 5)) ||
	    !*address)
		return false;
	snprintf(words, sizeof words, "ip=%s::%s:%s::%s:none%s%s", address, gateway, mask,
	         interface, *dns ? " nameserver=" : "", dns);
	return set_network(m, words);
}

static bool ask_words(struct bmr_menu *m)
{
	char words[sizeof m->network];
	struct bmr_menu_field field = {"Parameters", words, sizeof words, false};

	snprintf(words, sizeof words, "%s", m->network);
	return bmr_menu_ok(m,
	                   bmr_menu_ui_fields("Parameters",
	                                      "As on the kernel command line, for VLANs, bonds "
	                                      "and all else: ip= vlan= bond= bridge= nameserver= "
	                                      "rd.route=, see bmr(7).",
	                                      &field, 1)) &&
	       set_network(m, words);
}

void bmr_menu_network(struct bmr_menu *m)
{
	static const char *const items[] = {"DHCP, on every interface that has a link",
	                                    "Static address", "Parameters  (VLAN, bond, IPv6, ...)",
	                                    "Try again as it is set"};
	char text[4096];
	size_t chosen = 0;

	for (;;) {
		bool ready;

		describe(text, sizeof text);
		if (!m->session->live) {
			strncat(text, "\nOutside the live system the network is left as it is.",
			        sizeof text - strlen(text) - 1);
			bmr_menu_ok(m, bmr_menu_ui_page("Network", text));
			return;
		}
		if (!bmr_menu_ok(m, bmr_menu_ui_list("Network", text, items, 4, &chosen)))
			return;
		ready = chosen == 0   ? set_network(m, "ip=dhcp")
		        : chosen == 1 ? ask_static(m)
		        : chosen == 2 ? ask_words(m)
		                      : true;
		if (ready)
			bring_up(m);
	}
}
