/* SPDX-License-Identifier: GPL-3.0-or-later */
/* decode: every format, however its bytes arrive and leave, and every way of being damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "imaging/codec/codec.h"
#include "imaging/codec/decode.h"
#include "tests/fixtures/packed.h"

static const struct bmr_codec *const codecs[] = {
	&bmr_codec_raw, &bmr_codec_gzip_isal, &bmr_codec_gzip_zlib, &bmr_codec_zstd,
	&bmr_codec_xz,  &bmr_codec_lz4,       &bmr_codec_bzip2,
};

#define CODECS (sizeof codecs / sizeof *codecs)
#define FIRST_PACKED 1 /* raw has neither checksum nor end */

/* Hands out a buffer in pieces, each in memory of its own, so that a sanitizer sees a codec that
 * looks behind its piece or at one that is gone. */
struct feed {
	const uint8_t *data;
	size_t len;
	size_t piece;
	size_t at;
	uint8_t *current;
	bool fails; /* at the end, instead of ending */
};

static int feed_next(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct feed *f = ctx;
	size_t n = f->len - f->at < f->piece ? f->len - f->at : f->piece;

	free(f->current);
	f->current = NULL;
	*len = n;
	if (n == 0 && f->fails)
		return bmr_err_set(e, BMR_E_NET, 0, "the feed broke");
	f->current = malloc(n ? n : 1);
	memcpy(f->current, f->data + f->at, n);
	f->at += n;
	*data = f->current;
	return 0;
}

struct outcome {
	int rc;
	struct bmr_err err;
	struct bytes out;
	uint64_t consumed;
};

/* Decode all of it, reading `step` bytes at a time; more than `most` is a decoder gone mad. */
static struct outcome decode(const struct bmr_codec *codec, struct feed feed, size_t step,
                             size_t most)
{
	struct outcome o = {.out = bytes_new(most + step)};
	struct bmr_input input = {feed_next, &feed};
	struct bmr_decoder *d;
	size_t got = step;

	o.out.len = 0;
	assert_int_equal(bmr_decoder_open_codec(codec, &input, &d, &o.err), 0);
	while (o.rc == 0 && got == step && o.out.len <= most) {
		o.rc = bmr_decoder_read(d, o.out.data + o.out.len, step, &got, &o.err);
		o.out.len += o.rc == 0 ? got : 0;
	}
	if (o.rc == 0) { /* the end stays the end */
		assert_int_equal(bmr_decoder_read(d, o.out.data + o.out.len, 1, &got, &o.err), 0);
		assert_int_equal(got, 0);
	}
	o.consumed = bmr_decoder_consumed(d);
	bmr_decoder_close(d);
	free(feed.current);
	return o;
}

static void expect_equal(const struct bmr_codec *codec, struct bytes file, struct bytes want,
                         size_t piece, size_t step)
{
	struct feed feed = {file.data, file.len, piece, 0, NULL, false};
	struct outcome o = decode(codec, feed, step, want.len);

	if (o.rc != 0)
		fail_msg("%s, pieces of %zu: %s", bmr_format_name(codec->format), piece, o.err.msg);
	assert_int_equal(o.out.len, want.len);
	assert_memory_equal(o.out.data, want.data, want.len);
	assert_int_equal(o.consumed, file.len);
	free(o.out.data);
}

/* Must be BMR_E_DATA, with the words; *what names the damage if it is not. */
static void expect_damage(const struct bmr_codec *codec, const uint8_t *file, size_t len,
                          size_t piece, size_t most, const char *words, const char *what)
{
	struct feed feed = {file, len, piece, 0, NULL, false};
	struct outcome o = decode(codec, feed, 4096, most);

	if (o.rc == 0 || o.err.code != BMR_E_DATA || (words && !strstr(o.err.msg, words)))
		fail_msg("%s, %s, %zu bytes in pieces of %zu: rc %d %s",
		         bmr_format_name(codec->format), what, len, piece, o.rc,
		         o.rc ? o.err.msg : "taken as good");
	free(o.out.data);
}

static void in_all_pieces(const struct bmr_codec *codec, struct bytes file, struct bytes want)
{
	static const size_t pieces[] = {1, 7, 65536};
	static const size_t steps[] = {1, 4095, 1 << 20};

	for (size_t p = 0; p < 3; p++)
		for (size_t s = 0; s < 3; s++)
			expect_equal(codec, file, want, pieces[p], steps[s]);
}

