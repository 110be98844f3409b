/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Head and manifest to bytes: sizes first, so that each is allocated once. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/bmr/manifest_internal.h"

#define DISK_SIZE (8 + 4 + 4 + 4 + 4)
#define MADE_SIZE 8
#define BASE_SIZE (BMR_ID_SIZE + BMR_DIGEST_SIZE)

static uint8_t *put_start(uint8_t *to, const char *magic)
{
	to = put_bytes(to, magic, PAYLOAD_MAGIC_SIZE);
	to = put_u16(to, FORMAT_MAJOR);
	return put_u16(to, FORMAT_MINOR);
}

static uint8_t *put_record(uint8_t *to, enum bmr_record type, uint16_t flags, uint64_t len)
{
	to = put_u16(to, (uint16_t)type);
	to = put_u16(to, flags);
	return put_u64(to, len);
}

static uint8_t *put_digest_record(uint8_t *to, enum bmr_record type,
                                  const struct bmr_digest_value *digest)
{
	to = put_record(to, type, RECORD_MUST_KNOW, BMR_DIGEST_SIZE);
	return put_bytes(to, digest->bytes, BMR_DIGEST_SIZE);
}

static int digest_of(const void *data, size_t len, struct bmr_digest_value *out, struct bmr_err *e)
{
	struct bmr_digest *d;
	int rc;

	if (bmr_digest_open(&d, e) < 0)
		return -1;
	rc = bmr_digest_of(d, data, len, out, e);
	bmr_digest_close(d);
	return rc;
}

/* The last 32 bytes are the digest of those before. */
static int finish(uint8_t *payload, size_t len, const uint8_t *end, struct bmr_err *e)
{
	struct bmr_digest_value digest;

	if (end != payload + len - BMR_DIGEST_SIZE)
		return bmr_err_set(e, BMR_E_BUG, 0, "a manifest has not the length it should have");
	if (digest_of(payload, len - BMR_DIGEST_SIZE, &digest, e) < 0)
		return -1;
	memcpy(payload + len - BMR_DIGEST_SIZE, digest.bytes, BMR_DIGEST_SIZE);
	return 0;
}

int bmr_head_encode(const struct bmr_head *head, uint8_t **out, size_t *len, struct bmr_err *e)
{
	size_t size = PAYLOAD_HEADER + 3 * RECORD_HEADER + BMR_ID_SIZE + DISK_SIZE + MADE_SIZE +
	              (head->has_base ? RECORD_HEADER + BASE_SIZE : 0) + BMR_DIGEST_SIZE;
	AUTO_FREE uint8_t *payload = malloc(size);
	uint8_t *at = payload;

	if (!payload)
		return bmr_err_nomem(e, "the head of an image");
	at = put_start(at, HEAD_MAGIC);
	at = put_record(at, BMR_RECORD_ID, RECORD_MUST_KNOW, BMR_ID_SIZE);
	at = put_bytes(at, head->id, BMR_ID_SIZE);
	at = put_record(at, BMR_RECORD_DISK, RECORD_MUST_KNOW, DISK_SIZE);
	at = put_u64(at, head->disk_size);
	at = put_u32(at, head->sector);
	at = put_u32(at, head->physical);
	at = put_u32(at, head->chunk_size);
	at = put_u32(at, head->pack);
	at = put_record(at, BMR_RECORD_MADE, 0, MADE_SIZE);
	at = put_u64(at, (uint64_t)head->created);
	if (head->has_base) {
		at = put_record(at, BMR_RECORD_BASE, RECORD_MUST_KNOW, BASE_SIZE);
		at = put_bytes(at, head->base_id, BMR_ID_SIZE);
		at = put_bytes(at, head->base_root.bytes, BMR_DIGEST_SIZE);
	}
	if (finish(payload, size, at, e) < 0)
		return -1;
	*out = take_ptr(&payload);
	*len = size;
	return 0;
}

/* --- the manifest --- */

static uint64_t entries_size(const struct bmr_manifest *m)
{
	uint64_t size = ENTRIES_HEADER;

	for (uint32_t i = 0; i < m->entry_count; i++)
		switch (m->entries[i].kind) {
		case BMR_CHUNK_DATA:
			size += DATA_ENTRY_SIZE;
			break;
		case BMR_CHUNK_BASE:
			size += BASE_ENTRY_SIZE;
			break;
		default:
			size += RUN_ENTRY_SIZE;
		}
	return size;
}

