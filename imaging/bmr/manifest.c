/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/bmr/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/bmr/container.h"
#include "imaging/bmr/manifest_internal.h"

#define ROOT_MAGIC "bmr-root"
#define YEAR_10000 INT64_C(253402300800) /* what calendars and their libraries can still say */
#define SECTOR_LEAST 512
#define SECTOR_MOST 65536
#define PHYSICAL_MOST ((uint32_t)1 << 24)

static bool is_power_of_two(uint64_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static uint64_t chunks_of(const struct bmr_head *head)
{
	return head->disk_size / head->chunk_size + (head->disk_size % head->chunk_size != 0);
}

bool bmr_pack_has_frames(enum bmr_codec_id pack)
{
	return pack == BMR_PACK_ZSTD || pack == BMR_PACK_LZ4;
}

static bool sector_allowed(uint32_t size, uint32_t least, uint32_t most)
{
	return is_power_of_two(size) && size >= least && size <= most;
}

const char *bmr_head_wrong(const struct bmr_head *head)
{
	if (head->pack < BMR_PACK_ZSTD || head->pack > BMR_PACK_NONE)
		return "it is packed in a way this bmr does not know";
	if (!is_power_of_two(head->chunk_size) || head->chunk_size < BMR_CHUNK_SIZE_LEAST ||
	    head->chunk_size > BMR_CHUNK_SIZE_MOST)
		return "its chunks are not of 1, 2 or 4 MiB";
	if (!sector_allowed(head->sector, SECTOR_LEAST, SECTOR_MOST) ||
	    !sector_allowed(head->physical, head->sector, PHYSICAL_MOST))
		return "no disk has such sectors";
	if (head->disk_size == 0 || head->disk_size % head->sector != 0)
		return "its disk is not a whole number of sectors";
	if (head->disk_size > BMR_DISK_SIZE_MOST || chunks_of(head) > UINT32_MAX)
		return "its disk has more chunks than the format can count";
	if (head->created < 0 || head->created >= YEAR_10000)
		return "its time is none";
	if (head->has_base && !bmr_pack_has_frames(head->pack))
		return "gzip and none cannot be incremental";
	return NULL;
}

/* The file's bytes before the first chunk. */
static int measure_start(const struct bmr_head *head, uint64_t *start, struct bmr_err *e)
{
	AUTO_FREE uint8_t *payload = NULL;
	uint8_t guard[BMR_GUARD_FRAME_MOST];
	size_t len;

	*start = 0;
	if (!bmr_pack_has_frames(head->pack))
		return 0;
	if (bmr_head_encode(head, &payload, &len, e) < 0)
		return -1;
	*start = BMR_SKIPPABLE_HEADER + len + (head->has_base ? bmr_guard_frame(guard) : 0);
	return 0;
}

int bmr_manifest_new(const struct bmr_head *head, struct bmr_manifest **out, struct bmr_err *e)
{
	const char *wrong = bmr_head_wrong(head);
	AUTO_FREE struct bmr_manifest *m = NULL;

	if (wrong)
		return bmr_err_set(e, BMR_E_USAGE, 0, "a bmr image cannot be made so: %s", wrong);
	m = calloc(1, sizeof *m);
	if (!m)
		return bmr_err_nomem(e, "a manifest");
	m->head = *head;
	if (measure_start(head, &m->data_start, e) < 0)
		return -1;
	m->data_end = m->data_start;
	*out = take_ptr(&m);
	return 0;
}

void bmr_manifest_free(struct bmr_manifest *m)
{
	if (!m)
		return;
	for (uint32_t i = 0; i < m->fact_count; i++) {
		free(m->facts[i].name);
		free(m->facts[i].value);
	}
	free(m->facts);
	free(m->bad);
	free(m->entries);
	free(m);
}

/* --- entries --- */

/* Number of the chunk after the last entry. */
static uint32_t next_chunk(const struct bmr_manifest *m)
{
	const struct bmr_manifest_entry *last;

	if (m->entry_count == 0)
		return 0;
	last = &m->entries[m->entry_count - 1];
	return last->first + last->count;
}

static const char *wrong_chunk(const struct bmr_manifest *m, const struct bmr_manifest_entry *entry)
{
	uint32_t len = bmr_manifest_chunk_len(m, entry->first);

	if (entry->count != 1)
		return "a chunk that counts for several";
	if (entry->kind == BMR_CHUNK_BASE)
		return !m->head.has_base || entry->stored != 0
		               ? "a chunk of a base it does not have"
		               : NULL;
	if (entry->stored == 0 || entry->stored > BMR_STORED_MOST(len))
		return "a chunk of impossible length";
	if (m->head.pack == BMR_PACK_NONE && entry->stored != len)
		return "a chunk that is packed in an image that is not";
	return NULL;
}

/* What it takes in the file must be what can be there: nothing else bounds it. */
static const char *wrong_run(const struct bmr_manifest *m, const struct bmr_manifest_entry *entry)
{
	uint64_t bytes = bmr_manifest_entry_bytes(m, entry);

	if (bytes > BMR_RUN_MOST)
		return "a run that is too long";
	if (m->head.pack == BMR_PACK_ZSTD && entry->stored != bmr_zero_frame(bytes, NULL, 0))
		return "a run that is not a frame of zeros";
	if (m->head.pack == BMR_PACK_NONE && entry->stored != bytes)
		return "a run that is packed in an image that is not";
	if (entry->stored == 0 || entry->stored > BMR_STORED_MOST(bytes))
		return "a run of impossible length";
	return NULL;
}

static const char *wrong_entry(const struct bmr_manifest *m, const struct bmr_manifest_entry *entry)
{
	if (entry->first != next_chunk(m))
		return "a gap between two chunks";
	if (entry->count == 0 || entry->count > bmr_manifest_chunks(m) - entry->first)
		return "chunks past the end of the disk";
	if (entry->offset != (entry->kind == BMR_CHUNK_BASE ? 0 : m->data_end))
		return "a chunk that does not follow the one before it";
	switch (entry->kind) {
	case BMR_CHUNK_DATA:
	case BMR_CHUNK_BASE:
		return wrong_chunk(m, entry);
	case BMR_CHUNK_ZERO:
	case BMR_CHUNK_UNUSED:
		return wrong_run(m, entry);
	default:
		return "a chunk of a kind this bmr does not know";
	}
}

const char *bmr_manifest_append(struct bmr_manifest *m, const struct bmr_manifest_entry *entry)
{
	const char *wrong = wrong_entry(m, entry);

	if (wrong)
		return wrong;
	/* Entries are at most 2^26 and their lengths 32 bits: this does not overflow. */
	m->data_end += entry->stored;
	m->entries[m->entry_count++] = *entry;
	return NULL;
}

/* Room for one more: the array grows by half. */
static int grow(void **array, size_t *room, size_t count, size_t size, struct bmr_err *e)
{
	size_t more = *room + *room / 2 + 16;
	void *larger;

	if (count < *room)
		return 0;
	larger = reallocarray(*array, more, size);
	if (!larger)
		return bmr_err_nomem(e, "a manifest");
	*array = larger;
	*room = more;
	return 0;
}

int bmr_manifest_add(struct bmr_manifest *m, const struct bmr_manifest_entry *entry,
                     struct bmr_err *e)
{
	void *entries = m->entries;
	const char *wrong;

	if (m->entry_count == BMR_ENTRIES_MOST)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the image would have more than %" PRIu32
		                   " pieces: take larger chunks",
		                   BMR_ENTRIES_MOST);
	if (grow(&entries, &m->entry_room, m->entry_count, sizeof *entry, e) < 0)
		return -1;
	m->entries = entries;
	wrong = bmr_manifest_append(m, entry);
	if (wrong)
		return bmr_err_set(e, BMR_E_BUG, 0, "chunk %" PRIu32 " of a new image: %s",
		                   entry->first, wrong);
	return 0;
}

