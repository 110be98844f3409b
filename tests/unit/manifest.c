/* SPDX-License-Identifier: GPL-3.0-or-later */
/* manifest: what is built comes back from its bytes, and bytes that lie are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "imaging/bmr/container.h"
#include "imaging/bmr/manifest.h"
#include "imaging/bmr/manifest_internal.h"

#define MIB ((uint64_t)1 << 20)

static struct bmr_err err;

#define must(call)                                                                                 \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, err.msg);                                        \
	} while (0)

#define must_not(call, want, words)                                                                \
	do {                                                                                       \
		assert_int_equal(call, -1);                                                        \
		assert_int_equal(err.code, want);                                                  \
		if (!strstr(err.msg, words))                                                       \
			fail_msg("'%s' does not say '%s'", err.msg, words);                        \
	} while (0)

static struct bmr_head a_head(uint64_t size)
{
	return (struct bmr_head){
		.id = {1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16},
		.disk_size = size,
		.sector = 512,
		.physical = 4096,
		.chunk_size = (uint32_t)MIB,
		.pack = BMR_PACK_ZSTD,
		.created = 1700000000,
	};
}

static struct bmr_manifest *a_manifest(const struct bmr_head *head)
{
	struct bmr_manifest *m;

	must(bmr_manifest_new(head, &m, &err));
	return m;
}

static int add(struct bmr_manifest *m, enum bmr_chunk_kind kind, uint32_t first, uint32_t count,
               uint32_t stored)
{
	struct bmr_manifest_entry entry = {
		.offset = kind == BMR_CHUNK_BASE ? 0 : m->data_end,
		.first = first,
		.count = count,
		.stored = stored,
		.kind = kind,
	};

	if (kind == BMR_CHUNK_DATA || kind == BMR_CHUNK_BASE)
		memset(entry.digest.bytes, (int)first + 7, sizeof entry.digest.bytes);
	return bmr_manifest_add(m, &entry, &err);
}

static uint32_t zeros(uint64_t bytes)
{
	return (uint32_t)bmr_zero_frame(bytes, NULL, 0);
}

/* Ten chunks and a half: data, zeros, unused, data, zeros. */
#define SAMPLE_SIZE (10 * MIB + 512)

static struct bmr_manifest *sample(void)
{
	struct bmr_head head = a_head(SAMPLE_SIZE);
	struct bmr_manifest *m = a_manifest(&head);

	must(add(m, BMR_CHUNK_DATA, 0, 1, 1000));
	must(add(m, BMR_CHUNK_DATA, 1, 1, 2000));
	must(add(m, BMR_CHUNK_ZERO, 2, 3, zeros(3 * MIB)));
	must(add(m, BMR_CHUNK_UNUSED, 5, 4, zeros(4 * MIB)));
	must(add(m, BMR_CHUNK_DATA, 9, 1, 3000));
	must(add(m, BMR_CHUNK_ZERO, 10, 1, zeros(512)));
	must(bmr_manifest_add_bad(m, 9 * MIB, 4096, &err));
	must(bmr_manifest_fact(m, "disk.model", "VENDOR Größe", &err));
	must(bmr_manifest_fact(m, "bmr.version", "1", &err));
	m->has_sha256 = true;
	memset(m->sha256.bytes, 0x5a, sizeof m->sha256.bytes);
	must(bmr_manifest_seal(m, &err));
	return m;
}

