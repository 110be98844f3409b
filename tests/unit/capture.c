/* SPDX-License-Identifier: GPL-3.0-or-later */
/* capture and writer: a disk in a file to an image in another one, which is then unpacked by the
 * stream decoder, loaded by its manifest, and looked at chunk by chunk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "imaging/capture/capture.h"
#include "imaging/codec/frame.h"
#include "imaging/bmr/load.h"
#include "imaging/bmr/manifest.h"
#include "imaging/phase.h"
#include "imaging/restore/pipe.h"
#include "imaging/disk/target.h"
#include "imaging/used/used.h"
#include "imaging/bmr/writer.h"
#include "tests/fixtures/packed.h"
#include "transport/sink.h"
#include "transport/source.h"

#define MIB ((size_t)1 << 20)
#define CHUNKS 12
#define SIZE ((CHUNKS - 1) * MIB + 4096) /* the last one is short */
#define ZERO_FIRST 3                     /* chunks 3 and 4 are zeros */
#define ZERO_COUNT 2

struct setup {
	char folder[64];
	char disk_path[80];
	char image_path[80];
	struct bytes content; /* of the disk */
	struct bmr_target *disk;
	struct bmr_source *source;
	struct bmr_manifest *manifest;
	struct bmr_capture capture;
	struct bmr_capture_result result;
	struct bmr_restore_progress progress;
	struct bmr_source_options options;
	atomic_bool stop;
	bool has_base;
	struct bmr_err err;
};

static void write_file(const char *path, const struct bytes *content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content->data, content->len), content->len);
	close(fd);
}

