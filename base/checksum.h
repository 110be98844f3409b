/* SPDX-License-Identifier: GPL-3.0-or-later */
/* checksum.h - 128 bits of XXH3 (libxxhash): whether bytes that were known to be right are still the
 * same after they went to a disk and back.
 *
 * A check against faults, at the speed of memory; against a forger there is digest.h.  To prove a
 * disk take the checksum of a buffer first, then check the buffer's SHA-256, then write it: what
 * changes before the checksum fails the SHA-256, what changes later does not read back.  Any thread.
 */
#ifndef BMR_BASE_CHECKSUM_H
#define BMR_BASE_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_checksum {
	uint64_t words[2];
};

struct bmr_checksum bmr_checksum_of(const void *data, size_t len);
bool bmr_checksum_equal(const struct bmr_checksum *a, const struct bmr_checksum *b);

#endif
