/* SPDX-License-Identifier: GPL-3.0-or-later */
/* local.h - files of this machine as a source; private to transport/, also used by medium.c. */
#ifndef BMR_TRANSPORT_LOCAL_H
#define BMR_TRANSPORT_LOCAL_H

#include "transport/source_ops.h"

/* Open the file or block device `path`; messages call it `name`.  *out is closed by its ops.
 * Errors: BMR_E_SOURCE, BMR_E_NOMEM. */
int bmr_local_open(const char *path, const char *name, struct bmr_conn **out, struct bmr_err *e);

#endif