static void prepare(struct setup *s)
{
	const char *tmp = getenv("TMPDIR");
	struct bmr_target_info info;

	memset(s, 0, sizeof *s);
	snprintf(s->folder, sizeof s->folder, "%.40s/capture-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->disk_path, sizeof s->disk_path, "%s/disk", s->folder);
	snprintf(s->image_path, sizeof s->image_path, "%s/image", s->folder);
	s->content = bytes_random(SIZE, 11);
	memset(s->content.data + ZERO_FIRST * MIB, 0, ZERO_COUNT * MIB);
	write_file(s->disk_path, &s->content);
	assert_int_equal(bmr_target_look(s->disk_path, &info, &s->err), 0);
	assert_int_equal(bmr_target_open_readonly(&info, &s->disk, &s->err), 0);
	s->capture = (struct bmr_capture){
		.disk = s->disk,
		.level = 1,
		.sha256 = true,
		.progress = &s->progress,
		.stop = &s->stop,
	};
}

static void clear(struct setup *s)
{
	bmr_source_close(s->source);
	bmr_manifest_free(s->manifest);
	assert_int_equal(bmr_target_close(s->disk, &s->err), 0);
	unlink(s->disk_path);
	unlink(s->image_path);
	rmdir(s->folder);
	free(s->content.data);
}

/* Capture and commit, or fail and leave no file. */
static int capture(struct setup *s, enum bmr_codec_id pack, uint32_t chunk_size)
{
	struct bmr_head head = {
		.id = {1},
		.disk_size = SIZE,
		.sector = 512,
		.physical = 4096,
		.chunk_size = chunk_size,
		.pack = pack,
		.has_base = s->has_base,
	};
	struct bmr_sink *sink;
	int rc;

	assert_int_equal(bmr_manifest_new(&head, &s->manifest, &s->err), 0);
	assert_int_equal(bmr_sink_open(s->image_path, &s->options, false, &sink, &s->err), 0);
	s->capture.manifest = s->manifest;
	s->capture.sink = sink;
	rc = bmr_capture_run(&s->capture, &s->result, &s->err);
	if (rc == 0)
		assert_int_equal(bmr_sink_commit(sink, &s->err), 0);
	bmr_sink_close(sink);
	if (rc == 0)
		assert_int_equal(bmr_source_open(s->image_path, &s->options, &s->source, &s->err),
		                 0);
	return rc;
}

static uint64_t file_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

/* The image as any tool unpacks it has this SHA-256, and the manifest says so. */
static void expect_content(struct setup *s, enum bmr_format format)
{
	struct bmr_pipe pipe = {.source = s->source, .format = format};
	struct bmr_digest_value want;
	struct bmr_pipe_result out;
	struct bmr_digest *d;

	assert_int_equal(bmr_pipe_run(&pipe, &out, &s->err), 0);
	assert_int_equal(out.size, SIZE);
	assert_int_equal(bmr_digest_open(&d, &s->err), 0);
	assert_int_equal(bmr_digest_of(d, s->content.data, SIZE, &want, &s->err), 0);
	bmr_digest_close(d);
	assert_true(bmr_digest_equal(&want, &out.sha256));
	assert_int_equal(s->manifest->has_sha256, s->capture.sha256);
	if (s->capture.sha256)
		assert_true(bmr_digest_equal(&want, &s->manifest->sha256));
}

/* Each data chunk stands where its entry says, and unpacks to what the disk held. */
static void expect_chunks(struct setup *s, const struct bmr_manifest *m)
{
	uint8_t *frame = malloc(BMR_STORED_MOST(m->head.chunk_size));
	uint8_t *data = malloc(m->head.chunk_size);
	struct bmr_unpacker *u;

	assert_int_equal(bmr_unpacker_open(m->head.pack, &u, &s->err), 0);
	for (uint32_t i = 0; i < m->entry_count; i++) {
		const struct bmr_manifest_entry *entry = &m->entries[i];
		size_t len = bmr_manifest_chunk_len(m, entry->first);
		size_t got;

		if (entry->kind != BMR_CHUNK_DATA)
			continue;
		assert_int_equal(bmr_source_read(s->source, frame, entry->stored, entry->offset,
		                                 &got, &s->err),
		                 0);
		assert_int_equal(got, entry->stored);
		assert_int_equal(bmr_unpacker_run(u, frame, got, data, len, &s->err), 0);
		assert_memory_equal(
			data, s->content.data + (size_t)entry->first * m->head.chunk_size, len);
	}
	bmr_unpacker_close(u);
	free(data);
	free(frame);
}

static void expect_loaded(struct setup *s)
{
	struct bmr_manifest *m;

	if (bmr_load_manifest(s->source, &m, &s->err) < 0)
		fail_msg("%s", s->err.msg);
	assert_true(bmr_digest_equal(&m->root, &s->manifest->root));
	assert_int_equal(m->entry_count, s->manifest->entry_count);
	expect_chunks(s, m);
	bmr_manifest_free(m);
}

static void test_every_codec(void **state)
{
	static const enum bmr_format formats[] = {
		[BMR_PACK_ZSTD] = BMR_FORMAT_ZSTD,
		[BMR_PACK_GZIP] = BMR_FORMAT_GZIP,
		[BMR_PACK_LZ4] = BMR_FORMAT_LZ4,
		[BMR_PACK_NONE] = BMR_FORMAT_RAW,
	};

	(void)state;
	for (int pack = BMR_PACK_ZSTD; pack <= BMR_PACK_NONE; pack++) {
		struct setup s;

		prepare(&s);
		if (capture(&s, (enum bmr_codec_id)pack, BMR_CHUNK_SIZE_LEAST) < 0)
			fail_msg("%s", s.err.msg);
		expect_content(&s, formats[pack]);
		expect_chunks(&s, s.manifest);
		if (pack == BMR_PACK_ZSTD || pack == BMR_PACK_LZ4)
			expect_loaded(&s);
		assert_int_equal(s.result.stored, file_size(s.image_path));
		assert_int_equal(s.result.used, SIZE);
		assert_int_equal(s.result.zero, ZERO_COUNT * MIB);
		assert_int_equal(s.result.data, SIZE - ZERO_COUNT * MIB);
		assert_int_equal(s.result.unused, 0);
		assert_int_equal(s.progress.pipe.decoded, SIZE);
		clear(&s);
	}
}

static void test_larger_chunks(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s);
	s.capture.sha256 = false;
	assert_int_equal(capture(&s, BMR_PACK_ZSTD, BMR_CHUNK_SIZE_MOST), 0);
	assert_int_equal(s.manifest->entry_count, 3);
	expect_content(&s, BMR_FORMAT_ZSTD);
	expect_loaded(&s);
	clear(&s);
}

