/* SPDX-License-Identifier: GPL-3.0-or-later */
/* minisign.h - minisign's files: public keys and detached signatures (Ed25519, RFC 8032).
 *
 * Only the signature of the BLAKE2b-512 of a file ("ED", what minisign makes by default) is known; the
 * older one of the file itself ("Ed") is refused, so that there is one way only.  Formats:
 * https://jedisct1.github.io/minisign/#signature-format.  Pure, and for any thread.
 */
#ifndef BMR_IMAGING_SIGN_MINISIGN_H
#define BMR_IMAGING_SIGN_MINISIGN_H

#include <stddef.h>
#include <stdint.h>

struct bmr_err;

#define BMR_MINISIGN_KEY_MOST 2048   /* bytes of a key file, public or secret */
#define BMR_MINISIGN_FILE_MOST 12288 /* bytes of a signature file */
#define BMR_MINISIGN_COMMENT_MOST 8192
#define BMR_MINISIGN_ID_SIZE 8
#define BMR_MINISIGN_ID_TEXT_SIZE 17
#define BMR_MINISIGN_HASH_SIZE 64
#define BMR_MINISIGN_SIGNATURE_SIZE 64
#define BMR_MINISIGN_POINT_SIZE 32

struct bmr_minisign_key {
	uint8_t id[BMR_MINISIGN_ID_SIZE];
	uint8_t point[BMR_MINISIGN_POINT_SIZE];
};

struct bmr_minisign {
	uint8_t id[BMR_MINISIGN_ID_SIZE]; /* of the key that is said to have signed */
	uint8_t signature[BMR_MINISIGN_SIGNATURE_SIZE];
	uint8_t global[BMR_MINISIGN_SIGNATURE_SIZE]; /* of signature and comment */
	char comment[BMR_MINISIGN_COMMENT_MOST + 1]; /* true only once it is verified */
};

/* Read a public key's file.  Errors: BMR_E_REFUSED. */
int bmr_minisign_key_parse(const char *text, size_t len, struct bmr_minisign_key *key,
                           struct bmr_err *e);

/* Read a signature's file, to its last byte.  Errors: BMR_E_REFUSED. */
int bmr_minisign_parse(const char *text, size_t len, struct bmr_minisign *sig, struct bmr_err *e);

/* Did key sign this hash and this comment?  Errors: BMR_E_REFUSED, BMR_E_NOMEM. */
int bmr_minisign_verify(const struct bmr_minisign_key *key, const struct bmr_minisign *sig,
                        const uint8_t hash[BMR_MINISIGN_HASH_SIZE], struct bmr_err *e);

/* A key's id as minisign shows it, 16 upper-case hexadecimal digits; returns text. */
char *bmr_minisign_id_text(const uint8_t id[BMR_MINISIGN_ID_SIZE],
                           char text[BMR_MINISIGN_ID_TEXT_SIZE]);

/* --- the hash that is signed: BLAKE2b-512 (RFC 7693) --- */

struct bmr_minisign_hash; /* one thread */

/* *out is freed by bmr_minisign_hash_close.  Errors: BMR_E_NOMEM, BMR_E_BUG. */
int bmr_minisign_hash_open(struct bmr_minisign_hash **out, struct bmr_err *e);
int bmr_minisign_hash_add(struct bmr_minisign_hash *h, const void *data, size_t len,
                          struct bmr_err *e);
int bmr_minisign_hash_finish(struct bmr_minisign_hash *h, uint8_t out[BMR_MINISIGN_HASH_SIZE],
                             struct bmr_err *e);
void bmr_minisign_hash_close(struct bmr_minisign_hash *h);

#endif
