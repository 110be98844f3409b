/* SPDX-License-Identifier: GPL-3.0-or-later */
/* frame: every codec there and back, unpacked by the codec's own library too, and hostile frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "imaging/codec/decode.h"
#include "imaging/codec/frame.h"
#include "imaging/codec/frame_ops.h"
#include "tests/fixtures/packed.h"

#define LEN ((size_t)300 * 1000)

static const enum bmr_codec_id all[] = {BMR_PACK_ZSTD, BMR_PACK_GZIP, BMR_PACK_LZ4, BMR_PACK_NONE};

static const enum bmr_format format_of[] = {
	[BMR_PACK_ZSTD] = BMR_FORMAT_ZSTD,
	[BMR_PACK_GZIP] = BMR_FORMAT_GZIP,
	[BMR_PACK_LZ4] = BMR_FORMAT_LZ4,
	[BMR_PACK_NONE] = BMR_FORMAT_RAW,
};

static struct bytes pack_with(const char *text, const struct bytes *data)
{
	enum bmr_codec_id pack;
	struct bmr_packer *p;
	struct bmr_err err;
	struct bytes out;
	int level;

	assert_int_equal(bmr_pack_parse(text, &pack, &level, &err), 0);
	out = bytes_new(bmr_pack_bound(pack, data->len));
	assert_int_equal(bmr_packer_open(pack, level, data->len, &p, &err), 0);
	/* Twice: the second run must not know of the first. */
	for (int i = 0; i < 2; i++) {
		size_t stored;

		assert_int_equal(bmr_packer_run(p, data->data, data->len, out.data,
		                                bmr_pack_bound(pack, data->len), &stored, &err),
		                 0);
		out.len = stored;
	}
	assert_true(bmr_packer_memory(p) > 0);
	bmr_packer_close(p);
	return out;
}

static struct bytes pack_default(enum bmr_codec_id pack, const struct bytes *data)
{
	static const char *const names[] = {NULL, "zstd", "gzip", "lz4", "none"};

	return pack_with(names[pack], data);
}

/* The library in this process, where the address sanitizer sees what it does. */
static int unpack_here(enum bmr_codec_id pack, const struct bytes *frame, size_t len)
{
	const struct bmr_frame_ops *ops = bmr_frame_find(pack);
	void *state = ops->unpack_open ? ops->unpack_open() : NULL;
	uint8_t *out = malloc(len);
	struct bmr_err err;
	int rc = ops->unpack(state, frame->data, frame->len, out, len, &err);

	if (ops->unpack_close)
		ops->unpack_close(state);
	free(out);
	return rc;
}

/* Exactly len bytes of room: what writes beyond is seen by the address sanitizer. */
static int unpack(enum bmr_codec_id pack, const struct bytes *frame, size_t len,
                  const uint8_t *expected, struct bmr_err *err)
{
	uint8_t *out = malloc(len);
	struct bmr_unpacker *u;
	int rc;

	assert_int_equal(bmr_unpacker_open(pack, &u, err), 0);
	rc = bmr_unpacker_run(u, frame->data, frame->len, out, len, err);
	if (rc == 0 && expected)
		assert_memory_equal(out, expected, len);
	bmr_unpacker_close(u);
	free(out);
	assert_int_equal(unpack_here(pack, frame, len), rc);
	return rc;
}

static void test_there_and_back(void **state)
{
	static const size_t lengths[] = {1, 511, 512, 65536, LEN};
	struct bmr_err err;

	(void)state;
	for (size_t c = 0; c < 4; c++)
		for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
			struct bytes data = bytes_random(lengths[l], 7);
			struct bytes frame = pack_default(all[c], &data);

			assert_int_equal(unpack(all[c], &frame, data.len, data.data, &err), 0);
			free(frame.data);
			free(data.data);
		}
}

struct reader {
	const struct bytes *bytes;
	bool done;
};

static int read_frame(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct reader *r = ctx;

	(void)e;
	*data = r->bytes->data;
	*len = r->done ? 0 : r->bytes->len;
	r->done = true;
	return 0;
}

