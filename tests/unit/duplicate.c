/* SPDX-License-Identifier: GPL-3.0-or-later */
/* duplicate: each kind of identifier, found and named; what does not count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/duplicate.h"
#include "imaging/image.h"

#define TABLE "aaaaaaaa-0000-4000-8000-000000000001"
#define PART "aaaaaaaa-0000-4000-8000-000000000002"
#define FS "aaaaaaaa-0000-4000-8000-000000000003"
#define PV "AAAAAA-aaaa-bbbb-cccc-dddd-eeee-ffffff"

static struct bmr_disk_content contents[2][2];
static struct bmr_disk disks[2];
static const struct bmr_disk_list list = {disks, 2};
static char text[320];

/* The target, empty, and another disk with a partition. */
static int set_up(void **state)
{
	(void)state;
	memset(contents, 0, sizeof contents);
	memset(disks, 0, sizeof disks);
	for (unsigned i = 0; i < 2; i++) {
		disks[i].dev = i + 1;
		disks[i].contents = contents[i];
		snprintf(disks[i].path, sizeof disks[i].path, "/dev/sd%c", 'a' + i);
	}
	snprintf(disks[1].serial, sizeof disks[1].serial, "OTHER");
	snprintf(disks[1].table_uuid, sizeof disks[1].table_uuid, TABLE);
	disks[1].content_count = 1;
	contents[1][0].number = 2;
	snprintf(contents[1][0].part_uuid, sizeof contents[1][0].part_uuid, PART);
	snprintf(contents[1][0].uuid, sizeof contents[1][0].uuid, FS);
	snprintf(contents[1][0].type, sizeof contents[1][0].type, "ext4");
	return 0;
}

static bool fact_is_found(const char *name, const char *value, const char *type)
{
	struct bmr_head head = {.disk_size = 1 << 20,
	                        .sector = 512,
	                        .physical = 512,
	                        .chunk_size = 1 << 20,
	                        .pack = BMR_PACK_ZSTD};
	struct bmr_image image = {.is_bmr = true};
	struct bmr_err err;
	bool is;

	assert_int_equal(bmr_manifest_new(&head, &image.manifest, &err), 0);
	assert_int_equal(bmr_manifest_fact(image.manifest, name, value, &err), 0);
	assert_int_equal(bmr_manifest_fact(image.manifest, "partition.2.fs", type, &err), 0);
	assert_int_equal(bmr_manifest_fact(image.manifest, "lvm.vg/root.fs", "xfs", &err), 0);
	is = bmr_duplicate_of_image(&list, &disks[0], &image, text, sizeof text);
	bmr_manifest_free(image.manifest);
	return is;
}

static void test_facts(void **state)
{
	(void)state;
	assert_true(fact_is_found("partition.7.uuid", "AAAAAAAA-0000-4000-8000-000000000002", "x"));
	assert_non_null(strstr(text, "'/dev/sdb' (serial OTHER) has the same partition AAAA"));
	assert_non_null(strstr(text, "(partition 2)"));
	assert_true(fact_is_found("partition.2.fs_uuid", FS, "ext4"));
	assert_non_null(strstr(text, "the same file system " FS));
	assert_true(fact_is_found("lvm.vg/root.fs_uuid", FS, "x"));
	snprintf(contents[1][0].uuid, sizeof contents[1][0].uuid, PV);
	assert_true(fact_is_found("partition.2.fs_uuid", PV, "LVM2_member"));
	assert_non_null(strstr(text, "the same physical volume"));
	/* Not each of its own kind. */
	assert_false(fact_is_found("partition.2.uuid", PV, "x"));
	assert_false(fact_is_found("partition.2.fs_uuid", PART, "ext4"));
	assert_false(fact_is_found("disk.serial", FS, "ext4"));
	/* A member of an array has its array's. */
	assert_false(fact_is_found("partition.2.fs_uuid", PV, "linux_raid_member"));
}

static void test_table(void **state)
{
	struct bmr_image image = {.layout.uuid = TABLE};

	(void)state;
	assert_true(bmr_duplicate_of_image(&list, &disks[0], &image, text, sizeof text));
	assert_non_null(strstr(text, "has the same partition table " TABLE));
	image.layout.uuid[0] = 'b';
	assert_false(bmr_duplicate_of_image(&list, &disks[0], &image, text, sizeof text));
	/* Nothing is not the same as nothing. */
	image.layout.uuid[0] = '\0';
	disks[1].table_uuid[0] = '\0';
	assert_false(bmr_duplicate_of_image(&list, &disks[0], &image, text, sizeof text));
}

static void test_what_does_not_count(void **state)
{
	struct bmr_image image = {.layout.uuid = TABLE};

	(void)state;
	assert_false(bmr_duplicate_of_image(&list, &disks[1], &image, text, sizeof text));
	disks[1].medium = true;
	assert_false(bmr_duplicate_of_image(&list, &disks[0], &image, text, sizeof text));
	disks[1].medium = false;
	disks[1].kind = BMR_DISK_LOOP;
	assert_false(bmr_duplicate_of_image(&list, &disks[0], &image, text, sizeof text));
	disks[1].kind = BMR_DISK_DISK;
	snprintf(disks[0].wwn, sizeof disks[0].wwn, "naa.5");
	snprintf(disks[1].wwn, sizeof disks[1].wwn, "naa.5");
	assert_false(bmr_duplicate_of_image(&list, &disks[0], &image, text, sizeof text));
	snprintf(disks[1].wwn, sizeof disks[1].wwn, "naa.6");
	assert_true(bmr_duplicate_of_image(&list, &disks[0], &image, text, sizeof text));
}

static void test_disk(void **state)
{
	(void)state;
	assert_false(bmr_duplicate_of_disk(&list, &disks[0], text, sizeof text));
	disks[0].content_count = 1;
	contents[0][0] = contents[1][0];
	contents[0][0].part_uuid[0] = '\0';
	assert_true(bmr_duplicate_of_disk(&list, &disks[0], text, sizeof text));
	assert_non_null(strstr(text, "file system"));
	contents[0][0] = (struct bmr_disk_content){.part_uuid = PART};
	assert_true(bmr_duplicate_of_disk(&list, &disks[0], text, sizeof text));
	disks[0].content_count = 0;
	snprintf(disks[0].table_uuid, sizeof disks[0].table_uuid, TABLE);
	assert_true(bmr_duplicate_of_disk(&list, &disks[0], text, sizeof text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_facts, set_up),
		cmocka_unit_test_setup(test_table, set_up),
		cmocka_unit_test_setup(test_what_does_not_count, set_up),
		cmocka_unit_test_setup(test_disk, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
