/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hostile bytes to head and manifest: nothing is allocated for more than is really there. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/bmr/container.h"
#include "imaging/bmr/manifest_internal.h"

#define HEAD_NAME "head"
#define MANIFEST_NAME "manifest"

static int damaged(const char *part, const char *what, struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_DATA, 0, "the image's %s is damaged: %s", part, what);
}

/* --- payload and records --- */

static int digest_is(const uint8_t *data, size_t len, const uint8_t *expected, bool *same,
                     struct bmr_err *e)
{
	struct bmr_digest_value digest;
	struct bmr_digest *d;
	int rc;

	if (bmr_digest_open(&d, e) < 0)
		return -1;
	rc = bmr_digest_of(d, data, len, &digest, e);
	bmr_digest_close(d);
	*same = memcmp(digest.bytes, expected, BMR_DIGEST_SIZE) == 0;
	return rc;
}

/* Check what surrounds the records.  The version comes before the digest: a later format may have
 * another one. */
static int open_payload(const char *part, const char *magic, const uint8_t *data, size_t len,
                        struct bytes_in *in, struct bmr_err *e)
{
	uint16_t major;
	bool same;

	if (len < PAYLOAD_HEADER + BMR_DIGEST_SIZE || memcmp(data, magic, PAYLOAD_MAGIC_SIZE) != 0)
		return damaged(part, "it does not begin as one", e);
	*in = (struct bytes_in){.at = data + PAYLOAD_MAGIC_SIZE,
	                        .left = len - PAYLOAD_MAGIC_SIZE - BMR_DIGEST_SIZE};
	major = get_u16(in);
	get_u16(in);
	if (major > FORMAT_MAJOR)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image is of format version %u, and this bmr knows version "
		                   "%d: use a newer bmr",
		                   major, FORMAT_MAJOR);
	if (digest_is(data, len - BMR_DIGEST_SIZE, data + len - BMR_DIGEST_SIZE, &same, e) < 0)
		return -1;
	if (!same)
		return damaged(part, "its checksum is wrong", e);
	return major == FORMAT_MAJOR ? 0 : damaged(part, "there is no such version", e);
}

/* Read one record's value into what ctx points to, all of it.  Errors: BMR_E_DATA, BMR_E_NOMEM. */
typedef int record_reader(struct bytes_in *value, void *ctx, struct bmr_err *e);

struct record_kind {
	enum bmr_record type;
	bool needed;
	record_reader *read;
};

static int read_record(const char *part, const struct record_kind *kind, struct bytes_in *value,
                       void *ctx, struct bmr_err *e)
{
	if (kind->read(value, ctx, e) < 0)
		return -1;
	if (value->bad || value->left > 0)
		return damaged(part, "a record has not the length it should have", e);
	return 0;
}

static const struct record_kind *find_kind(const struct record_kind *kinds, unsigned type)
{
	for (; kinds->read; kinds++)
		if (kinds->type == type)
			return kinds;
	return NULL;
}

/* Types are below 64 where they are known. */
static int check_all_there(const char *part, const struct record_kind *kinds, uint64_t seen,
                           struct bmr_err *e)
{
	for (; kinds->read; kinds++)
		if (kinds->needed && !(seen & (uint64_t)1 << kinds->type))
			return damaged(part, "a record is missing", e);
	return 0;
}

static int read_records(const char *part, const struct record_kind *kinds, struct bytes_in *in,
                        void *ctx, struct bmr_err *e)
{
	uint64_t seen = 0;
	unsigned last = 0;

	while (in->left > 0) {
		unsigned type = get_u16(in);
		unsigned flags = get_u16(in);
		uint64_t len = get_u64(in);
		const struct record_kind *kind = find_kind(kinds, type);
		struct bytes_in value = {.left = (size_t)len};

		if (in->bad || len > in->left)
			return damaged(part, "it ends inside a record", e);
		value.at = get_bytes(in, (size_t)len);
		if (type <= last)
			return damaged(part, "its records are not in order", e);
		last = type;
		if (!kind && flags & RECORD_MUST_KNOW)
			return bmr_err_set(e, BMR_E_DATA, 0,
			                   "the image uses something that this bmr does not know "
			                   "(record %u of its %s): use a newer bmr",
			                   type, part);
		if (!kind)
			continue;
		seen |= (uint64_t)1 << type;
		if (read_record(part, kind, &value, ctx, e) < 0)
			return -1;
	}
	return check_all_there(part, kinds, seen, e);
}

/* --- the head --- */

static int read_id(struct bytes_in *in, void *ctx, struct bmr_err *e)
{
	struct bmr_head *head = ctx;

	(void)e;
	get_copy(in, head->id, sizeof head->id);
	return 0;
}