/* The stream decoder, which knows nothing of chunks, reads frame after frame as one image. */
static void test_is_an_ordinary_stream(void **state)
{
	struct bmr_err err;

	(void)state;
	for (size_t c = 0; c < 4; c++) {
		struct bytes data = bytes_random(LEN, 8);
		struct bytes two =
			bytes_join(pack_default(all[c], &data), pack_default(all[c], &data));
		struct reader reader = {&two, false};
		struct bmr_input input = {read_frame, &reader};
		uint8_t *out = malloc(2 * LEN + 1);
		struct bmr_decoder *d;
		size_t got;

		assert_int_equal(bmr_decoder_open(format_of[all[c]], &input, &d, &err), 0);
		assert_int_equal(bmr_decoder_read(d, out, 2 * LEN + 1, &got, &err), 0);
		assert_int_equal(got, 2 * LEN);
		assert_memory_equal(out, data.data, LEN);
		assert_memory_equal(out + LEN, data.data, LEN);
		bmr_decoder_close(d);
		free(out);
		free(two.data);
		free(data.data);
	}
}

static void test_every_level(void **state)
{
	struct bytes data = bytes_random(LEN, 9);
	size_t first = 0;
	struct bmr_err err;

	(void)state;
	for (int level = 1; level <= 12; level++) {
		char text[16];
		struct bytes frame;

		snprintf(text, sizeof text, "gzip:%d", level);
		frame = pack_with(text, &data);
		assert_int_equal(unpack(BMR_PACK_GZIP, &frame, LEN, data.data, &err), 0);
		first = first ? first : frame.len;
		assert_true(level != 12 || frame.len < first);
		free(frame.data);
	}
	for (int level = 1; level <= 19; level += 9) {
		char text[16];
		struct bytes frame;

		snprintf(text, sizeof text, "zstd:%d", level);
		frame = pack_with(text, &data);
		assert_int_equal(unpack(BMR_PACK_ZSTD, &frame, LEN, data.data, &err), 0);
		free(frame.data);
	}
	free(data.data);
}

/* What no codec can make smaller, among it what ISA-L would store in blocks of its own. */
static void test_random_bytes_fit_the_bound(void **state)
{
	struct bytes data = bytes_new(LEN);
	struct bmr_err err;
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < LEN; i++) {
		x = x * 1664525u + 1013904223u;
		data.data[i] = (uint8_t)(x >> 24);
	}
	for (size_t c = 0; c < 4; c++) {
		struct bytes frame = pack_default(all[c], &data);

		assert_int_equal(unpack(all[c], &frame, LEN, data.data, &err), 0);
		free(frame.data);
	}
	free(data.data);
}

static void test_zstd_says_its_size(void **state)
{
	struct bytes data = bytes_random(LEN, 3);
	struct bytes frame = pack_default(BMR_PACK_ZSTD, &data);

	(void)state;
	assert_int_equal(ZSTD_getFrameContentSize(frame.data, frame.len), LEN);
	assert_int_equal(frame.data[4] & 4, 4); /* RFC 8878, 3.1.1.1.1: it has a checksum */
	free(frame.data);
	free(data.data);
}

/* Nothing comes out of it, but it is not part of the chunk. */
static const uint8_t empty_skippable[] = {0x5b, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};

static void test_wrong_lengths(void **state)
{
	struct bmr_err err;

	(void)state;
	for (size_t c = 0; c < 4; c++) {
		struct bytes data = bytes_random(LEN, 5);
		struct bytes frame = pack_default(all[c], &data);
		struct bytes cut = {frame.data, frame.len - 1};
		struct bytes more =
			bytes_join(bytes_copy(frame.data, frame.len), bytes_copy("x", 1));
		struct bytes twice = bytes_join(bytes_copy(frame.data, frame.len),
		                                bytes_copy(frame.data, frame.len));
		struct bytes followed =
			bytes_join(bytes_copy(frame.data, frame.len),
		                   bytes_copy(empty_skippable, sizeof empty_skippable));
		struct bytes empty = {frame.data, 0};

		assert_int_equal(unpack(all[c], &frame, LEN - 1, NULL, &err), -1);
		assert_int_equal(err.code, BMR_E_DATA);
		assert_int_equal(unpack(all[c], &frame, LEN + 1, NULL, &err), -1);
		assert_int_equal(unpack(all[c], &cut, LEN, NULL, &err), -1);
		assert_int_equal(unpack(all[c], &more, LEN, NULL, &err), -1);
		assert_int_equal(unpack(all[c], &twice, LEN, NULL, &err), -1);
		assert_int_equal(unpack(all[c], &followed, LEN, NULL, &err), -1);
		assert_int_equal(unpack(all[c], &twice, 2 * LEN, NULL, &err),
		                 all[c] == BMR_PACK_NONE ? 0 : -1);
		assert_int_equal(unpack(all[c], &empty, LEN, NULL, &err), -1);
		assert_int_equal(err.code, BMR_E_DATA);
		free(followed.data);
		free(twice.data);
		free(more.data);
		free(frame.data);
		free(data.data);
	}
}

