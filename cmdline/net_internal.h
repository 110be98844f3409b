/* SPDX-License-Identifier: GPL-3.0-or-later */
/* net_internal.h - what the files of the network parameters share: net.c is the table, net_ip.c
 * reads ip=, net_each.c writes all of them. */
#ifndef BMR_CMDLINE_NET_INTERNAL_H
#define BMR_CMDLINE_NET_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "cmdline/net.h"

/* Longer values are refused: a whole kernel command line is hardly longer. */
#define BMR_FIELDS_TEXT 1024
#define BMR_FIELDS_MAX 24

/* A value split at ':' outside [ ]. */
struct bmr_fields {
	char text[BMR_FIELDS_TEXT];
	const char *item[BMR_FIELDS_MAX];
	size_t count;
};

/* false: too long or too many fields, or a bracket that is not closed. */
bool bmr_fields_split(const char *value, struct bmr_fields *fields);

/* Field i, "" if there is none. */
const char *bmr_fields_get(const struct bmr_fields *fields, size_t i);

/* Fields i, i + 1, ... as they stood in value, with their colons: a MAC. */
const char *bmr_fields_rest(const struct bmr_fields *fields, const char *value, size_t i);

/* Read the value of ip=.  Errors: BMR_E_USAGE. */
int bmr_net_parse_ip(const char *value, struct bmr_net_config *config, struct bmr_err *e);

/* The timeouts by name, for reading and writing. */
struct bmr_net_timeout_name {
	const char *name; /* "rd.net.timeout.dhcp" */
	size_t offset;    /* of an unsigned in struct bmr_net_params */
	unsigned value;   /* its default */
};
#define BMR_NET_TIMEOUTS 8
extern const struct bmr_net_timeout_name bmr_net_timeout_names[BMR_NET_TIMEOUTS];

#endif
