/* SPDX-License-Identifier: GPL-3.0-or-later */
/* table: a GPT on a larger and on a smaller disk, of both sector sizes; what is left as it is, and what
 * cannot be done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "imaging/layout.h"
#include "imaging/table/table.h"
#include "imaging/table/fdisk.h"
#include "tests/fixtures/tables.h"

#define MIB ((uint64_t)1 << 20)
#define SIZE (64 * MIB)
#define LEN (1 * MIB)

static const unsigned sectors[] = {512, 4096};

/* A disk with boot code and one partition from MiB 1 to `end`, written by libfdisk. */
static void make(uint8_t *first, unsigned sector, uint64_t end)
{
	int fd = memfd_create("disk", 0);
	struct fdisk_partition *part = fdisk_new_partition();
	struct bmr_fdisk f;
	struct bmr_err err;

	memset(first, 0x5a, 440);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(pwrite(fd, first, 512, 0), 512);
	assert_int_equal(bmr_fdisk_open(&f, fd, "disk", sector, false, &err), 0);
	assert_int_equal(fdisk_enable_bootbits_protection(f.context, 1), 0);
	assert_int_equal(fdisk_create_disklabel(f.context, "gpt"), 0);
	fdisk_partition_set_partno(part, 0);
	fdisk_partition_set_start(part, MIB / sector);
	fdisk_partition_set_size(part, (end - MIB) / sector);
	assert_int_equal(fdisk_add_partition(f.context, part, NULL), 0);
	assert_int_equal(fdisk_write_disklabel(f.context), 0);
	fdisk_unref_partition(part);
	bmr_fdisk_close(&f);
	assert_int_equal(pread(fd, first, LEN, 0), LEN);
	close(fd);
}

/* libfdisk agrees with a disk of this size that has these two ends, and finds the same partition. */
static void assert_right(const struct bmr_table_fit *fit, unsigned sector, uint64_t size)
{
	int fd = memfd_create("disk", 0);
	struct bmr_fdisk f;
	struct bmr_err err;

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(pwrite(fd, fit->first, LEN, 0), LEN);
	assert_int_equal(pwrite(fd, fit->tail, fit->tail_len, (off_t)fit->tail_offset),
	                 fit->tail_len);
	assert_int_equal(bmr_fdisk_open(&f, fd, "disk", sector, true, &err), 0);
	assert_int_equal(bmr_fdisk_check(&f, &err), 0);
	assert_int_equal(fdisk_get_last_lba(f.context) + 1, fit->tail_offset / sector);
	bmr_fdisk_close(&f);
	close(fd);
}

static void test_other_sizes(void **state)
{
	static const uint64_t sizes[] = {SIZE + 4096,         SIZE + MIB,  100 * SIZE,
	                                 (uint64_t)9 << 40,   SIZE - 4096, SIZE - MIB,
	                                 SIZE / 2 + 36 * 4096};

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
		unsigned sector = sectors[i % 2];
		uint8_t *first = calloc(1, LEN);
		struct bmr_table_fit fit;
		struct bmr_layout before;
		struct bmr_layout after;
		struct bmr_err err;

		make(first, sector, SIZE / 2);
		assert_int_equal(bmr_table_fit(first, LEN, sizes[i / 2], &fit, &err), 0);
		assert_true(fit.changed);
		assert_int_equal(fit.tail_offset + fit.tail_len, sizes[i / 2]);
		assert_right(&fit, sector, sizes[i / 2]);
		bmr_layout_read(first, LEN, &before);
		bmr_layout_read(fit.first, LEN, &after);
		assert_int_equal(after.backup_end, sizes[i / 2]);
		assert_int_equal(after.used_end, before.used_end);
		assert_string_equal(after.uuid, before.uuid);
		assert_memory_equal(fit.first, first, 446);
		bmr_table_fit_clear(&fit);
		free(first);
	}
}

static void test_nothing_to_do(void **state)
{
	uint8_t *first = calloc(1, LEN);
	struct bmr_table_fit fit;
	struct bmr_err err;

	(void)state;
	make(first, 512, SIZE / 2);
	assert_int_equal(bmr_table_fit(first, LEN, SIZE, &fit, &err), 0);
	assert_false(fit.changed);
	memset(first, 0, LEN);
	assert_int_equal(bmr_table_fit(first, LEN, 2 * SIZE, &fit, &err), 0);
	assert_false(fit.changed);
	mbr_entry(first, 0, 0x83, 2048, 4096);
	assert_int_equal(bmr_table_fit(first, LEN, 2 * SIZE, &fit, &err), 0);
	assert_false(fit.changed);
	free(first);
}

static void test_refused(void **state)
{
	uint8_t *first = calloc(1, LEN);
	struct bmr_table_fit fit;
	struct bmr_err err;

	(void)state;
	make(first, 512, SIZE / 2);
	/* The partition, or the backup behind it, does not fit. */
	assert_int_equal(bmr_table_fit(first, LEN, SIZE / 2 - 512, &fit, &err), -1);
	assert_int_equal(err.code, BMR_E_REFUSED);
	assert_non_null(strstr(err.msg, "ends at byte 33554432"));
	assert_int_equal(bmr_table_fit(first, LEN, SIZE / 2 + 4096, &fit, &err), -1);
	assert_null(fit.first);
	/* Half a sector too much. */
	assert_int_equal(bmr_table_fit(first, LEN, 2 * SIZE + 256, &fit, &err), -1);
	/* Entries whose checksum is wrong: there is no other copy to take. */
	first[1024 + 56] ^= 1;
	assert_int_equal(bmr_table_fit(first, LEN, 2 * SIZE, &fit, &err), -1);
	assert_null(fit.tail);
	free(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_sizes),
		cmocka_unit_test(test_nothing_to_do),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
