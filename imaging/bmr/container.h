/* SPDX-License-Identifier: GPL-3.0-or-later */
/* container.h - the bytes around the chunks of a bmr image: skippable frames, runs of zeros, the
 * seek table, and the frame that keeps other tools from unpacking an incremental image.
 *
 *	head | chunks and runs ... | manifest | seek table		docs/image-format.md
 *
 * Skippable frames: RFC 8878, 3.1.2.  Seek table: zstd's contrib/seekable_format, 0.1.0.
 */
#ifndef BMR_IMAGING_BMR_CONTAINER_H
#define BMR_IMAGING_BMR_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_err;

#define BMR_SKIPPABLE_MAGIC 0x184D2A5Bu /* head and manifest */
#define BMR_SEEK_MAGIC 0x184D2A5Eu      /* the frame of the seek table */
#define BMR_SKIPPABLE_HEADER 8
#define BMR_SEEK_FOOTER 9
#define BMR_SEEK_ENTRY 8
#define BMR_ZERO_FRAME_MOST ((uint64_t)1 << 30) /* content of one frame of zeros */

/* Header of a skippable frame with len bytes of payload. */
void bmr_skippable_put(uint8_t header[BMR_SKIPPABLE_HEADER], uint32_t magic, uint32_t len);
/* false: not one with this magic. */
bool bmr_skippable_get(const uint8_t header[BMR_SKIPPABLE_HEADER], uint32_t magic, uint32_t *len);

/* One zstd frame of `size` zeros (1 .. BMR_ZERO_FRAME_MOST) made of RLE blocks: 4 bytes for each
 * 128 KiB.  Returns its length; writes nothing if that is over room (0: only the length). */
size_t bmr_zero_frame(uint64_t size, uint8_t *out, size_t room);

/* The frame behind the head of an incremental image: it asks for a dictionary that does not exist,
 * so that zstd -dc (and lz4 -dc, which does not know it) stops with an error instead of writing a
 * disk with holes.  Returns its length. */
#define BMR_GUARD_FRAME_MOST 32
size_t bmr_guard_frame(uint8_t out[BMR_GUARD_FRAME_MOST]);

/* --- the seek table --- */

struct bmr_seek_table; /* one thread */

int bmr_seek_table_new(struct bmr_seek_table **out, struct bmr_err *e);
void bmr_seek_table_free(struct bmr_seek_table *t);
/* Every frame of the file in order; content 0 for skippable ones and for the guard.  Errors: BMR_E_NOMEM,
 * BMR_E_USAGE (more frames than the format can count). */
int bmr_seek_table_add(struct bmr_seek_table *t, uint32_t stored, uint32_t content,
                       struct bmr_err *e);
/* The whole skippable frame.  *out is freed by the caller. */
int bmr_seek_table_encode(const struct bmr_seek_table *t, uint8_t **out, size_t *len,
                          struct bmr_err *e);

/* Read the last BMR_SEEK_FOOTER bytes of a file: how many frames it lists and how long the whole
 * frame of the seek table is.  false: there is no seek table (or one with checksums, which bmr does
 * not write). */
bool bmr_seek_footer_get(const uint8_t footer[BMR_SEEK_FOOTER], uint32_t *frames, uint64_t *len);

/* One line of it: bytes of the frame in the file, and of its content. */
void bmr_seek_entry_get(const uint8_t entry[BMR_SEEK_ENTRY], uint32_t *stored, uint32_t *content);

#endif
