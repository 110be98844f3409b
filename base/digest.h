/* SPDX-License-Identifier: GPL-3.0-or-later */
/* digest.h - SHA-256 (FIPS 180-4) by libcrypto, which uses the CPU's own instructions. */
#ifndef BMR_BASE_DIGEST_H
#define BMR_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BMR_DIGEST_SIZE 32
#define BMR_DIGEST_TEXT_SIZE (2 * BMR_DIGEST_SIZE + 1)

struct bmr_err;
struct bmr_digest; /* one running hash; one thread at a time */

struct bmr_digest_value {
	uint8_t bytes[BMR_DIGEST_SIZE];
};

/* Start a hash.  *out is freed by bmr_digest_close.  Errors: BMR_E_NOMEM. */
int bmr_digest_open(struct bmr_digest **out, struct bmr_err *e);
void bmr_digest_close(struct bmr_digest *d);

/* Add bytes.  Errors: BMR_E_BUG. */
int bmr_digest_add(struct bmr_digest *d, const void *data, size_t len, struct bmr_err *e);

/* The hash of all that was added; the object then starts anew.  Errors: BMR_E_BUG. */
int bmr_digest_finish(struct bmr_digest *d, struct bmr_digest_value *out, struct bmr_err *e);

/* Hash of one buffer, without allocating when d is reused.  The same errors. */
int bmr_digest_of(struct bmr_digest *d, const void *data, size_t len, struct bmr_digest_value *out,
                  struct bmr_err *e);

bool bmr_digest_equal(const struct bmr_digest_value *a, const struct bmr_digest_value *b);

/* found must be what was expected; want NULL: nothing was.  Errors: BMR_E_DATA names both. */
int bmr_digest_expect(const struct bmr_digest_value *found, const struct bmr_digest_value *want,
                      struct bmr_err *e);

/* 64 lower-case hexadecimal digits and a NUL; returns text. */
char *bmr_digest_text(const struct bmr_digest_value *value, char text[BMR_DIGEST_TEXT_SIZE]);

/* The reverse, any case; false if text is not exactly 64 hexadecimal digits. */
bool bmr_digest_parse(const char *text, struct bmr_digest_value *value);

#endif
