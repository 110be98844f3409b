/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The grammar of bmr.target=. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "imaging/disk/select.h"

#include <stdio.h>
#include <string.h>

static void parse(const char *text, struct bmr_hints *hints)
{
	struct bmr_err e = {0};

	if (bmr_hints_parse(text, hints, &e) != 0)
		fail_msg("'%s': %s", text, e.msg);
}

static void test_each(void **state)
{
	struct bmr_hints h;

	(void)state;
	parse(" serial = WD-1 ,wwn=naa.5000*, path=pci-*-ata-1,model=WDC WD10,bus=sata,"
	      "dev=/dev/sda,size=400G-600G",
	      &h);
	assert_false(h.automatic);
	assert_string_equal(h.serial, "WD-1");
	assert_string_equal(h.wwn, "naa.5000*");
	assert_string_equal(h.path, "pci-*-ata-1");
	assert_string_equal(h.model, "WDC WD10");
	assert_string_equal(h.bus, "sata");
	assert_string_equal(h.dev, "sda");
	assert_true(h.size_low == 400ULL << 30 && h.size_high == 600ULL << 30);
	bmr_hints_clear(&h);
	bmr_hints_clear(&h);
	parse("dev=vda", &h);
	assert_string_equal(h.dev, "vda");
	assert_null(h.serial);
	assert_true(h.size_low == 0 && h.size_high == UINT64_MAX);
	bmr_hints_clear(&h);
	parse("serial=a=b", &h); /* split at the first '=' */
	assert_string_equal(h.serial, "a=b");
	bmr_hints_clear(&h);
	parse("auto", &h);
	assert_true(h.automatic);
	bmr_hints_clear(&h);
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t low, high;
	} sizes[] = {
		{"size=1000B", 990, 1010},
		{"size=100", 99, 101},
		{"size=500GB", 495000000000, 505000000000},
		{"size=1G", (1ULL << 30) - (1ULL << 30) / 100, (1ULL << 30) + (1ULL << 30) / 100},
		{"size=400G-", 400ULL << 30, UINT64_MAX},
		{"size=-600G", 0, 600ULL << 30},
		{"size=1K - 2K", 1024, 2048},
		{"size=5K-5K", 5120, 5120},
		{"size=18446744073709551615", UINT64_MAX - UINT64_MAX / 100, UINT64_MAX},
	};
	struct bmr_hints h;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		parse(sizes[i].text, &h);
		if (h.size_low != sizes[i].low || h.size_high != sizes[i].high)
			fail_msg("'%s': %llu .. %llu", sizes[i].text,
			         (unsigned long long)h.size_low, (unsigned long long)h.size_high);
		bmr_hints_clear(&h);
	}
}

static void test_wrong(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} wrong[] = {
		{"", "empty target hint"},
		{"serial=a,", "empty target hint"},
		{",serial=a", "empty target hint"},
		{"sda", "'sda' is unknown; a disk's name is written dev=sda; known are serial="},
		{"/dev/sda", "'/dev/sda' is unknown; a disk's name is written dev=sda; known"},
		{"/dev/disk/by-id/x", "a disk's name is written dev=sda; known"},
		{"seriel=a", "'seriel=' is unknown; known are serial="},
		{"Serial=a", "'Serial=' is unknown"},
		{"=a", "'=' is unknown"},
		{"serial=", "'serial=' has no value"},
		{"serial=  ,dev=sda", "'serial=' has no value"},
		{"size=", "'size=' has no value"},
		{"serial=a,serial=b", "'serial=' is given twice"},
		{"size=1G,size=2G", "'size=' is given twice"},
		{"auto,serial=a", "'auto' stands alone"},
		{"serial=a,auto", "'auto' stands alone"},
		{"auto,auto", "'auto' stands alone"},
		{"auto=yes", "'auto=' is unknown"},
		{"size=big", "'size=big' is not like"},
		{"size=-", "'size=-' is not like"},
		{"size=600G-400G", "'size=600G-400G' is not like"},
		{"size=1G-2G-3G", "is not like"},
		{"size=0", "'size=0' is not like"},
		{"dev=/dev/", "'dev=' is not the name"},
		{"dev=/dev/disk/by-id/x", "use serial=, wwn= or path="},
		{"dev=/etc/passwd", "is not the name"},
		{"http://u:se/cret@h/x", "'http://u:***@h/x' is unknown"},
		{"http:/u:se,cret@h/x", "'http:/u:***@h/x' is unknown"},
		{"dev=http://u:secret@h/x", "http://u:***@h/x' is not the name"},
		{"size=http://u:se,cret@h", "'size=http://u:***@h' is not like"},
		{"http://u:secret@h=x", "'http://u:***@h=' is unknown"},
		{"auto,http://u:@h,ftp://:@i", "'http://u:***@h' is unknown"},
	};
	struct bmr_hints h;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct bmr_err e = {0};

		if (bmr_hints_parse(wrong[i].text, &h, &e) == 0)
			fail_msg("'%s' was taken", wrong[i].text);
		assert_int_equal(e.code, BMR_E_USAGE);
		if (!strstr(e.msg, wrong[i].says))
			fail_msg("'%s': %s", wrong[i].text, e.msg);
		assert_null(strstr(e.msg, "cret"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
