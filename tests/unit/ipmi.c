/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ipmi: the commands that a BMC gets, and what is made of its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/ready/ipmi.h"
#include "base/err.h"

#define OPTIONS 8

struct bmc {
	uint8_t values[OPTIONS][8];
	uint8_t refuses[OPTIONS]; /* completion code for setting it */
	bool forgets;             /* answers 0 and keeps nothing */
	bool silent;
	bool marks_nothing; /* as valid */
	size_t cut;         /* answers have no more bytes than this, if not 0 */
};

static int call(void *ctx, uint8_t netfn, uint8_t command, const uint8_t *data, size_t len,
                uint8_t *answer, size_t *answer_len, struct bmr_err *e)
{
	struct bmc *b = ctx;
	size_t got = 1;

	assert_int_equal(netfn, 0);
	assert_in_range(data[0], 0, OPTIONS - 1);
	if (b->silent)
		return bmr_err_set(e, BMR_E_TARGET, 0, "the BMC did not answer");
	memset(answer, 0, *answer_len);
	if (command == 8) {
		answer[0] = b->refuses[data[0]];
		if (answer[0] == 0 && !b->forgets)
			memcpy(b->values[data[0]], data + 1, len - 1);
	} else {
		assert_int_equal(command, 9);
		assert_int_equal(len, 3);
		answer[1] = 1;
		answer[2] = data[0];
		memcpy(answer + 3, b->values[data[0]], 5);
		if (b->marks_nothing)
			answer[3] &= 0x7f;
		got = 8;
	}
	*answer_len = b->cut && b->cut < got ? b->cut : got;
	return 0;
}

static void test_bios(void **state)
{
	static const uint8_t want[] = {0x80, 0x08, 0, 0, 0};
	struct bmc b = {0};
	struct bmr_err e = {0};
	bool valid = false;

	(void)state;
	assert_int_equal(bmr_ipmi_set_boot_disk(call, &b, false, &valid, &e), 0);
	assert_memory_equal(b.values[5], want, sizeof want);
	assert_true(valid);
	assert_int_equal(b.values[0][0], 0);    /* set complete */
	assert_int_equal(b.values[3][0], 0x0b); /* kept until the restart */
}

static void test_efi(void **state)
{
	static const uint8_t want[] = {0xa0, 0x08, 0, 0, 0};
	struct bmc b = {0};
	struct bmr_err e = {0};
	bool valid = false;

	(void)state;
	assert_int_equal(bmr_ipmi_set_boot_disk(call, &b, true, &valid, &e), 0);
	assert_memory_equal(b.values[5], want, sizeof want);
}

/* Only the flags themselves are needed. */
static void test_poor_bmc(void **state)
{
	struct bmc b = {.refuses = {[0] = 0x80, [3] = 0x80, [4] = 0x80}};
	struct bmr_err e = {0};
	bool valid = false;

	(void)state;
	assert_int_equal(bmr_ipmi_set_boot_disk(call, &b, false, &valid, &e), 0);
	assert_int_equal(b.values[5][1], 0x08);
	b.marks_nothing = true;
	assert_int_equal(bmr_ipmi_set_boot_disk(call, &b, false, &valid, &e), 0);
	assert_false(valid);
}

static void fails(struct bmc b, const char *words)
{
	struct bmr_err e = {0};
	bool valid = false;

	assert_int_equal(bmr_ipmi_set_boot_disk(call, &b, false, &valid, &e), -1);
	assert_int_equal(e.code, BMR_E_TARGET);
	if (!strstr(e.msg, words))
		fail_msg("'%s' is not in: %s", words, e.msg);
}

static void test_failures(void **state)
{
	(void)state;
	fails((struct bmc){.silent = true}, "did not answer");
	fails((struct bmc){.refuses = {[5] = 0xd4}}, "0xd4 (not allowed");
	fails((struct bmc){.forgets = true}, "did not keep it: its boot flags are 0x00 0x00");
	fails((struct bmc){.cut = 3}, "not about boot flags");
	fails((struct bmc){.values = {{0}}, .forgets = true, .cut = 1}, "not about boot flags");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bios),
		cmocka_unit_test(test_efi),
		cmocka_unit_test(test_poor_bmc),
		cmocka_unit_test(test_failures),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
