/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chain: where each chunk is, through four images; and every base that is not the one is refused
 * before a chunk is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "imaging/bmr/chain.h"
#include "imaging/bmr/chunk_reader.h"
#include "imaging/phase.h"
#include "tests/fixtures/bmr_chain.h"

#define CHUNKS 6
#define SIZE (5 * CHAIN_CHUNK + 1024)

/* d.zst -> c.lz4 -> b.zst -> a.zst; each changes its own chunks of the disk. */
struct setup {
	char folder[CHAIN_FOLDER_SIZE];
	struct bytes disk;
	struct chain_image a, b, c, d;
};

static struct setup s;
static struct bmr_err err;
static const struct bmr_source_options options = {.timeout_ms = 1000, .retries = 1};

static int prepare(void **state)
{
	(void)state;
	chain_folder(s.folder);
	s.disk = bytes_random(SIZE, 11);
	chain_make(&s.a, s.folder, "a.zst", s.disk.data, SIZE, BMR_PACK_ZSTD, "ddzudd", NULL, NULL);
	s.disk.data[1 * CHAIN_CHUNK] ^= 1;
	s.disk.data[2 * CHAIN_CHUNK] ^= 1;
	chain_make(&s.b, s.folder, "b.zst", s.disk.data, SIZE, BMR_PACK_ZSTD, "bddubb", &s.a,
	           "a.zst");
	s.disk.data[4 * CHAIN_CHUNK + 5] ^= 1;
	chain_make(&s.c, s.folder, "c.lz4", s.disk.data, SIZE, BMR_PACK_LZ4, "bbbzdb", &s.b,
	           "b.zst");
	chain_make(&s.d, s.folder, "d.zst", s.disk.data, SIZE, BMR_PACK_ZSTD, "bbbubb", &s.c,
	           "c.lz4");
	return 0;
}

static int clear(void **state)
{
	(void)state;
	chain_free(&s.a);
	chain_free(&s.b);
	chain_free(&s.c);
	chain_free(&s.d);
	free(s.disk.data);
	rmdir(s.folder);
	return 0;
}

static int open_chain(const struct chain_image *image, const char *base, struct bmr_chain **out)
{
	return bmr_chain_open(image->source, image->manifest, base, &options, NULL, out, &err);
}

static void expect_refused(const struct chain_image *image, const char *base, enum bmr_errc code,
                           const char *words)
{
	struct bmr_chain *c = NULL;

	assert_int_equal(open_chain(image, base, &c), -1);
	assert_null(c);
	if (!strstr(err.msg, words))
		fail_msg("'%s' does not say '%s'", err.msg, words);
	assert_int_equal(err.code, code);
}

