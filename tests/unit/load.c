/* SPDX-License-Identifier: GPL-3.0-or-later */
/* load: a manifest from an image's tail and from a file beside it; every cut and swap is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imaging/bmr/load.h"
#include "tests/fixtures/bmr_file.h"
#include "tests/fixtures/fake_source.h"

#define MIB ((size_t)1 << 20)
#define DISK_SIZE (6 * MIB + 512)
#define KINDS "dzzuddz"

static struct bmr_err err;

static int load(const uint8_t *data, size_t len, struct bmr_manifest **out)
{
	struct fake_image fake = {.data = data, .size = len};
	struct bmr_source *s;
	int rc;

	assert_int_equal(fake_image_source(&fake, 100000, 3, &s, &err), 0);
	rc = bmr_load_manifest(s, out, &err);
	bmr_source_close(s);
	return rc;
}

static int load_sidecar(const uint8_t *data, size_t len, bool stream, uint64_t image_size,
                        struct bmr_manifest **out)
{
	struct fake_image fake = {.data = data, .size = len, .stream = stream};
	struct bmr_source *s;
	int rc;

	assert_int_equal(fake_image_source(&fake, 100000, 3, &s, &err), 0);
	rc = bmr_load_sidecar(s, image_size, out, &err);
	bmr_source_close(s);
	return rc;
}

static void expect_refused(int rc, const char *words)
{
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, BMR_E_DATA);
	if (!strstr(err.msg, words))
		fail_msg("'%s' does not say '%s'", err.msg, words);
}

static struct bmr_file an_image(enum bmr_codec_id pack_id, bool has_base)
{
	struct bytes disk = bytes_random(DISK_SIZE, 5);
	struct bmr_head head = bmr_file_head(DISK_SIZE, pack_id);
	struct bmr_file f;

	head.has_base = has_base;
	f = bmr_file_make(&head, disk.data, has_base ? "bzbudbz" : KINDS);
	free(disk.data);
	return f;
}

static void expect_same(const struct bmr_manifest *a, const struct bmr_manifest *b)
{
	assert_int_equal(a->entry_count, b->entry_count);
	assert_memory_equal(a->entries, b->entries, a->entry_count * sizeof *a->entries);
	assert_memory_equal(&a->root, &b->root, sizeof a->root);
	assert_int_equal(a->data_end, b->data_end);
	assert_string_equal(bmr_manifest_get(a, "table.type"), "gpt");
}

static void test_whole_images(void **state)
{
	(void)state;
	for (int has_base = 0; has_base < 2; has_base++)
		for (int lz4 = 0; lz4 < 2; lz4++) {
			struct bmr_file f = an_image(lz4 ? BMR_PACK_LZ4 : BMR_PACK_ZSTD, has_base);
			struct bmr_manifest *m;

			assert_true(bmr_load_is_bmr(f.file.data, f.file.len));
			if (load(f.file.data, f.file.len, &m) < 0)
				fail_msg("%s", err.msg);
			expect_same(m, f.manifest_of);
			assert_int_equal(m->data_end, f.manifest);
			bmr_manifest_free(m);
			for (int stream = 0; stream < 2; stream++) {
				if (load_sidecar(f.sidecar.data, f.sidecar.len, stream, f.file.len,
				                 &m) < 0)
					fail_msg("%s", err.msg);
				expect_same(m, f.manifest_of);
				bmr_manifest_free(m);
			}
			bmr_file_free(&f);
		}
}

static void test_is_bmr(void **state)
{
	struct bmr_file f = an_image(BMR_PACK_ZSTD, false);

	(void)state;
	assert_true(bmr_load_is_bmr(f.sidecar.data, 16));
	assert_false(bmr_load_is_bmr(f.sidecar.data, 15));
	f.file.data[0] ^= 1;
	assert_false(bmr_load_is_bmr(f.file.data, f.file.len));
	f.file.data[0] ^= 1;
	f.file.data[9] ^= 1;
	assert_false(bmr_load_is_bmr(f.file.data, f.file.len));
	bmr_file_free(&f);
}

/* Wherever it is cut, and whatever follows it. */
static void test_cut_and_longer(void **state)
{
	struct bmr_file f = an_image(BMR_PACK_ZSTD, false);
	uint8_t *longer = malloc(f.file.len + 100);
	struct bmr_manifest *m;

	(void)state;
	assert_non_null(longer);
	for (size_t len = f.file.len; len-- > f.manifest - 5;)
		expect_refused(load(f.file.data, len, &m), "ends before its manifest");
	for (size_t len = 0; len < f.head_len + 30; len += 7)
		expect_refused(load(f.file.data, len, &m), "ends before its manifest");
	expect_refused(load(f.file.data, f.manifest / 2, &m), "ends before its manifest");
	memcpy(longer, f.file.data, f.file.len);
	for (size_t more = 1; more < 100; more++) {
		memset(longer + f.file.len, 0, 100);
		expect_refused(load(longer, f.file.len + more, &m), "manifest");
	}
	/* What follows ends like a seek table. */
	memcpy(longer + f.file.len + 50, f.file.data + f.file.len - 50, 50);
	expect_refused(load(longer, f.file.len + 100, &m), "seek table");
	free(longer);
	bmr_file_free(&f);
}