static void test_one_stream(void **state)
{
	struct bytes plain = bytes_random(300000, 1);

	(void)state;
	for (size_t i = 0; i < CODECS; i++) {
		struct bytes file = pack(codecs[i]->format, plain.data, plain.len);

		in_all_pieces(codecs[i], file, plain);
		free(file.data);
	}
	free(plain.data);
}

static void test_many_streams(void **state)
{
	struct bytes plain = bytes_random(100001, 2);

	(void)state;
	for (size_t i = FIRST_PACKED; i < CODECS; i++) {
		struct bytes file = pack_many(codecs[i]->format, plain.data, plain.len, 23);

		in_all_pieces(codecs[i], file, plain);
		free(file.data);
	}
	free(plain.data);
}

static void test_zeros(void **state)
{
	struct bytes plain = {calloc(1, 3 << 20), 3 << 20};

	(void)state;
	for (size_t i = 0; i < CODECS; i++) {
		struct bytes file = pack(codecs[i]->format, plain.data, plain.len);

		expect_equal(codecs[i], file, plain, 1000, 1 << 20);
		free(file.data);
	}
	free(plain.data);
}

static void test_empty_streams(void **state)
{
	struct bytes plain = bytes_random(1000, 3);
	const uint8_t none = 0;

	(void)state;
	for (size_t i = 0; i < CODECS; i++) {
		struct bytes file = pack(codecs[i]->format, &none, 0);
		struct bytes nothing = {NULL, 0};
		struct feed feed = {file.data, file.len, 3, 0, NULL, false};
		struct outcome o = decode(codecs[i], feed, 10, 10);

		assert_int_equal(o.rc, 0);
		assert_int_equal(o.out.len, nothing.len);
		free(o.out.data);
		/* Before, between and behind others. */
		file = bytes_join(file, pack(codecs[i]->format, plain.data, plain.len));
		file = bytes_join(file, pack(codecs[i]->format, &none, 0));
		in_all_pieces(codecs[i], file, plain);
		free(file.data);
	}
	free(plain.data);
}

/* Every cut, except one that falls between two streams: there the shorter file is whole. */
static void every_cut(const struct bmr_codec *codec, struct bytes file, size_t whole, size_t piece,
                      size_t plain_len)
{
	for (size_t len = 0; len < file.len; len++)
		if (len != whole)
			expect_damage(codec, file.data, len, piece, plain_len, NULL, "cut");
}

static void test_truncated_anywhere(void **state)
{
	struct bytes plain = bytes_random(2500, 4);

	(void)state;
	for (size_t i = FIRST_PACKED; i < CODECS; i++) {
		struct bytes first = pack(codecs[i]->format, plain.data, 1200);
		size_t middle = first.len;
		struct bytes file = bytes_join(
			first, pack(codecs[i]->format, plain.data + 1200, plain.len - 1200));

		every_cut(codecs[i], file, middle, 65536, plain.len);
		every_cut(codecs[i], file, middle, 1, plain.len);
		expect_damage(codecs[i], file.data, file.len - 1, 7, plain.len,
		              "the image file is truncated: it ends at byte", "cut by one");
		free(file.data);
	}
	free(plain.data);
}

static void test_trailing_garbage(void **state)
{
	static const uint8_t garbage[] = {0x1f, 0x8b, 0x07, 0xfd, 0x37, 0x42, 0x5a, 0x00};
	struct bytes plain = bytes_random(5000, 5);

	(void)state;
	for (size_t i = FIRST_PACKED; i < CODECS; i++) {
		struct bytes file = pack(codecs[i]->format, plain.data, plain.len);

		for (size_t n = 1; n <= sizeof garbage; n++) {
			struct bytes more =
				bytes_join(bytes_copy(file.data, file.len), bytes_copy(garbage, n));

			expect_damage(codecs[i], more.data, more.len, 65536, plain.len, NULL,
			              "garbage behind");
			expect_damage(codecs[i], more.data, more.len, 1, plain.len, NULL,
			              "garbage behind");
			free(more.data);
		}
		free(file.data);
	}
	free(plain.data);
}

