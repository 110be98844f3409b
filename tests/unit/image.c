/* SPDX-License-Identifier: GPL-3.0-or-later */
/* image: what is known before a restore, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imaging/image.h"
#include "tests/fixtures/bmr_file.h"
#include "tests/fixtures/fake_source.h"
#include "tests/fixtures/tables.h"

#define MIB ((size_t)1 << 20)

/* Frees file. */
static int inspect(struct bytes file, bool stream, struct bmr_image *image, struct bmr_err *e)
{
	struct fake_image fake = {.data = file.data, .size = file.len, .stream = stream};
	struct bmr_source *s;
	int rc;

	assert_int_equal(fake_image_source(&fake, 100000, 3, &s, e), 0);
	rc = bmr_image_inspect(s, image, e);
	bmr_source_close(s);
	free(file.data);
	return rc;
}

static struct bytes gpt_disk(size_t len)
{
	struct bytes disk = bytes_random(len, 6);

	memset(disk.data, 0, 100000);
	gpt_header(disk.data, 512, len / 512 - 1);
	return disk;
}

static void test_gpt_in_every_format(void **state)
{
	struct bytes disk = gpt_disk(3 * MIB);

	(void)state;
	for (enum bmr_format f = BMR_FORMAT_RAW; f <= BMR_FORMAT_BZIP2; f++)
		for (int stream = 0; stream < 2; stream++) {
			struct bmr_image image;
			struct bmr_err e;

			if (inspect(pack(f, disk.data, disk.len), stream, &image, &e) < 0)
				fail_msg("%s: %s", bmr_format_name(f), e.msg);
			assert_int_equal(image.format, f);
			assert_int_equal(image.layout.table, BMR_TABLE_GPT);
			assert_int_equal(image.at_least, disk.len);
			assert_true(image.exact);
			assert_int_equal(image.has_checksum, f != BMR_FORMAT_RAW);
			assert_int_equal(image.size, f == BMR_FORMAT_RAW && !stream ? disk.len : 0);
		}
	free(disk.data);
}

static void test_sizes_without_a_table(void **state)
{
	struct bytes disk = bytes_random(3 * MIB, 7);
	struct bmr_image image;
	struct bmr_err e;

	(void)state;
	inspect(pack(BMR_FORMAT_RAW, disk.data, disk.len), false, &image, &e);
	assert_true(image.exact && image.size == disk.len);
	inspect(pack(BMR_FORMAT_RAW, disk.data, disk.len), true, &image, &e);
	assert_false(image.exact);
	assert_int_equal(image.at_least, 0);
	inspect(pack(BMR_FORMAT_XZ, disk.data, disk.len), false, &image, &e);
	assert_true(image.exact && image.at_least == disk.len);
	inspect(pack(BMR_FORMAT_XZ, disk.data, disk.len), true, &image, &e);
	assert_false(image.exact);
	inspect(pack_many(BMR_FORMAT_XZ, disk.data, disk.len, 2), false, &image, &e);
	assert_false(image.exact); /* the index is that of the last stream */
	assert_true(image.at_least <= disk.len);
	inspect(pack(BMR_FORMAT_ZSTD, disk.data, disk.len), false, &image, &e);
	assert_true(!image.exact && image.at_least == disk.len && image.likely == disk.len);
	inspect(pack_many(BMR_FORMAT_ZSTD, disk.data, disk.len, 3), false, &image, &e);
	assert_true(!image.exact && image.at_least == MIB);
	assert_int_equal(image.likely, 0); /* of one frame of three */
	/* The end of a gzip file is a hint. */
	inspect(pack(BMR_FORMAT_GZIP, disk.data, disk.len), false, &image, &e);
	assert_true(!image.exact && image.at_least == 0 && image.likely == disk.len);
	inspect(pack_many(BMR_FORMAT_GZIP, disk.data, disk.len, 3), false, &image, &e);
	assert_int_equal(image.likely, 0);
	inspect(pack(BMR_FORMAT_BZIP2, disk.data, disk.len), false, &image, &e);
	assert_true(!image.exact && image.at_least == 0);
	free(disk.data);
}