static uint8_t *put_entries(uint8_t *to, const struct bmr_manifest *m)
{
	to = put_u64(to, m->data_start);
	to = put_u32(to, m->entry_count);
	for (uint32_t i = 0; i < m->entry_count; i++) {
		const struct bmr_manifest_entry *entry = &m->entries[i];
		bool is_data = entry->kind == BMR_CHUNK_DATA;

		to = put_u8(to, (uint8_t)entry->kind);
		if (!is_data && entry->kind != BMR_CHUNK_BASE)
			to = put_u32(to, entry->count);
		if (entry->kind != BMR_CHUNK_BASE)
			to = put_u32(to, entry->stored);
		if (is_data || entry->kind == BMR_CHUNK_BASE)
			to = put_bytes(to, entry->digest.bytes, BMR_DIGEST_SIZE);
	}
	return to;
}

static uint64_t bad_size(const struct bmr_manifest *m)
{
	return 4 + (uint64_t)m->bad_count * BAD_RANGE_SIZE;
}

static uint8_t *put_bad(uint8_t *to, const struct bmr_manifest *m)
{
	to = put_u32(to, m->bad_count);
	for (uint32_t i = 0; i < m->bad_count; i++) {
		to = put_u64(to, m->bad[i].offset);
		to = put_u64(to, m->bad[i].length);
	}
	return to;
}

static uint64_t facts_size(const struct bmr_manifest *m)
{
	uint64_t size = 4;

	for (uint32_t i = 0; i < m->fact_count; i++)
		size += FACT_HEADER + strlen(m->facts[i].name) + strlen(m->facts[i].value);
	return size;
}

static uint8_t *put_facts(uint8_t *to, const struct bmr_manifest *m)
{
	to = put_u32(to, m->fact_count);
	for (uint32_t i = 0; i < m->fact_count; i++) {
		size_t name_len = strlen(m->facts[i].name);
		size_t value_len = strlen(m->facts[i].value);

		to = put_u8(to, (uint8_t)name_len);
		to = put_u16(to, (uint16_t)value_len);
		to = put_bytes(to, m->facts[i].name, name_len);
		to = put_bytes(to, m->facts[i].value, value_len);
	}
	return to;
}

static uint64_t manifest_size(const struct bmr_manifest *m)
{
	uint64_t digests = 2 + (uint64_t)m->has_sha256;

	return PAYLOAD_HEADER + digests * (RECORD_HEADER + BMR_DIGEST_SIZE) + RECORD_HEADER +
	       entries_size(m) + (m->bad_count > 0 ? RECORD_HEADER + bad_size(m) : 0) +
	       RECORD_HEADER + facts_size(m) + BMR_DIGEST_SIZE;
}

static uint8_t *put_manifest(uint8_t *at, const struct bmr_manifest *m,
                             const struct bmr_digest_value *head)
{
	at = put_start(at, MANIFEST_MAGIC);
	at = put_digest_record(at, BMR_RECORD_HEAD, head);
	at = put_digest_record(at, BMR_RECORD_ROOT, &m->root);
	if (m->has_sha256)
		at = put_digest_record(at, BMR_RECORD_SHA256, &m->sha256);
	at = put_record(at, BMR_RECORD_ENTRIES, RECORD_MUST_KNOW, entries_size(m));
	at = put_entries(at, m);
	if (m->bad_count > 0) {
		at = put_record(at, BMR_RECORD_BAD, RECORD_MUST_KNOW, bad_size(m));
		at = put_bad(at, m);
	}
	at = put_record(at, BMR_RECORD_FACTS, 0, facts_size(m));
	return put_facts(at, m);
}

int bmr_manifest_encode(const struct bmr_manifest *m, uint8_t **out, size_t *len, struct bmr_err *e)
{
	AUTO_FREE uint8_t *head = NULL;
	AUTO_FREE uint8_t *payload = NULL;
	struct bmr_digest_value head_digest;
	size_t head_len;
	size_t size;

	if (!m->sealed)
		return bmr_err_set(e, BMR_E_BUG, 0, "a manifest is written before it is complete");
	if (bmr_head_encode(&m->head, &head, &head_len, e) < 0 ||
	    digest_of(head, head_len, &head_digest, e) < 0)
		return -1;
	size = (size_t)manifest_size(m);
	payload = malloc(size);
	if (!payload)
		return bmr_err_nomem(e, "a manifest");
	if (finish(payload, size, put_manifest(payload, m, &head_digest), e) < 0)
		return -1;
	*out = take_ptr(&payload);
	*len = size;
	return 0;
}