/* --- ranges that could not be read --- */

static uint64_t end_of(const struct bmr_bad_range *range)
{
	return range->offset + range->length;
}

/* Make [from, to) part of a range. */
static void cover(struct bmr_bad_range *range, uint64_t from, uint64_t to)
{
	uint64_t end = end_of(range) > to ? end_of(range) : to;

	if (from < range->offset)
		range->offset = from;
	range->length = end - range->offset;
}

/* Range i has grown: take in those behind it that it now touches. */
static void join_bad(struct bmr_manifest *m, uint32_t i)
{
	uint32_t next = i + 1;

	while (next < m->bad_count && m->bad[next].offset <= end_of(&m->bad[i]))
		cover(&m->bad[i], m->bad[i].offset, end_of(&m->bad[next++]));
	memmove(m->bad + i + 1, m->bad + next, (m->bad_count - next) * sizeof *m->bad);
	m->bad_count -= next - i - 1;
}

static int insert_bad(struct bmr_manifest *m, uint32_t at, uint64_t offset, uint64_t length,
                      struct bmr_err *e)
{
	void *ranges = m->bad;

	if (grow(&ranges, &m->bad_room, m->bad_count, sizeof *m->bad, e) < 0)
		return -1;
	m->bad = ranges;
	memmove(m->bad + at + 1, m->bad + at, (m->bad_count - at) * sizeof *m->bad);
	m->bad[at] = (struct bmr_bad_range){offset, length};
	m->bad_count++;
	return 0;
}

