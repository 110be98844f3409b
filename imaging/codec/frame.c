/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/codec/frame.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/codec/box.h"
#include "imaging/codec/frame_ops.h"

struct bmr_packer {
	const struct bmr_frame_ops *ops;
	void *state;
	size_t chunk_size;
};

struct bmr_unpacker {
	enum bmr_codec_id pack;
	struct bmr_box box; /* of all but BMR_PACK_NONE, where there is nothing to unpack */
};

static const char *const names[] = {
	[BMR_PACK_ZSTD] = "zstd",
	[BMR_PACK_GZIP] = "gzip",
	[BMR_PACK_LZ4] = "lz4",
	[BMR_PACK_NONE] = "none",
};

/* Libraries and program are shared by all, and a decoder of one chunk has no window. */
#define PROCESS_MEMORY ((size_t)3 << 18)
#define CODEC_COUNT (sizeof names / sizeof *names)

static int parse_level(const char *text, const char *name, const struct bmr_frame_ops *ops,
                       int *level, struct bmr_err *e)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (ops->level_most == 0)
		return bmr_err_set(e, BMR_E_USAGE, 0, "%s has no levels", name);
	if (end == text || *end || value < ops->level_least || value > ops->level_most)
		return bmr_err_set(e, BMR_E_USAGE, 0, "'%s' is not a level of %s: %d to %d", text,
		                   name, ops->level_least, ops->level_most);
	*level = (int)value;
	return 0;
}

int bmr_pack_parse(const char *text, enum bmr_codec_id *pack, int *level, struct bmr_err *e)
{
	size_t len = strcspn(text, ":");

	for (size_t i = BMR_PACK_ZSTD; i < CODEC_COUNT; i++) {
		if (strlen(names[i]) != len || memcmp(names[i], text, len) != 0)
			continue;
		*pack = (enum bmr_codec_id)i;
		*level = bmr_frame_find((enum bmr_codec_id)i)->level_default;
		if (text[len] == '\0')
			return 0;
		return parse_level(text + len + 1, names[i], bmr_frame_find((enum bmr_codec_id)i),
		                   level, e);
	}
	return bmr_err_set(e, BMR_E_USAGE, 0,
	                   "'%s' is not a compression: zstd[:1-19], gzip[:1-12], lz4 or none",
	                   text);
}

size_t bmr_pack_bound(enum bmr_codec_id pack, size_t len)
{
	return bmr_frame_find(pack)->bound(len);
}

int bmr_packer_open(enum bmr_codec_id pack, int level, size_t chunk_size, struct bmr_packer **out,
                    struct bmr_err *e)
{
	AUTO_FREE struct bmr_packer *p = calloc(1, sizeof *p);

	if (!p)
		return bmr_err_nomem(e, "a packer");
	p->ops = bmr_frame_find(pack);
	p->chunk_size = chunk_size;
	if (p->ops->pack_open) {
		p->state = p->ops->pack_open(level, chunk_size);
		if (!p->state)
			return bmr_err_nomem(e, "a packer");
	}
	*out = take_ptr(&p);
	return 0;
}

void bmr_packer_close(struct bmr_packer *p)
{
	if (!p)
		return;
	if (p->ops->pack_close)
		p->ops->pack_close(p->state);
	free(p);
}

int bmr_packer_run(struct bmr_packer *p, const void *data, size_t len, void *out, size_t room,
                   size_t *stored, struct bmr_err *e)
{
	if (len == 0 || len > p->chunk_size || room < p->ops->bound(len))
		return bmr_frame_unpackable(e, "its length is wrong");
	return p->ops->pack(p->state, data, len, out, room, stored, e);
}

size_t bmr_packer_memory(const struct bmr_packer *p)
{
	return sizeof *p + (p->ops->pack_memory ? p->ops->pack_memory(p->state) : 0);
}

static int open_box(struct bmr_unpacker *u, struct bmr_err *e)
{
	const struct box_order first = {.word = BOX_CHUNKS, .what = u->pack};

	if (bmr_box_open(&u->box, &first, names[u->pack], BOX_CHUNK_MEMORY, e) == 0)
		return 0;
	bmr_box_close(&u->box);
	return -1;
}

int bmr_unpacker_open(enum bmr_codec_id pack, struct bmr_unpacker **out, struct bmr_err *e)
{
	AUTO_FREE struct bmr_unpacker *u = calloc(1, sizeof *u);

	if (!u)
		return bmr_err_nomem(e, "an unpacker");
	u->pack = pack;
	if (pack != BMR_PACK_NONE && open_box(u, e) < 0)
		return -1;
	*out = take_ptr(&u);
	return 0;
}

size_t bmr_unpacker_memory(size_t chunk_size)
{
	return BMR_STORED_MOST(chunk_size) + chunk_size + PROCESS_MEMORY;
}

void bmr_unpacker_close(struct bmr_unpacker *u)
{
	if (!u)
		return;
	if (u->pack != BMR_PACK_NONE)
		bmr_box_close(&u->box);
	free(u);
}

static int run_in_box(struct bmr_unpacker *u, const void *frame, size_t stored, void *out,
                      size_t len, struct bmr_err *e)
{
	uint8_t *memory;

	/* One that the chunk before has brought to its end says nothing of this one. */
	if (!u->box.process.memory && open_box(u, e) < 0)
		return -1;
	memory = u->box.process.memory;
	if (stored > BOX_FRAME || len > BMR_CHUNK_SIZE_MOST)
		return bmr_frame_damaged(e, "it is too long");
	memcpy(memory, frame, stored);
	bmr_box_tell(&u->box, &(struct box_order){.word = BOX_UNPACK,
	                                          .len = (uint32_t)len,
	                                          .stored = (uint32_t)stored});
	if (bmr_box_await(&u->box, e) < 0)
		return -1;
	if (u->box.reply.word != BOX_DONE)
		return bmr_box_nonsense(&u->box, e);
	memcpy(out, memory + BOX_FRAME, len);
	return 0;
}

int bmr_unpacker_run(struct bmr_unpacker *u, const void *frame, size_t stored, void *out,
                     size_t len, struct bmr_err *e)
{
	if (u->pack == BMR_PACK_NONE)
		return bmr_frame_find(BMR_PACK_NONE)->unpack(NULL, frame, stored, out, len, e);
	return run_in_box(u, frame, stored, out, len, e);
}
