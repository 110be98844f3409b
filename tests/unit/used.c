/* SPDX-License-Identifier: GPL-3.0-or-later */
/* used: lists of ranges, and disks that need no programs; file systems are tests/integration/330. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/bmr/manifest.h"
#include "imaging/used/used.h"
#include "imaging/used/internal.h"

static void add(struct bmr_used_list *list, uint64_t offset, uint64_t length)
{
	struct bmr_err e = {0};

	assert_int_equal(bmr_used_list_add(list, offset, length, &e), 0);
}

static void test_pack(void **state)
{
	struct bmr_used_list list = {0};

	(void)state;
	bmr_used_list_pack(&list);
	add(&list, 900, 100);
	add(&list, 0, 10);
	add(&list, 10, 5); /* touches */
	add(&list, 0, 3);  /* inside */
	add(&list, 20, 0); /* nothing */
	add(&list, 950, 100);
	add(&list, 16, 1);
	bmr_used_list_pack(&list);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.ranges[0].offset, 0);
	assert_int_equal(list.ranges[0].length, 15);
	assert_int_equal(list.ranges[1].offset, 16);
	assert_int_equal(list.ranges[1].length, 1);
	assert_int_equal(list.ranges[2].offset, 900);
	assert_int_equal(list.ranges[2].length, 150);
	bmr_used_list_clear(&list);
}

static void test_overflow(void **state)
{
	struct bmr_used_list list = {0};
	struct bmr_err e = {0};

	(void)state;
	assert_int_equal(bmr_used_list_add(&list, UINT64_MAX, 2, &e), -1);
	assert_int_equal(list.count, 0);
	bmr_used_list_clear(&list);
}

/* A disk in crumbs: memory stays bounded, and nothing that is used is lost. */
static void test_crumbs(void **state)
{
	struct bmr_used_list list = {0};
	const uint64_t crumbs = 3 << 20;
	size_t at = 0;

	(void)state;
	for (uint64_t i = 0; i < crumbs; i++)
		add(&list, (i * 7919 % crumbs) * 8192, 512);
	assert_true(list.room <= (size_t)1 << 20);
	bmr_used_list_pack(&list);
	for (uint64_t i = 0; i < crumbs; i++) {
		while (list.ranges[at].offset + list.ranges[at].length <= i * 8192)
			assert_true(++at < list.count);
		assert_true(list.ranges[at].offset <= i * 8192);
		assert_true(list.ranges[at].offset + list.ranges[at].length >= i * 8192 + 512);
	}
	bmr_used_list_clear(&list);
}

static void test_meets(void **state)
{
	struct bmr_used_range ranges[] = {{10, 10}, {30, 1}, {100, 900}};
	struct bmr_used used = {.ranges = ranges, .count = 3};

	(void)state;
	for (uint64_t offset = 0; offset < 1100; offset++)
		for (uint64_t length = 0; length < 40; length++) {
			bool wanted = false;

			for (size_t i = 0; i < 3; i++)
				wanted |= offset < ranges[i].offset + ranges[i].length &&
				          ranges[i].offset < offset + length && length > 0;
			assert_int_equal(bmr_used_meets(&used, offset, length), wanted);
		}
	assert_true(bmr_used_meets(&used, 0, UINT64_MAX));
	assert_true(bmr_used_meets(&used, 999, UINT64_MAX));
	assert_false(bmr_used_meets(&used, 1000, UINT64_MAX));
	used.count = 0;
	assert_false(bmr_used_meets(&used, 0, UINT64_MAX));
}

/* --- whole disks, in sparse files --- */

struct disk {
	char path[40];
	FILE *file;
	struct bmr_used_options options;
	struct bmr_used used;
	struct bmr_err e;
};

static int open_disk(void **state)
{
	struct bmr_head head = {.disk_size = 600 * BMR_MIB,
	                        .sector = 512,
	                        .physical = 512,
	                        .chunk_size = BMR_CHUNK_SIZE_LEAST,
	                        .pack = BMR_PACK_ZSTD};
	struct disk *d = calloc(1, sizeof *d);
	int fd;

	strcpy(d->path, "/tmp/bmr-used.XXXXXX");
	fd = mkstemp(d->path);
	d->options = (struct bmr_used_options){.path = d->path, .sector = 512};
	d->options.size = 600 * BMR_MIB;
	if (fd < 0 || ftruncate(fd, 600 * BMR_MIB) < 0 ||
	    bmr_manifest_new(&head, &d->options.facts, &d->e) < 0)
		return -1;
	d->file = fdopen(fd, "r+");
	*state = d;
	return 0;
}

static int close_disk(void **state)
{
	struct disk *d = *state;

	unlink(d->path);
	fclose(d->file);
	bmr_used_clear(&d->used);
	bmr_manifest_free(d->options.facts);
	free(d);
	return 0;
}

static void put(struct disk *d, uint64_t offset, const void *data, size_t len)
{
	assert_int_equal(pwrite(fileno(d->file), data, len, (off_t)offset), len);
}

static void find(struct disk *d)
{
	bmr_used_clear(&d->used);
	if (bmr_used_find(&d->options, &d->used, &d->e) < 0)
		fail_msg("%s", d->e.msg);
}

static void is_fact(const struct disk *d, const char *name, const char *value)
{
	const char *got = bmr_manifest_get(d->options.facts, name);

	assert_non_null(got);
	assert_string_equal(got, value);
}

static void test_empty(void **state)
{
	struct disk *d = *state;

	find(d);
	assert_int_equal(d->used.count, 1);
	assert_int_equal(d->used.bytes, 600 * BMR_MIB);
	is_fact(d, "disk.capture", "whole: nothing in it is known");
	assert_null(bmr_manifest_get(d->options.facts, "table.type"));
}