static void expect_same(const struct bmr_manifest *a, const struct bmr_manifest *b)
{
	assert_memory_equal(&a->head.id, &b->head.id, BMR_ID_SIZE);
	assert_int_equal(a->head.disk_size, b->head.disk_size);
	assert_int_equal(a->head.physical, b->head.physical);
	assert_int_equal(a->head.created, b->head.created);
	assert_int_equal(a->head.has_base, b->head.has_base);
	assert_memory_equal(&a->head.base_root, &b->head.base_root, BMR_DIGEST_SIZE);
	assert_memory_equal(&a->root, &b->root, BMR_DIGEST_SIZE);
	assert_int_equal(a->has_sha256, b->has_sha256);
	assert_memory_equal(&a->sha256, &b->sha256, BMR_DIGEST_SIZE);
	assert_int_equal(a->data_start, b->data_start);
	assert_int_equal(a->data_end, b->data_end);
	assert_int_equal(a->entry_count, b->entry_count);
	assert_memory_equal(a->entries, b->entries, a->entry_count * sizeof *a->entries);
	assert_int_equal(a->bad_count, b->bad_count);
	if (a->bad_count > 0)
		assert_memory_equal(a->bad, b->bad, a->bad_count * sizeof *a->bad);
	assert_int_equal(a->fact_count, b->fact_count);
	for (uint32_t i = 0; i < a->fact_count; i++) {
		assert_string_equal(a->facts[i].name, b->facts[i].name);
		assert_string_equal(a->facts[i].value, b->facts[i].value);
	}
	assert_true(b->sealed);
}

struct coded {
	uint8_t *head;
	size_t head_len;
	uint8_t *data;
	size_t len;
};

static struct coded encode(const struct bmr_manifest *m)
{
	struct coded c;

	must(bmr_head_encode(&m->head, &c.head, &c.head_len, &err));
	must(bmr_manifest_encode(m, &c.data, &c.len, &err));
	return c;
}

static int decode(const struct coded *c, struct bmr_manifest **out)
{
	return bmr_manifest_decode(c->head, c->head_len, c->data, c->len, out, &err);
}

static void coded_free(struct coded *c)
{
	free(c->head);
	free(c->data);
}

static void round_trip(const struct bmr_manifest *m)
{
	struct coded c = encode(m);
	struct bmr_manifest *back;

	must(decode(&c, &back));
	expect_same(m, back);
	bmr_manifest_free(back);
	coded_free(&c);
}

static void test_round_trip(void **state)
{
	struct bmr_manifest *m = sample();

	(void)state;
	round_trip(m);
	bmr_manifest_free(m);
}

static void test_round_trip_incremental(void **state)
{
	struct bmr_head head = a_head(4 * MIB);
	uint8_t guard[BMR_GUARD_FRAME_MOST];
	struct bmr_manifest *full;
	struct bmr_manifest *m;
	uint64_t start;

	(void)state;
	full = a_manifest(&head);
	start = full->data_start;
	for (uint32_t i = 0; i < 4; i++)
		must(add(full, BMR_CHUNK_DATA, i, 1, 100 + i));
	must(bmr_manifest_seal(full, &err));
	round_trip(full);
	head.has_base = true;
	head.base_id[3] = 9;
	head.base_root.bytes[31] = 8;
	m = a_manifest(&head);
	assert_true(m->data_start > start + bmr_guard_frame(guard));
	must(add(m, BMR_CHUNK_BASE, 0, 1, 0));
	must(add(m, BMR_CHUNK_DATA, 1, 1, 77));
	must(add(m, BMR_CHUNK_BASE, 2, 1, 0));
	must(add(m, BMR_CHUNK_BASE, 3, 1, 0));
	assert_int_equal(m->data_end, m->data_start + 77);
	must(bmr_manifest_seal(m, &err));
	round_trip(m);
	/* The same content has the same root, wherever it is stored. */
	assert_memory_equal(&m->root, &full->root, BMR_DIGEST_SIZE);
	bmr_manifest_free(m);
	bmr_manifest_free(full);
}

static void test_round_trip_plain(void **state)
{
	struct bmr_head head = a_head(3 * MIB + 512);
	struct bmr_manifest *m;

	(void)state;
	head.pack = BMR_PACK_NONE;
	m = a_manifest(&head);
	assert_int_equal(m->data_start, 0);
	must(add(m, BMR_CHUNK_DATA, 0, 1, MIB));
	must(add(m, BMR_CHUNK_UNUSED, 1, 2, 2 * MIB));
	must(add(m, BMR_CHUNK_DATA, 3, 1, 512));
	must(bmr_manifest_seal(m, &err));
	assert_int_equal(m->data_end, head.disk_size);
	round_trip(m);
	bmr_manifest_free(m);
}

