/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fetch: the pieces come in order, whatever the depth; so do the errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imaging/restore/fetch.h"
#include "tests/fixtures/fake_source.h"
#include "tests/fixtures/packed.h"

#define BLOCK 1000

/* Read to the end or an error; returns the bytes, *rc what ended it. */
static struct bytes drain(struct bmr_fetch *f, size_t most, int *rc, struct bmr_err *e)
{
	struct bytes all = {malloc(most + BLOCK), 0};
	const uint8_t *data;
	size_t len = 1;

	*rc = 0;
	while (*rc == 0 && len > 0) {
		*rc = bmr_fetch_next(f, &data, &len, e);
		if (*rc == 0 && len > 0) {
			assert_true(all.len + len <= most);
			memcpy(all.data + all.len, data, len);
			all.len += len;
		}
	}
	return all;
}

static struct bmr_fetch *start(struct fake_image *image, unsigned depth, struct bmr_source **s)
{
	struct bmr_fetch *f;
	struct bmr_err e;

	assert_int_equal(fake_image_source(image, BLOCK, depth, s, &e), 0);
	assert_int_equal(bmr_fetch_open(*s, NULL, &f, &e), 0);
	return f;
}

static void finish(struct bmr_fetch *f, struct bmr_source *s)
{
	bmr_fetch_close(f);
	bmr_source_close(s);
}

static void expect_all(size_t size, unsigned depth, bool stream)
{
	struct bytes plain = bytes_random(size, (uint32_t)size + 1);
	struct fake_image image = {
		.data = plain.data, .size = size, .stream = stream, .hurries = true};
	struct bmr_source *s;
	struct bmr_fetch *f = start(&image, depth, &s);
	const uint8_t *data;
	struct bmr_err e;
	size_t len = 1;
	int rc;
	struct bytes all = drain(f, size, &rc, &e);

	assert_int_equal(rc, 0);
	assert_int_equal(all.len, size);
	assert_memory_equal(all.data, plain.data, size);
	/* The end stays the end. */
	assert_int_equal(bmr_fetch_next(f, &data, &len, &e), 0);
	assert_int_equal(len, 0);
	finish(f, s);
	free(all.data);
	free(plain.data);
}

static void test_every_depth(void **state)
{
	static const size_t sizes[] = {0,         1,         BLOCK - 1, BLOCK,
	                               BLOCK + 1, 2 * BLOCK, 5 * BLOCK, 23 * BLOCK + 17};

	(void)state;
	for (unsigned depth = 1; depth <= 4; depth++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
			expect_all(sizes[i], depth, false);
}

static void test_a_stream(void **state)
{
	(void)state;
	expect_all(0, 3, true);
	expect_all(BLOCK, 3, true);
	expect_all(7 * BLOCK + 1, 3, true);
}

/* All blocks before the bad one come; then its error, again and again. */
static void test_an_error(void **state)
{
	struct bytes plain = bytes_random(20 * BLOCK, 3);

	(void)state;
	for (unsigned depth = 1; depth <= 4; depth++)
		for (unsigned bad = 0; bad < 20; bad++) {
			struct fake_image image = {.data = plain.data,
			                           .size = plain.len,
			                           .hurries = bad % 4 == 0,
			                           .fails_at = bad * BLOCK + 1,
			                           .code = BMR_E_SOURCE};
			struct bmr_source *s;
			struct bmr_fetch *f = start(&image, depth, &s);
			const uint8_t *data;
			struct bmr_err e = {0};
			size_t len;
			int rc;
			struct bytes all = drain(f, plain.len, &rc, &e);

			assert_int_equal(rc, -1);
			assert_int_equal(e.code, BMR_E_SOURCE);
			assert_int_equal(all.len, bad * BLOCK);
			assert_memory_equal(all.data, plain.data, all.len);
			assert_int_equal(bmr_fetch_next(f, &data, &len, &e), -1);
			finish(f, s);
			free(all.data);
		}
	free(plain.data);
}

static void test_ends_at_any_moment(void **state)
{
	struct bytes plain = bytes_random(20 * BLOCK, 4);

	(void)state;
	for (unsigned taken = 0; taken < 20; taken++) {
		struct fake_image image = {.data = plain.data, .size = plain.len, .hurries = true};
		struct bmr_source *s;
		struct bmr_fetch *f = start(&image, 3, &s);

		for (unsigned i = 0; i < taken; i++) {
			const uint8_t *data;
			struct bmr_err e;
			size_t len;

			assert_int_equal(bmr_fetch_next(f, &data, &len, &e), 0);
			assert_memory_equal(data, plain.data + i * BLOCK, len);
		}
		finish(f, s);
		/* Bounded: no more than depth + 1 blocks ahead of what was taken. */
		assert_true(atomic_load(&image.reads) <= taken + 4);
	}
	bmr_fetch_close(NULL);
	free(plain.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_depth),
		cmocka_unit_test(test_a_stream),
		cmocka_unit_test(test_an_error),
		cmocka_unit_test(test_ends_at_any_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
