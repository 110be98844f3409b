/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "imaging/codec/box.h"

struct bmr_box_stream {
	struct bmr_box box;
	struct bmr_input input;
	const uint8_t *in; /* what is left of the piece at hand */
	size_t in_len;
	bool in_end;
	struct bmr_err in_err; /* of the input, said once the box has used all there was before */
	unsigned in_slot;      /* the next to be filled */
	unsigned in_used;      /* slots that the box has */
	uint64_t handed;       /* packed bytes in them so far */
	uint64_t consumed;
	unsigned out_slot; /* the next to be emptied */
	size_t out_len;    /* bytes in it; 0: we have not heard of it */
	size_t out_at;     /* bytes of it that were taken */
	bool ended;
};

int bmr_box_stream_open(enum bmr_format format, const struct bmr_input *input,
                        struct bmr_box_stream **out, struct bmr_err *e)
{
	struct box_order first = {.word = BOX_STREAM, .what = format};
	struct bmr_box_stream *s = calloc(1, sizeof *s);

	if (!s)
		return bmr_err_nomem(e, "a decoder");
	s->input = *input;
	if (bmr_box_open(&s->box, &first, bmr_format_name(format), BOX_STREAM_MEMORY, e) < 0) {
		bmr_box_stream_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

void bmr_box_stream_close(struct bmr_box_stream *s)
{
	if (!s)
		return;
	bmr_box_close(&s->box);
	free(s);
}

uint64_t bmr_box_stream_consumed(const struct bmr_box_stream *s)
{
	return s->consumed;
}

static uint8_t *memory_at(struct bmr_box_stream *s, size_t off)
{
	return (uint8_t *)s->box.process.memory + off;
}

/* --- in --- */

static void fetch(struct bmr_box_stream *s)
{
	if (s->input.next(s->input.ctx, &s->in, &s->in_len, &s->in_err) < 0)
		s->in_len = 0;
	else
		s->in_end = s->in_len == 0;
}

/* Fill the slots that are free. */
static void feed(struct bmr_box_stream *s)
{
	while (s->in_used < BOX_SLOTS && !s->in_end && s->in_err.code == BMR_E_NONE) {
		struct box_order order = {.word = BOX_INPUT};

		if (s->in_len == 0)
			fetch(s);
		if (s->in_err.code != BMR_E_NONE)
			return;
		order.len = (uint32_t)(s->in_len < BOX_SLOT ? s->in_len : BOX_SLOT);
		if (order.len > 0)
			memcpy(memory_at(s, box_in(s->in_slot)), s->in, order.len);
		s->in += order.len;
		s->in_len -= order.len;
		s->handed += order.len;
		s->in_used++;
		s->in_slot = (s->in_slot + 1) % BOX_SLOTS;
		bmr_box_tell(&s->box, &order);
	}
}

/* --- out --- */

static int hear_output(struct bmr_box_stream *s, struct bmr_err *e)
{
	const struct box_reply *r = &s->box.reply;

	if (r->len > BOX_SLOT || r->consumed < s->consumed || r->consumed > s->handed)
		return bmr_box_nonsense(&s->box, e);
	s->consumed = r->consumed;
	s->ended = r->len < BOX_SLOT;
	s->out_len = r->len;
	return 0;
}

static int hear(struct bmr_box_stream *s, struct bmr_err *e)
{
	if (s->in_used == 0 && s->in_err.code != BMR_E_NONE) {
		*e = s->in_err;
		return -1;
	}
	if (bmr_box_await(&s->box, e) < 0)
		return -1;
	if (s->box.reply.word == BOX_OUTPUT)
		return hear_output(s, e);
	if (s->box.reply.word != BOX_TAKEN || s->in_used == 0)
		return bmr_box_nonsense(&s->box, e);
	s->in_used--;
	return 0;
}

/* It may change what it has given as long as it is not copied. */
static size_t take(struct bmr_box_stream *s, uint8_t *to, size_t room)
{
	size_t left = s->out_len - s->out_at;
	size_t len = room < left ? room : left;

	memcpy(to, memory_at(s, box_out(s->out_slot) + s->out_at), len);
	s->out_at += len;
	if (len == left) {
		s->out_at = 0;
		s->out_len = 0;
		s->out_slot = (s->out_slot + 1) % BOX_SLOTS;
		bmr_box_tell(&s->box, &(struct box_order){.word = BOX_ROOM});
	}
	return len;
}

int bmr_box_stream_read(struct bmr_box_stream *s, void *buf, size_t len, size_t *got,
                        struct bmr_err *e)
{
	*got = 0;
	if (!bmr_box_memory(&s->box, e))
		return -1;
	while (*got < len && (s->out_len > 0 || !s->ended)) {
		if (s->out_len > 0) {
			*got += take(s, (uint8_t *)buf + *got, len - *got);
			continue;
		}
		feed(s);
		if (hear(s, e) < 0)
			return -1;
	}
	return 0;
}