static void test_lookup(void **state)
{
	static const uint32_t kinds[] = {1, 1, 2, 2, 2, 3, 3, 3, 3, 1, 2};
	struct bmr_manifest *m = sample();
	char text[BMR_ID_TEXT_SIZE];

	(void)state;
	assert_int_equal(bmr_manifest_chunks(m), 11);
	for (uint32_t i = 0; i < 11; i++) {
		const struct bmr_manifest_entry *entry = bmr_manifest_at(m, i);

		assert_int_equal(entry->kind, kinds[i]);
		assert_true(entry->first <= i && i < entry->first + entry->count);
		assert_int_equal(bmr_manifest_chunk_len(m, i), i == 10 ? 512 : MIB);
	}
	assert_int_equal(bmr_manifest_bytes(m, BMR_CHUNK_DATA), 3 * MIB);
	assert_int_equal(bmr_manifest_bytes(m, BMR_CHUNK_ZERO), 3 * MIB + 512);
	assert_int_equal(bmr_manifest_bytes(m, BMR_CHUNK_UNUSED), 4 * MIB);
	assert_int_equal(bmr_manifest_bytes(m, BMR_CHUNK_BASE), 0);
	assert_int_equal(m->data_end,
	                 m->data_start + 6000 + zeros(3 * MIB) + zeros(4 * MIB) + zeros(512));
	assert_string_equal(bmr_id_text(m->head.id, text), "01020304-0506-4708-890a-0b0c0d0e0f10");
	assert_string_equal(bmr_pack_name(BMR_PACK_LZ4), "lz4");
	bmr_manifest_free(m);
}

static void test_root_is_of_the_content(void **state)
{
	struct bmr_head head = a_head(4 * MIB);
	struct bmr_digest_value roots[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct bmr_manifest *m = a_manifest(&head);

		if (i == 0) {
			must(add(m, BMR_CHUNK_ZERO, 0, 4, zeros(4 * MIB)));
		} else if (i == 1) {
			must(add(m, BMR_CHUNK_ZERO, 0, 1, zeros(MIB)));
			must(add(m, BMR_CHUNK_ZERO, 1, 3, zeros(3 * MIB)));
		} else if (i == 2) {
			must(add(m, BMR_CHUNK_UNUSED, 0, 4, zeros(4 * MIB)));
		} else {
			must(add(m, BMR_CHUNK_ZERO, 0, 3, zeros(3 * MIB)));
			must(add(m, BMR_CHUNK_DATA, 3, 1, 100));
		}
		must(bmr_manifest_seal(m, &err));
		round_trip(m);
		roots[i] = m->root;
		bmr_manifest_free(m);
	}
	assert_true(bmr_digest_equal(&roots[0], &roots[1]));
	assert_false(bmr_digest_equal(&roots[0], &roots[2]));
	assert_false(bmr_digest_equal(&roots[0], &roots[3]));
}

static void test_builder_refuses(void **state)
{
	struct bmr_head head = a_head(4 * MIB);
	struct bmr_manifest *m = a_manifest(&head);
	struct bmr_manifest_entry away = {
		.offset = m->data_end + 1, .count = 1, .stored = 9, .kind = 1};
	uint8_t *out;
	size_t len;

	(void)state;
	must_not(bmr_manifest_add(m, &away, &err), BMR_E_BUG, "follow");
	must_not(add(m, BMR_CHUNK_DATA, 1, 1, 9), BMR_E_BUG, "gap");
	must_not(add(m, BMR_CHUNK_DATA, 0, 2, 9), BMR_E_BUG, "several");
	must_not(add(m, BMR_CHUNK_DATA, 0, 1, 0), BMR_E_BUG, "length");
	must_not(add(m, BMR_CHUNK_DATA, 0, 1, BMR_STORED_MOST(MIB) + 1), BMR_E_BUG, "length");
	must_not(add(m, BMR_CHUNK_BASE, 0, 1, 0), BMR_E_BUG, "base");
	must_not(add(m, BMR_CHUNK_ZERO, 0, 5, zeros(5 * MIB)), BMR_E_BUG, "past the end");
	must_not(add(m, BMR_CHUNK_ZERO, 0, 0, 0), BMR_E_BUG, "past the end");
	must_not(add(m, BMR_CHUNK_ZERO, 0, 4, zeros(4 * MIB) + 1), BMR_E_BUG, "frame of zeros");
	must_not(add(m, 5, 0, 1, 9), BMR_E_BUG, "kind");
	must(add(m, BMR_CHUNK_ZERO, 0, 3, zeros(3 * MIB)));
	must_not(bmr_manifest_seal(m, &err), BMR_E_BUG, "3 of its 4");
	must_not(bmr_manifest_encode(m, &out, &len, &err), BMR_E_BUG, "complete");
	must_not(bmr_manifest_add_bad(m, 4 * MIB, 1, &err), BMR_E_BUG, "not on the disk");
	must_not(bmr_manifest_add_bad(m, 0, 0, &err), BMR_E_BUG, "not on the disk");
	must_not(bmr_manifest_add_bad(m, UINT64_MAX, 2, &err), BMR_E_BUG, "not on the disk");
	bmr_manifest_free(m);
	bmr_manifest_free(NULL);
}

