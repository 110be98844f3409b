/* SPDX-License-Identifier: GPL-3.0-or-later */
/* restore.h - an image onto a disk, in the order that protects the disk.
 *
 *	1  what can be refused is refused, reading only		bmr_restore_check
 *	2  LBA 0 is zeroed alone; flush; read back		nothing boots from here on
 *	3  the body, everything but the first MiB, in any order; an old backup GPT behind the image
 *	   is wiped
 *	4  the image's digest and size are checked; flush; everything is read back past the cache;
 *	   what differs is written anew, twice at most
 *	5  sectors 1 .. the first MiB; flush; read back
 *	6  LBA 0 alone; flush; read back			only now it can boot
 *	7  the kernel is asked to read the new partition table
 *
 * In 2, 5 and 6 too, what reads back wrong is written anew, twice at most.
 *
 * Replayed power cuts at any write of this order leave a disk that is untouched, not bootable, or
 * right; see docs/architecture.md.
 */
#ifndef BMR_IMAGING_RESTORE_H
#define BMR_IMAGING_RESTORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "imaging/pipe.h"

struct bmr_err;
struct bmr_image;
struct bmr_log;
struct bmr_source;
struct bmr_target_info;

enum bmr_phase {
	BMR_PHASE_PREPARE, /* nothing has been written */
	BMR_PHASE_MEASURE, /* the image is unpacked once to learn its size or digest */
	BMR_PHASE_COMPARE, /* does the disk hold the image already? */
	BMR_PHASE_WRITE,   /* LBA 0 is zero from here on */
	BMR_PHASE_READBACK,
	BMR_PHASE_REPAIR,   /* chunks that read back wrong are written anew */
	BMR_PHASE_BOOTABLE, /* first MiB, then LBA 0 */
	BMR_PHASE_DONE,
};

/* "write", "read-back", ... for events and the screen. */
const char *bmr_phase_name(enum bmr_phase phase);

/* Counters for the screen; any thread may read them. */
struct bmr_restore_progress {
	_Atomic int phase; /* enum bmr_phase */
	struct bmr_pipe_progress pipe;
	_Atomic uint64_t written;   /* bytes of data */
	_Atomic uint64_t zeroed;    /* bytes made zero */
	_Atomic uint64_t skipped;   /* bytes that the disk held already */
	_Atomic uint64_t verified;  /* bytes read back */
	_Atomic uint64_t to_verify; /* bytes that will have been read back; 0 not yet known */
};

struct bmr_restore {
	struct bmr_source *source;
	const struct bmr_image *image;         /* from bmr_image_inspect of this source */
	const struct bmr_target_info *target;  /* from bmr_target_look */
	const struct bmr_digest_value *sha256; /* expected; NULL: not known */
	bool compare;                          /* read the disk first, write only what differs */
	bool read_back; /* false: nothing is proven, and the result says so */
	struct bmr_restore_progress *progress;
	const atomic_bool *stop; /* true: end soon with BMR_E_STOPPED */
	struct bmr_log *log;
	void (*phase)(void *ctx, enum bmr_phase phase); /* may be NULL; from the caller's thread */
	void *ctx;
};

struct bmr_restore_result {
	uint64_t size; /* bytes of the disk that the image covers */
	struct bmr_digest_value sha256;
	bool already;       /* the disk held the image: nothing was written */
	bool proven;        /* all of it was read back and is right */
	uint64_t rewritten; /* groups of chunks that had to be written anew */
};

/* Step 1: does the image fit this target?  Both sizes or sectors are in the message.
 * Errors: BMR_E_REFUSED. */
int bmr_restore_check(const struct bmr_image *image, const struct bmr_target_info *target,
                      struct bmr_err *e);

/* All steps.  On success the disk holds the image.  On failure the message ends with the state of
 * the disk: not written, or written in part and not bootable, or not to be trusted (the very last
 * write failed); a new file is made empty again.
 * Errors: those of source, decoder and target; BMR_E_DATA (digest, size, changed), BMR_E_REFUSED
 * (step 1), BMR_E_TARGET (also: reads back wrong), BMR_E_STOPPED. */
int bmr_restore_run(const struct bmr_restore *restore, struct bmr_restore_result *result,
                    struct bmr_err *e);

/* For the parts of a restore: set the phase and tell who listens. */
void bmr_restore_enter(const struct bmr_restore *restore, enum bmr_phase phase);

#endif