/* Its last sector is not whole. */
static void test_odd_size(void **state)
{
	struct disk *d = *state;

	d->options.size = 1000 * 512 + 77;
	find(d);
	assert_int_equal(d->used.count, 1);
	assert_int_equal(d->used.ranges[0].length, 1000 * 512 + 77);
}

static void mbr_entry(uint8_t *mbr, unsigned number, uint8_t type, uint32_t start, uint32_t size)
{
	uint8_t *entry = mbr + 446 + (size_t)16 * number;

	entry[4] = type;
	memcpy(entry + 8, &start, 4);
	memcpy(entry + 12, &size, 4);
	mbr[510] = 0x55;
	mbr[511] = 0xaa;
}

static void test_mbr(void **state)
{
	struct disk *d = *state;
	uint8_t mbr[512] = {0};

	mbr_entry(mbr, 0, 0x83, 2048, 2048);
	put(d, 0, mbr, sizeof mbr);
	find(d);
	is_fact(d, "table.type", "dos");
	is_fact(d, "partition.1.start", "1048576");
	is_fact(d, "partition.1.size", "1048576");
	is_fact(d, "partition.1.type", "0x83");
	is_fact(d, "partition.1.capture", "whole: nothing in it is known");
	assert_int_equal(d->used.count, 2);
	assert_int_equal(d->used.ranges[0].length, 34 * BMR_MIB);
	assert_int_equal(d->used.ranges[1].offset, (600 - 32) * BMR_MIB);
	assert_int_equal(d->used.ranges[1].length, 32 * BMR_MIB);
	d->options.all = true;
	find(d);
	assert_int_equal(d->used.bytes, 600 * BMR_MIB);
	is_fact(d, "partition.1.capture", "whole");
}

static void test_partition_outside(void **state)
{
	struct disk *d = *state;
	uint8_t mbr[512] = {0};

	mbr_entry(mbr, 0, 0x83, 2048, 4000000000u);
	put(d, 0, mbr, sizeof mbr);
	find(d);
	assert_int_equal(d->used.bytes, 600 * BMR_MIB);
	is_fact(d, "disk.capture", "whole: a partition is not inside it");
}

/* A table, and an old mark of something that had the whole disk. */
static void test_both(void **state)
{
	struct disk *d = *state;
	uint8_t mbr[512] = {0};

	mbr_entry(mbr, 0, 0x83, 2048, 2048);
	put(d, 0, mbr, sizeof mbr);
	put(d, 4086, "SWAPSPACE2", 10);
	put(d, 1024, "\1\0\0\0\0\1\0\0", 8); /* its version and size */
	find(d);
	is_fact(d, "disk.capture", "whole: it has both a partition table and another mark");
	assert_int_equal(d->used.bytes, 600 * BMR_MIB);
}

/* A protective MBR whose GPT is gone. */
static void test_no_gpt(void **state)
{
	struct disk *d = *state;
	uint8_t mbr[512] = {0};

	mbr_entry(mbr, 0, 0xee, 1, 1228799);
	put(d, 0, mbr, sizeof mbr);
	find(d);
	assert_int_equal(d->used.bytes, 600 * BMR_MIB);
}

static void test_stop(void **state)
{
	struct disk *d = *state;
	atomic_bool stop = true;

	d->options.stop = &stop;
	assert_int_equal(bmr_used_find(&d->options, &d->used, &d->e), -1);
	assert_int_equal(d->e.code, BMR_E_STOPPED);
	assert_int_equal(d->used.count, 0);
}

static void test_missing(void **state)
{
	struct disk *d = *state;

	d->options.path = "/nonexistent/disk";
	assert_int_equal(bmr_used_find(&d->options, &d->used, &d->e), -1);
	assert_int_equal(d->e.code, BMR_E_TARGET);
}

/* --- what programs say --- */

static void test_words(void **state)
{
	static const char *const known[] = {"one", "two", NULL};
	static const char text[] = "name: x\nother:  \tvalue\nlast: end";
	char stranger[BMR_USED_WORD_SIZE];

	(void)state;
	assert_true(bmr_used_line_is(bmr_used_after(text, "other:"), "value"));
	assert_false(bmr_used_line_is(bmr_used_after(text, "other:"), "valu"));
	assert_true(bmr_used_line_is(bmr_used_after(text, "last:"), "end"));
	assert_null(bmr_used_after(text, "ther:"));
	assert_null(bmr_used_after(text, "more:"));
	assert_null(bmr_used_after("", "more:"));
	assert_true(bmr_used_all_known("two one  two", 12, " ", known, stranger));
	assert_true(bmr_used_all_known("two three", 4, " ", known, stranger));
	assert_false(bmr_used_all_known("two three", 9, " ", known, stranger));
	assert_string_equal(stranger, "three");
	assert_false(bmr_used_all_known("on", 2, " ", known, stranger));
	assert_false(bmr_used_all_known("ones", 4, " ", known, stranger));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_crumbs),
		cmocka_unit_test(test_meets),
		cmocka_unit_test_setup_teardown(test_empty, open_disk, close_disk),
		cmocka_unit_test_setup_teardown(test_odd_size, open_disk, close_disk),
		cmocka_unit_test_setup_teardown(test_mbr, open_disk, close_disk),
		cmocka_unit_test_setup_teardown(test_partition_outside, open_disk, close_disk),
		cmocka_unit_test_setup_teardown(test_both, open_disk, close_disk),
		cmocka_unit_test_setup_teardown(test_no_gpt, open_disk, close_disk),
		cmocka_unit_test_setup_teardown(test_stop, open_disk, close_disk),
		cmocka_unit_test_setup_teardown(test_missing, open_disk, close_disk),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
