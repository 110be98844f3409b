/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/codec/decode.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/codec/box.h"
#include "imaging/codec/codec.h"
#include "imaging/codec/stream.h"

struct bmr_decoder { /* one of the two */
	struct bmr_box_stream *box;
	struct bmr_stream *here;
};

int bmr_decoder_open(enum bmr_format format, const struct bmr_input *input,
                     struct bmr_decoder **out, struct bmr_err *e)
{
	AUTO_FREE struct bmr_decoder *d = NULL;

	if (format == BMR_FORMAT_RAW) /* there is nothing to unpack */
		return bmr_decoder_open_codec(&bmr_codec_raw, input, out, e);
	d = calloc(1, sizeof *d);
	if (!d)
		return bmr_err_nomem(e, "a decoder");
	if (bmr_box_stream_open(format, input, &d->box, e) < 0)
		return -1;
	*out = take_ptr(&d);
	return 0;
}

int bmr_decoder_open_codec(const struct bmr_codec *codec, const struct bmr_input *input,
                           struct bmr_decoder **out, struct bmr_err *e)
{
	AUTO_FREE struct bmr_decoder *d = calloc(1, sizeof *d);

	if (!d)
		return bmr_err_nomem(e, "a decoder");
	if (bmr_stream_open(codec, input, &d->here, e) < 0)
		return -1;
	*out = take_ptr(&d);
	return 0;
}

int bmr_decoder_read(struct bmr_decoder *d, void *buf, size_t len, size_t *got, struct bmr_err *e)
{
	return d->here ? bmr_stream_read(d->here, buf, len, got, e)
	               : bmr_box_stream_read(d->box, buf, len, got, e);
}

uint64_t bmr_decoder_consumed(const struct bmr_decoder *d)
{
	return d->here ? bmr_stream_consumed(d->here) : bmr_box_stream_consumed(d->box);
}

void bmr_decoder_close(struct bmr_decoder *d)
{
	if (!d)
		return;
	bmr_box_stream_close(d->box);
	bmr_stream_close(d->here);
	free(d);
}