static void test_long_runs_are_several(void **state)
{
	struct bmr_head head = a_head(3 * BMR_RUN_MOST);
	struct bmr_manifest *m = a_manifest(&head);

	(void)state;
	must_not(add(m, BMR_CHUNK_ZERO, 0, 1025, zeros(1025 * MIB)), BMR_E_BUG, "too long");
	for (uint32_t i = 0; i < 3; i++)
		must(add(m, BMR_CHUNK_ZERO, i * 1024, 1024, zeros(BMR_RUN_MOST)));
	must(bmr_manifest_seal(m, &err));
	round_trip(m);
	bmr_manifest_free(m);
}

static void expect_no_head(struct bmr_head head, const char *words)
{
	struct bmr_manifest *m;

	must_not(bmr_manifest_new(&head, &m, &err), BMR_E_USAGE, words);
}

static void test_heads_refused(void **state)
{
	struct bmr_head head = a_head(4 * MIB);

	(void)state;
#define with(field, value, words)                                                                  \
	do {                                                                                       \
		struct bmr_head other = head;                                                      \
		other.field = value;                                                               \
		expect_no_head(other, words);                                                      \
	} while (0)
	with(pack, 0, "packed");
	with(pack, 5, "packed");
	with(chunk_size, 0, "chunks");
	with(chunk_size, 512 * 1024, "chunks");
	with(chunk_size, 3 << 20, "chunks");
	with(chunk_size, 8 << 20, "chunks");
	with(sector, 0, "sectors");
	with(sector, 520, "sectors");
	with(sector, 131072, "sectors");
	with(physical, 0, "sectors");
	with(physical, 256, "sectors");
	with(disk_size, 0, "whole number");
	with(disk_size, 511, "whole number");
	with(disk_size, BMR_DISK_SIZE_MOST + 512, "count");
	with(disk_size, MIB << 32, "count");
	with(created, -1, "time");
	with(created, INT64_MAX, "time");
	head.pack = BMR_PACK_GZIP;
	with(has_base, true, "incremental");
#undef with
}

static void expect_bad(const struct bmr_manifest *m, uint32_t i, uint64_t from, uint64_t to)
{
	assert_true(i < m->bad_count);
	assert_int_equal(m->bad[i].offset, from);
	assert_int_equal(m->bad[i].offset + m->bad[i].length, to);
}

