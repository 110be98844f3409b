/* SPDX-License-Identifier: GPL-3.0-or-later */
/* readback.h - reads the disk past the cache and compares it with the proof. */
#ifndef BMR_IMAGING_RESTORE_READBACK_H
#define BMR_IMAGING_RESTORE_READBACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bmr_err;
struct bmr_proof;
struct bmr_stages;
struct bmr_target;

struct bmr_readback {
	struct bmr_target *target;
	struct bmr_proof *proof;
	uint64_t size; /* bytes of the disk to read */
	unsigned workers;
	bool *bad; /* one a group of the proof.  Groups with `true` are to be read if only_bad, and
		      all otherwise; afterwards it is true exactly for those that do not agree. */
	bool only_bad;
	_Atomic uint64_t *progress; /* bytes read so far are added here */
	struct bmr_stages *stages;  /* may be NULL */
	const atomic_bool *stop;
};

/* The first chunk is left out: it is written last and read back by itself.
 * *bad_groups: how many do not agree; *first_bad: the byte where the first of them begins.
 * Errors: BMR_E_TARGET (a read failed), BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_readback_run(const struct bmr_readback *rb, uint64_t *bad_groups, uint64_t *first_bad,
                     struct bmr_err *e);

#endif
