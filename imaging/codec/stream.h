/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stream.h - bmr_decoder (decode.h) with the libraries in this process: what runs in the box. */
#ifndef BMR_IMAGING_CODEC_STREAM_H
#define BMR_IMAGING_CODEC_STREAM_H

#include "imaging/codec/decode.h"

struct bmr_codec;
struct bmr_stream;

/* All four as those of decode.h. */
int bmr_stream_open(const struct bmr_codec *codec, const struct bmr_input *input,
                    struct bmr_stream **out, struct bmr_err *e);
int bmr_stream_read(struct bmr_stream *s, void *buf, size_t len, size_t *got, struct bmr_err *e);
uint64_t bmr_stream_consumed(const struct bmr_stream *s);
void bmr_stream_close(struct bmr_stream *s);

#endif
