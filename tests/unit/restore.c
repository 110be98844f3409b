/* SPDX-License-Identifier: GPL-3.0-or-later */
/* restore: onto files and loop devices, from an image in memory that fails to order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "imaging/image.h"
#include "imaging/restore/restore.h"
#include "imaging/disk/target.h"
#include "imaging/verify.h"
#include "tests/fixtures/fake_source.h"
#include "tests/fixtures/packed.h"
#include "tests/fixtures/tables.h"

#define MIB ((size_t)1 << 20)
#define SIZE (5 * MIB + 512)

struct setup {
	char folder[64];
	char path[80];
	struct bytes disk; /* what is to be restored */
	struct bytes file;
	struct fake_image fake;
	struct bmr_source *source;
	struct bmr_image image;
	struct bmr_target_info target;
	struct bmr_restore_progress progress;
	struct bmr_restore restore;
	struct bmr_restore_result result;
	struct bmr_err err;
	atomic_bool stop;
	unsigned phases; /* bits of those entered */
	enum bmr_phase stop_in;
};

static void on_phase(void *ctx, enum bmr_phase phase)
{
	struct setup *s = ctx;

	s->phases |= 1u << phase;
	if (s->stop_in == phase && phase != BMR_PHASE_PREPARE)
		atomic_store(&s->stop, true);
}

static void put_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static struct bytes get_file(const char *path)
{
	struct bytes b = bytes_new(0);
	struct stat st;
	FILE *f = fopen(path, "rb");

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	free(b.data);
	b = bytes_new((size_t)st.st_size);
	assert_int_equal(fread(b.data, 1, b.len, f), b.len);
	fclose(f);
	return b;
}

/* An old disk of `size` bytes 0xaa in a file; 0: none. */
static void old_disk(struct setup *s, size_t size)
{
	struct bytes old = bytes_new(size);

	memset(old.data, 0xaa, size);
	unlink(s->path);
	if (size > 0)
		put_file(s->path, old.data, size);
	free(old.data);
	assert_int_equal(bmr_target_look(s->path, &s->target, &s->err), 0);
}