/* A gzip file of a disk whose GPT ends at `needed`, and whose trailer says `modulo`. */
static struct bytes gzip_of_gpt(uint64_t needed, uint64_t modulo)
{
	struct bytes disk = gpt_disk(3 * MIB);
	struct bytes file;

	gpt_header(disk.data, 512, needed / 512 - 1);
	file = pack(BMR_FORMAT_GZIP, disk.data, disk.len);
	put_le(file.data + file.len - 4, modulo, 4);
	free(disk.data);
	return file;
}

static struct bytes with_member(struct bytes file, size_t len)
{
	struct bytes more = bytes_random(len, 9);
	struct bytes both = bytes_join(file, pack(BMR_FORMAT_GZIP, more.data, more.len));

	free(more.data);
	return both;
}

/* The trailer has the size modulo 4 GiB: it agrees with the table, or the disk may be larger. */
static void test_gzip_longer_than_its_gpt(void **state)
{
	static const struct {
		uint64_t needed, modulo; /* MiB */
		bool exact;
		uint64_t likely;
	} cases[] = {
		{3, 3, true, 3},          {3, 4, false, 4},         {3, 2, false, 4098},
		{4608, 512, true, 4608},  {4608, 513, false, 4609}, {4608, 1024, false, 5120},
		{4608, 511, false, 8703}, {4608, 0, false, 0},      {8192, 0, true, 0},
	};
	struct bmr_image image;
	struct bmr_err e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t needed = cases[i].needed * MIB;
		uint64_t modulo = cases[i].modulo * MIB;

		assert_int_equal(inspect(gzip_of_gpt(needed, modulo), false, &image, &e), 0);
		assert_int_equal(image.at_least, needed);
		assert_int_equal(image.exact, cases[i].exact);
		assert_int_equal(image.likely, cases[i].likely * MIB);
		/* A part of a sector, a server without ranges: nobody can say. */
		assert_int_equal(inspect(gzip_of_gpt(needed, modulo + 1), false, &image, &e), 0);
		assert_true(image.exact);
		assert_int_equal(inspect(gzip_of_gpt(needed, modulo), true, &image, &e), 0);
		assert_true(image.exact);
	}
}

/* The trailer of the last member says nothing of the disk, if it can be found. */
static void test_gzip_of_many_members(void **state)
{
	static const size_t lengths[] = {0, 512, MIB, 4 * MIB};
	/* The last of each file of bgzip. */
	static const uint8_t bgzip[] = {0x1f, 0x8b, 8,  4, 0, 0, 0, 0, 0, 0xff, 6, 0, 'B', 'C',
	                                2,    0,    27, 0, 3, 0, 0, 0, 0, 0,    0, 0, 0,   0};
	struct bytes file;
	struct bmr_image image;
	struct bmr_err e;

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		file = with_member(gzip_of_gpt(4608 * MIB, 0), lengths[i]);
		assert_int_equal(inspect(file, false, &image, &e), 0);
		assert_true(image.exact);
	}
	file = gzip_of_gpt(4608 * MIB, 0);
	for (int i = 0; i < 100; i++)
		file = with_member(file, 512);
	assert_int_equal(inspect(with_member(file, MIB), false, &image, &e), 0);
	assert_true(image.exact);
	file = bytes_join(gzip_of_gpt(4608 * MIB, 0), bytes_copy(bgzip, sizeof bgzip));
	assert_int_equal(inspect(file, false, &image, &e), 0);
	assert_true(image.exact);
	file = with_member(gzip_of_gpt(4608 * MIB, 0), 5 * MIB);
	assert_int_equal(inspect(file, false, &image, &e), 0);
	assert_true(!image.exact && image.likely == 8197 * MIB);
	/* The only member is not the last of many, however small. */
	file = gzip_of_gpt(2 * MIB, 3 * MIB);
	assert_int_equal(inspect(file, false, &image, &e), 0);
	assert_true(!image.exact && image.likely == 3 * MIB);
}