/* Chunk 1 whole, of chunk 2 a part, of the last one the last sector. */
static void test_only_what_is_used(void **state)
{
	struct bmr_used_range ranges[] = {
		{MIB, MIB}, {2 * MIB + 4096, 8192}, {2 * MIB + 512 * 1024, 512}, {SIZE - 512, 512}};
	struct bmr_used used = {ranges, 4, 0};
	struct bytes old;
	struct setup s;

	(void)state;
	prepare(&s);
	s.capture.used = &used;
	assert_int_equal(capture(&s, BMR_PACK_ZSTD, BMR_CHUNK_SIZE_LEAST), 0);
	assert_int_equal(s.result.used, MIB + 8192 + 512 + 512);
	assert_int_equal(s.result.data, 2 * MIB + 4096);
	assert_int_equal(s.result.unused, SIZE - 2 * MIB - 4096);
	assert_int_equal(s.manifest->entry_count, 5); /* unused, 1, 2, unused, the last */
	assert_int_equal(s.manifest->entries[3].kind, BMR_CHUNK_UNUSED);
	assert_int_equal(s.manifest->entries[3].count, 8);
	old = s.content;
	s.content = bytes_new(SIZE);
	memset(s.content.data, 0, SIZE);
	for (size_t i = 0; i < used.count; i++)
		memcpy(s.content.data + ranges[i].offset, old.data + ranges[i].offset,
		       ranges[i].length);
	free(old.data);
	expect_content(&s, BMR_FORMAT_ZSTD);
	expect_loaded(&s);
	clear(&s);
}

static void test_nothing_is_used(void **state)
{
	struct bmr_used used = {NULL, 0, 0};
	struct setup s;

	(void)state;
	prepare(&s);
	s.capture.used = &used;
	assert_int_equal(capture(&s, BMR_PACK_GZIP, BMR_CHUNK_SIZE_LEAST), 0);
	assert_int_equal(s.result.unused, SIZE);
	assert_int_equal(s.manifest->entry_count, 1);
	memset(s.content.data, 0, SIZE);
	expect_content(&s, BMR_FORMAT_GZIP);
	clear(&s);
}

/* The base has the right digest of chunks 0 to 5, and a wrong one of 6. */
static bool base_digest(const void *ctx, uint32_t chunk, struct bmr_digest_value *digest)
{
	const struct setup *s = ctx;
	struct bmr_digest *d;
	struct bmr_err err;

	if (chunk > 6)
		return false;
	assert_int_equal(bmr_digest_open(&d, &err), 0);
	assert_int_equal(
		bmr_digest_of(d, s->content.data + chunk * MIB, MIB - (chunk == 6), digest, &err),
		0);
	bmr_digest_close(d);
	return true;
}

static void test_chunks_of_the_base_are_left_out(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s);
	s.has_base = true;
	s.capture.base = base_digest;
	s.capture.ctx = &s;
	assert_int_equal(capture(&s, BMR_PACK_ZSTD, BMR_CHUNK_SIZE_LEAST), 0);
	assert_int_equal(s.result.base, 4 * MIB);
	assert_int_equal(s.result.zero, ZERO_COUNT * MIB);
	assert_int_equal(s.result.data, SIZE - 6 * MIB);
	expect_loaded(&s);
	clear(&s);
}