static int read_disk(struct bytes_in *in, void *ctx, struct bmr_err *e)
{
	struct bmr_head *head = ctx;

	(void)e;
	head->disk_size = get_u64(in);
	head->sector = get_u32(in);
	head->physical = get_u32(in);
	head->chunk_size = get_u32(in);
	head->pack = get_u32(in);
	return 0;
}

static int read_made(struct bytes_in *in, void *ctx, struct bmr_err *e)
{
	struct bmr_head *head = ctx;

	(void)e;
	head->created = (int64_t)get_u64(in);
	return 0;
}

static int read_base(struct bytes_in *in, void *ctx, struct bmr_err *e)
{
	struct bmr_head *head = ctx;

	(void)e;
	head->has_base = true;
	get_copy(in, head->base_id, sizeof head->base_id);
	get_copy(in, head->base_root.bytes, sizeof head->base_root.bytes);
	return 0;
}

int bmr_head_decode(const uint8_t *data, size_t len, struct bmr_head *head, struct bmr_err *e)
{
	static const struct record_kind kinds[] = {
		{BMR_RECORD_ID, true, read_id},
		{BMR_RECORD_DISK, true, read_disk},
		{BMR_RECORD_MADE, true, read_made},
		{BMR_RECORD_BASE, false, read_base},
		{0},
	};
	const char *wrong;
	struct bytes_in in;

	memset(head, 0, sizeof *head);
	if (open_payload(HEAD_NAME, HEAD_MAGIC, data, len, &in, e) < 0 ||
	    read_records(HEAD_NAME, kinds, &in, head, e) < 0)
		return -1;
	wrong = bmr_head_wrong(head);
	return wrong ? damaged(HEAD_NAME, wrong, e) : 0;
}

/* --- the manifest --- */

struct decoding {
	struct bmr_manifest *m;
	const uint8_t *head;
	size_t head_len;
};

static int read_head_digest(struct bytes_in *in, void *ctx, struct bmr_err *e)
{
	const struct decoding *d = ctx;
	struct bmr_digest_value digest;
	bool same;

	get_copy(in, digest.bytes, sizeof digest.bytes);
	if (digest_is(d->head, d->head_len, digest.bytes, &same, e) < 0)
		return -1;
	return same ? 0 : damaged(MANIFEST_NAME, "it is that of another image", e);
}

static int read_root(struct bytes_in *in, void *ctx, struct bmr_err *e)
{
	struct decoding *d = ctx;

	(void)e;
	get_copy(in, d->m->root.bytes, sizeof d->m->root.bytes);
	return 0;
}

static int read_sha256(struct bytes_in *in, void *ctx, struct bmr_err *e)
{
	struct decoding *d = ctx;

	(void)e;
	d->m->has_sha256 = true;
	get_copy(in, d->m->sha256.bytes, sizeof d->m->sha256.bytes);
	return 0;
}

/* An array of what takes at least `least` bytes each in the file; NULL and 0 where it is empty.
 * (calloc of 0 may be NULL.) */
static int allocate(const struct bytes_in *in, uint32_t count, uint32_t most, size_t least,
                    size_t size, void **out, struct bmr_err *e)
{
	if (count > most || count > in->left / least)
		return damaged(MANIFEST_NAME, "it counts more than it holds", e);
	*out = count > 0 ? calloc(count, size) : NULL;
	return *out || count == 0 ? 0 : bmr_err_nomem(e, "the image's manifest");
}

static void get_entry(struct bytes_in *in, const struct bmr_manifest *m, uint32_t first,
                      struct bmr_manifest_entry *entry)
{
	*entry = (struct bmr_manifest_entry){.first = first, .count = 1, .kind = get_u8(in)};
	if (entry->kind == BMR_CHUNK_ZERO || entry->kind == BMR_CHUNK_UNUSED)
		entry->count = get_u32(in);
	if (entry->kind != BMR_CHUNK_BASE) {
		entry->stored = get_u32(in);
		entry->offset = m->data_end;
	}
	if (entry->kind == BMR_CHUNK_DATA || entry->kind == BMR_CHUNK_BASE)
		get_copy(in, entry->digest.bytes, sizeof entry->digest.bytes);
}

static int read_entries(struct bytes_in *in, void *ctx, struct bmr_err *e)
{
	struct decoding *d = ctx;
	struct bmr_manifest *m = d->m;
	uint64_t first = 0;
	uint32_t count;
	void *room;

	m->data_start = m->data_end = get_u64(in);
	count = get_u32(in);
	if (m->data_start > BMR_SKIPPABLE_HEADER + BMR_HEAD_MOST + BMR_GUARD_FRAME_MOST)
		return damaged(MANIFEST_NAME, "its data begins nowhere", e);
	if (allocate(in, count, BMR_ENTRIES_MOST, RUN_ENTRY_SIZE, sizeof *m->entries, &room, e) < 0)
		return -1;
	m->entries = room;
	while (m->entry_count < count) {
		struct bmr_manifest_entry entry;
		const char *wrong;

		get_entry(in, m, (uint32_t)first, &entry);
		wrong = in->bad ? "it ends inside a chunk" : bmr_manifest_append(m, &entry);
		if (wrong)
			return damaged(MANIFEST_NAME, wrong, e);
		first += entry.count;
	}
	return first == bmr_manifest_chunks(m)
	               ? 0
	               : damaged(MANIFEST_NAME, "chunks are missing at its end", e);
}