static void expect_refused(struct bytes file, const char *words)
{
	struct bmr_image image;
	struct bmr_err e;

	if (inspect(file, false, &image, &e) == 0)
		fail_msg("taken as good; expected: %s", words);
	assert_int_equal(e.code, BMR_E_DATA);
	if (!strstr(e.msg, words))
		fail_msg("%s; expected: %s", e.msg, words);
}

static void test_refused(void **state)
{
	struct bytes disk = gpt_disk(3 * MIB);
	uint8_t archive[1024] = {1};
	uint8_t none = 0;

	(void)state;
	memcpy(archive + 257, "ustar", 5);
	expect_refused(bytes_new(0), "empty");
	expect_refused(pack(BMR_FORMAT_GZIP, &none, 0), "holds nothing");
	expect_refused(bytes_copy(disk.data, 1536), "truncated");
	expect_refused(bytes_copy(disk.data, disk.len - 512), "truncated");
	expect_refused(bytes_join(bytes_copy(disk.data, disk.len), bytes_copy("x", 1)),
	               "whole sectors");
	for (enum bmr_format f = BMR_FORMAT_GZIP; f <= BMR_FORMAT_BZIP2; f++) {
		struct bytes once = pack(BMR_FORMAT_XZ, disk.data, 10000);

		expect_refused(pack(f, archive, sizeof archive), "tar archive");
		expect_refused(pack(f, (const uint8_t *)"<html>\n", 7), "text");
		expect_refused(pack(f, once.data, once.len), "xz data within");
		free(once.data);
	}
	free(disk.data);
}

/* A skippable frame first: what follows it tells neither checksum nor size at once. */
static void test_zstd_skippable_first(void **state)
{
	static const uint8_t skip[] = {0x5d, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
	struct bytes disk = bytes_random(MIB, 8);
	struct bmr_image image;
	struct bmr_err e;

	(void)state;
	assert_int_equal(inspect(bytes_join(bytes_copy(skip, sizeof skip),
	                                    pack(BMR_FORMAT_ZSTD, disk.data, disk.len)),
	                         false, &image, &e),
	                 0);
	assert_int_equal(image.format, BMR_FORMAT_ZSTD);
	assert_false(image.has_checksum);
	assert_int_equal(image.at_least, 0);
	free(disk.data);
}

static void test_check_size(void **state)
{
	struct bmr_image image = {.layout.needed = 8192};
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_image_check_size(&image, 8192, 512, &e), 0);
	assert_int_equal(bmr_image_check_size(&image, 8191, 512, &e), -1);
	assert_non_null(strstr(e.msg, "truncated"));
	assert_int_equal(bmr_image_check_size(&image, 8193, 512, &e), -1);
	assert_non_null(strstr(e.msg, "1 too many"));
	assert_int_equal(bmr_image_check_size(&image, 8704, 4096, &e), -1);
	assert_int_equal(e.code, BMR_E_DATA);
	assert_int_equal(bmr_image_check_sectors(0, 512, &e), 0);
}

/* --- bmr images --- */

#define BMR_DISK_SIZE (5 * MIB + 512)

static struct bmr_file bmr_image(enum bmr_codec_id pack_id, bool has_base, const char *kinds)
{
	struct bytes disk = gpt_disk(BMR_DISK_SIZE);
	struct bmr_head head = bmr_file_head(disk.len, pack_id);
	struct bmr_file f;

	head.has_base = has_base;
	f = bmr_file_make(&head, disk.data, kinds);
	free(disk.data);
	return f;
}

