/* SPDX-License-Identifier: GPL-3.0-or-later */
/* image.h - what can be known of an image before it is restored: its first MiB is unpacked and
 * looked at, and where the source can jump, the index of an .xz file or the manifest of a bmr image
 * at its end.
 *
 * The last four bytes of a gzip file, its size modulo 2^32, are only a hint: with several members,
 * or where the file was cut, they say nothing, and over 4 GiB no more than what the size could be
 * at least. */
#ifndef BMR_IMAGING_IMAGE_H
#define BMR_IMAGING_IMAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "imaging/codec/format.h"
#include "imaging/layout.h"
#include "imaging/bmr/manifest.h"

struct bmr_err;
struct bmr_signer;
struct bmr_source;
struct bmr_source_options;
struct bmr_trust;

struct bmr_image {
	enum bmr_format format;
	struct bmr_layout layout;
	uint64_t file_size; /* compressed; BMR_SOURCE_SIZE_UNKNOWN if the server does not say */
	uint64_t size;      /* of the disk, in bytes; 0: known only at the end */
	uint64_t at_least;  /* the disk's size is no less than this if the image is whole */
	bool exact;         /* and, unless something is very odd, no more either */
	uint64_t
		likely; /* what the file says of it, which a cut file or one of several streams says
			       wrong; 0: it does not say */
	bool has_checksum;    /* the format guards its content by a checksum */
	bool is_bmr;          /* a bmr image: size is known, format is that of its frames */
	struct bmr_head head; /* of a bmr image */
	struct bmr_manifest *manifest; /* of one whose source can jump; else NULL */
};

/* Look at the image.  Leaves the source where a read from 0 may follow.  Where it succeeds, *image is
 * cleared by bmr_image_clear.
 *
 * Of an incremental bmr image nothing is unpacked: its layout is what the manifest's facts tell, or
 * empty, and decoding it as a stream fails.
 *
 * Errors: the source's; BMR_E_DATA: not an image (nor what is packed in it: an archive, a compressed
 * file), damaged at its start, (raw) not a whole number of sectors or shorter than its own partition
 * table says, (bmr, where the source can jump) cut or damaged: bmr_load_manifest's. */
int bmr_image_inspect(struct bmr_source *source, struct bmr_image *image, struct bmr_err *e);

/* The same for an image that must be signed (sign/signed.h), before anything else of it is looked at;
 * *signer then says by whom.  What a read of source gives is then what was signed, or, of a bmr image, is
 * compared with its manifest, which was.  *image is all zeros after a failure.
 * Errors: also those of bmr_signed_manifest and bmr_signed_file; BMR_E_REFUSED: a source that cannot
 * jump. */
int bmr_image_inspect_signed(struct bmr_source *source, const struct bmr_trust *trust,
                             const struct bmr_source_options *options, struct bmr_signer *signer,
                             struct bmr_image *image, struct bmr_err *e);

/* Free what it holds; the rest stays.  One that is all zeros is allowed. */
void bmr_image_clear(struct bmr_image *image);

/* Is the size of the finished stream one that this image can have?  Errors: BMR_E_DATA: not a
 * multiple of the sector size; shorter than its partition table says: cut; not what the head of a
 * bmr image says. */
int bmr_image_check_size(const struct bmr_image *image, uint64_t size, unsigned sector,
                         struct bmr_err *e);

/* Its second half alone: whole sectors?  Errors: BMR_E_DATA. */
int bmr_image_check_sectors(uint64_t size, unsigned sector, struct bmr_err *e);

#endif
