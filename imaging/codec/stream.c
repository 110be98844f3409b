/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/codec/stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "imaging/codec/codec.h"

#define MAGIC_MAX 6

struct bmr_stream {
	const struct bmr_codec *codec;
	void *state;
	struct bmr_input input;
	const uint8_t *in; /* what is left of the piece at hand */
	size_t in_len;
	bool in_end;              /* the input said that there is no more */
	bool between;             /* a stream has ended and no other one has begun */
	uint64_t fetched;         /* bytes taken from the input */
	uint8_t start[MAGIC_MAX]; /* first bytes of what follows a stream, collected over pieces */
	size_t start_len;
};

int bmr_stream_open(const struct bmr_codec *codec, const struct bmr_input *input,
                    struct bmr_stream **out, struct bmr_err *e)
{
	struct bmr_stream *s = calloc(1, sizeof *s);

	if (!s)
		return bmr_err_nomem(e, "a decoder");
	s->codec = codec;
	s->input = *input;
	s->state = s->codec->open();
	if (!s->state) {
		free(s);
		return bmr_err_nomem(e, "a decoder");
	}
	*out = s;
	return 0;
}

void bmr_stream_close(struct bmr_stream *s)
{
	if (!s)
		return;
	s->codec->close(s->state);
	free(s);
}

uint64_t bmr_stream_consumed(const struct bmr_stream *s)
{
	return s->fetched - s->in_len;
}

static const char *name_of(const struct bmr_stream *s)
{
	return bmr_format_name(s->codec->format);
}

static int refill(struct bmr_stream *s, struct bmr_err *e)
{
	if (s->in_len > 0 || s->in_end)
		return 0;
	if (s->input.next(s->input.ctx, &s->in, &s->in_len, e) < 0)
		return -1;
	s->fetched += s->in_len;
	s->in_end = s->in_len == 0;
	return 0;
}

/* One call of the codec on what is at hand. */
static int step(struct bmr_stream *s, const uint8_t *in, size_t in_len, uint8_t *out,
                size_t out_len, size_t *used, size_t *made, struct bmr_err *e)
{
	struct bmr_codec_io io = {in, in_len, out, out_len, s->in_end};
	enum bmr_codec_state state = BMR_CODEC_MORE;

	if (s->codec->step(s->state, &io, &state, e) < 0)
		return bmr_err_while(e, "decoding %s data near byte %" PRIu64 " of the image file",
		                     name_of(s), bmr_stream_consumed(s));
	*used = in_len - io.in_len;
	*made = out_len - io.out_len;
	if (state == BMR_CODEC_END)
		s->between = true;
	return 0;
}

static bool could_start_stream(const struct bmr_stream *s)
{
	const uint8_t *at = s->start;

	if (memcmp(at, s->codec->magic, s->codec->magic_len) == 0)
		return true;
	return s->codec->skippable && (at[0] & 0xf0) == 0x50 && at[1] == 0x2a && at[2] == 0x4d &&
	       at[3] == 0x18;
}

/* After a stream: either the file ends, or another stream begins; anything else is damage, which
 * many tools pass over in silence. */
static int join_streams(struct bmr_stream *s, struct bmr_err *e)
{
	uint64_t end = bmr_stream_consumed(s);

	s->start_len = 0;
	while (s->start_len < s->codec->magic_len) {
		if (refill(s, e) < 0)
			return -1;
		if (s->in_end)
			break;
		s->start[s->start_len++] = *s->in++;
		s->in_len--;
	}
	if (s->start_len == 0)
		return 0;
	if (s->start_len < s->codec->magic_len || !could_start_stream(s))
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image file goes on after the end of its %s data at byte "
		                   "%" PRIu64 " with something that is not %s",
		                   name_of(s), end, name_of(s));
	if (!s->codec->restart(s->state))
		return bmr_err_nomem(e, "a decoder");
	s->between = false;
	return 0;
}

/* Give the codec the bytes that join_streams looked at, before those of the piece at hand. */
static int replay_start(struct bmr_stream *s, struct bmr_err *e)
{
	size_t done = 0;

	while (done < s->start_len) {
		uint8_t none;
		size_t used;
		size_t made;

		if (step(s, s->start + done, s->start_len - done, &none, 0, &used, &made, e) < 0)
			return -1;
		if (used == 0)
			return bmr_err_set(e, BMR_E_BUG, 0, "the %s decoder does not take input",
			                   name_of(s));
		done += used;
	}
	s->start_len = 0;
	return 0;
}

static int truncated(struct bmr_stream *s, struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the image file is truncated: it ends at byte %" PRIu64
	                   " inside %s data",
	                   bmr_stream_consumed(s), name_of(s));
}

/* Make some progress; *end when the image has properly ended. */
static int advance(struct bmr_stream *s, uint8_t *out, size_t room, size_t *made, bool *end,
                   struct bmr_err *e)
{
	size_t used = 0;

	*made = 0;
	if (s->between) {
		if (join_streams(s, e) < 0)
			return -1;
		*end = s->between;
		return s->between ? 0 : replay_start(s, e);
	}
	if (refill(s, e) < 0 || step(s, s->in, s->in_len, out, room, &used, made, e) < 0)
		return -1;
	s->in += used;
	s->in_len -= used;
	if (used == 0 && *made == 0 && !s->between && s->in_end)
		return truncated(s, e);
	return 0;
}

int bmr_stream_read(struct bmr_stream *s, void *buf, size_t len, size_t *got, struct bmr_err *e)
{
	bool end = false;

	*got = 0;
	while (*got < len && !end) {
		size_t made;

		if (advance(s, (uint8_t *)buf + *got, len - *got, &made, &end, e) < 0)
			return -1;
		*got += made;
	}
	return 0;
}
