/* SPDX-License-Identifier: GPL-3.0-or-later */
/* source_ops.h - what a source backend provides to source.c; private to transport/.
 *
 * A backend knows one thing: one connection to one image.  It never retries, never reconnects,
 * never locks: source.c opens one connection for each reader that may work at a time, gives it to
 * one thread at a time, throws it away after any error, and opens another.
 *
 * An error is BMR_E_NET if another try may help, else what source.h says.
 */
#ifndef BMR_TRANSPORT_SOURCE_OPS_H
#define BMR_TRANSPORT_SOURCE_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "transport/source.h"
#include "transport/url.h"

/* Where to connect to, the same for every connection of a source.  Read-only for backends. */
struct bmr_place {
	const struct bmr_url *url;
	const struct bmr_source_options *options;
	struct bmr_credentials credentials; /* of the options, else of the URL */
	unsigned stall_ms;                  /* a request without a byte for so long has failed */
	int stop_fd; /* readable once the work is to stop: poll it in every wait; -1: never */
};

/* Fill *place for url and the options given (NULL: none); *own, which must be zero, keeps those with
 * the defaults in.  url and own must outlive the place. */
void bmr_place_fill(struct bmr_place *place, const struct bmr_url *url,
                    const struct bmr_source_options *given, struct bmr_source_options *own);

#define BMR_IDENTITY_SIZE 320

struct bmr_source_ops;

/* One connection; a backend embeds it as its first member.  `open` fills it. */
struct bmr_conn {
	const struct bmr_source_ops *ops;
	uint64_t size; /* or BMR_SOURCE_SIZE_UNKNOWN */
	bool seekable;
	dev_t device;
	uint64_t received; /* bytes that have come from the server; shows that it is alive */
	unsigned idle_ms;  /* of no use after so long without a read; 0: no limit */
	uint64_t used;     /* bmr_clock_ms of its last use; kept by source.c */
	char identity[BMR_IDENTITY_SIZE];
};

struct bmr_source_ops {
	size_t block;
	unsigned depth; /* connections that are useful side by side */

	/* Connect; learn size and identity.  `off` is where the first read will be.  Takes at most
	 * a few times stall_ms. */
	int (*open)(const struct bmr_place *place, uint64_t off, struct bmr_conn **out,
	            struct bmr_err *e);

	/* Fill buf; *got < len only where the image ends.  After an error *got says how many bytes
	 * at the start of buf are right.  off + len is inside the size where that is known. */
	int (*read)(struct bmr_conn *conn, void *buf, size_t len, uint64_t off, size_t *got,
	            struct bmr_err *e);

	/* Bounded to a few seconds; also after errors. */
	void (*close)(struct bmr_conn *conn);
};

extern const struct bmr_source_ops bmr_local_ops;
extern const struct bmr_source_ops bmr_medium_ops;
extern const struct bmr_source_ops bmr_http_ops;
extern const struct bmr_source_ops bmr_nfs_ops;
extern const struct bmr_source_ops bmr_smb_ops;

/* bmr_source_open for a given backend: what the table of source.c leads to, and how tests bring in
 * one that fails on purpose. */
int bmr_source_open_ops(const struct bmr_source_ops *ops, const char *url,
                        const struct bmr_source_options *options, struct bmr_source **out,
                        struct bmr_err *e);

#endif