static void test_bad_ranges(void **state)
{
	struct bmr_head head = a_head(MIB << 10);
	struct bmr_manifest *m = a_manifest(&head);

	(void)state;
	must(bmr_manifest_add_bad(m, 5000, 1000, &err));
	must(bmr_manifest_add_bad(m, 9000, 1000, &err));
	must(bmr_manifest_add_bad(m, 1000, 1000, &err));
	assert_int_equal(m->bad_count, 3);
	must(bmr_manifest_add_bad(m, 2000, 10, &err)); /* touches the first */
	must(bmr_manifest_add_bad(m, 4990, 10, &err)); /* touches the second */
	must(bmr_manifest_add_bad(m, 9100, 10, &err)); /* inside the third */
	assert_int_equal(m->bad_count, 3);
	expect_bad(m, 0, 1000, 2010);
	expect_bad(m, 1, 4990, 6000);
	expect_bad(m, 2, 9000, 10000);
	must(bmr_manifest_add_bad(m, 1500, 8000, &err)); /* joins all */
	assert_int_equal(m->bad_count, 1);
	expect_bad(m, 0, 1000, 10000);
	for (uint64_t i = 1; i < BMR_BAD_MOST; i++)
		must(bmr_manifest_add_bad(m, 10000 + i * 1024, 512, &err));
	assert_int_equal(m->bad_count, BMR_BAD_MOST);
	must(bmr_manifest_add_bad(m, 900 * MIB, 512, &err)); /* full: the last grows */
	must(bmr_manifest_add_bad(m, 0, 1, &err));           /* and the first */
	assert_int_equal(m->bad_count, BMR_BAD_MOST);
	expect_bad(m, 0, 0, 10000);
	expect_bad(m, BMR_BAD_MOST - 1, 10000 + (BMR_BAD_MOST - 1) * 1024, 900 * MIB + 512);
	must(add(m, BMR_CHUNK_ZERO, 0, 1024, zeros(MIB << 10)));
	must(bmr_manifest_seal(m, &err));
	round_trip(m);
	bmr_manifest_free(m);
}