int bmr_manifest_add_bad(struct bmr_manifest *m, uint64_t offset, uint64_t length,
                         struct bmr_err *e)
{
	uint32_t at = m->bad_count;
	bool full = m->bad_count == BMR_BAD_MOST;

	if (length == 0 || !bmr_size_inside(offset, length, m->head.disk_size))
		return bmr_err_set(e, BMR_E_BUG, 0, "a bad range that is not on the disk");
	/* Most come in order: look from the end for the first range that ends behind offset. */
	while (at > 0 && end_of(&m->bad[at - 1]) >= offset)
		at--;
	if (at < m->bad_count && m->bad[at].offset <= offset + length) {
		cover(&m->bad[at], offset, offset + length);
	} else if (full) {
		at -= at == m->bad_count;
		cover(&m->bad[at], offset, offset + length);
	} else {
		return insert_bad(m, at, offset, length, e);
	}
	join_bad(m, at);
	return 0;
}

/* --- the root --- */

/* Entry i and those behind it that say the same, as one. */
static uint32_t run_at(const struct bmr_manifest *m, uint32_t *i)
{
	const struct bmr_manifest_entry *first = &m->entries[*i];
	uint32_t count = 0;

	do
		count += m->entries[(*i)++].count;
	while (*i < m->entry_count && m->entries[*i].kind == first->kind);
	return count;
}

static size_t root_record(const struct bmr_manifest *m, uint32_t *i, uint8_t *record)
{
	const struct bmr_manifest_entry *entry = &m->entries[*i];
	bool has_digest = entry->kind == BMR_CHUNK_DATA || entry->kind == BMR_CHUNK_BASE;
	uint8_t *at = record;

	at = put_u8(at, has_digest ? BMR_CHUNK_DATA : (uint8_t)entry->kind);
	at = put_u32(at, entry->first);
	if (!has_digest)
		return (size_t)(put_u32(at, run_at(m, i)) - record);
	(*i)++;
	return (size_t)(put_bytes(at, entry->digest.bytes, BMR_DIGEST_SIZE) - record);
}