/* Zeros are no stream either.  Only .xz knows padding, in fours (file format, section 2.2). */
static void test_trailing_zeros(void **state)
{
	struct bytes plain = bytes_random(5000, 6);

	(void)state;
	for (size_t i = FIRST_PACKED; i < CODECS; i++)
		for (size_t n = 1; n <= 8; n++) {
			struct bytes file = pack(codecs[i]->format, plain.data, plain.len);
			uint8_t zeros[8] = {0};

			file = bytes_join(file, bytes_copy(zeros, n));
			if (codecs[i]->format == BMR_FORMAT_XZ && n % 4 == 0)
				expect_equal(codecs[i], file, plain, 7, 4096);
			else
				expect_damage(codecs[i], file.data, file.len, 7, plain.len, NULL,
				              "zeros behind");
			free(file.data);
		}
	free(plain.data);
}

/* A flipped bit may hit a field without a meaning (a date, a name); then the data is right.  It is
 * never wrong without a word. */
static void flip_everything(const struct bmr_codec *codec, struct bytes file, struct bytes plain,
                            size_t piece)
{
	unsigned noticed = 0;

	for (size_t at = 0; at < file.len; at++) {
		struct feed feed = {file.data, file.len, piece, 0, NULL, false};
		uint8_t bit = (uint8_t)(1u << (at % 8));
		struct outcome o;

		file.data[at] ^= bit;
		o = decode(codec, feed, 4096, 4 * plain.len);
		file.data[at] ^= bit;
		if (o.rc == 0 &&
		    (o.out.len != plain.len || memcmp(o.out.data, plain.data, plain.len) != 0))
			fail_msg("%s: bit %u of byte %zu is wrong and nobody says so",
			         bmr_format_name(codec->format), bit, at);
		if (o.rc != 0)
			assert_int_equal(o.err.code, BMR_E_DATA);
		noticed += o.rc != 0;
		free(o.out.data);
	}
	/* At least nine of ten: the check above would also pass with a decoder that ignores all. */
	assert_true(noticed * 10 > file.len * 9);
}

static void test_single_bits(void **state)
{
	struct bytes plain = bytes_random(1500, 7);

	(void)state;
	for (size_t i = FIRST_PACKED; i < CODECS; i++) {
		struct bytes file = pack(codecs[i]->format, plain.data, plain.len);

		flip_everything(codecs[i], file, plain, 65536);
		flip_everything(codecs[i], file, plain, 3);
		free(file.data);
	}
	free(plain.data);
}

static void test_the_input_fails(void **state)
{
	struct bytes plain = bytes_random(5000, 8);

	(void)state;
	for (size_t i = 0; i < CODECS; i++) {
		struct bytes file = pack(codecs[i]->format, plain.data, plain.len);
		struct feed feed = {file.data, file.len, 100, 0, NULL, true};
		struct outcome o = decode(codecs[i], feed, 4096, plain.len);

		assert_int_equal(o.rc, -1);
		assert_int_equal(o.err.code, BMR_E_NET);
		free(o.out.data);
		free(file.data);
	}
	free(plain.data);
}

static void test_skippable_frames(void **state)
{
	static const uint8_t skip[] = {0x5d, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'};
	static const struct bmr_codec *const with[] = {&bmr_codec_zstd, &bmr_codec_lz4};
	struct bytes plain = bytes_random(5000, 9);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct bytes file = bytes_join(bytes_copy(skip, sizeof skip),
		                               pack(with[i]->format, plain.data, 2000));

		file = bytes_join(file, bytes_copy(skip, sizeof skip));
		file = bytes_join(file, pack(with[i]->format, plain.data + 2000, 3000));
		file = bytes_join(file, bytes_copy(skip, sizeof skip));
		in_all_pieces(with[i], file, plain);
		expect_damage(with[i], file.data, file.len - 1, 7, plain.len, "truncated", "cut");
		free(file.data);
	}
	/* gzip has none. */
	struct bytes file = bytes_join(pack(BMR_FORMAT_GZIP, plain.data, plain.len),
	                               bytes_copy(skip, sizeof skip));

	expect_damage(&bmr_codec_gzip_zlib, file.data, file.len, 7, plain.len, "not gzip", "skip");
	free(file.data);
	free(plain.data);
}

