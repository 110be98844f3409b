/* SPDX-License-Identifier: GPL-3.0-or-later */
/* beside.h - the URL of a file in the same folder as another one: an image's base.  Pure. */
#ifndef BMR_TRANSPORT_BESIDE_H
#define BMR_TRANSPORT_BESIDE_H

#include <stdbool.h>

struct bmr_err;

/* May this be a file's name in any folder: no slash, not "", "." or ".."? */
bool bmr_beside_is_name(const char *name);

/* Put name, which comes from an image and is escaped as the URL needs it, in the place of the last
 * component of url (bmr_source_name); the query of an nfs URL stays.  *out is malloc'ed.
 * Errors: BMR_E_DATA (not a name), BMR_E_USAGE (not a URL), BMR_E_NOMEM. */
int bmr_beside_url(const char *url, const char *name, char **out, struct bmr_err *e);

/* The URL of a file that lies beside an image under its name with suffix behind it.  *out is malloc'ed.
 * Errors: BMR_E_NOMEM. */
int bmr_beside_suffix(const char *url, const char *suffix, char **out, struct bmr_err *e);

/* The same for ".manifest". */
int bmr_beside_sidecar(const char *url, char **out, struct bmr_err *e);

#endif
