/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verify: differences are counted or end it, and reading that fails is told from them.  What restore
 * and verify make of each other is in restore.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "imaging/image.h"
#include "imaging/restore/restore.h"
#include "imaging/disk/target.h"
#include "imaging/verify.h"
#include "tests/fixtures/fake_source.h"
#include "tests/fixtures/packed.h"

#define CHUNKS 6
#define SIZE ((size_t)CHUNKS * BMR_CHUNK_SIZE)

struct setup {
	char path[64];
	struct bytes disk;
	struct fake_image fake;
	struct bmr_image image;
	struct bmr_target_info target;
	struct bmr_restore_progress progress;
	atomic_bool stop;
	struct bmr_verify verify;
	struct bmr_verify_result result;
	struct bmr_source *source;
	struct bmr_err err;
};

/* A disk that holds `size` bytes: first the image, then more. */
static void prepare(struct setup *s, size_t size)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	memset(s, 0, sizeof *s);
	s->disk = bytes_random(2 * SIZE, 5);
	s->fake.data = s->disk.data;
	s->fake.size = SIZE;
	assert_int_equal(fake_image_source(&s->fake, 65536, 2, &s->source, &s->err), 0);
	assert_int_equal(bmr_image_inspect(s->source, &s->image, &s->err), 0);
	snprintf(s->path, sizeof s->path, "%.40s/verify-XXXXXX", tmp ? tmp : "/tmp");
	fd = mkstemp(s->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, s->disk.data, size), size);
	close(fd);
	assert_int_equal(bmr_target_look(s->path, &s->target, &s->err), 0);
	s->verify = (struct bmr_verify){.source = s->source,
	                                .image = &s->image,
	                                .target = &s->target,
	                                .progress = &s->progress,
	                                .stop = &s->stop};
}

static void clear(struct setup *s)
{
	bmr_source_close(s->source);
	unlink(s->path);
	free(s->disk.data);
}

static void damage(struct setup *s, uint64_t at)
{
	uint8_t byte = s->disk.data[at] ^ 0x80;
	int fd = open(s->path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

static void expect(struct setup *s, uint64_t differing, uint64_t first)
{
	if (bmr_verify_run(&s->verify, &s->result, &s->err) < 0)
		fail_msg("%s", s->err.msg);
	assert_int_equal(s->result.differing, differing);
	if (differing > 0)
		assert_int_equal(s->result.first_difference, first);
}

static void expect_error(struct setup *s, enum bmr_errc code, const char *words)
{
	assert_int_equal(bmr_verify_run(&s->verify, &s->result, &s->err), -1);
	if (s->err.code != code || !strstr(s->err.msg, words))
		fail_msg("code %d: %s; expected %d, %s", s->err.code, s->err.msg, code, words);
}

/* Whatever lies behind the image does not matter. */
static void test_the_same(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE + 4096);
	expect(&s, 0, 0);
	assert_int_equal(s.result.size, SIZE);
	assert_int_equal(s.progress.verified, SIZE);
	damage(&s, SIZE);
	expect(&s, 0, 0);
	clear(&s);
}

static void test_every_place(void **state)
{
	static const uint64_t places[] = {0, 1, 511, BMR_CHUNK_SIZE - 1, BMR_CHUNK_SIZE, SIZE - 1};

	(void)state;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct setup s;

		prepare(&s, SIZE);
		damage(&s, places[i]);
		expect(&s, 1, places[i]);
		clear(&s);
	}
}

/* The first one is that of the lowest place, whichever thread finds it. */
static void test_counting(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	for (uint64_t i = 1; i < CHUNKS; i++)
		for (uint64_t n = 9; n > 0; n--)
			damage(&s, i * BMR_CHUNK_SIZE + 1000 * n);
	expect(&s, CHUNKS - 1, BMR_CHUNK_SIZE + 1000);
	assert_int_equal(s.result.size, SIZE);
	clear(&s);
}

static void test_the_first_one_ends_it(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	s.verify.first_difference_ends = true;
	expect(&s, 0, 0);
	assert_int_equal(s.result.size, SIZE);
	damage(&s, 77);
	assert_int_equal(bmr_verify_run(&s.verify, &s.result, &s.err), 0);
	assert_true(s.result.differing >= 1);
	assert_int_equal(s.result.size, 0); /* it did not go on to the end */
	assert_int_equal(s.result.first_difference, 77);
	clear(&s);
}

/* Where the disk cannot be read that is an error; but for one who will write it a difference. */
static void test_unreadable(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	assert_int_equal(truncate(s.path, 5 * BMR_CHUNK_SIZE), 0); /* after it was looked at */
	expect_error(&s, BMR_E_TARGET, "at byte 5242880 (sector 10240)");
	s.verify.first_difference_ends = true;
	expect(&s, 1, 5 * BMR_CHUNK_SIZE);
	clear(&s);
}

static void test_the_source_fails(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	s.fake.code = BMR_E_SOURCE;
	s.fake.fails_at = 3 * BMR_CHUNK_SIZE;
	expect_error(&s, BMR_E_SOURCE, "the fake fails");
	s.verify.first_difference_ends = true;
	expect_error(&s, BMR_E_SOURCE, "the fake fails"); /* nothing differs so far */
	s.fake.fails_at = 0;
	s.fake.changes_after = s.fake.opens;
	expect_error(&s, BMR_E_DATA, "chang");
	clear(&s);
}

/* All of it was read and agrees; only the question at the end gets another answer. */
static void test_exchanged_at_the_end(void **state)
{
	struct setup s;
	unsigned opens;

	(void)state;
	prepare(&s, SIZE);
	bmr_source_close(s.source);
	assert_int_equal(fake_image_source(&s.fake, 65536, 1, &s.source, &s.err), 0);
	s.verify.source = s.source;
	opens = s.fake.opens;
	expect(&s, 0, 0);
	opens = s.fake.opens - opens;
	assert_true(opens > 0);
	s.fake.changes_after = s.fake.opens + opens - 1;
	expect_error(&s, BMR_E_DATA, "chang");
	clear(&s);
}

static void test_stopped(void **state)
{
	struct setup s;

	(void)state;
	prepare(&s, SIZE);
	damage(&s, 77);
	atomic_store(&s.stop, true);
	expect_error(&s, BMR_E_STOPPED, "stopped");
	clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same),
		cmocka_unit_test(test_every_place),
		cmocka_unit_test(test_counting),
		cmocka_unit_test(test_the_first_one_ends_it),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_the_source_fails),
		cmocka_unit_test(test_exchanged_at_the_end),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
