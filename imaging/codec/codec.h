/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec.h - what one compression library must do; only stream.c calls it.
 *
 * A codec turns bytes between two cursors into bytes between two others and says when a stream
 * (gzip member, zstd frame ...) has ended.  Refilling, joining streams, truncation and what follows
 * the last stream are stream.c's, so they are the same for all.
 */
#ifndef BMR_IMAGING_CODEC_CODEC_H
#define BMR_IMAGING_CODEC_CODEC_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imaging/codec/format.h"

struct bmr_err;

struct bmr_codec_io {
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t out_len;
	bool at_end; /* nothing follows in[in_len] */
};

enum bmr_codec_state {
	BMR_CODEC_MORE, /* needs input or room */
	BMR_CODEC_END,  /* the stream ended; its checksum, if it has one, was right */
};

struct bmr_codec {
	enum bmr_format format;
	/* Ready for the first stream.  NULL: out of memory. */
	void *(*open)(void);
	/* Move both cursors as far as they go.  Errors: BMR_E_DATA with what is wrong, BMR_E_NOMEM. */
	int (*step)(void *state, struct bmr_codec_io *io, enum bmr_codec_state *result,
	            struct bmr_err *e);
	/* Ready for the next stream.  false: out of memory. */
	bool (*restart)(void *state);
	void (*close)(void *state);
	/* What the next stream begins with; "" for raw, which ends only where its input does. */
	const char *magic;
	size_t magic_len;
	bool skippable; /* zstd's skippable frames may stand between streams */
};

extern const struct bmr_codec bmr_codec_raw;
extern const struct bmr_codec bmr_codec_gzip_isal;
extern const struct bmr_codec bmr_codec_gzip_zlib;
extern const struct bmr_codec bmr_codec_zstd;
extern const struct bmr_codec bmr_codec_xz;
extern const struct bmr_codec bmr_codec_lz4;
extern const struct bmr_codec bmr_codec_bzip2;

/* A length for the libraries that count in unsigned int; what is over it waits for the next step. */
static inline unsigned bmr_codec_clamp(size_t n)
{
	return n > UINT_MAX ? UINT_MAX : (unsigned)n;
}

/* The codec of a format on this CPU. */
const struct bmr_codec *bmr_codec_find(enum bmr_format format);

struct bmr_decoder;
struct bmr_input;

/* bmr_decoder_open for a given codec, which runs in this process: how tests try one that this CPU would
 * not choose. */
int bmr_decoder_open_codec(const struct bmr_codec *codec, const struct bmr_input *input,
                           struct bmr_decoder **out, struct bmr_err *e);

#endif
