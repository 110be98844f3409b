/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verify_chunks.h - is every chunk of a bmr image whole, or does a disk hold them?  Writes nothing.
 *
 * Without a disk each frame of the image and of those it is based on that a restore would need is
 * fetched, unpacked and hashed.  What the runs of zeros of the image are stored as, which only other
 * tools read, is fetched and must be zeros.
 *
 * With a disk each chunk that is in use is read past the cache and hashed against the manifest,
 * which needs no frame: the image itself is not verified.  What differs is fetched, for the first
 * BMR_VERIFY_NAMED chunks, to say where it begins to differ.  Unused chunks are not compared.
 */
#ifndef BMR_IMAGING_VERIFY_CHUNKS_H
#define BMR_IMAGING_VERIFY_CHUNKS_H

#include <stdatomic.h>
#include <stdint.h>

struct bmr_chain;
struct bmr_err;
struct bmr_restore_progress;
struct bmr_target_info;

#define BMR_VERIFY_NAMED 16

struct bmr_verify_chunks {
	struct bmr_chain *chain;
	const struct bmr_target_info *target; /* NULL: the image */
	struct bmr_restore_progress *progress;
	const atomic_bool *stop; /* true: end soon with BMR_E_STOPPED */
};

struct bmr_wrong_chunk {
	uint32_t chunk;
	uint64_t offset;  /* bytes from the start of the disk: its first wrong byte, as far as that
			    can be told, else its first one */
	char reason[200]; /* one line */
};

struct bmr_verify_list { /* of all wrong chunks the number, of the first ones more, in disk order */
	uint64_t count;
	unsigned named;
	struct bmr_wrong_chunk chunks[BMR_VERIFY_NAMED];
};

struct bmr_verify_chunks_result {
	struct bmr_verify_list bad;       /* of the image */
	struct bmr_verify_list differing; /* of the disk; what cannot be read differs */
	uint64_t checked;                 /* bytes of the disk that were looked at */
	uint64_t unused; /* bytes of the disk that were not, for nothing uses them */
};

/* All threads have ended on return.  What is wrong is a result, not an error.
 * Errors: those of the sources (but BMR_E_DATA) and of opening the target, BMR_E_STOPPED,
 * BMR_E_NOMEM. */
int bmr_verify_chunks_run(const struct bmr_verify_chunks *verify,
                          struct bmr_verify_chunks_result *result, struct bmr_err *e);

#endif