static void test_every_byte_of_the_frame(void **state)
{
	struct bmr_file f = an_image(BMR_PACK_ZSTD, true);
	struct bmr_manifest *m;

	(void)state;
	for (size_t i = 0; i < f.file.len; i++) {
		if (i == f.head_len) /* guard and chunks: their digests are checked elsewhere */
			i = f.manifest;
		f.file.data[i] ^= 0x10;
		if (load(f.file.data, f.file.len, &m) == 0)
			fail_msg("byte %zu may be anything", i);
		assert_int_equal(err.code, BMR_E_DATA);
		f.file.data[i] ^= 0x10;
	}
	bmr_file_free(&f);
}

/* Without a line of the seek table; the frame that it speaks of is still there. */
static int load_without_line(const struct bmr_file *f, uint32_t line, struct bmr_manifest **out)
{
	uint8_t *file = malloc(f->file.len);
	size_t at = f->seek + BMR_SKIPPABLE_HEADER + (size_t)line * BMR_SEEK_ENTRY;
	size_t len = f->file.len - BMR_SEEK_ENTRY;
	int rc;

	assert_non_null(file);
	memcpy(file, f->file.data, at);
	memcpy(file + at, f->file.data + at + BMR_SEEK_ENTRY, len - at);
	bmr_skippable_put(file + f->seek, BMR_SEEK_MAGIC,
	                  (uint32_t)(len - f->seek - BMR_SKIPPABLE_HEADER));
	file[len - BMR_SEEK_FOOTER]--; /* lines */
	rc = load(file, len, out);
	free(file);
	return rc;
}

/* Two good images of one size: nothing of one fits the other. */
static void test_swapped_parts(void **state)
{
	struct bytes disk = bytes_random(DISK_SIZE, 5);
	struct bmr_head head = bmr_file_head(DISK_SIZE, BMR_PACK_ZSTD);
	struct bmr_file a = bmr_file_make(&head, disk.data, "zzzzzzz");
	struct bmr_manifest *m;
	struct bmr_file b;
	uint8_t *mixed;

	(void)state;
	head.id[4] ^= 1;
	b = bmr_file_make(&head, disk.data, "zzzzzzz");
	assert_int_equal(a.file.len, b.file.len);
	mixed = malloc(a.file.len);
	assert_non_null(mixed);
	memcpy(mixed, a.file.data, a.file.len);
	memcpy(mixed, b.file.data, b.head_len);
	expect_refused(load(mixed, a.file.len, &m), "of another image");
	memcpy(mixed, a.file.data, a.file.len);
	memcpy(mixed + a.manifest, b.file.data + b.manifest, b.seek - b.manifest);
	expect_refused(load(mixed, a.file.len, &m), "of another image");
	/* Two lines of the seek table that add up to the same. */
	memcpy(mixed, a.file.data, a.file.len);
	mixed[a.seek + 8 + 8] += 4;
	mixed[a.seek + 8 + 16] -= 4;
	expect_refused(load(mixed, a.file.len, &m), "do not agree");
	memcpy(mixed, a.file.data, a.file.len);
	mixed[a.seek + 8 + 8 + 6] ^= 1; /* content */
	expect_refused(load(mixed, a.file.len, &m), "do not agree");
	/* Bytes that nothing speaks of, before the manifest. */
	mixed = realloc(mixed, a.file.len + 100);
	assert_non_null(mixed);
	memcpy(mixed, a.file.data, a.manifest);
	memset(mixed + a.manifest, 0, 100);
	memcpy(mixed + a.manifest + 100, a.file.data + a.manifest, a.file.len - a.manifest);
	expect_refused(load(mixed, a.file.len + 100, &m), "do not agree");
	/* The line of one of the seven chunks is not there; the first time, the last one's. */
	for (uint32_t line = 7; line > 0; line--)
		expect_refused(load_without_line(&a, line, &m), "do not agree");
	free(mixed);
	bmr_file_free(&a);
	bmr_file_free(&b);
	free(disk.data);
}

