/* SPDX-License-Identifier: GPL-3.0-or-later */
/* phase.h - how far a restore or a capture is: its phases, what it counts, and where its time goes. */
#ifndef BMR_IMAGING_PHASE_H
#define BMR_IMAGING_PHASE_H

#include <stdatomic.h>
#include <stdint.h>

#include "imaging/restore/pipe.h"
#include "imaging/stage.h"

enum bmr_phase {
	BMR_PHASE_PREPARE, /* nothing has been written */
	BMR_PHASE_MEASURE, /* the image is unpacked once to learn its size or digest */
	BMR_PHASE_COMPARE, /* does the disk hold the image already? */
	BMR_PHASE_WRITE,   /* LBA 0 is zero from here on */
	BMR_PHASE_READBACK,
	BMR_PHASE_REPAIR,   /* chunks that read back wrong are written anew */
	BMR_PHASE_BOOTABLE, /* first MiB, then LBA 0 */
	BMR_PHASE_DONE,
	BMR_PHASE_MAP,     /* of a capture: what does the disk use? */
	BMR_PHASE_CAPTURE, /* the disk is read, the image written */
};

/* "write", "read-back", ... for events and the screen. */
const char *bmr_phase_name(enum bmr_phase phase);

/* Counters for the screen and the last event; any thread may read them. */
struct bmr_restore_progress {
	_Atomic int phase; /* enum bmr_phase */
	struct bmr_pipe_progress pipe;
	_Atomic uint64_t written;   /* bytes of data */
	_Atomic uint64_t zeroed;    /* bytes made zero */
	_Atomic uint64_t discarded; /* bytes of unused runs that the disk was told to forget */
	_Atomic uint64_t compared;  /* bytes read before writing, to compare */
	_Atomic uint64_t skipped;   /* bytes that the disk held already */
	_Atomic uint64_t verified;  /* bytes read back */
	_Atomic uint64_t to_verify; /* bytes that will have been read back; 0 not yet known */
	_Atomic uint64_t rewritten; /* bytes written anew because they read back wrong */
	_Atomic unsigned workers;   /* of the engine for bmr images; 0: another one ran */
	struct bmr_stages stages;
};

/* For bmr_lap.  p may be NULL. */
static inline struct bmr_stages *bmr_stages_of(struct bmr_restore_progress *p)
{
	return p ? &p->stages : NULL;
}

#endif
