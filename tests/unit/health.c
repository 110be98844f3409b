/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What disks answer about their health: each warning, too little, and nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "imaging/disk/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG 512

/* A good disk: 323 K, 100 % of the spare left, threshold 10 %, 3 % of its life used. */
static const unsigned char good_log[LOG] = {0, 0x43, 0x01, 100, 10, 3};

/* As Linux 6.1 has it from a good disk: ATA Status Return, status "ready, seek complete". */
static const unsigned char good_sense[22] = {
	0x72, 1, 0, 0x1d, 0, 0, 0, 14, 0x09, 12, 0, 0, 0, 0, 0, 0, 0, 0x4f, 0, 0xc2, 0, 0x50,
};

static struct bmr_health health;

static void expect(enum bmr_health_verdict verdict, const char *text)
{
	assert_int_equal(health.verdict, verdict);
	assert_string_equal(health.text, text);
}

/* The answer of the one before must not show. */
static void spoil(void)
{
	memset(&health, 'x', sizeof health);
}

/* The first len bytes, alone in memory, so that a sanitizer sees what is read behind them. */
static unsigned char *cut(const unsigned char *data, size_t len)
{
	unsigned char *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, data, len);
	return copy;
}

static void nvme(unsigned warnings, unsigned used)
{
	unsigned char log[LOG];

	memcpy(log, good_log, LOG);
	log[0] = (unsigned char)warnings;
	log[5] = (unsigned char)used;
	spoil();
	bmr_health_of_nvme(log, LOG, &health);
}

static void test_nvme_bits(void **state)
{
	(void)state;
	nvme(0, 3);
	expect(BMR_HEALTH_GOOD, "");
	nvme(1 << 0, 3);
	expect(BMR_HEALTH_FAILING, "spare blocks below the threshold");
	nvme(1 << 1, 3);
	expect(BMR_HEALTH_GOOD, "temperature beyond its limits");
	nvme(1 << 2, 3);
	expect(BMR_HEALTH_FAILING, "too many errors to be relied on");
	nvme(1 << 3, 3);
	expect(BMR_HEALTH_FAILING, "it can only be read now");
	nvme(1 << 4, 3);
	expect(BMR_HEALTH_FAILING, "its memory backup failed");
	nvme(0xe0, 3); /* persistent memory region, reserved */
	expect(BMR_HEALTH_GOOD, "");
	nvme(0, 99);
	expect(BMR_HEALTH_GOOD, "");
	nvme(0, 100);
	expect(BMR_HEALTH_GOOD, "rated life used up");
}

static void test_nvme_all_at_once(void **state)
{
	(void)state;
	nvme(0xff, 0xff);
	expect(BMR_HEALTH_FAILING,
	       "spare blocks below the threshold, too many errors to be relied on, it can only be "
	       "read now, its memory backup failed, temperature beyond its limits, rated life "
	       "used up");
}

static void test_nvme_nonsense(void **state)
{
	unsigned char ones[LOG];

	(void)state;
	memset(ones, 0xff, sizeof ones);
	spoil();
	bmr_health_of_nvme(ones, sizeof ones, &health);
	expect(BMR_HEALTH_UNKNOWN, "");
	for (size_t len = 0; len < LOG; len++) {
		unsigned char *log = cut(good_log, len);

		spoil();
		bmr_health_of_nvme(log, len, &health);
		expect(BMR_HEALTH_UNKNOWN, "");
		free(log);
	}
}

/* The good answer with one byte changed. */
static void ata(size_t at, unsigned value)
{
	unsigned char sense[sizeof good_sense];

	memcpy(sense, good_sense, sizeof sense);
	sense[at] = (unsigned char)value;
	spoil();
	bmr_health_of_ata(sense, sizeof sense, &health);
}

static void test_ata(void **state)
{
	unsigned char sense[sizeof good_sense];

	(void)state;
	ata(0, 0x72);
	expect(BMR_HEALTH_GOOD, "");
	memcpy(sense, good_sense, sizeof sense);
	sense[17] = 0xf4;
	sense[19] = 0x2c;
	bmr_health_of_ata(sense, sizeof sense, &health);
	expect(BMR_HEALTH_FAILING, "a SMART attribute is beyond its threshold");
	sense[21] = 0x51; /* the disk refused: SMART is switched off */
	bmr_health_of_ata(sense, sizeof sense, &health);
	expect(BMR_HEALTH_UNKNOWN, "");
}

static void test_ata_nonsense(void **state)
{
	(void)state;
	ata(0, 0x70); /* another format */
	expect(BMR_HEALTH_UNKNOWN, "");
	ata(7, 0); /* it says that nothing follows */
	expect(BMR_HEALTH_UNKNOWN, "");
	ata(8, 0x00); /* another descriptor */
	expect(BMR_HEALTH_UNKNOWN, "");
	ata(9, 255); /* longer than all */
	expect(BMR_HEALTH_UNKNOWN, "");
	ata(9, 11);
	expect(BMR_HEALTH_UNKNOWN, "");
	ata(17, 0xf4); /* half of each answer */
	expect(BMR_HEALTH_UNKNOWN, "");
	ata(19, 0x2c);
	expect(BMR_HEALTH_UNKNOWN, "");
	ata(7, 255); /* longer than what came */
	expect(BMR_HEALTH_GOOD, "");
}

static void test_ata_second_descriptor(void **state)
{
	unsigned char sense[sizeof good_sense + 4];

	(void)state;
	memcpy(sense, good_sense, 8);
	memcpy(sense + 8, "\x02\x02\0\0", 4);
	memcpy(sense + 12, good_sense + 8, sizeof good_sense - 8);
	sense[7] += 4;
	bmr_health_of_ata(sense, sizeof sense, &health);
	expect(BMR_HEALTH_GOOD, "");
}

static void test_ata_short(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof good_sense; len++) {
		unsigned char *sense = cut(good_sense, len);

		spoil();
		bmr_health_of_ata(sense, len, &health);
		expect(BMR_HEALTH_UNKNOWN, "");
		free(sense);
	}
}

/* A disk that is not there, or another one than was listed, is not asked. */
static void test_not_the_disk(void **state)
{
	struct bmr_disk disk = {.bus = "nvme", .path = "/nonexistent", .kind = BMR_DISK_DISK};

	(void)state;
	disk.health.verdict = BMR_HEALTH_GOOD;
	bmr_health_ask(&disk);
	assert_int_equal(disk.health.verdict, BMR_HEALTH_UNKNOWN);
	snprintf(disk.path, sizeof disk.path, "/dev/null");
	snprintf(disk.bus, sizeof disk.bus, "sata");
	bmr_health_ask(&disk);
	assert_int_equal(disk.health.verdict, BMR_HEALTH_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nvme_bits),     cmocka_unit_test(test_nvme_all_at_once),
		cmocka_unit_test(test_nvme_nonsense), cmocka_unit_test(test_ata),
		cmocka_unit_test(test_ata_nonsense),  cmocka_unit_test(test_ata_second_descriptor),
		cmocka_unit_test(test_ata_short),     cmocka_unit_test(test_not_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
