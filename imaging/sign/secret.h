/* SPDX-License-Identifier: GPL-3.0-or-later */
/* secret.h - sign as minisign does, with a secret key that `minisign -G` has made. */
#ifndef BMR_IMAGING_SIGN_SECRET_H
#define BMR_IMAGING_SIGN_SECRET_H

#include <stddef.h>

#include "imaging/sign/minisign.h"

struct bmr_err;

#define BMR_SECRET_SEED_SIZE 32

struct bmr_secret { /* to be wiped by bmr_secret_clear */
	uint8_t id[BMR_MINISIGN_ID_SIZE];
	uint8_t seed[BMR_SECRET_SEED_SIZE];
};

/* Read a secret key's file.  password NULL: it must not be encrypted (minisign -G -W).  One that is
 * costs what its file says: 1 GiB of memory and some seconds as minisign makes them, at most that.
 * Errors: BMR_E_USAGE (not a key, wrong password), BMR_E_NOMEM. */
int bmr_secret_parse(const char *text, size_t len, const char *password, struct bmr_secret *secret,
                     struct bmr_err *e);
void bmr_secret_clear(struct bmr_secret *secret);

/* The signature file of a hash with a trusted comment of one line; *out is malloc'ed.
 * Errors: BMR_E_USAGE (comment), BMR_E_BUG, BMR_E_NOMEM. */
int bmr_secret_sign(const struct bmr_secret *secret, const uint8_t hash[BMR_MINISIGN_HASH_SIZE],
                    const char *comment, char **out, size_t *len, struct bmr_err *e);

#endif