/* The same disk from the tail and as a stream; both codecs behind the same frames. */
static void test_bmr(void **state)
{
	(void)state;
	for (int lz4 = 0; lz4 < 2; lz4++)
		for (int stream = 0; stream < 2; stream++) {
			struct bmr_file f =
				bmr_image(lz4 ? BMR_PACK_LZ4 : BMR_PACK_ZSTD, false, "duzddd");
			struct bmr_image image;
			struct bmr_err e;

			if (inspect(bytes_copy(f.file.data, f.file.len), stream, &image, &e) < 0)
				fail_msg("%s", e.msg);
			assert_true(image.is_bmr && image.exact && image.has_checksum);
			assert_int_equal(image.format, lz4 ? BMR_FORMAT_LZ4 : BMR_FORMAT_ZSTD);
			assert_int_equal(image.size, BMR_DISK_SIZE);
			assert_int_equal(image.at_least, BMR_DISK_SIZE);
			assert_int_equal(image.layout.table, BMR_TABLE_GPT);
			assert_int_equal(image.layout.sector, 512);
			assert_memory_equal(image.head.id, f.manifest_of->head.id, BMR_ID_SIZE);
			assert_int_equal(image.manifest != NULL, !stream);
			assert_int_equal(bmr_image_check_size(&image, image.size, 512, &e), 0);
			assert_int_equal(bmr_image_check_size(&image, image.size - 512, 512, &e),
			                 -1);
			assert_non_null(strstr(e.msg, "its head says"));
			bmr_image_clear(&image);
			bmr_image_clear(&image);
			assert_null(image.manifest);
			bmr_file_free(&f);
		}
}

/* What a capture found stands in for what cannot be unpacked; a disk of zeros has no table. */
static void test_bmr_without_a_first_chunk(void **state)
{
	struct bmr_file f = bmr_image(BMR_PACK_ZSTD, true, "bbbbbd");
	struct bmr_image image;
	struct bmr_err e;

	(void)state;
	assert_int_equal(inspect(bytes_copy(f.file.data, f.file.len), false, &image, &e), 0);
	assert_int_equal(image.layout.table, BMR_TABLE_GPT);
	assert_int_equal(image.layout.partitions, 1);
	assert_int_equal(image.layout.sector, 512);
	bmr_image_clear(&image);
	assert_int_equal(inspect(bytes_copy(f.file.data, f.file.len), true, &image, &e), 0);
	assert_true(image.is_bmr && image.head.has_base);
	assert_int_equal(image.layout.table, BMR_TABLE_NONE);
	bmr_image_clear(&image);
	bmr_file_free(&f);
	f = bmr_image(BMR_PACK_ZSTD, false, "zzzzzz");
	assert_int_equal(inspect(bytes_copy(f.file.data, f.file.len), false, &image, &e), 0);
	assert_int_equal(image.layout.table, BMR_TABLE_NONE);
	bmr_image_clear(&image);
	bmr_file_free(&f);
}

static void test_bmr_refused(void **state)
{
	struct bmr_file f = bmr_image(BMR_PACK_ZSTD, false, "duzddd");
	struct bytes head = bytes_copy(f.file.data, f.file.len);

	(void)state;
	expect_refused(bytes_copy(f.file.data, f.file.len - 1), "ends before its manifest");
	expect_refused(bytes_copy(f.file.data, f.manifest), "ends before its manifest");
	expect_refused(bytes_copy(f.file.data, f.head_len - 1), "cut");
	expect_refused(bytes_copy(f.sidecar.data, f.sidecar.len), "name the image itself");
	head.data[40] ^= 1;
	expect_refused(bytes_copy(head.data, head.len), "checksum");
	head.data[40] ^= 1;
	memset(head.data + 4, 0xff, 4);
	expect_refused(head, "head is damaged");
	bmr_file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpt_in_every_format),
		cmocka_unit_test(test_sizes_without_a_table),
		cmocka_unit_test(test_gzip_longer_than_its_gpt),
		cmocka_unit_test(test_gzip_of_many_members),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_zstd_skippable_first),
		cmocka_unit_test(test_check_size),
		cmocka_unit_test(test_bmr),
		cmocka_unit_test(test_bmr_without_a_first_chunk),
		cmocka_unit_test(test_bmr_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
