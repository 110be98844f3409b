/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verify_chunks: every wrong chunk of an image or a disk is found, counted, and named by where it is
 * wrong, whatever the order in which threads find it; what nothing uses is not looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imaging/bmr/chain.h"
#include "imaging/phase.h"
#include "imaging/disk/target.h"
#include "imaging/verify_chunks.h"
#include "tests/fixtures/bmr_chain.h"

#define CHUNKS 24
#define SIZE ((CHUNKS - 1) * CHAIN_CHUNK + 512)
#define ZERO 3
#define UNUSED 5

struct setup {
	char folder[CHAIN_FOLDER_SIZE];
	char disk_path[CHAIN_FOLDER_SIZE + 8];
	struct bytes disk;
	struct chain_image base, image;
	struct bmr_chain *chain;
	struct bmr_restore_progress progress;
	atomic_bool stop;
	struct bmr_verify_chunks_result result;
};

static struct setup s;
static struct bmr_err err;
static const struct bmr_source_options options = {.timeout_ms = 1000, .retries = 1};

static void write_disk(size_t len)
{
	FILE *f = fopen(s.disk_path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(s.disk.data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static int prepare(void **state)
{
	(void)state;
	memset(&s, 0, sizeof s);
	chain_folder(s.folder);
	snprintf(s.disk_path, sizeof s.disk_path, "%s/disk", s.folder);
	s.disk = bytes_random(SIZE, 3);
	memset(s.disk.data + ZERO * CHAIN_CHUNK, 0, CHAIN_CHUNK);
	chain_make(&s.base, s.folder, "base", s.disk.data, SIZE, BMR_PACK_LZ4,
	           "dddzduzddddddddddddddddd", NULL, NULL);
	s.disk.data[CHAIN_CHUNK] ^= 1;
	memset(s.disk.data + 6 * CHAIN_CHUNK, 0, 3 * CHAIN_CHUNK);
	chain_make(&s.image, s.folder, "image", s.disk.data, SIZE, BMR_PACK_ZSTD,
	           "bdbzbuzzzbbbbbbbbbbbbbbb", &s.base, "base");
	write_disk(SIZE);
	if (bmr_chain_open(s.image.source, s.image.manifest, NULL, &options, NULL, &s.chain, &err) <
	    0)
		fail_msg("%s", err.msg);
	return 0;
}

static int clear(void **state)
{
	(void)state;
	bmr_chain_close(s.chain);
	chain_free(&s.image);
	chain_free(&s.base);
	unlink(s.disk_path);
	rmdir(s.folder);
	free(s.disk.data);
	return 0;
}

static int verify(bool with_disk)
{
	struct bmr_target_info target;
	struct bmr_verify_chunks v = {.chain = s.chain,
	                              .target = with_disk ? &target : NULL,
	                              .progress = &s.progress,
	                              .stop = &s.stop};

	if (with_disk)
		assert_int_equal(bmr_target_look(s.disk_path, &target, &err), 0);
	return bmr_verify_chunks_run(&v, &s.result, &err);
}

static void expect(bool with_disk, uint64_t bad, uint64_t differing)
{
	if (verify(with_disk) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(s.result.bad.count, bad);
	assert_int_equal(s.result.differing.count, differing);
	assert_int_equal(s.result.unused, CHAIN_CHUNK);
	assert_int_equal(s.result.checked, SIZE - CHAIN_CHUNK);
}

static uint64_t place_of(uint32_t chunk)
{
	struct bmr_chain_place place;

	bmr_chain_find(s.chain, chunk, &place);
	return place.offset + place.stored / 2;
}

static void test_whole(void **state)
{
	(void)state;
	expect(false, 0, 0);
	assert_int_equal(s.progress.pipe.decoded, SIZE - 5 * CHAIN_CHUNK);
	assert_true(s.progress.workers > 0);
	expect(true, 0, 0);
	/* Nothing of the image is fetched for a disk that holds it. */
	assert_int_equal(s.progress.pipe.decoded, SIZE - 5 * CHAIN_CHUNK);
	assert_int_equal(s.progress.verified, SIZE - CHAIN_CHUNK);
}

static void test_one_bad(void **state)
{
	(void)state;
	chain_damage(s.image.path, place_of(1));
	chain_damage(s.base.path, place_of(23));
	expect(false, 2, 0);
	assert_int_equal(s.result.bad.named, 2);
	assert_int_equal(s.result.bad.chunks[0].chunk, 1);
	assert_int_equal(s.result.bad.chunks[0].offset, CHAIN_CHUNK);
	assert_non_null(strstr(s.result.bad.chunks[0].reason, "image'"));
	assert_int_equal(s.result.bad.chunks[1].chunk, 23);
	assert_non_null(strstr(s.result.bad.chunks[1].reason, "base'"));
	/* With the disk at hand the frames do not matter. */
	expect(true, 0, 0);
}

/* More than have names: the first ones have. */
static void test_many_bad(void **state)
{
	(void)state;
	for (uint32_t i = CHUNKS; i-- > 0;)
		if (place_of(i) > 0 && i != ZERO && i != UNUSED && (i < 6 || i > 8))
			chain_damage(i == 1 ? s.image.path : s.base.path, place_of(i));
	expect(false, CHUNKS - 5, 0);
	assert_int_equal(s.result.bad.named, BMR_VERIFY_NAMED);
	for (unsigned i = 1; i < BMR_VERIFY_NAMED; i++)
		assert_true(s.result.bad.chunks[i].chunk > s.result.bad.chunks[i - 1].chunk);
	assert_int_equal(s.result.bad.chunks[0].chunk, 0);
	assert_int_equal(s.result.bad.chunks[BMR_VERIFY_NAMED - 1].chunk, 20);
}

/* Only zstd -dc and lz4 -dc read them. */
static void test_bad_frame_of_zeros(void **state)
{
	const struct bmr_manifest_entry *run = bmr_manifest_at(s.image.manifest, 7);

	(void)state;
	assert_int_equal(run->kind, BMR_CHUNK_ZERO);
	chain_damage(s.image.path, run->offset + run->stored - 1);
	expect(false, 1, 0);
	assert_int_equal(s.result.bad.chunks[0].chunk, 6);
	assert_non_null(strstr(s.result.bad.chunks[0].reason, "the zeros at byte"));
}

/* Each byte of lz4's frames counts: there is a checksum of the header and one of the content.  The
 * base alone: of a chain only the frames of the newest image are read by other tools. */
static void test_bad_lz4_zeros(void **state)
{
	const struct bmr_manifest_entry *run = bmr_manifest_at(s.base.manifest, ZERO);

	(void)state;
	bmr_chain_close(s.chain);
	assert_int_equal(bmr_chain_open(s.base.source, s.base.manifest, NULL, &options, NULL,
	                                &s.chain, &err),
	                 0);
	assert_int_equal(run->kind, BMR_CHUNK_ZERO);
	assert_int_equal(verify(false), 0);
	assert_int_equal(s.result.bad.count, 0);
	for (uint32_t at = 0; at < run->stored; at += at < 8 ? 1 : 997) {
		chain_damage(s.base.path, run->offset + at);
		assert_int_equal(verify(false), 0);
		assert_int_equal(s.result.bad.count, 1);
		assert_int_equal(s.result.bad.chunks[0].chunk, ZERO);
		assert_non_null(strstr(s.result.bad.chunks[0].reason, "the zeros at byte"));
		chain_damage(s.base.path, run->offset + at);
	}
}

static void test_disk_differs(void **state)
{
	(void)state;
	s.disk.data[SIZE - 1] ^= 1;
	s.disk.data[ZERO * CHAIN_CHUNK + 700] = 1;
	s.disk.data[UNUSED * CHAIN_CHUNK + 1] ^= 1;
	s.disk.data[9 * CHAIN_CHUNK + 12345] ^= 1;
	s.disk.data[9 * CHAIN_CHUNK + 99999] ^= 1;
	write_disk(SIZE);
	expect(true, 0, 3);
	assert_int_equal(s.result.differing.chunks[0].offset, ZERO * CHAIN_CHUNK + 700);
	assert_int_equal(s.result.differing.chunks[1].offset, 9 * CHAIN_CHUNK + 12345);
	assert_int_equal(s.result.differing.chunks[2].offset, SIZE - 1);
	assert_int_equal(s.result.differing.chunks[2].chunk, CHUNKS - 1);
}

/* What it should be cannot be read any more: that is two findings. */
static void test_disk_differs_and_image_bad(void **state)
{
	(void)state;
	s.disk.data[9 * CHAIN_CHUNK + 12345] ^= 1;
	write_disk(SIZE);
	chain_damage(s.base.path, place_of(9));
	expect(true, 1, 1);
	assert_int_equal(s.result.bad.chunks[0].chunk, 9);
	assert_int_equal(s.result.differing.chunks[0].offset, 9 * CHAIN_CHUNK);
}

static void test_short_disk(void **state)
{
	(void)state;
	write_disk(22 * CHAIN_CHUNK);
	expect(true, 0, 2);
	assert_int_equal(s.result.differing.chunks[0].chunk, 22);
	assert_non_null(strstr(s.result.differing.chunks[0].reason, "the disk ends at byte"));
}

static void test_stop(void **state)
{
	(void)state;
	atomic_store(&s.stop, true);
	assert_int_equal(verify(true), -1);
	assert_int_equal(err.code, BMR_E_STOPPED);
	assert_int_equal(verify(false), -1);
	assert_int_equal(err.code, BMR_E_STOPPED);
}

/* What is not damage ends it: nothing can be said of the image then. */
static void test_source_fails(void **state)
{
	(void)state;
	bmr_chain_stop(s.chain);
	assert_int_equal(verify(false), -1);
	assert_int_equal(err.code, BMR_E_STOPPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, prepare, clear),
		cmocka_unit_test_setup_teardown(test_one_bad, prepare, clear),
		cmocka_unit_test_setup_teardown(test_many_bad, prepare, clear),
		cmocka_unit_test_setup_teardown(test_bad_frame_of_zeros, prepare, clear),
		cmocka_unit_test_setup_teardown(test_bad_lz4_zeros, prepare, clear),
		cmocka_unit_test_setup_teardown(test_disk_differs, prepare, clear),
		cmocka_unit_test_setup_teardown(test_disk_differs_and_image_bad, prepare, clear),
		cmocka_unit_test_setup_teardown(test_short_disk, prepare, clear),
		cmocka_unit_test_setup_teardown(test_stop, prepare, clear),
		cmocka_unit_test_setup_teardown(test_source_fails, prepare, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
