/* SPDX-License-Identifier: GPL-3.0-or-later */
/* merge: a chain becomes one image with the same content, or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imaging/bmr/chain.h"
#include "imaging/bmr/merge.h"
#include "imaging/phase.h"
#include "imaging/verify_chunks.h"
#include "tests/fixtures/bmr_chain.h"

#define CHUNKS 7
#define SIZE ((CHUNKS - 1) * CHAIN_CHUNK + 512)

struct setup {
	char folder[CHAIN_FOLDER_SIZE];
	char out[CHAIN_FOLDER_SIZE + 8];
	struct bytes disk;
	struct chain_image base, image;
	struct bmr_chain *chain;
	struct bmr_restore_progress progress;
	atomic_bool stop;
	struct bmr_merge_result result;
};

static struct setup s;
static struct bmr_err err;
static const struct bmr_source_options options = {.timeout_ms = 1000, .retries = 1};

static int prepare(void **state)
{
	(void)state;
	memset(&s, 0, sizeof s);
	chain_folder(s.folder);
	snprintf(s.out, sizeof s.out, "%s/out", s.folder);
	s.disk = bytes_random(SIZE, 3);
	chain_make(&s.base, s.folder, "base", s.disk.data, SIZE, BMR_PACK_LZ4, "ddddddd", NULL,
	           NULL);
	s.disk.data[CHAIN_CHUNK] ^= 1;
	s.disk.data[6 * CHAIN_CHUNK] ^= 1;
	chain_make(&s.image, s.folder, "image", s.disk.data, SIZE, BMR_PACK_ZSTD, "bdbzzud",
	           &s.base, "base");
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
	unlink(s.out);
	rmdir(s.folder);
	free(s.disk.data);
	return 0;
}

static int merge(enum bmr_codec_id pack_id)
{
	struct bmr_merge m = {.chain = s.chain,
	                      .pack = pack_id,
	                      .level = 1,
	                      .progress = &s.progress,
	                      .stop = &s.stop};
	int rc;

	chain_must(bmr_sink_open(s.out, &options, false, &m.sink, &err), &err);
	rc = bmr_merge_run(&m, &s.result, &err);
	if (rc == 0)
		chain_must(bmr_sink_commit(m.sink, &err), &err);
	bmr_sink_close(m.sink);
	return rc;
}

/* The new image alone, without its bases, has every chunk, and says of itself what it should. */
static void expect_full_image(void)
{
	struct bmr_verify_chunks v = {.progress = &s.progress, .stop = &s.stop};
	struct bmr_verify_chunks_result found;
	struct chain_image out = {0};
	const struct bmr_manifest *m;

	snprintf(out.path, sizeof out.path, "%s", s.out);
	chain_load(&out);
	m = out.manifest;
	assert_false(m->head.has_base);
	assert_memory_equal(&m->root, &s.image.manifest->root, sizeof m->root);
	assert_memory_not_equal(m->head.id, s.image.manifest->head.id, BMR_ID_SIZE);
	assert_int_equal(m->head.id[6] >> 4, 4);
	assert_int_equal(m->head.created, s.image.manifest->head.created);
	assert_int_equal(m->head.physical, 4096);
	assert_true(m->has_sha256);
	assert_memory_equal(&m->sha256, &s.image.manifest->sha256, sizeof m->sha256);
	assert_int_equal(m->bad_count, 1);
	assert_int_equal(m->bad[0].length, 1024);
	assert_string_equal(bmr_manifest_get(m, "disk.model"), "Model T");
	assert_string_equal(bmr_manifest_get(m, "merged.from"),
	                    "696d6167-6500-0000-0000-000000000000");
	assert_null(bmr_manifest_get(m, "base.name"));
	assert_int_equal(bmr_manifest_bytes(m, BMR_CHUNK_UNUSED), CHAIN_CHUNK);
	assert_int_equal(s.result.bytes, bmr_source_size(out.source));
	assert_int_equal(bmr_chain_open(out.source, m, NULL, &options, NULL, &v.chain, &err), 0);
	assert_int_equal(bmr_verify_chunks_run(&v, &found, &err), 0);
	assert_int_equal(found.bad.count, 0);
	assert_int_equal(found.checked, SIZE - CHAIN_CHUNK);
	bmr_chain_close(v.chain);
	bmr_manifest_free(out.manifest);
	bmr_source_close(out.source);
}

static void expect_counts(enum bmr_codec_id pack_id, uint64_t copied, uint64_t repacked)
{
	if (merge(pack_id) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(s.result.copied, copied);
	assert_int_equal(s.result.repacked, repacked);
	expect_full_image();
	bmr_manifest_free(s.result.manifest);
}

static void test_zstd(void **state)
{
	(void)state;
	expect_counts(BMR_PACK_ZSTD, 2, 2);
}

static void test_lz4(void **state)
{
	(void)state;
	expect_counts(BMR_PACK_LZ4, 2, 2);
}

/* Without room for a manifest the file is the disk, but for what nothing uses. */
static void test_none(void **state)
{
	uint8_t *data = malloc(SIZE + 1);
	FILE *f;

	(void)state;
	assert_int_equal(merge(BMR_PACK_NONE), 0);
	memset(s.disk.data + 3 * CHAIN_CHUNK, 0, 3 * CHAIN_CHUNK);
	f = fopen(s.out, "rb");
	assert_non_null(f);
	assert_int_equal(fread(data, 1, SIZE + 1, f), SIZE);
	assert_memory_equal(data, s.disk.data, SIZE);
	fclose(f);
	free(data);
	bmr_manifest_free(s.result.manifest);
}

static void expect_nothing(enum bmr_errc code)
{
	assert_int_equal(merge(BMR_PACK_ZSTD), -1);
	assert_int_equal(err.code, code);
	assert_null(s.result.manifest);
	assert_int_equal(access(s.out, F_OK), -1);
}

static void test_damaged(void **state)
{
	struct bmr_chain_place place;

	(void)state;
	bmr_chain_find(s.chain, 6, &place);
	chain_damage(s.image.path, place.offset + 20);
	bmr_chain_find(s.chain, 2, &place);
	chain_damage(s.base.path, place.offset + place.stored / 2);
	expect_nothing(BMR_E_DATA);
	/* Always the first one. */
	assert_non_null(strstr(err.msg, "while merging chunk 2"));
}

static void test_changed(void **state)
{
	(void)state;
	/* Another file under its name; the one that is open stays. */
	unlink(s.base.path);
	s.disk.data[0] ^= 1;
	bmr_manifest_free(s.base.manifest);
	bmr_source_close(s.base.source);
	chain_make(&s.base, s.folder, "base", s.disk.data, SIZE, BMR_PACK_LZ4, "ddddddd", NULL,
	           NULL);
	expect_nothing(BMR_E_DATA);
	assert_non_null(strstr(err.msg, "changed"));
}

static void test_stop(void **state)
{
	(void)state;
	atomic_store(&s.stop, true);
	expect_nothing(BMR_E_STOPPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_zstd, prepare, clear),
		cmocka_unit_test_setup_teardown(test_lz4, prepare, clear),
		cmocka_unit_test_setup_teardown(test_none, prepare, clear),
		cmocka_unit_test_setup_teardown(test_damaged, prepare, clear),
		cmocka_unit_test_setup_teardown(test_changed, prepare, clear),
		cmocka_unit_test_setup_teardown(test_stop, prepare, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
