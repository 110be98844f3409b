/* SPDX-License-Identifier: GPL-3.0-or-later */
/* identity_seed.h - a NoCloud seed: what cloud-init of the restored system reads when it starts.
 *
 * See "NoCloud" in cloud-init's documentation: user-data and meta-data must be there, vendor-data
 * and network-config may.
 */
#ifndef BMR_AGENT_READY_IDENTITY_SEED_H
#define BMR_AGENT_READY_IDENTITY_SEED_H

#include <stddef.h>

struct bmr_err;
struct bmr_session;

#define BMR_SEED_FILES 4
#define BMR_SEED_FILE_MAX (1024 * 1024) /* bytes */

struct bmr_seed {
	struct {
		char *data; /* NULL: there is no such file */
		size_t len;
	} files[BMR_SEED_FILES];
	unsigned count; /* of those that are there */
};

/* Fetch the files from the folder `url`, with the session's credentials and limits.  *seed is to be
 * cleared also after a failure.  Errors: those of source.h; BMR_E_USAGE: a file is too large. */
int bmr_seed_fetch(struct bmr_session *session, const char *url, struct bmr_seed *seed,
                   struct bmr_err *e);

/* Write them to /var/lib/cloud/seed/nocloud below root, for root's eyes only; one that the seed does
 * not have is removed there.  Errors: BMR_E_TARGET (also: /var is a file system of its own). */
int bmr_seed_write(const struct bmr_seed *seed, int root, struct bmr_err *e);

void bmr_seed_clear(struct bmr_seed *seed);

#endif