static void test_places(void **state)
{
	static const struct {
		enum bmr_chunk_kind kind;
		uint32_t image;
	} expected[CHUNKS] = {
		{BMR_CHUNK_DATA, 3},   {BMR_CHUNK_DATA, 2}, {BMR_CHUNK_DATA, 2},
		{BMR_CHUNK_UNUSED, 0}, {BMR_CHUNK_DATA, 1}, {BMR_CHUNK_DATA, 3},
	};
	struct bmr_chunk_reader *reader;
	struct bmr_restore_progress progress = {0};
	struct bmr_chain *c;

	(void)state;
	if (open_chain(&s.d, NULL, &c) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(bmr_chain_count(c), 4);
	assert_ptr_equal(bmr_chain_manifest(c), s.d.manifest);
	assert_int_equal(bmr_chunk_reader_open(CHAIN_CHUNK, &progress, &reader, &err), 0);
	for (uint32_t i = 0; i < CHUNKS; i++) {
		uint32_t len = bmr_manifest_chunk_len(s.d.manifest, i);
		struct bmr_chain_place place;
		struct bmr_source *source;
		const uint8_t *data;

		bmr_chain_find(c, i, &place);
		assert_int_equal(place.kind, expected[i].kind);
		assert_int_equal(place.image, expected[i].image);
		bmr_chain_image(c, place.image, &source);
		assert_ptr_equal(place.source, source);
		assert_int_equal(place.pack, place.image == 1 ? BMR_PACK_LZ4 : BMR_PACK_ZSTD);
		if (place.kind != BMR_CHUNK_DATA)
			continue;
		if (bmr_chunk_reader_get(reader, &place, len, &data, NULL, &err) < 0)
			fail_msg("%s", err.msg);
		assert_memory_equal(data, s.disk.data + i * CHAIN_CHUNK, len);
	}
	assert_int_equal(progress.pipe.decoded, 4 * CHAIN_CHUNK + 1024);
	assert_true(progress.stages.ns[BMR_STAGE_HASH] > 0);
	assert_int_equal(bmr_chain_check_unchanged(c, &err), 0);
	bmr_chunk_reader_close(reader);
	bmr_chain_close(c);
}

/* An image without a base needs none. */
static void test_alone(void **state)
{
	struct bmr_chain_place place;
	struct bmr_chain *c;

	(void)state;
	assert_int_equal(open_chain(&s.a, NULL, &c), 0);
	assert_int_equal(bmr_chain_count(c), 1);
	bmr_chain_find(c, 2, &place);
	assert_int_equal(place.kind, BMR_CHUNK_ZERO);
	bmr_chain_find(c, 3, &place);
	assert_int_equal(place.kind, BMR_CHUNK_UNUSED);
	bmr_chain_close(c);
	expect_refused(&s.a, s.b.path, BMR_E_USAGE, "is not an incremental one");
	bmr_chain_close(NULL);
}

static void test_base_elsewhere(void **state)
{
	char moved[CHAIN_FOLDER_SIZE + 64];
	struct bmr_chain *c;

	(void)state;
	snprintf(moved, sizeof moved, "%s/moved", s.folder);
	assert_int_equal(rename(s.c.path, moved), 0);
	expect_refused(&s.d, NULL, BMR_E_SOURCE, "c.lz4': No such file");
	assert_non_null(strstr(err.msg, "while opening the base of"));
	assert_int_equal(open_chain(&s.d, moved, &c), 0);
	assert_int_equal(bmr_chain_count(c), 4);
	bmr_chain_close(c);
	assert_int_equal(rename(moved, s.c.path), 0);
}

static void test_wrong_base(void **state)
{
	struct chain_image other;

	(void)state;
	expect_refused(&s.d, s.b.path, BMR_E_DATA, "is not the base of");
	assert_non_null(strstr(err.msg, "622e7a73-"));
	assert_non_null(strstr(err.msg, "632e6c7a-"));
	/* The id of the base, and another content. */
	s.disk.data[9] ^= 1;
	chain_make(&other, s.folder, "a.zst", s.disk.data, SIZE, BMR_PACK_ZSTD, "ddzudd", NULL,
	           NULL);
	expect_refused(&s.b, NULL, BMR_E_DATA, "but not its content");
	bmr_manifest_free(other.manifest);
	bmr_source_close(other.source);
	s.disk.data[9] ^= 1;
	/* What is no bmr image at all. */
	expect_refused(&s.b, "/dev/null", BMR_E_SOURCE, "/dev/null");
	/* As it was. */
	chain_free(&s.a);
	s.disk.data[1 * CHAIN_CHUNK] ^= 1;
	s.disk.data[2 * CHAIN_CHUNK] ^= 1;
	s.disk.data[4 * CHAIN_CHUNK + 5] ^= 1;
	chain_make(&s.a, s.folder, "a.zst", s.disk.data, SIZE, BMR_PACK_ZSTD, "ddzudd", NULL, NULL);
	s.disk.data[1 * CHAIN_CHUNK] ^= 1;
	s.disk.data[2 * CHAIN_CHUNK] ^= 1;
	s.disk.data[4 * CHAIN_CHUNK + 5] ^= 1;
}

/* Of the same id and root as it says, and yet its base cannot give what it leaves to it. */
static void test_lying_image(void **state)
{
	static const char *const kinds[] = {"bdzudd", "ddbudd", "ddzbdd", "ddnudd"};
	struct chain_image liar;

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		s.disk.data[0] ^= 1;
		chain_make(&liar, s.folder, "liar", s.disk.data, SIZE, BMR_PACK_ZSTD, kinds[i],
		           &s.a, "a.zst");
		s.disk.data[0] ^= 1;
		expect_refused(&liar, NULL, BMR_E_DATA, "has another chunk");
		chain_free(&liar);
	}
	chain_make(&liar, s.folder, "liar", s.disk.data, SIZE - 512, BMR_PACK_ZSTD, "bdzudd", &s.a,
	           "a.zst");
	expect_refused(&liar, NULL, BMR_E_DATA, "is of a disk of");
	chain_free(&liar);
}

