/* SPDX-License-Identifier: GPL-3.0-or-later */
/* body.h - steps 3 and 4 of a restore (restore.h): everything but the first MiB is written by
 * workers, in any order, and read back; what reads back wrong is written anew.
 *
 * The first chunk is kept here meanwhile.  One caller thread.
 */
#ifndef BMR_IMAGING_RESTORE_BODY_H
#define BMR_IMAGING_RESTORE_BODY_H

#include <stddef.h>
#include <stdint.h>

struct bmr_body;
struct bmr_err;
struct bmr_pipe_result;
struct bmr_restore;
struct bmr_target;

/* Get all memory that the restore will need; r is borrowed.  *out is freed by bmr_body_close.
 * Errors: BMR_E_NOMEM. */
int bmr_body_open(const struct bmr_restore *r, struct bmr_body **out, struct bmr_err *e);
void bmr_body_close(struct bmr_body *b);

/* Run the image through and write it to target, but for its first chunk; nothing is flushed.
 * Errors: bmr_pipe_run's, BMR_E_TARGET, BMR_E_REFUSED (the disk ends before the image). */
int bmr_body_write(struct bmr_body *b, struct bmr_target *target, struct bmr_pipe_result *result,
                   struct bmr_err *e);

/* After bmr_body_write and a flush: read all of it back.  Groups of chunks that are wrong are
 * written anew from the source, BMR_REWRITES_MAX times, and counted in *rewritten.
 * Errors: BMR_E_TARGET (still wrong: names sector and count), BMR_E_DATA (the image is another one
 * at the second reading), those of bmr_body_write. */
int bmr_body_read_back(struct bmr_body *b, const struct bmr_pipe_result *written,
                       uint64_t *rewritten, struct bmr_err *e);

/* The first chunk and its length; belongs to the body. */
const uint8_t *bmr_body_first(const struct bmr_body *b, size_t *len);

#endif