static void prepare(struct setup *s, enum bmr_format format, size_t target_size)
{
	const char *tmp = getenv("TMPDIR");

	memset(s, 0, sizeof *s);
	snprintf(s->folder, sizeof s->folder, "%.40s/restore-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof s->path, "%s/disk", s->folder);
	s->disk = bytes_random(SIZE, 9);
	memset(s->disk.data + 2 * MIB, 0, 2 * MIB);
	s->file = pack(format, s->disk.data, s->disk.len);
	s->fake.data = s->file.data;
	s->fake.size = s->file.len;
	assert_int_equal(fake_image_source(&s->fake, 65536, 2, &s->source, &s->err), 0);
	assert_int_equal(bmr_image_inspect(s->source, &s->image, &s->err), 0);
	old_disk(s, target_size);
	s->restore = (struct bmr_restore){.source = s->source,
	                                  .image = &s->image,
	                                  .target = &s->target,
	                                  .read_back = true,
	                                  .progress = &s->progress,
	                                  .stop = &s->stop,
	                                  .phase = on_phase,
	                                  .ctx = s};
}

static void clear(struct setup *s)
{
	bmr_source_close(s->source);
	free(s->disk.data);
	free(s->file.data);
	unlink(s->path);
	rmdir(s->folder);
}

static int run(struct setup *s)
{
	s->phases = 0;
	return bmr_restore_run(&s->restore, &s->result, &s->err);
}

static void expect_held(struct setup *s, size_t whole)
{
	struct bytes have = get_file(s->path);

	assert_int_equal(have.len, whole);
	assert_memory_equal(have.data, s->disk.data, s->disk.len);
	for (size_t i = s->disk.len; i < whole; i++)
		assert_int_equal(have.data[i], 0xaa);
	free(have.data);
}

static void expect_untouched(struct setup *s, size_t whole)
{
	struct bytes have = get_file(s->path);

	assert_int_equal(have.len, whole);
	for (size_t i = 0; i < whole; i++)
		assert_int_equal(have.data[i], 0xaa);
	free(have.data);
}

static void expect_lba0_zero(struct setup *s)
{
	struct bytes have = get_file(s->path);

	for (size_t i = 0; i < 512 && i < have.len; i++)
		assert_int_equal(have.data[i], 0);
	free(have.data);
}

static void expect_error(struct setup *s, enum bmr_errc code, const char *words, const char *more)
{
	assert_int_equal(run(s), -1);
	if (s->err.code != code || !strstr(s->err.msg, words) || !strstr(s->err.msg, more))
		fail_msg("code %d: %s; expected %d, %s, %s", s->err.code, s->err.msg, code, words,
		         more);
}

static void test_every_format(void **state)
{
	static const size_t sizes[] = {0, SIZE, SIZE + 512, 2 * SIZE};

	(void)state;
	for (enum bmr_format f = BMR_FORMAT_RAW; f <= BMR_FORMAT_BZIP2; f++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			struct setup s;

			prepare(&s, f, sizes[i]);
			if (run(&s) < 0)
				fail_msg("%s", s.err.msg);
			assert_true(s.result.proven && !s.result.already);
			assert_int_equal(s.result.size, SIZE);
			assert_int_equal(s.progress.verified, SIZE);
			assert_int_equal(s.progress.to_verify, SIZE);
			assert_int_equal(s.progress.zeroed, 2 * MIB);
			expect_held(&s, sizes[i] ? sizes[i] : SIZE);
			clear(&s);
		}
}

/* Images of less than a chunk, of one sector, and of whole chunks of zeros. */
static void test_small_images(void **state)
{
	static const size_t sizes[] = {512, 1024, 4096, MIB - 512, MIB, MIB + 512};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int zeros = 0; zeros < 2; zeros++) {
			struct setup s;

			prepare(&s, BMR_FORMAT_RAW, 2 * MIB);
			s.disk.len = s.fake.size = sizes[i];
			if (zeros) {
				memset(s.file.data, 0, sizes[i]);
				memset(s.disk.data, 0, sizes[i]);
			}
			bmr_source_close(s.source);
			assert_int_equal(fake_image_source(&s.fake, 65536, 2, &s.source, &s.err),
			                 0);
			s.restore.source = s.source;
			assert_int_equal(bmr_image_inspect(s.source, &s.image, &s.err), 0);
			assert_int_equal(run(&s), 0);
			expect_held(&s, 2 * MIB);
			clear(&s);
		}
}

static void test_compare(void **state)
{
	struct setup s;
	FILE *f;

	(void)state;
	prepare(&s, BMR_FORMAT_LZ4, SIZE);
	s.restore.compare = true;
	assert_int_equal(run(&s), 0);
	assert_false(s.result.already);
	assert_int_equal(s.progress.verified, SIZE); /* what was compared does not count */
	expect_held(&s, SIZE);
	memset(&s.progress, 0, sizeof s.progress);
	assert_int_equal(run(&s), 0);
	assert_true(s.result.already && s.result.proven);
	assert_int_equal(s.progress.written + s.progress.zeroed, 0);
	assert_int_equal(s.phases & (1u << BMR_PHASE_WRITE), 0);
	/* One byte, in a chunk of zeros and in the last sector. */
	f = fopen(s.path, "r+b");
	fseek(f, 3 * (long)MIB + 5, SEEK_SET);
	fputc('x', f);
	fseek(f, SIZE - 1, SEEK_SET);
	fputc(s.disk.data[SIZE - 1] ^ 1, f);
	fclose(f);
	memset(&s.progress, 0, sizeof s.progress);
	assert_int_equal(run(&s), 0);
	assert_int_equal(s.progress.zeroed, MIB);
	assert_int_equal(s.progress.written, 512);
	assert_int_equal(s.progress.skipped, 3 * MIB);
	expect_held(&s, SIZE);
	clear(&s);
}

static void test_too_small(void **state)
{
	(void)state;
	for (enum bmr_format f = BMR_FORMAT_RAW; f <= BMR_FORMAT_BZIP2; f++) {
		struct setup s;

		prepare(&s, f, SIZE - 512);
		expect_error(&s, BMR_E_REFUSED, "512 more", "was not written");
		expect_untouched(&s, SIZE - 512);
		clear(&s);
	}
}

