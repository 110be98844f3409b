/* SPDX-License-Identifier: GPL-3.0-or-later */
/* list_ops.h - what list.c and its backends share; private to transport/. */
#ifndef BMR_TRANSPORT_LIST_OPS_H
#define BMR_TRANSPORT_LIST_OPS_H

#include "transport/list.h"
#include "transport/source_ops.h"

/* Take an entry into the list, unless its name begins with a dot or has a slash in it.  false: the
 * list is full, or memory is (cut is set). */
bool bmr_list_add(struct bmr_list *list, const char *name, bool folder, uint64_t size,
                  int64_t modified);

/* List place->url->path, which ends with a slash.  The errors of bmr_list_read. */
typedef int bmr_list_fn(const struct bmr_place *place, struct bmr_list *list, struct bmr_err *e);

bmr_list_fn bmr_list_local;
bmr_list_fn bmr_list_medium;
bmr_list_fn bmr_list_nfs;
bmr_list_fn bmr_list_smb;

#endif
