/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink_ops.h - what a sink backend provides to sink.c; private to transport/. */
#ifndef BMR_TRANSPORT_SINK_OPS_H
#define BMR_TRANSPORT_SINK_OPS_H

#include "transport/sink.h"
#include "transport/source_ops.h"

#define BMR_SINK_PART ".bmr-part"

/* A backend embeds it as its first member. */
struct bmr_drain {
	bool committed; /* kept by sink.c */
	bool failed;    /* likewise: only close follows */
};

struct bmr_sink_ops {
	/* Could the file be made?  Writes nothing.  NULL: only its server knows. */
	int (*check)(const struct bmr_place *place, bool replace, struct bmr_err *e);
	/* Create the part file; refuse if the final one is there and `replace` is not set. */
	int (*open)(const struct bmr_place *place, bool replace, struct bmr_drain **out,
	            struct bmr_err *e);
	/* All of data, at off, which is where the write before ended. */
	int (*write)(struct bmr_drain *d, const void *data, size_t len, uint64_t off,
	             struct bmr_err *e);
	/* Flush, compare the length with `size`, rename. */
	int (*commit)(struct bmr_drain *d, uint64_t size, struct bmr_err *e);
	/* If it was not committed: remove the part file where that can be done in time. */
	void (*close)(struct bmr_drain *d);
};

extern const struct bmr_sink_ops bmr_sink_local_ops;
extern const struct bmr_sink_ops bmr_sink_curl_ops;
extern const struct bmr_sink_ops bmr_sink_nfs_ops;
extern const struct bmr_sink_ops bmr_sink_smb_ops;

/* path with BMR_SINK_PART behind it, malloc'ed.  Errors: BMR_E_NOMEM. */
int bmr_sink_part_name(const char *path, char **out, struct bmr_err *e);

/* The error of a file that is there already.  Returns -1. */
int bmr_sink_exists(const struct bmr_place *place, struct bmr_err *e);

/* The error of a length that is not `size`.  Returns -1. */
int bmr_sink_wrong_length(const struct bmr_place *place, uint64_t is, uint64_t size,
                          struct bmr_err *e);

#endif