static void test_names(void **state)
{
	struct chain_image image;

	(void)state;
	chain_make(&image, s.folder, "e", s.disk.data, SIZE, BMR_PACK_ZSTD, "bddddd", &s.a, NULL);
	expect_refused(&image, NULL, BMR_E_DATA, "does not say how its base is called");
	chain_free(&image);
	chain_make(&image, s.folder, "e", s.disk.data, SIZE, BMR_PACK_ZSTD, "bddddd", &s.a,
	           "../a.zst");
	expect_refused(&image, NULL, BMR_E_DATA, "is not the name of a file");
	chain_free(&image);
}

/* Roots make it hard to build a circle, but ids are checked first. */
static void test_circle(void **state)
{
	struct chain_image image;

	(void)state;
	chain_make(&image, s.folder, "e", s.disk.data, SIZE, BMR_PACK_ZSTD, "bddddd", &s.a, "e");
	expect_refused(&image, NULL, BMR_E_DATA, "in a circle");
	chain_free(&image);
}

static void test_too_many(void **state)
{
	struct chain_image images[BMR_CHAIN_MOST];
	const struct chain_image *base = &s.a;
	struct bmr_chain *c;
	char name[8];

	(void)state;
	for (unsigned i = 0; i < BMR_CHAIN_MOST; i++) {
		snprintf(name, sizeof name, "n%u", i);
		chain_make(&images[i], s.folder, name, s.disk.data, SIZE, BMR_PACK_ZSTD, "bzzzzb",
		           base, strrchr(base->path, '/') + 1);
		base = &images[i];
	}
	if (open_chain(&images[BMR_CHAIN_MOST - 2], NULL, &c) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(bmr_chain_count(c), BMR_CHAIN_MOST);
	bmr_chain_close(c);
	expect_refused(base, NULL, BMR_E_DATA, "more than 64 images");
	for (unsigned i = 0; i < BMR_CHAIN_MOST; i++)
		chain_free(&images[i]);
}

/* A base that is replaced while it is in use, and one that is stopped. */
static void test_changed_and_stopped(void **state)
{
	const struct timespec future[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
	struct bmr_chain_place place;
	struct bmr_chain *c;
	uint8_t byte;
	size_t got;

	(void)state;
	assert_int_equal(open_chain(&s.c, NULL, &c), 0);
	bmr_chain_find(c, 0, &place);
	assert_int_equal(place.image, 2);
	assert_int_equal(utimensat(AT_FDCWD, s.a.path, future, 0), 0);
	assert_int_equal(bmr_chain_check_unchanged(c, &err), -1);
	assert_int_equal(err.code, BMR_E_DATA);
	bmr_chain_stop(c);
	assert_int_equal(bmr_source_read(place.source, &byte, 1, 0, &got, &err), -1);
	assert_int_equal(err.code, BMR_E_STOPPED);
	bmr_chain_close(c);
}

static void test_damaged_chunk(void **state)
{
	struct bmr_chunk_reader *reader;
	struct bmr_chain_place place;
	const uint8_t *data;
	struct bmr_chain *c;

	(void)state;
	assert_int_equal(open_chain(&s.a, NULL, &c), 0);
	bmr_chain_find(c, 1, &place);
	assert_int_equal(bmr_chunk_reader_open(CHAIN_CHUNK, NULL, &reader, &err), 0);
	chain_damage(s.a.path, place.offset + place.stored / 2);
	assert_int_equal(bmr_chunk_reader_get(reader, &place, CHAIN_CHUNK, &data, NULL, &err), -1);
	assert_int_equal(err.code, BMR_E_DATA);
	assert_non_null(strstr(err.msg, "a.zst'"));
	chain_damage(s.a.path, place.offset + place.stored / 2);
	/* A frame that is whole, and another one than the manifest says. */
	bmr_chain_find(c, 0, &place);
	assert_int_equal(bmr_chunk_reader_get(reader, &place, CHAIN_CHUNK, &data, NULL, &err), 0);
	place.digest = &s.a.manifest->root;
	assert_int_equal(bmr_chunk_reader_get(reader, &place, CHAIN_CHUNK, &data, NULL, &err), -1);
	assert_int_equal(err.code, BMR_E_DATA);
	assert_non_null(strstr(err.msg, "not what its SHA-256 says"));
	bmr_chunk_reader_close(reader);
	bmr_chain_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),         cmocka_unit_test(test_alone),
		cmocka_unit_test(test_base_elsewhere), cmocka_unit_test(test_wrong_base),
		cmocka_unit_test(test_lying_image),    cmocka_unit_test(test_names),
		cmocka_unit_test(test_circle),         cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_damaged_chunk),  cmocka_unit_test(test_changed_and_stopped),
	};

	return cmocka_run_group_tests(tests, prepare, clear);
}