static int hash_root(const struct bmr_manifest *m, struct bmr_digest *d, struct bmr_err *e)
{
	uint8_t record[64];
	uint8_t *at = record;
	uint32_t i = 0;

	at = put_bytes(at, ROOT_MAGIC, strlen(ROOT_MAGIC));
	at = put_u64(at, m->head.disk_size);
	at = put_u32(at, m->head.chunk_size);
	if (bmr_digest_add(d, record, (size_t)(at - record), e) < 0)
		return -1;
	while (i < m->entry_count) {
		size_t len = root_record(m, &i, record);

		if (bmr_digest_add(d, record, len, e) < 0)
			return -1;
	}
	return 0;
}

int bmr_manifest_root(const struct bmr_manifest *m, struct bmr_digest_value *root,
                      struct bmr_err *e)
{
	struct bmr_digest *d;
	int rc;

	if (bmr_digest_open(&d, e) < 0)
		return -1;
	rc = hash_root(m, d, e);
	if (rc == 0)
		rc = bmr_digest_finish(d, root, e);
	bmr_digest_close(d);
	return rc;
}

int bmr_manifest_seal(struct bmr_manifest *m, struct bmr_err *e)
{
	if (next_chunk(m) != bmr_manifest_chunks(m))
		return bmr_err_set(e, BMR_E_BUG, 0,
		                   "a new image has only %" PRIu32 " of its %" PRIu32 " chunks",
		                   next_chunk(m), bmr_manifest_chunks(m));
	if (bmr_manifest_root(m, &m->root, e) < 0)
		return -1;
	m->sealed = true;
	return 0;
}

/* --- reading --- */

uint32_t bmr_manifest_chunks(const struct bmr_manifest *m)
{
	return (uint32_t)chunks_of(&m->head);
}

uint32_t bmr_manifest_chunk_len(const struct bmr_manifest *m, uint32_t chunk)
{
	uint64_t from = (uint64_t)chunk * m->head.chunk_size;

	return (uint32_t)bmr_size_min(m->head.disk_size - from, m->head.chunk_size);
}

uint64_t bmr_manifest_entry_bytes(const struct bmr_manifest *m,
                                  const struct bmr_manifest_entry *entry)
{
	uint64_t from = (uint64_t)entry->first * m->head.chunk_size;

	return bmr_size_min(m->head.disk_size - from, (uint64_t)entry->count * m->head.chunk_size);
}

const struct bmr_manifest_entry *bmr_manifest_at(const struct bmr_manifest *m, uint32_t chunk)
{
	uint32_t low = 0;
	uint32_t high = m->entry_count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (m->entries[middle].first <= chunk)
			low = middle;
		else
			high = middle;
	}
	return &m->entries[low];
}

uint64_t bmr_manifest_bytes(const struct bmr_manifest *m, enum bmr_chunk_kind kind)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < m->entry_count; i++)
		if (m->entries[i].kind == kind)
			bytes += bmr_manifest_entry_bytes(m, &m->entries[i]);
	return bytes;
}

const char *bmr_pack_name(enum bmr_codec_id pack)
{
	static const char *const names[] = {
		[BMR_PACK_ZSTD] = "zstd",
		[BMR_PACK_GZIP] = "gzip",
		[BMR_PACK_LZ4] = "lz4",
		[BMR_PACK_NONE] = "none",
	};

	return names[pack];
}

int bmr_id_new(uint8_t id[BMR_ID_SIZE], struct bmr_err *e)
{
	if (getrandom(id, BMR_ID_SIZE, 0) != BMR_ID_SIZE)
		return bmr_err_set(e, BMR_E_NOMEM, 0, "the kernel gives no random bytes");
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	return 0;
}

char *bmr_id_text(const uint8_t id[BMR_ID_SIZE], char text[BMR_ID_TEXT_SIZE])
{
	char *to = text;

	for (size_t i = 0; i < BMR_ID_SIZE; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		to += sprintf(to, "%02x", id[i]);
	}
	return text;
}
