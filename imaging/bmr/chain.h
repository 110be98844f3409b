/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chain.h - a bmr image and, if it is an incremental one, the images that it is based on: where each
 * chunk of the disk is to be had.
 *
 * A base is looked for where the user says (base=URL), else beside the image under the name that
 * the manifest remembers ("base.name").  It must have the id and the root that the manifest names.
 */
#ifndef BMR_IMAGING_BMR_CHAIN_H
#define BMR_IMAGING_BMR_CHAIN_H

#include <stdint.h>

#include "imaging/bmr/manifest.h"

struct bmr_chain;
struct bmr_err;
struct bmr_source;
struct bmr_source_options;
struct bmr_trust;

#define BMR_CHAIN_MOST 64 /* images */

struct bmr_chain_place {
	enum bmr_chunk_kind kind;              /* DATA; or ZERO or UNUSED, and image is 0 */
	struct bmr_source *source;             /* DATA: the file with the frame ... */
	uint64_t offset;                       /* ... its first byte there ... */
	uint32_t stored;                       /* ... its bytes there ... */
	enum bmr_codec_id pack;                /* ... how it is packed ... */
	const struct bmr_digest_value *digest; /* ... and of the content */
	uint32_t image;                        /* 0: the image itself, 1: its base ... */
};

/* source and manifest of the newest image are borrowed and outlive the chain; those of its bases are
 * the chain's own.  base: URL of the first base, or NULL.  Without a base nothing is opened.
 * trust: who must have signed each base (sign/signed.h), however old it is; NULL: nobody.
 * Errors: BMR_E_USAGE (base given, but the image has none), BMR_E_DATA (another image than the one
 * named; a chunk that the base does not have either), and those of opening a source and loading its
 * manifest. */
int bmr_chain_open(struct bmr_source *source, const struct bmr_manifest *manifest, const char *base,
                   const struct bmr_source_options *options, const struct bmr_trust *trust,
                   struct bmr_chain **out, struct bmr_err *e);
void bmr_chain_close(struct bmr_chain *c);

/* Where chunk number `chunk` is.  Any thread. */
void bmr_chain_find(const struct bmr_chain *c, uint32_t chunk, struct bmr_chain_place *place);

/* The newest manifest: sizes, facts. */
const struct bmr_manifest *bmr_chain_manifest(const struct bmr_chain *c);

/* How many images; and each of them, 0 the newest one, with its source unless that is NULL. */
uint32_t bmr_chain_count(const struct bmr_chain *c);
const struct bmr_manifest *bmr_chain_image(const struct bmr_chain *c, uint32_t image,
                                           struct bmr_source **source);

/* Is every image of the chain still the same file?  Errors: BMR_E_DATA, those of opening. */
int bmr_chain_check_unchanged(struct bmr_chain *c, struct bmr_err *e);

/* Every read under way or later ends soon with BMR_E_STOPPED.  Any thread. */
void bmr_chain_stop(struct bmr_chain *c);

#endif
