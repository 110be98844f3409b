/* SPDX-License-Identifier: GPL-3.0-or-later */
/* local.h - files of this machine as a source; private to transport/, also used by medium.c. */
#ifndef BMR_TRANSPORT_LOCAL_H
#define BMR_TRANSPORT_LOCAL_H

#include "transport/source_ops.h"

/* Read from the regular file or block device fd, which is owned from now on, also after a failure;
 * messages call it `name`.  *out is read and closed by the functions below.
 * Errors: BMR_E_SOURCE, BMR_E_NOMEM. */
int bmr_local_take(int fd, const char *name, struct bmr_conn **out, struct bmr_err *e);

/* The operations `read` and `close` of struct bmr_source_ops. */
int bmr_local_read(struct bmr_conn *conn, void *buf, size_t len, uint64_t off, size_t *got,
                   struct bmr_err *e);
void bmr_local_close(struct bmr_conn *conn);

#endif