/* Of many streams one tells its own size only: that must not be taken for the whole. */
static void test_too_small_for_many_streams(void **state)
{
	(void)state;
	for (enum bmr_format f = BMR_FORMAT_GZIP; f <= BMR_FORMAT_BZIP2; f++) {
		struct setup s;

		prepare(&s, f, SIZE - 512);
		bmr_source_close(s.source);
		free(s.file.data);
		s.file = pack_many(f, s.disk.data, s.disk.len, 9);
		s.fake.data = s.file.data;
		s.fake.size = s.file.len;
		assert_int_equal(fake_image_source(&s.fake, 65536, 2, &s.source, &s.err), 0);
		s.restore.source = s.source;
		assert_int_equal(bmr_image_inspect(s.source, &s.image, &s.err), 0);
		expect_error(&s, BMR_E_REFUSED, "512 more", "was not written");
		expect_untouched(&s, SIZE - 512);
		clear(&s);
	}
}

static void test_digest(void **state)
{
	struct bmr_digest_value want = {{1}};
	struct setup s;

	(void)state;
	prepare(&s, BMR_FORMAT_ZSTD, SIZE);
	s.restore.sha256 = &want;
	expect_error(&s, BMR_E_DATA, "not the expected", "was not written");
	expect_untouched(&s, SIZE);
	s.restore.sha256 = NULL;
	assert_int_equal(run(&s), 0);
	want = s.result.sha256;
	s.restore.sha256 = &want;
	assert_int_equal(run(&s), 0);
	want.bytes[31] ^= 1; /* the disk holds the image, and it is not the one meant */
	s.restore.compare = true;
	expect_error(&s, BMR_E_DATA, "not the expected", "was not written");
	clear(&s);
}

static void test_the_source_fails(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, BMR_FORMAT_RAW, SIZE);
	s.fake.code = BMR_E_SOURCE;
	s.fake.fails_at = 4 * MIB;
	expect_error(&s, BMR_E_SOURCE, "the fake fails", "is incomplete and does not boot");
	expect_lba0_zero(&s);
	s.fake.fails_at = 0;
	assert_int_equal(run(&s), 0);
	expect_held(&s, SIZE);
	/* A new file is empty again, so that it is new for the next try. */
	old_disk(&s, 0);
	s.fake.fails_at = 4 * MIB;
	expect_error(&s, BMR_E_SOURCE, "the fake fails", "incomplete");
	assert_int_equal(bmr_target_look(s.path, &s.target, &s.err), 0);
	assert_true(s.target.is_new);
	clear(&s);
}

static void test_the_image_is_exchanged(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, BMR_FORMAT_RAW, SIZE);
	s.fake.changes_after = s.fake.opens;
	expect_error(&s, BMR_E_DATA, "chang", "is incomplete and does not boot");
	expect_lba0_zero(&s);
	clear(&s);
}

static void expect_stopped_in(enum bmr_phase phase, const char *words, bool untouched)
{
	struct setup s;

	prepare(&s, BMR_FORMAT_BZIP2, SIZE);
	s.restore.compare = true;
	s.stop_in = phase;
	expect_error(&s, BMR_E_STOPPED, "stopped", words);
	if (untouched)
		expect_untouched(&s, SIZE);
	else
		expect_lba0_zero(&s);
	clear(&s);
}

static void test_stopped(void **state)
{
	(void)state;
	expect_stopped_in(BMR_PHASE_MEASURE, "was not written", true);
	expect_stopped_in(BMR_PHASE_COMPARE, "was not written", true);
	expect_stopped_in(BMR_PHASE_WRITE, "does not boot", false);
	expect_stopped_in(BMR_PHASE_READBACK, "does not boot", false);
}

static void test_not_read_back(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, BMR_FORMAT_GZIP, SIZE);
	s.restore.read_back = false;
	assert_int_equal(run(&s), 0);
	assert_false(s.result.proven);
	assert_int_equal(s.progress.verified, 0);
	assert_int_equal(s.phases & (1u << BMR_PHASE_READBACK), 0);
	expect_held(&s, SIZE);
	clear(&s);
}