static void test_facts(void **state)
{
	struct bmr_head head = a_head(MIB);
	struct bmr_manifest *m = a_manifest(&head);
	char large[4000];
	char name[32];

	(void)state;
	must(bmr_manifest_fact(m, "b", "2", &err));
	must(bmr_manifest_fact(m, "a", "1", &err));
	must(bmr_manifest_fact(m, "c", "", &err));
	must(bmr_manifest_fact(m, "c", NULL, &err));
	must(bmr_manifest_fact(m, "b", "3", &err));
	assert_int_equal(m->fact_count, 2);
	assert_string_equal(bmr_manifest_get(m, "a"), "1");
	assert_string_equal(bmr_manifest_get(m, "b"), "3");
	assert_null(bmr_manifest_get(m, "c"));
	must(bmr_manifest_fact(m, "x",
	                       "a\nb\x7f\x1b[2J\xc2\x9b"
	                       "\xff\xc0\x80\xed\xa0\x80",
	                       &err));
	assert_string_equal(bmr_manifest_get(m, "x"), "a?b??[2J????????");
	must(bmr_manifest_fact(
		m, "x", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7 \xe2\x80\xae.", &err));
	assert_string_equal(bmr_manifest_get(m, "x"),
	                    "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7 ???.");
	must(bmr_manifest_fact(m, "x", "\xe0\x82\x80|\xf0\x82\x82\xac", &err)); /* overlong */
	assert_string_equal(bmr_manifest_get(m, "x"), "???|????");
	/* Cut, and never inside a character. */
	memset(large, 'y', sizeof large);
	large[sizeof large - 1] = '\0';
	memcpy(large + BMR_FACT_VALUE_MOST - 1, "\xc3\xbc", 2);
	must(bmr_manifest_fact(m, "long", large, &err));
	assert_int_equal(strlen(bmr_manifest_get(m, "long")), BMR_FACT_VALUE_MOST - 1);
	for (unsigned i = 0; i < BMR_FACTS_MOST + 5; i++) {
		snprintf(name, sizeof name, "many.%u", i);
		must(bmr_manifest_fact(m, name, "v", &err));
	}
	assert_int_equal(m->fact_count, BMR_FACTS_MOST);
	must(bmr_manifest_fact(m, "many.7", "new", &err));
	assert_string_equal(bmr_manifest_get(m, "many.7"), "new");
	must(add(m, BMR_CHUNK_DATA, 0, 1, 10));
	must(bmr_manifest_seal(m, &err));
	round_trip(m);
	bmr_manifest_free(m);
}

/* --- hostile bytes --- */

/* The payload's checksum as it must be, so that what is behind it is reached. */
static void mend(uint8_t *data, size_t len)
{
	struct bmr_digest *d;
	struct bmr_digest_value v;

	must(bmr_digest_open(&d, &err));
	must(bmr_digest_of(d, data, len - BMR_DIGEST_SIZE, &v, &err));
	memcpy(data + len - BMR_DIGEST_SIZE, v.bytes, BMR_DIGEST_SIZE);
	bmr_digest_close(d);
}

static void test_every_byte_counts(void **state)
{
	struct bmr_manifest *m = sample();
	struct coded c = encode(m);
	struct bmr_manifest *out;

	(void)state;
	for (size_t i = 0; i < c.len; i++) {
		c.data[i] ^= 0x40;
		assert_int_equal(decode(&c, &out), -1);
		assert_int_equal(err.code, BMR_E_DATA);
		c.data[i] ^= 0x40;
	}
	for (size_t i = 0; i < c.head_len; i++) {
		c.head[i] ^= 1;
		assert_int_equal(decode(&c, &out), -1);
		assert_int_equal(err.code, BMR_E_DATA);
		c.head[i] ^= 1;
	}
	must(decode(&c, &out));
	bmr_manifest_free(out);
	while (c.len-- > 0) {
		assert_int_equal(decode(&c, &out), -1);
		assert_int_equal(err.code, BMR_E_DATA);
	}
	coded_free(&c);
	bmr_manifest_free(m);
}

/* Byte by byte with a right checksum: refused, or another manifest that keeps every promise. */
static void test_with_a_right_checksum(void **state)
{
	struct bmr_manifest *m = sample();
	struct coded c = encode(m);
	unsigned taken = 0;

	(void)state;
	for (size_t i = 0; i < c.len - BMR_DIGEST_SIZE; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			struct bmr_manifest *out;

			c.data[i] ^= (uint8_t)(1U << bit);
			mend(c.data, c.len);
			if (decode(&c, &out) == 0) {
				taken++;
				round_trip(out);
				bmr_manifest_free(out);
			} else {
				assert_int_equal(err.code, BMR_E_DATA);
			}
			c.data[i] ^= (uint8_t)(1U << bit);
		}
	assert_true(taken > 0); /* facts, the raw digest, minor version */
	coded_free(&c);
	bmr_manifest_free(m);
}

/* A copy of the payload with a record put in before `before` (or at the end: 0). */
static struct coded with_record(const struct coded *c, unsigned before, unsigned type,
                                unsigned flags, uint64_t len, size_t really)
{
	struct coded out = {malloc(c->head_len), c->head_len, calloc(1, c->len + 12 + really),
	                    c->len + 12 + really};
	struct bytes_in in = {c->data + PAYLOAD_HEADER, c->len - PAYLOAD_HEADER - BMR_DIGEST_SIZE,
	                      0};
	size_t at = c->len - BMR_DIGEST_SIZE;
	uint8_t *to;

	assert_non_null(out.head);
	assert_non_null(out.data);
	memcpy(out.head, c->head, c->head_len);
	while (before && in.left > 0) {
		size_t here = (size_t)(in.at - c->data);
		unsigned t = get_u16(&in);

		if (t >= before) {
			at = here;
			break;
		}
		get_u16(&in);
		get_bytes(&in, (size_t)get_u64(&in));
	}
	to = put_bytes(out.data, c->data, at);
	to = put_u16(to, (uint16_t)type);
	to = put_u16(to, (uint16_t)flags);
	to = put_u64(to, len) + really;
	put_bytes(to, c->data + at, c->len - at);
	mend(out.data, out.len);
	return out;
}

static void expect_refused(struct coded c, const char *words)
{
	struct bmr_manifest *out;

	must_not(decode(&c, &out), BMR_E_DATA, words);
	coded_free(&c);
}

static void test_versions_and_records(void **state)
{
	struct bmr_manifest *m = sample();
	struct coded c = encode(m);
	struct coded more;
	struct bmr_manifest *out;

	(void)state;
	/* A later minor version, and optional records: read as if they were not there. */
	more = with_record(&c, 0, 99, 0, 5, 5);
	put_u16(more.data + 10, 7);
	mend(more.data, more.len);
	must(decode(&more, &out));
	expect_same(m, out);
	bmr_manifest_free(out);
	coded_free(&more);
	more = with_record(&c, 19, 18, 0, 32, 32); /* twice the same type */
	expect_refused(more, "not in order");
	expect_refused(with_record(&c, 0, 99, RECORD_MUST_KNOW, 5, 5), "newer bmr");
	expect_refused(with_record(&c, 0, 99, 0, 6, 5), "inside a record");
	expect_refused(with_record(&c, 0, 99, 0, UINT64_MAX, 5), "inside a record");
	expect_refused(with_record(&c, 17, 99, 0, 5, 5), "not in order");
	memcpy(memmem(c.data, c.len, "bmr.version", 11), "zmr", 3);
	mend(c.data, c.len);
	must_not(decode(&c, &out), BMR_E_DATA, "facts are not in order");
	memcpy(memmem(c.data, c.len, "zmr.version", 11), "b\nr", 3);
	mend(c.data, c.len);
	must_not(decode(&c, &out), BMR_E_DATA, "no text");
	put_u16(c.data + 8, 2);
	must_not(decode(&c, &out), BMR_E_DATA, "format version 2");
	coded_free(&c);
	bmr_manifest_free(m);
}

/* A manifest of nothing but what is given, in place of its entries. */
static void expect_entries_refused(const void *entries, size_t len, uint32_t count,
                                   const char *words)
{
	struct bmr_head head = a_head(4 * MIB);
	uint8_t data[1024] = {0};
	struct coded c = {.data = data};
	struct bmr_manifest *out;
	struct bmr_digest_value digest;
	struct bmr_digest *d;
	uint8_t *at;

	must(bmr_head_encode(&head, &c.head, &c.head_len, &err));
	must(bmr_digest_open(&d, &err));
	must(bmr_digest_of(d, c.head, c.head_len, &digest, &err));
	bmr_digest_close(d);
	at = put_bytes(data, MANIFEST_MAGIC, 8);
	at = put_u16(put_u16(at, 1), 0);
	at = put_u64(put_u16(put_u16(at, 16), 1), 32);
	at = put_bytes(at, digest.bytes, 32);
	at = put_u64(put_u16(put_u16(at, 17), 1), 32) + 32;
	at = put_u64(put_u16(put_u16(at, 19), 1), 12 + len);
	at = put_u32(put_u64(at, 100), count);
	at = put_bytes(at, entries, len);
	at = put_u32(put_u64(put_u16(put_u16(at, 21), 0), 4), 0) + 32;
	c.len = (size_t)(at - data);
	mend(data, c.len);
	must_not(decode(&c, &out), BMR_E_DATA, words);
	free(c.head);
}

static void test_entries_refused(void **state)
{
	uint8_t e[64] = {2, 4, 0, 0, 0};

	(void)state;
	put_u32(e + 5, zeros(4 * MIB));
	expect_entries_refused(e, 9, 1, "root"); /* all but the root is right */
	expect_entries_refused(e, 9, 2, "counts more");
	expect_entries_refused(e, 9, UINT32_MAX, "counts more");
	expect_entries_refused(e, 10, 1, "length");
	expect_entries_refused(e, 9, 0, "missing");
	expect_entries_refused(e, 0, 0, "missing");
	e[1] = 3;
	put_u32(e + 5, zeros(3 * MIB));
	expect_entries_refused(e, 9, 1, "missing");
	e[0] = 1; /* a data chunk with its digest cut off */
	expect_entries_refused(e, 9, 1, "inside a chunk");
	e[0] = 4;
	expect_entries_refused(e, 33, 1, "base");
	e[0] = 0;
	expect_entries_refused(e, 33, 1, "kind");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_round_trip_incremental),
		cmocka_unit_test(test_round_trip_plain),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_root_is_of_the_content),
		cmocka_unit_test(test_builder_refuses),
		cmocka_unit_test(test_long_runs_are_several),
		cmocka_unit_test(test_heads_refused),
		cmocka_unit_test(test_bad_ranges),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_with_a_right_checksum),
		cmocka_unit_test(test_versions_and_records),
		cmocka_unit_test(test_entries_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
