/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bmr-unpack - the process in which images are unpacked: see imaging/codec/box.h.  Not to be started by
 * a person; without the descriptors of a coprocess it ends at once. */
#include <stdlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/coprocess.h"
#include "base/err.h"
#include "imaging/codec/box_wire.h"
#include "imaging/codec/codec.h"
#include "imaging/codec/frame_ops.h"
#include "imaging/codec/stream.h"
#include "unpacker/jail.h"

#define EXIT_MISUSE 64
/* Beyond what a decoder may take: its output waits, and the C library rounds up. */
#define MEMORY ((size_t)BMR_DECODE_MEMORY + ((size_t)16 << 20))

struct box {
	uint8_t *memory;
	unsigned in_slot;        /* the next to be read */
	unsigned in_ready;       /* slots that hold something */
	uint32_t len[BOX_SLOTS]; /* bytes in each */
	bool reading;            /* the slot before in_slot */
	unsigned rooms;          /* output slots that are free */
};

static void say(enum box_word word, uint32_t len, uint64_t consumed)
{
	const struct box_reply reply = {.word = word, .len = len, .consumed = consumed};

	if (write(BMR_COPROCESS_SOCKET, &reply, sizeof reply) != (ssize_t)sizeof reply)
		_exit(0);
}

static void say_failed(const struct bmr_err *e)
{
	struct box_reply reply = {.word = BOX_FAILED, .code = e->code};

	snprintf(reply.why, sizeof reply.why, "%s", e->msg);
	if (write(BMR_COPROCESS_SOCKET, &reply, sizeof reply) != (ssize_t)sizeof reply)
		_exit(0);
}

/* The next order.  When there is none any more nobody wants anything. */
static struct box_order hear(void)
{
	struct box_order order;

	if (read(BMR_COPROCESS_SOCKET, &order, sizeof order) != (ssize_t)sizeof order)
		_exit(0);
	return order;
}

/* --- a stream --- */

static void hear_of_slots(struct box *b)
{
	struct box_order order = hear();

	if (order.word == BOX_INPUT)
		b->len[(b->in_slot + b->in_ready++) % BOX_SLOTS] = order.len;
	else if (order.word == BOX_ROOM)
		b->rooms++;
}

static int next_slot(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct box *b = ctx;

	(void)e;
	if (b->reading)
		say(BOX_TAKEN, 0, 0);
	while (b->in_ready == 0)
		hear_of_slots(b);
	*data = b->memory + box_in(b->in_slot);
	*len = b->len[b->in_slot];
	b->in_slot = (b->in_slot + 1) % BOX_SLOTS;
	b->in_ready--;
	b->reading = true;
	return 0;
}

static int unpack_stream(struct box *b, struct bmr_stream *s, struct bmr_err *e)
{
	size_t got = BOX_SLOT;

	for (unsigned slot = 0; got == BOX_SLOT; slot = (slot + 1) % BOX_SLOTS) {
		while (b->rooms == 0)
			hear_of_slots(b);
		b->rooms--;
		if (bmr_stream_read(s, b->memory + box_out(slot), BOX_SLOT, &got, e) < 0)
			return -1;
		say(BOX_OUTPUT, (uint32_t)got, bmr_stream_consumed(s));
	}
	return 0;
}

static void serve_stream(struct box *b, enum bmr_format format)
{
	struct bmr_input input = {next_slot, b};
	struct bmr_stream *s;
	struct bmr_err e;

	b->rooms = BOX_SLOTS;
	if (bmr_stream_open(bmr_codec_find(format), &input, &s, &e) < 0 ||
	    unpack_stream(b, s, &e) < 0)
		say_failed(&e);
	for (;;) /* ending with an order unread would take back what was said */
		hear();
}

/* --- chunks --- */

static void serve_chunks(struct box *b, enum bmr_codec_id pack)
{
	const struct bmr_frame_ops *ops = bmr_frame_find(pack);
	void *state = ops->unpack_open();

	for (;;) {
		struct box_order order = hear();
		struct bmr_err e;

		if (!state)
			bmr_err_nomem(&e, "an unpacker");
		if (!state || ops->unpack(state, b->memory, order.stored, b->memory + BOX_FRAME,
		                          order.len, &e) < 0)
			say_failed(&e);
		else
			say(BOX_DONE, 0, 0);
	}
}

/* --- both --- */

static bool map_memory(struct box *b)
{
	struct stat st;
	void *map;

	if (fstat(BMR_COPROCESS_MEMORY, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return false;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	           BMR_COPROCESS_MEMORY, 0);
	b->memory = map;
	return map != MAP_FAILED;
}

int main(void)
{
	struct box_order first;
	struct box b = {0};
	struct bmr_err e;

	if (!map_memory(&b))
		return EXIT_MISUSE;
	prctl(PR_SET_NAME, "bmr-unpack"); /* for ps(1): what was run is /proc/self/fd/6 */
	/* The C library's heap asks for more than the jail allows when it begins. */
	free(malloc(1));
	if (bmr_jail_enter(BMR_COPROCESS_SOCKET, MEMORY, &e) < 0) {
		say_failed(&e);
		return EXIT_MISUSE;
	}
	say(BOX_READY, 0, 0);
	first = hear();
	if (first.word == BOX_STREAM)
		serve_stream(&b, (enum bmr_format)first.what);
	else if (first.word == BOX_CHUNKS)
		serve_chunks(&b, (enum bmr_codec_id)first.what);
	return EXIT_MISUSE;
}
