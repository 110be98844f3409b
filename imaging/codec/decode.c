/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/codec/decode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "imaging/codec/codec.h"

#define MAGIC_MAX 6

struct bmr_decoder {
	const struct bmr_codec *codec;
	void *state;
	struct bmr_input input;
	const uint8_t *in; /* what is left of the piece at hand */
	size_t in_len;
	bool in_end;              /* the input said that there is no more */
	bool between;             /* a stream has ended and no other one has begun */
	uint64_t fetched;         /* bytes taken from the input */
	unsigned streams;         /* that have ended */
	uint8_t start[MAGIC_MAX]; /* first bytes of what follows a stream, collected over pieces */
	size_t start_len;
};

int bmr_decoder_open(enum bmr_format format, const struct bmr_input *input,
                     struct bmr_decoder **out, struct bmr_err *e)
{
	return bmr_decoder_open_codec(bmr_codec_find(format), input, out, e);
}

int bmr_decoder_open_codec(const struct bmr_codec *codec, const struct bmr_input *input,
                           struct bmr_decoder **out, struct bmr_err *e)
{
	struct bmr_decoder *d = calloc(1, sizeof *d);

	if (!d)
		return bmr_err_nomem(e, "a decoder");
	d->codec = codec;
	d->input = *input;
	d->state = d->codec->open();
	if (!d->state) {
		free(d);
		return bmr_err_nomem(e, "a decoder");
	}
	*out = d;
	return 0;
}

void bmr_decoder_close(struct bmr_decoder *d)
{
	if (!d)
		return;
	d->codec->close(d->state);
	free(d);
}

uint64_t bmr_decoder_consumed(const struct bmr_decoder *d)
{
	return d->fetched - d->in_len;
}

static const char *name_of(const struct bmr_decoder *d)
{
	return bmr_format_name(d->codec->format);
}

static int refill(struct bmr_decoder *d, struct bmr_err *e)
{
	if (d->in_len > 0 || d->in_end)
		return 0;
	if (d->input.next(d->input.ctx, &d->in, &d->in_len, e) < 0)
		return -1;
	d->fetched += d->in_len;
	d->in_end = d->in_len == 0;
	return 0;
}

/* One call of the codec on what is at hand. */
static int step(struct bmr_decoder *d, const uint8_t *in, size_t in_len, uint8_t *out,
                size_t out_len, size_t *used, size_t *made, struct bmr_err *e)
{
	struct bmr_codec_io io = {in, in_len, out, out_len, d->in_end};
	enum bmr_codec_state state = BMR_CODEC_MORE;

	if (d->codec->step(d->state, &io, &state, e) < 0)
		return bmr_err_while(e, "decoding %s data near byte %" PRIu64 " of the image file",
		                     name_of(d), bmr_decoder_consumed(d));
	*used = in_len - io.in_len;
	*made = out_len - io.out_len;
	if (state == BMR_CODEC_END) {
		d->between = true;
		d->streams++;
	}
	return 0;
}

static bool could_start_stream(const struct bmr_decoder *d)
{
	const uint8_t *s = d->start;

	if (memcmp(s, d->codec->magic, d->codec->magic_len) == 0)
		return true;
	return d->codec->skippable && (s[0] & 0xf0) == 0x50 && s[1] == 0x2a && s[2] == 0x4d &&
	       s[3] == 0x18;
}

/* After a stream: either the file ends, or another stream begins; anything else is damage, which
 * many tools pass over in silence. */
static int join_streams(struct bmr_decoder *d, struct bmr_err *e)
{
	uint64_t end = bmr_decoder_consumed(d);

	d->start_len = 0;
	while (d->start_len < d->codec->magic_len) {
		if (refill(d, e) < 0)
			return -1;
		if (d->in_end)
			break;
		d->start[d->start_len++] = *d->in++;
		d->in_len--;
	}
	if (d->start_len == 0)
		return 0;
	if (d->start_len < d->codec->magic_len || !could_start_stream(d))
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image file goes on after the end of its %s data at byte "
		                   "%" PRIu64 " with something that is not %s",
		                   name_of(d), end, name_of(d));
	if (!d->codec->restart(d->state))
		return bmr_err_nomem(e, "a decoder");
	d->between = false;
	return 0;
}

/* Give the codec the bytes that join_streams looked at, before those of the piece at hand. */
static int replay_start(struct bmr_decoder *d, struct bmr_err *e)
{
	size_t done = 0;

	while (done < d->start_len) {
		uint8_t none;
		size_t used;
		size_t made;

		if (step(d, d->start + done, d->start_len - done, &none, 0, &used, &made, e) < 0)
			return -1;
		if (used == 0)
			return bmr_err_set(e, BMR_E_BUG, 0, "the %s decoder does not take input",
			                   name_of(d));
		done += used;
	}
	d->start_len = 0;
	return 0;
}

static int truncated(struct bmr_decoder *d, struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the image file is truncated: it ends at byte %" PRIu64
	                   " inside %s data",
	                   bmr_decoder_consumed(d), name_of(d));
}

/* Make some progress; *end when the image has properly ended. */
static int advance(struct bmr_decoder *d, uint8_t *out, size_t room, size_t *made, bool *end,
                   struct bmr_err *e)
{
	size_t used = 0;

	*made = 0;
	if (d->between) {
		if (join_streams(d, e) < 0)
			return -1;
		*end = d->between;
		return d->between ? 0 : replay_start(d, e);
	}
	if (refill(d, e) < 0 || step(d, d->in, d->in_len, out, room, &used, made, e) < 0)
		return -1;
	d->in += used;
	d->in_len -= used;
	if (used == 0 && *made == 0 && !d->between && d->in_end)
		return truncated(d, e);
	return 0;
}

int bmr_decoder_read(struct bmr_decoder *d, void *buf, size_t len, size_t *got, struct bmr_err *e)
{
	bool end = false;

	*got = 0;
	while (*got < len && !end) {
		size_t made;

		if (advance(d, (uint8_t *)buf + *got, len - *got, &made, &end, e) < 0)
			return -1;
		*got += made;
	}
	return 0;
}
