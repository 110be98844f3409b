/* SPDX-License-Identifier: GPL-3.0-or-later */
/* proof.h - what every chunk of the disk must read back as.
 *
 * While chunks are written their checksums are entered here; afterwards what the disk gives back is
 * compared.  So that its memory does not grow with the disk, at most 2^20 sums are kept: on disks
 * of over 1 TiB neighbouring chunks share one, a sum of their checksums weighted by their places.
 * That is a check against faults, not against a forger, who has no hand here.
 *
 * A proof may be used from several threads.
 */
#ifndef BMR_IMAGING_RESTORE_PROOF_H
#define BMR_IMAGING_RESTORE_PROOF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/checksum.h"

struct bmr_err;
struct bmr_proof;

/* For a disk of at most `size` bytes.  Errors: BMR_E_NOMEM. */
int bmr_proof_open(uint64_t size, struct bmr_proof **out, struct bmr_err *e);
void bmr_proof_close(struct bmr_proof *p);

/* Chunks are checked in groups of so many: 1 up to 1 TiB. */
uint64_t bmr_proof_group(const struct bmr_proof *p);

/* Add one chunk's checksum to a sum that started as {0}. */
void bmr_proof_mix(struct bmr_checksum *sum, uint64_t index, const struct bmr_checksum *checksum);

/* Chunk `index` must read back with this checksum.  Once a chunk.  Errors: BMR_E_BUG (past the
 * size). */
int bmr_proof_add(struct bmr_proof *p, uint64_t index, const struct bmr_checksum *checksum,
                  struct bmr_err *e);

/* Is this the sum of all chunks of the group that were added? */
bool bmr_proof_agrees(struct bmr_proof *p, uint64_t group, const struct bmr_checksum *sum);

#endif
