/* SPDX-License-Identifier: GPL-3.0-or-later */
/* place.c - what an order leaves open, filled in. */
#include "transport/source_ops.h"

#define DEFAULT_TIMEOUT_MS 50000
#define DEFAULT_RETRIES 100
/* A third of the time-out leaves room for a second and third try; 15 s make the first notice of a
 * dead server come soon even if the time-out is long. */
#define LONGEST_STALL_MS 15000
#define NO_LIMIT INT32_MAX

/* To wait for a disk is not to try a connection again: the time-out alone ends it. */
static bool is_waited_for(enum bmr_url_scheme scheme)
{
	return scheme == BMR_URL_DISK || scheme == BMR_URL_CDROM;
}

static void set_defaults(struct bmr_source_options *o, enum bmr_url_scheme scheme)
{
	if (o->timeout_ms == 0)
		o->timeout_ms = DEFAULT_TIMEOUT_MS;
	if (is_waited_for(scheme))
		o->retries = NO_LIMIT;
	else if (o->retries == 0)
		o->retries = DEFAULT_RETRIES;
	else if (o->retries == BMR_SOURCE_NO_RETRIES)
		o->retries = 0;
	if (!o->medium_id_file)
		o->medium_id_file = "/etc/bmr/medium-id";
	if (!o->sysfs)
		o->sysfs = "/sys";
}

void bmr_source_options_look(struct bmr_source_options *o, unsigned timeout_ms)
{
	o->log = NULL;
	if (o->retries != BMR_SOURCE_NO_RETRIES)
		o->retries = 1;
	if (o->timeout_ms == 0 || o->timeout_ms > timeout_ms)
		o->timeout_ms = timeout_ms;
}

static unsigned stall_of(unsigned timeout_ms)
{
	unsigned third = timeout_ms / 3;

	if (third > LONGEST_STALL_MS)
		return LONGEST_STALL_MS;
	return third > 0 ? third : 1;
}

/* The options' user and password go together: never one of them with the URL's other. */
static void set_credentials(struct bmr_credentials *c, const struct bmr_url *url)
{
	if (!c->user && !c->password && url->user) {
		c->user = url->user;
		c->password = url->password;
	}
	if (!c->domain)
		c->domain = url->domain;
}

void bmr_place_fill(struct bmr_place *place, const struct bmr_url *url,
                    const struct bmr_source_options *given, struct bmr_source_options *own)
{
	if (given)
		*own = *given;
	set_defaults(own, url->scheme);
	place->url = url;
	place->options = own;
	place->stall_ms = stall_of(own->timeout_ms);
	place->stop_fd = own->stop_fd ? own->stop_fd : -1;
	place->credentials = own->credentials;
	set_credentials(&place->credentials, url);
}
