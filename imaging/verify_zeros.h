/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verify_zeros.h - is a run of zeros or of unused chunks stored as zeros?  Restoring does not read it;
 * other tools, that know no manifest, do. */
#ifndef BMR_IMAGING_VERIFY_ZEROS_H
#define BMR_IMAGING_VERIFY_ZEROS_H

#include <stdint.h>

struct bmr_err;
struct bmr_manifest;
struct bmr_manifest_entry;
struct bmr_restore_progress;
struct bmr_source;
struct bmr_zeros;

/* One thread's.  chunk_size: of the image, bytes; memory is a little over that, and what unpackers
 * take (imaging/codec/frame.h), which stay until it is closed.  progress: counts bytes fetched.  *out
 * is freed by bmr_zeros_close.  Errors: BMR_E_NOMEM. */
int bmr_zeros_open(uint32_t chunk_size, struct bmr_restore_progress *progress,
                   struct bmr_zeros **out, struct bmr_err *e);
/* NULL is allowed. */
void bmr_zeros_close(struct bmr_zeros *z);

/* Read run, a ZERO or UNUSED entry of m, from the image that m is of.  With zstd it must be the one
 * frame that there is for it (container.h), else unpack to as many zeros as it stands for.
 * Errors: BMR_E_DATA (it is not), the source's, BMR_E_NOMEM. */
int bmr_zeros_check(struct bmr_zeros *z, struct bmr_source *source, const struct bmr_manifest *m,
                    const struct bmr_manifest_entry *run, struct bmr_err *e);

#endif
