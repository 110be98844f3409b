/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/codec/frame.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/codec/frame_ops.h"

struct bmr_packer {
	const struct bmr_frame_ops *ops;
	void *state;
	size_t chunk_size;
};

struct bmr_unpacker {
	const struct bmr_frame_ops *ops;
	void *state;
};

static const char *const names[] = {
	[BMR_PACK_ZSTD] = "zstd",
	[BMR_PACK_GZIP] = "gzip",
	[BMR_PACK_LZ4] = "lz4",
	[BMR_PACK_NONE] = "none",
};

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

int bmr_unpacker_open(enum bmr_codec_id pack, struct bmr_unpacker **out, struct bmr_err *e)
{
	AUTO_FREE struct bmr_unpacker *u = calloc(1, sizeof *u);

	if (!u)
		return bmr_err_nomem(e, "an unpacker");
	u->ops = bmr_frame_find(pack);
	if (u->ops->unpack_open) {
		u->state = u->ops->unpack_open();
		if (!u->state)
			return bmr_err_nomem(e, "an unpacker");
	}
	*out = take_ptr(&u);
	return 0;
}

void bmr_unpacker_close(struct bmr_unpacker *u)
{
	if (!u)
		return;
	if (u->ops->unpack_close)
		u->ops->unpack_close(u->state);
	free(u);
}

int bmr_unpacker_run(struct bmr_unpacker *u, const void *frame, size_t stored, void *out,
                     size_t len, struct bmr_err *e)
{
	return u->ops->unpack(u->state, frame, stored, out, len, e);
}
