/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layout: tables as they should be, damaged and hostile ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "imaging/layout.h"
#include "tests/fixtures/tables.h"

#define LEN 65536

/* In memory of exactly its size, so that a sanitizer sees a step outside. */
static struct bmr_layout look(const uint8_t *disk, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct bmr_layout l;

	memcpy(copy, disk, len);
	bmr_layout_read(copy, len, &l);
	free(copy);
	return l;
}

static void test_gpt(void **state)
{
	static const unsigned sectors[] = {512, 4096};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint8_t *disk = calloc(1, LEN);
		struct bmr_layout l;
		char text[80];

		gpt_header(disk, sectors[i], 99999);
		gpt_partition(disk, sectors[i], 0, 2048, 4095);
		gpt_partition(disk, sectors[i], 5, 4096, 99000);
		l = look(disk, LEN);
		assert_int_equal(l.table, BMR_TABLE_GPT);
		assert_int_equal(l.sector, sectors[i]);
		assert_int_equal(l.needed, 100000ull * sectors[i]);
		assert_int_equal(l.backup_end, 100000ull * sectors[i]);
		assert_int_equal(l.used_end, 99001ull * sectors[i]);
		assert_int_equal(l.partitions, 2);
		assert_false(l.damaged);
		assert_string_equal(l.uuid, "a3a2a1a0-a5a4-a7a6-a8a9-aaabacadaeaf");
		assert_string_equal(bmr_layout_text(&l, text, sizeof text),
		                    i == 0 ? "GPT, 512-byte sectors, 2 partitions"
		                           : "GPT, 4096-byte sectors, 2 partitions");
		/* A partition behind the backup counts. */
		gpt_partition(disk, sectors[i], 6, 4096, 199999);
		assert_int_equal(look(disk, LEN).needed, 200000ull * sectors[i]);
		free(disk);
	}
}

static void test_damaged_gpt(void **state)
{
	uint8_t disk[LEN] = {0};
	uint8_t *header = gpt_header(disk, 512, 99999);
	char text[80];

	(void)state;
	for (unsigned at = 8; at < 92; at++) { /* each byte that the checksum covers */
		struct bmr_layout l;

		header[at] ^= 1;
		l = look(disk, LEN);
		assert_int_equal(l.table, BMR_TABLE_NONE);
		assert_true(l.damaged);
		assert_int_equal(l.needed, 0);
		assert_string_equal(bmr_layout_text(&l, text, sizeof text), "a damaged GPT");
		header[at] ^= 1;
	}
	memset(header, 0, 512); /* the protective MBR alone */
	assert_true(look(disk, LEN).damaged);
}

static void test_hostile_gpt(void **state)
{
	uint8_t disk[LEN] = {0};
	uint8_t *header = gpt_header(disk, 512, UINT64_MAX);
	struct bmr_layout l = look(disk, LEN);

	(void)state;
	assert_int_equal(l.needed, UINT64_MAX); /* more than any disk has */
	put_le(header + 32, UINT64_MAX / 512, 8);
	gpt_sign(header);
	assert_int_equal(look(disk, LEN).needed, UINT64_MAX);
	put_le(header + 32, 99, 8);
	/* Entries anywhere, of any number and size: nothing outside the bytes is read. */
	static const uint64_t firsts[] = {0, 1, 2, 127, 128, UINT64_MAX / 512, UINT64_MAX};
	static const uint32_t counts[] = {0, 1, 128, UINT32_MAX};
	static const uint32_t sizes[] = {0, 1, 127, 128, 4096, 4097, UINT32_MAX};

	for (size_t f = 0; f < 7; f++)
		for (size_t c = 0; c < 4; c++)
			for (size_t s = 0; s < 7; s++) {
				put_le(header + 72, firsts[f], 8);
				put_le(header + 80, counts[c], 4);
				put_le(header + 84, sizes[s], 4);
				gpt_sign(header);
				l = look(disk, LEN);
				assert_int_equal(l.table, BMR_TABLE_GPT);
				assert_true(l.partitions <= LEN / 128);
			}
	/* The header says that it is longer than a sector, or shorter than a header. */
	put_le(header + 12, UINT32_MAX, 4);
	assert_true(look(disk, LEN).damaged);
	put_le(header + 12, 0, 4);
	assert_true(look(disk, LEN).damaged);
}

static void test_every_length(void **state)
{
	uint8_t disk[LEN] = {0};

	(void)state;
	gpt_header(disk, 512, 99999);
	gpt_partition(disk, 512, 0, 2048, 4095);
	for (size_t len = 0; len <= 2048; len++) {
		struct bmr_layout l = look(disk, len);

		assert_int_equal(l.table, len >= 1024 ? BMR_TABLE_GPT : BMR_TABLE_NONE);
		assert_int_equal(l.partitions, len >= 1024 + 128 ? 1 : 0);
	}
}

static void test_mbr(void **state)
{
	uint8_t disk[LEN] = {0};
	struct bmr_layout l;
	char text[80];

	(void)state;
	mbr_entry(disk, 0, 0x83, 2048, 4096);
	disk[446] = 0x80;
	put_le(disk + 440, 0xdeadbeef, 4);
	l = look(disk, LEN);
	assert_int_equal(l.table, BMR_TABLE_DOS);
	assert_int_equal(l.sector, 512);
	assert_int_equal(l.needed, (2048 + 4096) * 512);
	assert_string_equal(l.uuid, "deadbeef");
	assert_string_equal(bmr_layout_text(&l, text, sizeof text),
	                    "MBR, 512-byte sectors, 1 partition");
	mbr_entry(disk, 3, 0x0f, UINT32_MAX, UINT32_MAX); /* 4 TiB: no overflow */
	assert_int_equal(look(disk, LEN).needed, 2ull * UINT32_MAX * 512);
	assert_int_equal(look(disk, 512).table, BMR_TABLE_DOS);
	assert_int_equal(look(disk, 511).table, BMR_TABLE_NONE);
	disk[510] = 0;
	assert_int_equal(look(disk, LEN).table, BMR_TABLE_NONE);
}

/* 55AA and text where entries would be: a FAT or NTFS boot sector is no table. */
static void test_boot_sector_of_a_file_system(void **state)
{
	static const char words[] =
		"Remove disks or other media.\xff\r\nDisk error\xff\r\nPress any key "
		"to restart";
	uint8_t disk[LEN] = {0xeb, 0x58, 0x90, 'M', 'S', 'D', 'O', 'S', '5', '.', '0'};
	struct bmr_layout l;

	(void)state;
	memcpy(disk + 436, words, sizeof words - 1);
	disk[510] = 0x55;
	disk[511] = 0xaa;
	l = look(disk, LEN);
	assert_int_equal(l.table, BMR_TABLE_NONE);
	assert_int_equal(l.needed, 0);
	memset(disk + 436, 0, 74); /* no entries at all */
	assert_int_equal(look(disk, LEN).table, BMR_TABLE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpt),
		cmocka_unit_test(test_damaged_gpt),
		cmocka_unit_test(test_hostile_gpt),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_mbr),
		cmocka_unit_test(test_boot_sector_of_a_file_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