/* `count` frames of a later format between manifest and seek table. */
static struct bytes with_extra(const struct bmr_file *f, unsigned count)
{
	struct bytes out = bytes_copy(f->file.data, f->seek);
	struct bytes seek = bytes_copy(f->file.data + f->seek, f->file.len - f->seek);
	uint8_t line[8] = {28};
	uint8_t extra[20] = "bmr-sign";

	for (unsigned i = 0; i < count; i++) {
		struct bytes lines = bytes_copy(seek.data, seek.len - 9);
		struct bytes footer = bytes_copy(seek.data + seek.len - 9, 9);

		footer.data[0]++;
		free(seek.data);
		seek = bytes_join(bytes_join(lines, bytes_copy(line, 8)), footer);
		out = bytes_join(out, bmr_file_skippable(extra, sizeof extra));
	}
	bmr_skippable_put(seek.data, BMR_SEEK_MAGIC, (uint32_t)seek.len - 8);
	return bytes_join(out, seek);
}

static void test_frames_of_a_later_format(void **state)
{
	struct bmr_file f = an_image(BMR_PACK_ZSTD, false);
	struct bmr_manifest *m;

	(void)state;
	for (unsigned count = 0; count < 6; count++) {
		struct bytes more = with_extra(&f, count);

		if (count <= 4) {
			if (load(more.data, more.len, &m) < 0)
				fail_msg("%u: %s", count, err.msg);
			expect_same(m, f.manifest_of);
			bmr_manifest_free(m);
		} else {
			expect_refused(load(more.data, more.len, &m), "lead to a manifest");
		}
		free(more.data);
	}
	bmr_file_free(&f);
}

static void test_sidecars_refused(void **state)
{
	struct bmr_file f = an_image(BMR_PACK_ZSTD, false);
	uint8_t *longer = calloc(1, f.sidecar.len + 1);
	struct bmr_manifest *m;

	(void)state;
	assert_non_null(longer);
	memcpy(longer, f.sidecar.data, f.sidecar.len);
	for (int stream = 0; stream < 2; stream++) {
		for (size_t len = 0; len < f.sidecar.len; len += 3)
			expect_refused(load_sidecar(f.sidecar.data, len, stream, f.file.len, &m),
			               "cut");
		expect_refused(load_sidecar(longer, f.sidecar.len + 1, stream, f.file.len, &m),
		               "goes on");
		expect_refused(load_sidecar(f.file.data, f.file.len, stream, f.file.len, &m),
		               "not the manifest");
		expect_refused(load_sidecar(f.sidecar.data, f.sidecar.len, stream, f.manifest, &m),
		               "another image");
	}
	assert_int_equal(
		load_sidecar(f.sidecar.data, f.sidecar.len, true, BMR_SOURCE_SIZE_UNKNOWN, &m), 0);
	bmr_manifest_free(m);
	/* Given as the image itself. */
	expect_refused(load(f.sidecar.data, f.sidecar.len, &m), "name the image itself");
	free(longer);
	bmr_file_free(&f);
}

static void test_source_fails(void **state)
{
	struct bmr_file f = an_image(BMR_PACK_ZSTD, false);
	struct fake_image fake = {.data = f.file.data,
	                          .size = f.file.len,
	                          .fails_at = f.manifest + 20,
	                          .code = BMR_E_SOURCE};
	struct bmr_manifest *m;
	struct bmr_source *s;

	(void)state;
	assert_int_equal(fake_image_source(&fake, 100000, 3, &s, &err), 0);
	assert_int_equal(bmr_load_manifest(s, &m, &err), -1);
	assert_int_equal(err.code, BMR_E_SOURCE);
	bmr_source_close(s);
	fake.stream = true;
	assert_int_equal(fake_image_source(&fake, 100000, 3, &s, &err), 0);
	assert_int_equal(bmr_load_manifest(s, &m, &err), -1);
	assert_int_equal(err.code, BMR_E_SOURCE);
	bmr_source_close(s);
	bmr_file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_images),
		cmocka_unit_test(test_is_bmr),
		cmocka_unit_test(test_cut_and_longer),
		cmocka_unit_test(test_every_byte_of_the_frame),
		cmocka_unit_test(test_swapped_parts),
		cmocka_unit_test(test_frames_of_a_later_format),
		cmocka_unit_test(test_sidecars_refused),
		cmocka_unit_test(test_source_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
