/* SPDX-License-Identifier: GPL-3.0-or-later */
/* signed.h - is an image signed by somebody who is trusted?  The signature lies beside it:
 *
 *	IMAGE.manifest.minisig	of a bmr image: of its head and manifest as they stand in the file, which
 *				are what IMAGE.manifest holds; they have the SHA-256 of all the rest
 *	IMAGE.minisig		of any other: of the whole file
 */
#ifndef BMR_IMAGING_SIGN_SIGNED_H
#define BMR_IMAGING_SIGN_SIGNED_H

#include <stdbool.h>

#include "imaging/sign/trust.h"

struct bmr_manifest;
struct bmr_source;
struct bmr_source_options;

#define BMR_SIGNED_FILE ".minisig"
#define BMR_SIGNED_MANIFEST ".manifest.minisig"

/* Load the manifest of a bmr image (bmr_load_manifest); its signature is checked before anything of
 * it is looked into.  trust NULL: nothing is asked, and *signer stays as it is.  floor: old serials are
 * refused.  signer may be NULL.
 * Errors: those of bmr_load_manifest and bmr_trust_check; BMR_E_REFUSED: there is no signature. */
int bmr_signed_manifest(struct bmr_source *source, const struct bmr_trust *trust,
                        const struct bmr_source_options *options, bool floor,
                        struct bmr_signer *signer, struct bmr_manifest **out, struct bmr_err *e);

/* Check the signature of a whole file; from then on source gives the bytes that were signed or fails
 * (bmr_source_pin).  Errors: the same, bmr_source_pin's. */
int bmr_signed_file(struct bmr_source *source, const struct bmr_trust *trust,
                    const struct bmr_source_options *options, struct bmr_signer *signer,
                    struct bmr_err *e);

/* The hash that is to be signed: of head and manifest (is_bmr; id is then filled), or of the file.
 * Errors: those of bmr_load_manifest or of reading. */
int bmr_signed_hash(struct bmr_source *source, bool is_bmr, uint8_t hash[BMR_MINISIGN_HASH_SIZE],
                    char id[BMR_SIGNED_ID_SIZE], struct bmr_err *e);

#endif
