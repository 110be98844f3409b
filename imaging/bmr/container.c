/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/bmr/container.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define ZSTD_MAGIC 0xFD2FB528u
#define ZSTD_BLOCK ((uint64_t)128 * 1024) /* the most of one block */
#define BLOCK_HEADER 3
#define BLOCK_LAST 1u
#define BLOCK_RLE (1u << 1)
#define BLOCK_RESERVED (3u << 1)
#define ZERO_HEADER (4 + 1 + 1 + 8)
#define SEEK_MAGIC_END 0x8F92EAB1u
#define SEEK_FRAMES_MOST ((uint32_t)1 << 27) /* of the seekable format */

static uint8_t *put_le32(uint8_t *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, sizeof value);
	return to + sizeof value;
}

static uint32_t get_le32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof value);
	return le32toh(value);
}

void bmr_skippable_put(uint8_t header[BMR_SKIPPABLE_HEADER], uint32_t magic, uint32_t len)
{
	put_le32(put_le32(header, magic), len);
}

bool bmr_skippable_get(const uint8_t header[BMR_SKIPPABLE_HEADER], uint32_t magic, uint32_t *len)
{
	if (get_le32(header) != magic)
		return false;
	*len = get_le32(header + 4);
	return true;
}

static uint8_t *put_block_header(uint8_t *to, uint32_t header)
{
	to[0] = (uint8_t)header;
	to[1] = (uint8_t)(header >> 8);
	to[2] = (uint8_t)(header >> 16);
	return to + BLOCK_HEADER;
}

size_t bmr_zero_frame(uint64_t size, uint8_t *out, size_t room)
{
	size_t blocks = (size_t)((size + ZSTD_BLOCK - 1) / ZSTD_BLOCK);
	size_t len = ZERO_HEADER + blocks * (BLOCK_HEADER + 1);
	uint64_t content = htole64(size);

	if (len > room)
		return len;
	out = put_le32(out, ZSTD_MAGIC);
	*out++ = 0xC0; /* the content's size in 8 bytes; no checksum, no dictionary */
	*out++ = 0x38; /* a window of 2^17, the least that allows whole blocks of 128 KiB */
	memcpy(out, &content, sizeof content);
	out += sizeof content;
	while (size > 0) {
		uint64_t part = size < ZSTD_BLOCK ? size : ZSTD_BLOCK;

		size -= part;
		out = put_block_header(out, (uint32_t)part << 3 | BLOCK_RLE |
		                                    (size == 0 ? BLOCK_LAST : 0));
		*out++ = 0;
	}
	return len;
}

/* A decoder that knows dictionaries stops at its number, and one that does not at the block, whose
 * type is reserved.  It holds no content. */
size_t bmr_guard_frame(uint8_t out[BMR_GUARD_FRAME_MOST])
{
	uint8_t *at = put_le32(out, ZSTD_MAGIC);

	*at++ = 0x23; /* one segment, the content's size in 1 byte, a dictionary number of 4 */
	at = put_le32(at, 0x62726D62u);
	*at++ = 0;
	at = put_block_header(at, BLOCK_LAST | BLOCK_RESERVED);
	return (size_t)(at - out);
}

/* --- the seek table --- */

struct bmr_seek_table {
	uint8_t *entries; /* as in the file */
	uint32_t count;
	uint32_t room;
};

int bmr_seek_table_new(struct bmr_seek_table **out, struct bmr_err *e)
{
	*out = calloc(1, sizeof **out);
	return *out ? 0 : bmr_err_nomem(e, "a seek table");
}

void bmr_seek_table_free(struct bmr_seek_table *t)
{
	if (!t)
		return;
	free(t->entries);
	free(t);
}

int bmr_seek_table_add(struct bmr_seek_table *t, uint32_t stored, uint32_t content,
                       struct bmr_err *e)
{
	uint8_t *at;

	if (t->count == SEEK_FRAMES_MOST)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the image would have too many pieces for a seek table: take "
		                   "larger chunks");
	if (t->count == t->room) {
		uint32_t room = t->room + t->room / 2 + 64;
		uint8_t *entries = reallocarray(t->entries, room, BMR_SEEK_ENTRY);

		if (!entries)
			return bmr_err_nomem(e, "a seek table");
		t->entries = entries;
		t->room = room;
	}
	at = t->entries + (size_t)t->count * BMR_SEEK_ENTRY;
	put_le32(put_le32(at, stored), content);
	t->count++;
	return 0;
}

int bmr_seek_table_encode(const struct bmr_seek_table *t, uint8_t **out, size_t *len,
                          struct bmr_err *e)
{
	size_t entries = (size_t)t->count * BMR_SEEK_ENTRY;
	uint8_t *frame = malloc(BMR_SKIPPABLE_HEADER + entries + BMR_SEEK_FOOTER);
	uint8_t *at = frame;

	if (!frame)
		return bmr_err_nomem(e, "a seek table");
	bmr_skippable_put(at, BMR_SEEK_MAGIC, (uint32_t)(entries + BMR_SEEK_FOOTER));
	at += BMR_SKIPPABLE_HEADER;
	if (entries > 0)
		memcpy(at, t->entries, entries);
	at = put_le32(at + entries, t->count);
	*at++ = 0; /* descriptor: no checksums */
	at = put_le32(at, SEEK_MAGIC_END);
	*len = (size_t)(at - frame);
	*out = frame;
	return 0;
}

bool bmr_seek_footer_get(const uint8_t footer[BMR_SEEK_FOOTER], uint32_t *frames, uint64_t *len)
{
	uint32_t count = get_le32(footer);

	if (footer[4] != 0 || get_le32(footer + 5) != SEEK_MAGIC_END || count > SEEK_FRAMES_MOST)
		return false;
	*frames = count;
	*len = BMR_SKIPPABLE_HEADER + (uint64_t)count * BMR_SEEK_ENTRY + BMR_SEEK_FOOTER;
	return true;
}

void bmr_seek_entry_get(const uint8_t entry[BMR_SEEK_ENTRY], uint32_t *stored, uint32_t *content)
{
	*stored = get_le32(entry);
	*content = get_le32(entry + 4);
}
