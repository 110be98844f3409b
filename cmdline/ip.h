/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ip.h - addresses, names and numbers of the network parameters: from text, checked. */
#ifndef BMR_CMDLINE_IP_H
#define BMR_CMDLINE_IP_H

#include <stdbool.h>

#include "cmdline/net.h"

/* "192.0.2.1", "2001:db8::1" or "[2001:db8::1]".  false: not an address; *out is then unchanged. */
bool bmr_ip_address(const char *text, struct bmr_net_address *out);

/* "255.255.255.0" or "24"; IPv6: "64".  false: not a mask, or one with holes. */
bool bmr_ip_prefix(const char *text, int family, unsigned *prefix);

/* "52:54:00:12:34:56" or with '-'; any case. */
bool bmr_ip_mac(const char *text, struct bmr_net_mac *mac);

/* BOOTIF=: a MAC, or one behind its hardware type: "01-52-54-00-12-34-56" (Ethernet). */
bool bmr_ip_bootif(const char *text, struct bmr_net_mac *mac);

/* What the kernel takes as an interface's name: 1 to 15 characters, none of / : % , [ ] " \ or blanks, not
 * "." or "..".  And nothing that a program would take for an option. */
bool bmr_ip_name(const char *text, char name[BMR_NET_NAME_SIZE]);

/* Letters, digits, '-' and '.', at most 64. */
bool bmr_ip_hostname(const char *text, char name[BMR_NET_HOSTNAME_SIZE]);

/* A decimal number from low to high. */
bool bmr_ip_number(const char *text, unsigned low, unsigned high, unsigned *out);

/* 68 (RFC 791) to 65535 bytes. */
bool bmr_ip_mtu(const char *text, unsigned *mtu);

#endif