static void test_a_stop_leaves_no_file(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s);
	atomic_store(&s.stop, true);
	assert_int_equal(capture(&s, BMR_PACK_ZSTD, BMR_CHUNK_SIZE_LEAST), -1);
	assert_int_equal(s.err.code, BMR_E_STOPPED);
	assert_int_equal(access(s.image_path, F_OK), -1);
	clear(&s);
}

static void test_a_disk_that_shrank(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s);
	assert_int_equal(truncate(s.disk_path, (off_t)(5 * MIB)), 0);
	assert_int_equal(capture(&s, BMR_PACK_ZSTD, BMR_CHUNK_SIZE_LEAST), -1);
	assert_true(s.err.code == BMR_E_REFUSED || s.err.code == BMR_E_TARGET);
	assert_int_equal(access(s.image_path, F_OK), -1);
	clear(&s);
}

static void test_the_rate_is_kept(void **state)
{
	struct timespec a;
	struct timespec b;
	struct setup s;

	(void)state;
	prepare(&s);
	s.capture.rate = 22 * MIB;
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(capture(&s, BMR_PACK_NONE, BMR_CHUNK_SIZE_LEAST), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	/* The first chunk is for nothing: ten more at 22 a second. */
	assert_true((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9 > 0.4);
	clear(&s);
}

/* However many CPUs, and whatever a level needs: few enough workers. */
static void test_any_number_of_workers(void **state)
{
	static const unsigned workers[] = {1, 2, 100};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct setup s;

		prepare(&s);
		s.capture.workers = workers[i];
		s.capture.level = 19;
		assert_int_equal(capture(&s, BMR_PACK_ZSTD, BMR_CHUNK_SIZE_LEAST), 0);
		expect_content(&s, BMR_FORMAT_ZSTD);
		clear(&s);
	}
}

static void test_sidecar(void **state)
{
	char path[96];
	struct bmr_source *source;
	struct bmr_manifest *m;
	struct bmr_sink *sink;
	struct setup s;

	(void)state;
	prepare(&s);
	assert_int_equal(capture(&s, BMR_PACK_GZIP, BMR_CHUNK_SIZE_LEAST), 0);
	snprintf(path, sizeof path, "%s.manifest", s.image_path);
	assert_int_equal(bmr_sink_open(path, &s.options, false, &sink, &s.err), 0);
	assert_int_equal(bmr_writer_sidecar(sink, s.manifest, &s.err), 0);
	assert_int_equal(bmr_sink_commit(sink, &s.err), 0);
	bmr_sink_close(sink);
	assert_int_equal(bmr_source_open(path, &s.options, &source, &s.err), 0);
	assert_int_equal(bmr_load_sidecar(source, file_size(s.image_path), &m, &s.err), 0);
	assert_true(bmr_digest_equal(&m->root, &s.manifest->root));
	expect_chunks(&s, m);
	bmr_manifest_free(m);
	bmr_source_close(source);
	unlink(path);
	clear(&s);
}

static void test_chunk_size(void **state)
{
	uint64_t tib = (uint64_t)1 << 40;

	(void)state;
	assert_int_equal(bmr_capture_chunk_size(0), MIB);
	assert_int_equal(bmr_capture_chunk_size(tib / 2), MIB);
	assert_int_equal(bmr_capture_chunk_size(tib), 2 * MIB);
	assert_int_equal(bmr_capture_chunk_size(tib + 1), 4 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_codec),
		cmocka_unit_test(test_larger_chunks),
		cmocka_unit_test(test_only_what_is_used),
		cmocka_unit_test(test_nothing_is_used),
		cmocka_unit_test(test_chunks_of_the_base_are_left_out),
		cmocka_unit_test(test_a_stop_leaves_no_file),
		cmocka_unit_test(test_a_disk_that_shrank),
		cmocka_unit_test(test_the_rate_is_kept),
		cmocka_unit_test(test_any_number_of_workers),
		cmocka_unit_test(test_sidecar),
		cmocka_unit_test(test_chunk_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
