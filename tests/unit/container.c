/* SPDX-License-Identifier: GPL-3.0-or-later */
/* container: libzstd reads the frames made by hand, and refuses the one it must refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/err.h"
#include "imaging/bmr/container.h"
#include "imaging/codec/decode.h"
#include "imaging/zero.h"

#define KIB ((uint64_t)1024)
#define BLOCK (128 * KIB)

static void test_skippable(void **state)
{
	static const uint8_t expected[] = {0x5b, 0x2a, 0x4d, 0x18, 0x04, 0x03, 0x02, 0x01};
	uint8_t header[BMR_SKIPPABLE_HEADER];
	uint32_t len = 0;

	(void)state;
	bmr_skippable_put(header, BMR_SKIPPABLE_MAGIC, 0x01020304);
	assert_memory_equal(header, expected, sizeof expected);
	assert_true(bmr_skippable_get(header, BMR_SKIPPABLE_MAGIC, &len));
	assert_int_equal(len, 0x01020304);
	assert_false(bmr_skippable_get(header, BMR_SEEK_MAGIC, &len));
}

static void test_zero_frame(void **state)
{
	static const uint64_t sizes[] = {1,         512,           BLOCK - 1, BLOCK,
	                                 BLOCK + 1, 7 * BLOCK + 3, 8192 * KIB};
	uint8_t *content = malloc(8192 * KIB + 1);
	uint8_t frame[1024];

	(void)state;
	assert_non_null(content);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t len = bmr_zero_frame(sizes[i], frame, sizeof frame);

		assert_int_equal(len, bmr_zero_frame(sizes[i], NULL, 0));
		assert_int_equal(len, 14 + (sizes[i] + BLOCK - 1) / BLOCK * 4);
		assert_int_equal(ZSTD_getFrameContentSize(frame, len), sizes[i]);
		assert_int_equal(ZSTD_findFrameCompressedSize(frame, len), len);
		memset(content, 0xaa, sizes[i] + 1);
		assert_int_equal(ZSTD_decompress(content, sizes[i], frame, len), sizes[i]);
		assert_true(bmr_zero_is(content, sizes[i]));
		assert_int_equal(content[sizes[i]], 0xaa);
	}
	/* No room: nothing is written. */
	memset(frame, 0x55, sizeof frame);
	assert_int_equal(bmr_zero_frame(BLOCK, frame, 17), 18);
	assert_int_equal(frame[0], 0x55);
	free(content);
}

struct piece {
	const uint8_t *data;
	size_t len;
};

static int next_piece(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct piece *p = ctx;

	(void)e;
	*data = p->data;
	*len = p->len < 1000 ? p->len : 1000;
	p->data += *len;
	p->len -= *len;
	return 0;
}

/* The largest one, by the decoder that restores plain streams, between skippable frames. */
static void test_largest_zero_frame(void **state)
{
	size_t len = bmr_zero_frame(BMR_ZERO_FRAME_MOST, NULL, 0);
	size_t all = 3 * (size_t)BMR_SKIPPABLE_HEADER + len;
	uint8_t *file = calloc(1, all);
	uint8_t *out = malloc(1 << 20);
	struct piece piece = {file, all};
	struct bmr_input input = {next_piece, &piece};
	struct bmr_decoder *d;
	struct bmr_err e;
	uint64_t total = 0;
	size_t got;

	(void)state;
	assert_int_equal(len, 32782);
	assert_non_null(file);
	assert_non_null(out);
	bmr_skippable_put(file, BMR_SKIPPABLE_MAGIC, 0);
	bmr_zero_frame(BMR_ZERO_FRAME_MOST, file + BMR_SKIPPABLE_HEADER, len);
	bmr_skippable_put(file + BMR_SKIPPABLE_HEADER + len, BMR_SKIPPABLE_MAGIC, 0);
	bmr_skippable_put(file + 2 * (size_t)BMR_SKIPPABLE_HEADER + len, BMR_SEEK_MAGIC, 0);
	assert_int_equal(bmr_decoder_open(BMR_FORMAT_ZSTD, &input, &d, &e), 0);
	do {
		if (bmr_decoder_read(d, out, 1 << 20, &got, &e) < 0)
			fail_msg("%s", e.msg);
		assert_true(bmr_zero_is(out, got));
		total += got;
	} while (got > 0);
	assert_int_equal(total, BMR_ZERO_FRAME_MOST);
	assert_int_equal(bmr_decoder_consumed(d), all);
	bmr_decoder_close(d);
	free(out);
	free(file);
}

