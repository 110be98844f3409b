/* SPDX-License-Identifier: GPL-3.0-or-later */
/* frame_ops.h - what one compression library must do for frame.c and the box. */
#ifndef BMR_IMAGING_CODEC_FRAME_OPS_H
#define BMR_IMAGING_CODEC_FRAME_OPS_H

#include <stddef.h>

#include "imaging/bmr/manifest.h"

struct bmr_err;

struct bmr_frame_ops {
	int level_least, level_most; /* both 0: the codec has no levels */
	int level_default;
	/* The most bytes that len can take. */
	size_t (*bound)(size_t len);
	/* NULL: out of memory. */
	void *(*pack_open)(int level, size_t chunk_size);
	void (*pack_close)(void *state);
	/* All of data to one frame; room is at least bound(len).  Errors: BMR_E_BUG, BMR_E_NOMEM. */
	int (*pack)(void *state, const void *data, size_t len, void *out, size_t room,
	            size_t *stored, struct bmr_err *e);
	/* Bytes of memory behind state. */
	size_t (*pack_memory)(const void *state);
	void *(*unpack_open)(void);
	void (*unpack_close)(void *state);
	/* One frame into exactly len bytes.  Errors: BMR_E_DATA, BMR_E_NOMEM. */
	int (*unpack)(void *state, const void *frame, size_t stored, void *out, size_t len,
	              struct bmr_err *e);
};

extern const struct bmr_frame_ops bmr_frame_zstd;
extern const struct bmr_frame_ops bmr_frame_gzip;
extern const struct bmr_frame_ops bmr_frame_lz4;

/* What a packer and, in its box, an unpacker calls. */
const struct bmr_frame_ops *bmr_frame_find(enum bmr_codec_id pack);

/* The errors that all share.  Both return -1. */
int bmr_frame_damaged(struct bmr_err *e, const char *what);
int bmr_frame_unpackable(struct bmr_err *e, const char *what);

#endif