/* One format behind another is no image of either. */
static void test_mixed_formats(void **state)
{
	struct bytes plain = bytes_random(3000, 10);

	(void)state;
	for (size_t i = FIRST_PACKED; i < CODECS; i++)
		for (size_t k = FIRST_PACKED; k < CODECS; k++) {
			struct bytes file =
				bytes_join(pack(codecs[i]->format, plain.data, plain.len),
			                   pack(codecs[k]->format, plain.data, plain.len));

			if (codecs[i]->format != codecs[k]->format)
				expect_damage(codecs[i], file.data, file.len, 7, 2 * plain.len,
				              NULL, "another format behind");
			free(file.data);
		}
	free(plain.data);
}

static void test_zstd_window(void **state)
{
	struct bytes plain = {calloc(1, 1 << 20), 1 << 20};
	struct bytes file = bytes_new(ZSTD_compressBound(plain.len));
	ZSTD_CCtx *z = ZSTD_createCCtx();

	(void)state;
	for (int log = 26; log <= 27; log++) {
		ZSTD_inBuffer in = {plain.data, plain.len, 0};
		ZSTD_outBuffer out = {file.data, file.len, 0};
		struct bytes used = {file.data, 0};

		ZSTD_CCtx_reset(z, ZSTD_reset_session_and_parameters);
		ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, log);
		/* A stream of unknown size keeps the window it asked for. */
		assert_false(ZSTD_isError(ZSTD_compressStream2(z, &out, &in, ZSTD_e_flush)));
		assert_int_equal(ZSTD_compressStream2(z, &out, &in, ZSTD_e_end), 0);
		used.len = out.pos;
		if (log == 26)
			expect_equal(&bmr_codec_zstd, used, plain, 65536, 4096);
		else
			expect_damage(&bmr_codec_zstd, used.data, used.len, 65536, plain.len,
			              "window of more than 64 MiB", "window of 128 MiB");
	}
	ZSTD_freeCCtx(z);
	free(file.data);
	free(plain.data);
}

static void test_xz_memory(void **state)
{
	struct bytes plain = bytes_random(10000, 11);
	struct bytes eight = pack_xz(plain.data, plain.len, 8);
	struct bytes nine = pack_xz(plain.data, plain.len, 9);

	(void)state;
	expect_equal(&bmr_codec_xz, eight, plain, 65536, 4096);
	expect_equal(&bmr_codec_xz, nine, plain, 65536, 4096);
	free(eight.data);
	free(nine.data);
	free(plain.data);
}

/* A dictionary over the limit is refused before it is allocated. */
static void test_xz_dictionary_too_large(void **state)
{
	struct bytes plain = bytes_random(10000, 12);
	struct bytes file = bytes_new(lzma_stream_buffer_bound(plain.len));
	lzma_options_lzma options;
	lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};
	size_t pos = 0;

	(void)state;
	lzma_lzma_preset(&options, 1);
	options.dict_size = 128 << 20;
	assert_int_equal(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, plain.data,
	                                           plain.len, file.data, &pos, file.len),
	                 LZMA_OK);
	expect_damage(&bmr_codec_xz, file.data, pos, 65536, plain.len, "the limit is 72 MiB",
	              "dictionary of 128 MiB");
	free(file.data);
	free(plain.data);
}

static void test_isal_is_taken_where_it_is_fast(void **state)
{
	(void)state;
#if defined(__x86_64__)
	assert_ptr_equal(bmr_codec_find(BMR_FORMAT_GZIP), __builtin_cpu_supports("sse4.2")
	                                                          ? &bmr_codec_gzip_isal
	                                                          : &bmr_codec_gzip_zlib);
#endif
	assert_int_equal(bmr_codec_find(BMR_FORMAT_GZIP)->format, BMR_FORMAT_GZIP);
	assert_ptr_equal(bmr_codec_find(BMR_FORMAT_XZ), &bmr_codec_xz);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_stream),
		cmocka_unit_test(test_many_streams),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_empty_streams),
		cmocka_unit_test(test_truncated_anywhere),
		cmocka_unit_test(test_trailing_garbage),
		cmocka_unit_test(test_trailing_zeros),
		cmocka_unit_test(test_single_bits),
		cmocka_unit_test(test_the_input_fails),
		cmocka_unit_test(test_skippable_frames),
		cmocka_unit_test(test_mixed_formats),
		cmocka_unit_test(test_zstd_window),
		cmocka_unit_test(test_xz_memory),
		cmocka_unit_test(test_xz_dictionary_too_large),
		cmocka_unit_test(test_isal_is_taken_where_it_is_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
