/* SPDX-License-Identifier: GPL-3.0-or-later */
/* format: what is an image, and what only looks like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "imaging/codec/format.h"

/* The head of a file that has these bytes at an offset, and no text around them. */
static int detect_at(size_t offset, const char *bytes, size_t len, enum bmr_format *format,
                     struct bmr_err *e)
{
	uint8_t head[BMR_FORMAT_HEAD] = {0};

	head[300] = 1;
	memcpy(head + offset, bytes, len);
	return bmr_format_detect(head, sizeof head, format, e);
}

#define MAGIC(text) text, sizeof(text) - 1

static void test_readable(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum bmr_format format;
		const char *name;
	} cases[] = {
		{MAGIC("\x1f\x8b\x08"), BMR_FORMAT_GZIP, "gzip"},
		{MAGIC("\x28\xb5\x2f\xfd"), BMR_FORMAT_ZSTD, "zstd"},
		{MAGIC("\x50\x2a\x4d\x18"), BMR_FORMAT_ZSTD, "zstd"},
		{MAGIC("\x5f\x2a\x4d\x18"), BMR_FORMAT_ZSTD, "zstd"},
		{MAGIC("\xfd"
	               "7zXZ\0"),
	         BMR_FORMAT_XZ, "xz"},
		{MAGIC("\x04\x22\x4d\x18"), BMR_FORMAT_LZ4, "lz4"},
		{MAGIC("BZh9"), BMR_FORMAT_BZIP2, "bzip2"},
		{MAGIC("\xeb\x63\x90"), BMR_FORMAT_RAW, "raw"},
		{MAGIC("\x60\x2a\x4d\x18"), BMR_FORMAT_RAW, "raw"}, /* no skippable frame */
	};
	struct bmr_err e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum bmr_format format = 99;

		assert_int_equal(detect_at(0, cases[i].bytes, cases[i].len, &format, &e), 0);
		assert_int_equal(format, cases[i].format);
		assert_string_equal(bmr_format_name(format), cases[i].name);
		/* Alone in a file, too. */
		if (format == BMR_FORMAT_RAW)
			continue;
		assert_int_equal(bmr_format_detect((const uint8_t *)cases[i].bytes, cases[i].len,
		                                   &format, &e),
		                 0);
		assert_int_equal(format, cases[i].format);
	}
}

/* Skippable frames are zstd's unless frames of lz4 are seen behind them. */
static void test_behind_skippable(void **state)
{
	static const char skip[] = "\x5b\x2a\x4d\x18\x04\0\0\0abcd\x50\x2a\x4d\x18\0\0\0\0";
	static const struct {
		const char *magic;
		enum bmr_format format;
	} cases[] = {
		{"\x04\x22\x4d\x18", BMR_FORMAT_LZ4},
		{"\x28\xb5\x2f\xfd", BMR_FORMAT_ZSTD},
		{"BZh9", BMR_FORMAT_ZSTD}, /* the decoder will say what is wrong */
	};
	uint8_t file[24] = {0};
	enum bmr_format format;
	struct bmr_err e;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		memcpy(file, skip, 20);
		memcpy(file + 20, cases[i].magic, 4);
		assert_int_equal(bmr_format_detect(file, sizeof file, &format, &e), 0);
		assert_int_equal(format, cases[i].format);
		for (size_t len = 4; len < sizeof file; len++) {
			assert_int_equal(bmr_format_detect(file, len, &format, &e), 0);
			assert_int_equal(format, BMR_FORMAT_ZSTD);
		}
		memset(file + 4, 0xff, 4); /* longer than what is there */
		assert_int_equal(bmr_format_detect(file, sizeof file, &format, &e), 0);
		assert_int_equal(format, BMR_FORMAT_ZSTD);
	}
}

static void test_foreign(void **state)
{
	static const struct {
		size_t offset;
		const char *bytes;
		size_t len;
		const char *words;
	} cases[] = {
		{0, MAGIC("QFI\xfb"), "qcow2"},
		{0, MAGIC("KDMV"), "VMDK"},
		{0, MAGIC("# Disk DescriptorFile"), "VMDK"},
		{0, MAGIC("vhdxfile"), "VHDX"},
		{0, MAGIC("conectix"), "VHD"},
		{64, MAGIC("\x7f\x10\xda\xbe"), "VDI"},
		{0, MAGIC("partclone-image\0"), "partclone"},
		{0, MAGIC("PK\x03\x04"), "zip"},
		{0, MAGIC("7z\xbc\xaf\x27\x1c"), "7z"},
		{0, MAGIC("Rar!\x1a\x07"), "rar"},
		{257, MAGIC("ustar"), "tar archive"},
		{0, MAGIC("LZIP"), "lzip"},
		{0, MAGIC("\x1f\x9d"), "compress (.Z)"},
		{0, MAGIC("\x02\x21\x4c\x18"), "legacy"},
		{0, MAGIC("\x5d\0\0\x80\0"), "lzma"},
		{0, MAGIC("\x89LZO\0\r\n\x1a\n"), "lzop"},
		{0, MAGIC("hsqs"), "squashfs"},
		{0,
	         MAGIC("\x7f"
	               "ELF"),
	         "program"},
		{0, MAGIC("%PDF-"), "PDF"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum bmr_format format;
		struct bmr_err e;

		if (detect_at(cases[i].offset, cases[i].bytes, cases[i].len, &format, &e) == 0)
			fail_msg("%s is taken for an image", cases[i].words);
		assert_int_equal(e.code, BMR_E_DATA);
		assert_non_null(strstr(e.msg, cases[i].words));
		/* One bit less and it is not it. */
		char other[32];

		memcpy(other, cases[i].bytes, cases[i].len);
		other[cases[i].len - 1] ^= 0x40;
		assert_int_equal(detect_at(cases[i].offset, other, cases[i].len, &format, &e), 0);
	}
}

static void test_text(void **state)
{
	static const char *const texts[] = {
		"<!DOCTYPE html>\n<html>", "404 Not Found\r\n",         "a",
		"sha256  image.gz\n",      "gr\xc3\xbc\xc3\x9f Gott\n",
	};
	uint8_t long_text[BMR_FORMAT_HEAD];
	enum bmr_format format;
	struct bmr_err e;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_int_equal(
			bmr_format_detect((const uint8_t *)texts[i], strlen(texts[i]), &format, &e),
			-1);
		assert_int_equal(e.code, BMR_E_DATA);
		assert_non_null(strstr(e.msg, "text"));
	}
	memset(long_text, 'x', sizeof long_text);
	assert_int_equal(bmr_format_detect(long_text, sizeof long_text, &format, &e), -1);
	long_text[511] = 0; /* one byte that no text has */
	assert_int_equal(bmr_format_detect(long_text, sizeof long_text, &format, &e), 0);
	assert_int_equal(format, BMR_FORMAT_RAW);
}

static void test_nothing(void **state)
{
	const uint8_t none = 0;
	enum bmr_format format;
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_format_detect(&none, 0, &format, &e), -1);
	assert_non_null(strstr(e.msg, "empty"));
	assert_int_equal(bmr_format_detect(&none, 1, &format, &e), 0); /* zeros are a disk */
	assert_int_equal(format, BMR_FORMAT_RAW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readable), cmocka_unit_test(test_behind_skippable),
		cmocka_unit_test(test_foreign),  cmocka_unit_test(test_text),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