/* One byte after another differs: refused, or (in what a checksum does not cover) the same bytes.
 * zstd's checksum is not looked at: anything may come out, of the right length. */
static void test_damage(void **state)
{
	struct bmr_err err;

	(void)state;
	for (size_t c = 0; c < 3; c++) {
		struct bytes data = bytes_random(20000, 6);
		struct bytes frame = pack_default(all[c], &data);

		for (size_t i = 0; i < frame.len; i += i < 64 ? 1 : 97) {
			frame.data[i] ^= 0x41;
			if (unpack(all[c], &frame, data.len,
			           all[c] == BMR_PACK_ZSTD ? NULL : data.data, &err) < 0)
				assert_int_equal(err.code, BMR_E_DATA);
			frame.data[i] ^= 0x41;
		}
		free(frame.data);
		free(data.data);
	}
}

static void test_other_formats_are_refused(void **state)
{
	static const uint8_t skippable[] = {0x5b, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
	struct bytes frame = {(uint8_t *)(uintptr_t)skippable, sizeof skippable};
	struct bmr_err err;

	(void)state;
	for (size_t c = 0; c < 3; c++)
		assert_int_equal(unpack(all[c], &frame, 4, NULL, &err), -1);
}

static void test_parse(void **state)
{
	static const char *const wrong[] = {"",        "zst",     "zstd:",   "zstd:0",
	                                    "zstd:20", "zstd:3x", "gzip:13", "lz4:1",
	                                    "none:1",  "ZSTD",    "zstd:-1", "xz"};
	enum bmr_codec_id pack;
	struct bmr_err err;
	int level;

	(void)state;
	assert_int_equal(bmr_pack_parse("zstd", &pack, &level, &err), 0);
	assert_int_equal(pack, BMR_PACK_ZSTD);
	assert_int_equal(level, 3);
	assert_int_equal(bmr_pack_parse("zstd:19", &pack, &level, &err), 0);
	assert_int_equal(level, 19);
	assert_int_equal(bmr_pack_parse("gzip:6", &pack, &level, &err), 0);
	assert_int_equal(pack, BMR_PACK_GZIP);
	assert_int_equal(level, 6);
	assert_int_equal(bmr_pack_parse("none", &pack, &level, &err), 0);
	assert_int_equal(pack, BMR_PACK_NONE);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(bmr_pack_parse(wrong[i], &pack, &level, &err), -1);
		assert_int_equal(err.code, BMR_E_USAGE);
	}
}

static void test_packer_checks_its_caller(void **state)
{
	struct bytes data = bytes_random(1000, 1);
	uint8_t out[4096];
	struct bmr_packer *p;
	struct bmr_err err;
	size_t stored;

	(void)state;
	assert_int_equal(bmr_packer_open(BMR_PACK_ZSTD, 3, 999, &p, &err), 0);
	assert_int_equal(bmr_packer_run(p, data.data, 1000, out, sizeof out, &stored, &err), -1);
	assert_int_equal(err.code, BMR_E_BUG);
	assert_int_equal(bmr_packer_run(p, data.data, 999, out, 999, &stored, &err), -1);
	assert_int_equal(bmr_packer_run(p, data.data, 999, out, sizeof out, &stored, &err), 0);
	bmr_packer_close(p);
	bmr_packer_close(NULL);
	bmr_unpacker_close(NULL);
	free(data.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_is_an_ordinary_stream),
		cmocka_unit_test(test_every_level),
		cmocka_unit_test(test_random_bytes_fit_the_bound),
		cmocka_unit_test(test_zstd_says_its_size),
		cmocka_unit_test(test_wrong_lengths),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_other_formats_are_refused),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_packer_checks_its_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
