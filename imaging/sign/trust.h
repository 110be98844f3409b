/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trust.h - whose signatures count: public keys, revoked keys, and the least serial of each series.
 *
 *	/etc/bmr/trust.d/NAME.pub	keys of minisign; if there is one, only signed images are restored
 *	/etc/bmr/revoked		ids of keys that no longer count, one a line
 *	/etc/bmr/floor			lines "SERIES N": older images of it are refused; "*" is every other
 *
 * What a signature says of the image stands in its trusted comment, as words: image=ID (a bmr
 * image's id) series=NAME serial=N; other words are not looked at.  No clock is asked.
 */
#ifndef BMR_IMAGING_SIGN_TRUST_H
#define BMR_IMAGING_SIGN_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "imaging/sign/minisign.h"

struct bmr_err;
struct bmr_trust;

#define BMR_TRUST_KEYS_MOST 64
#define BMR_TRUST_LINES_MOST 1024
#define BMR_SERIES_SIZE 65
#define BMR_SIGNED_ID_SIZE 37

struct bmr_signer { /* a signature that was found right */
	char key[BMR_MINISIGN_ID_TEXT_SIZE];
	char name[64];                  /* the key's file, without ".pub" */
	char image[BMR_SIGNED_ID_SIZE]; /* "": not said; so are the next two */
	char series[BMR_SERIES_SIZE];
	bool has_serial;
	uint64_t serial;
};

/* Read the keys.  folder NULL: those of this system, as above; else folder/NAME.pub, folder/revoked
 * and folder/floor, and there must be a key, and the system must have none (BMR_E_USAGE).
 * *out is NULL where there are no keys: anything may be restored.  It is freed by bmr_trust_free, and
 * may then be used by any thread.
 * Errors: BMR_E_REFUSED: a file that is not what it should be, or cannot be read; BMR_E_NOMEM. */
int bmr_trust_load(const char *folder, struct bmr_trust **out, struct bmr_err *e);
void bmr_trust_free(struct bmr_trust *t);

/* Does the key that it names count?  Says nothing of the signature: it is asked before what takes long.
 * Errors: BMR_E_REFUSED. */
int bmr_trust_knows(const struct bmr_trust *t, const struct bmr_minisign *sig, struct bmr_err *e);

/* Is this the signature of that hash by a key that counts, and (floor) is the serial high enough?
 * *signer is filled where it is.  Errors: BMR_E_REFUSED, BMR_E_NOMEM. */
int bmr_trust_check(const struct bmr_trust *t, const struct bmr_minisign *sig,
                    const uint8_t hash[BMR_MINISIGN_HASH_SIZE], bool floor,
                    struct bmr_signer *signer, struct bmr_err *e);

/* "key 0123456789ABCDEF (NAME), series S, serial N"; returns buf. */
char *bmr_signer_text(const struct bmr_signer *signer, char *buf, size_t len);

/* May this be a series' name: 1 to 64 letters, digits, '.', '_', '-'? */
bool bmr_series_is_name(const char *text, size_t len);
/* A serial in decimal digits, no more than 2^64 - 1. */
bool bmr_serial_parse(const char *text, size_t len, uint64_t *serial);

#endif
