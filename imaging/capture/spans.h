/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spans.h - which parts of a chunk are to be read when only some of it is used.  Pure. */
#ifndef BMR_IMAGING_CAPTURE_SPANS_H
#define BMR_IMAGING_CAPTURE_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_used;

/* Reading on through a gap of so many bytes between used ranges is faster than a second read. */
#define BMR_SPANS_GAP ((uint64_t)128 * 1024)

/* The first used byte at or after off; UINT64_MAX: there is none. */
uint64_t bmr_spans_first_used(const struct bmr_used *used, uint64_t off);

/* The next stretch [*from, *to) to be read of [start, end).  false: none is left. */
bool bmr_spans_next(const struct bmr_used *used, uint64_t start, uint64_t end, uint64_t *from,
                    uint64_t *to);

/* data holds [start, start + len) of the disk: make zero what is not used, whatever was read there.
 * Returns the bytes that are used. */
uint64_t bmr_spans_clear_unused(const struct bmr_used *used, uint8_t *data, uint64_t start,
                                size_t len);

#endif