static int read_bad(struct bytes_in *in, void *ctx, struct bmr_err *e)
{
	struct decoding *d = ctx;
	struct bmr_manifest *m = d->m;
	uint32_t count = get_u32(in);
	uint64_t end = 0; /* of the range before */
	void *room;

	if (allocate(in, count, BMR_BAD_MOST, BAD_RANGE_SIZE, sizeof *m->bad, &room, e) < 0)
		return -1;
	m->bad = room;
	for (; m->bad_count < count; m->bad_count++) {
		struct bmr_bad_range range = {.offset = get_u64(in)};

		range.length = get_u64(in);
		if (range.length == 0 ||
		    !bmr_size_inside(range.offset, range.length, m->head.disk_size) ||
		    (m->bad_count > 0 && range.offset <= end))
			return damaged(MANIFEST_NAME, "a bad range where none can be", e);
		end = range.offset + range.length;
		m->bad[m->bad_count] = range;
	}
	return 0;
}

/* NULL with why in *wrong (NULL: no memory). */
static char *get_text(struct bytes_in *in, size_t len, size_t most, const char **wrong)
{
	const uint8_t *text = get_bytes(in, len);

	*wrong = NULL;
	if (!text || len == 0 || len > most || !bmr_fact_is_clean((const char *)text, len)) {
		*wrong = "a fact that is no text";
		return NULL;
	}
	return strndup((const char *)text, len);
}

/* The fact is in the manifest from here on, so that it is freed whatever comes. */
static int get_fact(struct bytes_in *in, struct bmr_fact *fact, struct bmr_err *e)
{
	size_t name_len = get_u8(in);
	size_t value_len = get_u16(in);
	const char *wrong;

	fact->name = get_text(in, name_len, BMR_FACT_NAME_MOST, &wrong);
	if (fact->name)
		fact->value = get_text(in, value_len, BMR_FACT_VALUE_MOST, &wrong);
	if (fact->value)
		return 0;
	return wrong ? damaged(MANIFEST_NAME, wrong, e) : bmr_err_nomem(e, "the image's manifest");
}

static int read_facts(struct bytes_in *in, void *ctx, struct bmr_err *e)
{
	struct decoding *d = ctx;
	struct bmr_manifest *m = d->m;
	uint32_t count = get_u32(in);
	void *room;

	if (allocate(in, count, BMR_FACTS_MOST, FACT_SIZE_LEAST, sizeof *m->facts, &room, e) < 0)
		return -1;
	m->facts = room;
	while (m->fact_count < count) {
		struct bmr_fact *fact = &m->facts[m->fact_count++];

		if (get_fact(in, fact, e) < 0)
			return -1;
		if (m->fact_count > 1 && strcmp(fact[-1].name, fact->name) >= 0)
			return damaged(MANIFEST_NAME, "its facts are not in order", e);
	}
	return 0;
}

static int decode_records(struct decoding *d, struct bytes_in *in, struct bmr_err *e)
{
	static const struct record_kind kinds[] = {
		{BMR_RECORD_HEAD, true, read_head_digest},
		{BMR_RECORD_ROOT, true, read_root},
		{BMR_RECORD_SHA256, false, read_sha256},
		{BMR_RECORD_ENTRIES, true, read_entries},
		{BMR_RECORD_BAD, false, read_bad},
		{BMR_RECORD_FACTS, false, read_facts},
		{0},
	};
	struct bmr_digest_value root;

	if (read_records(MANIFEST_NAME, kinds, in, d, e) < 0 ||
	    bmr_manifest_root(d->m, &root, e) < 0)
		return -1;
	if (!bmr_digest_equal(&root, &d->m->root))
		return damaged(MANIFEST_NAME, "its root is not that of its chunks", e);
	d->m->sealed = true;
	return 0;
}

int bmr_manifest_decode(const uint8_t *head, size_t head_len, const uint8_t *data, size_t len,
                        struct bmr_manifest **out, struct bmr_err *e)
{
	struct bmr_manifest *m = calloc(1, sizeof *m);
	struct decoding d = {m, head, head_len};
	struct bytes_in in;

	if (!m)
		return bmr_err_nomem(e, "the image's manifest");
	if (bmr_head_decode(head, head_len, &m->head, e) < 0 ||
	    open_payload(MANIFEST_NAME, MANIFEST_MAGIC, data, len, &in, e) < 0 ||
	    decode_records(&d, &in, e) < 0) {
		bmr_manifest_free(m);
		return -1;
	}
	*out = m;
	return 0;
}