/* When is the image read once more, to know its size? */
static void test_measuring(void **state)
{
	static const struct {
		enum bmr_format format;
		size_t target;
		bool measured;
	} cases[] = {
		{BMR_FORMAT_RAW, SIZE, false},  {BMR_FORMAT_XZ, SIZE, false},
		{BMR_FORMAT_GZIP, SIZE, false}, {BMR_FORMAT_GZIP, 0, false},
		{BMR_FORMAT_ZSTD, SIZE, false}, {BMR_FORMAT_BZIP2, 4 * SIZE, true},
		{BMR_FORMAT_LZ4, SIZE, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct setup s;

		prepare(&s, cases[i].format, cases[i].target);
		assert_int_equal(run(&s), 0);
		assert_int_equal((s.phases >> BMR_PHASE_MEASURE) & 1, cases[i].measured);
		/* A partition table says enough, for a disk that is much larger. */
		s.image.layout.table = BMR_TABLE_DOS;
		s.image.at_least = SIZE;
		old_disk(&s, 2 * SIZE + 1024);
		assert_int_equal(run(&s), 0);
		assert_int_equal(s.phases & (1u << BMR_PHASE_MEASURE), 0);
		clear(&s);
	}
}

static void test_verify(void **state)
{
	struct setup s;
	struct bmr_verify_result found;
	struct bmr_verify verify;
	FILE *f;

	(void)state;
	prepare(&s, BMR_FORMAT_XZ, 0);
	assert_int_equal(run(&s), 0);
	assert_int_equal(bmr_target_look(s.path, &s.target, &s.err), 0);
	verify = (struct bmr_verify){.source = s.source,
	                             .image = &s.image,
	                             .target = &s.target,
	                             .progress = &s.progress,
	                             .stop = &s.stop};
	assert_int_equal(bmr_verify_run(&verify, &found, &s.err), 0);
	assert_int_equal(found.differing, 0);
	assert_int_equal(found.size, SIZE);
	assert_true(bmr_digest_equal(&found.sha256, &s.result.sha256));
	f = fopen(s.path, "r+b");
	for (size_t at = 100; at < SIZE; at += 2 * MIB) {
		fseek(f, (long)at, SEEK_SET);
		fputc(s.disk.data[at] ^ 1, f);
	}
	fclose(f);
	assert_int_equal(bmr_verify_run(&verify, &found, &s.err), 0);
	assert_int_equal(found.differing, 3);
	assert_int_equal(found.first_difference, 100);
	/* A disk that ends too early differs from there on. */
	assert_int_equal(truncate(s.path, 3 * MIB - 512), 0);
	assert_int_equal(bmr_target_look(s.path, &s.target, &s.err), 0);
	assert_int_equal(bmr_verify_run(&verify, &found, &s.err), 0);
	assert_int_equal(found.differing, 5);
	verify.target = NULL;
	assert_int_equal(bmr_verify_run(&verify, &found, &s.err), 0);
	assert_int_equal(found.size, SIZE);
	atomic_store(&s.stop, true);
	assert_int_equal(bmr_verify_run(&verify, &found, &s.err), -1);
	assert_int_equal(s.err.code, BMR_E_STOPPED);
	clear(&s);
}

static void test_sector_sizes(void **state)
{
	struct bmr_image image = {.layout = {.table = BMR_TABLE_GPT, .sector = 512},
	                          .at_least = 512};
	struct bmr_target_info target = {.path = "/dev/x", .size = 4096, .sector = 4096};
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_restore_check(&image, &target, &e), -1);
	assert_int_equal(e.code, BMR_E_REFUSED);
	assert_non_null(strstr(e.msg, "4096-byte sectors and the image is of a disk with 512"));
	image.layout.sector = 4096;
	assert_int_equal(bmr_restore_check(&image, &target, &e), 0);
	image.layout.sector = 0; /* unknown */
	assert_int_equal(bmr_restore_check(&image, &target, &e), 0);
	image.at_least = 4097;
	assert_int_equal(bmr_restore_check(&image, &target, &e), -1);
	assert_non_null(strstr(e.msg, "has 4096 bytes and the image needs 4097, 1 more"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_format),
		cmocka_unit_test(test_small_images),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_too_small),
		cmocka_unit_test(test_too_small_for_many_streams),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_the_source_fails),
		cmocka_unit_test(test_the_image_is_exchanged),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_not_read_back),
		cmocka_unit_test(test_measuring),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_sector_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
