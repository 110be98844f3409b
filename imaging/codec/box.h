/* SPDX-License-Identifier: GPL-3.0-or-later */
/* box.h - the libraries that unpack, in a process that can do nothing but compute.
 *
 * Packed bytes are made by others.  Whoever takes over a library by them finds no file, no network, no
 * disk and no secret: the process was started anew, is nobody's, has a limit of memory, and is killed
 * when it asks the kernel for anything but memory and its next order (unpacker/jail.h).  It can only
 * give wrong bytes, which checksums refuse.  What it says is checked here; what it gives is copied
 * before it is looked at.
 *
 * Private to imaging/codec.  One thread at a time.
 */
#ifndef BMR_IMAGING_CODEC_BOX_H
#define BMR_IMAGING_CODEC_BOX_H

#include "base/coprocess.h"
#include "imaging/codec/box_wire.h"
#include "imaging/codec/decode.h"

struct bmr_box {
	struct bmr_coprocess process;
	const char *codec; /* for errors */
	struct box_reply reply;
};

/* NULL, and *e filled with BMR_E_DATA: it died before. */
uint8_t *bmr_box_memory(const struct bmr_box *b, struct bmr_err *e);

/* Start it for BOX_STREAM or BOX_CHUNKS.  *b is to be closed in any case.  Errors: BMR_E_NOMEM. */
int bmr_box_open(struct bmr_box *b, const struct box_order *first, const char *codec, size_t memory,
                 struct bmr_err *e);

/* That it died is seen when it is waited for. */
void bmr_box_tell(struct bmr_box *b, const struct box_order *order);

/* Wait for b->reply; the box has all that it needs.
 * Errors: what it says (BMR_E_DATA, BMR_E_NOMEM); BMR_E_DATA if it crashed, ended, or said nothing for
 * a minute; BMR_E_NOMEM if it was killed. */
int bmr_box_await(struct bmr_box *b, struct bmr_err *e);

/* The reply makes no sense: the end of it.  Returns -1, BMR_E_DATA in *e. */
int bmr_box_nonsense(struct bmr_box *b, struct bmr_err *e);

void bmr_box_close(struct bmr_box *b);

/* The program in the box, for bmr_coprocess_start. */
void bmr_box_program(struct bmr_coprocess_order *order);

/* --- a stream: as bmr_decoder (decode.h) --- */

struct bmr_box_stream;

int bmr_box_stream_open(enum bmr_format format, const struct bmr_input *input,
                        struct bmr_box_stream **out, struct bmr_err *e);
int bmr_box_stream_read(struct bmr_box_stream *s, void *buf, size_t len, size_t *got,
                        struct bmr_err *e);
uint64_t bmr_box_stream_consumed(const struct bmr_box_stream *s);
void bmr_box_stream_close(struct bmr_box_stream *s);

#endif
