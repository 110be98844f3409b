/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gzip_end.h - what the end of a gzip file tells. */
#ifndef BMR_IMAGING_GZIP_END_H
#define BMR_IMAGING_GZIP_END_H

#include <stdbool.h>
#include <stdint.h>

struct bmr_err;
struct bmr_source;

/* Does a file of file_size bytes, whose last four bytes say `size`, end with a small member of just
 * that size, and something before it?  Then the four bytes say nothing of the file.  Members of
 * BMR_CHUNK_SIZE_MOST bytes at most are found, as bmr capture and bgzip write them.
 * The source can jump.  Errors: the source's, BMR_E_NOMEM. */
int bmr_gzip_end_is_small(struct bmr_source *source, uint64_t file_size, uint64_t size, bool *small,
                          struct bmr_err *e);

#endif