static void test_guard(void **state)
{
	uint8_t guard[BMR_GUARD_FRAME_MOST];
	size_t len = bmr_guard_frame(guard);
	size_t lz4_in = len;
	size_t lz4_out = 1;
	LZ4F_dctx *z;
	uint8_t out;
	size_t rc = ZSTD_decompress(&out, 1, guard, len);

	(void)state;
	assert_true(len <= BMR_GUARD_FRAME_MOST);
	assert_int_equal(ZSTD_getErrorCode(rc), ZSTD_error_dictionary_wrong);
	/* It is a frame like others to those who only walk over it, but for its block. */
	assert_int_equal(ZSTD_getFrameContentSize(guard, len), 0);
	assert_int_equal(ZSTD_getDictID_fromFrame(guard, len), 0x62726d62);
	/* A decoder that does not ask for the dictionary stops at the block. */
	guard[4] = 0x20;
	memmove(guard + 5, guard + 9, len - 9);
	rc = ZSTD_decompress(&out, 1, guard, len - 4);
	assert_true(ZSTD_isError(rc));
	assert_int_not_equal(ZSTD_getErrorCode(rc), ZSTD_error_dictionary_wrong);
	bmr_guard_frame(guard);
	assert_false(LZ4F_isError(LZ4F_createDecompressionContext(&z, LZ4F_VERSION)));
	assert_true(LZ4F_isError(LZ4F_decompress(z, &out, &lz4_out, guard, &lz4_in, NULL)));
	LZ4F_freeDecompressionContext(z);
}

static void test_seek_table(void **state)
{
	static const uint8_t expected[] = {
		0x5e, 0x2a, 0x4d, 0x18, 25, 0, 0,    0, /* skippable frame of 25 bytes */
		100,  0,    0,    0,    0,  0, 0,    0, /* a frame without content */
		0x2c, 0x01, 0,    0,    0,  0, 0x10, 0, /* 300 bytes for 1 MiB */
		2,    0,    0,    0,    0,              /* two frames, no checksums */
		0xb1, 0xea, 0x92, 0x8f,
	};
	uint8_t footer[BMR_SEEK_FOOTER];
	struct bmr_seek_table *t;
	struct bmr_err e;
	uint8_t *frame;
	uint32_t frames;
	uint32_t stored;
	uint32_t content;
	uint64_t whole;
	size_t len;

	(void)state;
	assert_int_equal(bmr_seek_table_new(&t, &e), 0);
	assert_int_equal(bmr_seek_table_add(t, 100, 0, &e), 0);
	assert_int_equal(bmr_seek_table_add(t, 300, 1 << 20, &e), 0);
	assert_int_equal(bmr_seek_table_encode(t, &frame, &len, &e), 0);
	assert_int_equal(len, sizeof expected);
	assert_memory_equal(frame, expected, len);
	bmr_seek_entry_get(frame + 16, &stored, &content);
	assert_int_equal(stored, 300);
	assert_int_equal(content, 1 << 20);
	memcpy(footer, frame + len - sizeof footer, sizeof footer);
	assert_true(bmr_seek_footer_get(footer, &frames, &whole));
	assert_int_equal(frames, 2);
	assert_int_equal(whole, len);
	footer[4] = 0x80; /* with checksums */
	assert_false(bmr_seek_footer_get(footer, &frames, &whole));
	footer[4] = 0;
	footer[8] ^= 1;
	assert_false(bmr_seek_footer_get(footer, &frames, &whole));
	footer[8] ^= 1;
	memset(footer, 0xff, 4); /* more frames than the format has */
	assert_false(bmr_seek_footer_get(footer, &frames, &whole));
	free(frame);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(bmr_seek_table_add(t, i, i, &e), 0);
	assert_int_equal(bmr_seek_table_encode(t, &frame, &len, &e), 0);
	assert_int_equal(len, 8 + 1002 * 8 + 9);
	bmr_seek_entry_get(frame + 8 + 1001 * 8, &stored, &content);
	assert_int_equal(stored, 999);
	free(frame);
	bmr_seek_table_free(t);
	bmr_seek_table_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_skippable),          cmocka_unit_test(test_zero_frame),
		cmocka_unit_test(test_largest_zero_frame), cmocka_unit_test(test_guard),
		cmocka_unit_test(test_seek_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
