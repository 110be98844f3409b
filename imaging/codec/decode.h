/* SPDX-License-Identifier: GPL-3.0-or-later */
/* decode.h - compressed bytes in, the disk's bytes out, and every kind of damage named.
 *
 * One visible table of codecs: codec.h lists them.  A decoder belongs to one thread.
 */
#ifndef BMR_IMAGING_CODEC_DECODE_H
#define BMR_IMAGING_CODEC_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "imaging/codec/format.h"

struct bmr_err;
struct bmr_decoder;

/* The most memory one decoder may take: window and tables.  zstd up to --long=26 and -19, xz up to
 * -8 (-9 needs 65 MiB) fit; a file that asks for more is refused before it is allocated. */
#define BMR_DECODE_MEMORY (72 * 1024 * 1024)

/* Where compressed bytes come from. */
struct bmr_input {
	/* The next piece, valid until the next call; *len 0 at the end, and then always.  Fills *e
	 * and returns -1 where the source fails. */
	int (*next)(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e);
	void *ctx;
};

/* *out is freed by bmr_decoder_close.  Errors: BMR_E_NOMEM. */
int bmr_decoder_open(enum bmr_format format, const struct bmr_input *input,
                     struct bmr_decoder **out, struct bmr_err *e);

/* Fill buf; *got is less than len only at the proper end of the image.
 * Errors: BMR_E_DATA (truncated, damaged, wrong checksum, something that does not belong there
 * after the end; with the byte of the compressed file where it was noticed), BMR_E_NOMEM, and what
 * the input reports. */
int bmr_decoder_read(struct bmr_decoder *d, void *buf, size_t len, size_t *got, struct bmr_err *e);

/* Compressed bytes used so far. */
uint64_t bmr_decoder_consumed(const struct bmr_decoder *d);

/* NULL is allowed. */
void bmr_decoder_close(struct bmr_decoder *d);

#endif
