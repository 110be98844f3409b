/* SPDX-License-Identifier: GPL-3.0-or-later */
/* proof: what must be noticed is noticed, also where chunks share a sum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "imaging/restore/pipe.h"
#include "imaging/restore/proof.h"

#define TIB (1024 * BMR_GIB)

static struct bmr_checksum sum_number(unsigned n)
{
	return bmr_checksum_of(&n, sizeof n);
}

static struct bmr_proof *proof_of(uint64_t size)
{
	struct bmr_proof *p;
	struct bmr_err e;

	assert_int_equal(bmr_proof_open(size, &p, &e), 0);
	return p;
}

static void add(struct bmr_proof *p, uint64_t index, unsigned n)
{
	struct bmr_checksum d = sum_number(n);
	struct bmr_err e;

	assert_int_equal(bmr_proof_add(p, index, &d, &e), 0);
}

static void mix(struct bmr_checksum *sum, uint64_t index, unsigned n)
{
	struct bmr_checksum d = sum_number(n);

	bmr_proof_mix(sum, index, &d);
}

static void test_each_chunk(void **state)
{
	struct bmr_proof *p = proof_of(10 * BMR_CHUNK_SIZE);

	(void)state;
	assert_int_equal(bmr_proof_group(p), 1);
	for (unsigned i = 0; i < 10; i++)
		add(p, 9 - i, 9 - i); /* any order */
	for (unsigned i = 0; i < 10; i++) {
		struct bmr_checksum right = {0};
		struct bmr_checksum wrong = {0};

		mix(&right, i, i);
		mix(&wrong, i, i + 1);
		assert_true(bmr_proof_agrees(p, i, &right));
		assert_false(bmr_proof_agrees(p, i, &wrong));
	}
	bmr_proof_close(p);
}

static void test_swapped_chunks(void **state)
{
	struct bmr_proof *p = proof_of(4 * TIB);
	struct bmr_checksum right = {0};
	struct bmr_checksum swapped = {0};
	struct bmr_checksum one_missing = {0};
	struct bmr_checksum moved = {0};

	(void)state;
	assert_true(bmr_proof_group(p) > 1);
	for (unsigned i = 0; i < 2; i++) {
		add(p, i, i + 1);
		mix(&right, 1 - i, 2 - i);
		mix(&swapped, i, 2 - i);
	}
	mix(&one_missing, 0, 1);
	mix(&moved, 0, 1);
	mix(&moved, 2, 2);
	assert_true(bmr_proof_agrees(p, 0, &right));
	assert_false(bmr_proof_agrees(p, 0, &swapped));
	assert_false(bmr_proof_agrees(p, 0, &one_missing));
	assert_false(bmr_proof_agrees(p, 0, &moved));
	bmr_proof_close(p);
}

/* The same content in neighbours, as zeros are, does not cancel out. */
static void test_equal_chunks(void **state)
{
	struct bmr_proof *p = proof_of(8 * TIB);
	struct bmr_checksum sum = {0};

	(void)state;
	for (unsigned i = 0; i < bmr_proof_group(p); i++) {
		assert_false(bmr_proof_agrees(p, 0, &sum) && i > 0);
		add(p, i, 7);
	}
	for (unsigned i = 0; i < bmr_proof_group(p); i++) {
		assert_false(bmr_proof_agrees(p, 0, &sum));
		mix(&sum, i, 7);
	}
	assert_true(bmr_proof_agrees(p, 0, &sum));
	bmr_proof_close(p);
}

static void test_groups(void **state)
{
	static const struct {
		uint64_t size;
		uint64_t group;
	} cases[] = {
		{0, 1},   {512, 1},     {BMR_CHUNK_SIZE, 1}, {TIB - BMR_CHUNK_SIZE, 1},
		{TIB, 2}, {2 * TIB, 3}, {16 * TIB, 17},      {1024 * TIB, 1025},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bmr_proof *p = proof_of(cases[i].size);
		struct bmr_checksum last = {0};
		uint64_t index = cases[i].size ? (cases[i].size - 1) / BMR_CHUNK_SIZE : 0;

		assert_int_equal(bmr_proof_group(p), cases[i].group);
		add(p, index, 3); /* the last chunk has a place */
		mix(&last, index, 3);
		assert_true(bmr_proof_agrees(p, index / cases[i].group, &last));
		bmr_proof_close(p);
	}
}

static void test_past_the_end(void **state)
{
	struct bmr_proof *p = proof_of(10 * BMR_CHUNK_SIZE);
	struct bmr_checksum d = sum_number(1);
	struct bmr_err e;

	(void)state;
	assert_int_equal(bmr_proof_add(p, 1000, &d, &e), -1);
	assert_int_equal(e.code, BMR_E_BUG);
	bmr_proof_close(p);
	bmr_proof_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_chunk),   cmocka_unit_test(test_swapped_chunks),
		cmocka_unit_test(test_equal_chunks), cmocka_unit_test(test_groups),
		cmocka_unit_test(test_past_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
