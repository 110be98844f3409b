/* SPDX-License-Identifier: GPL-3.0-or-later */
/* nfs: what the query of a URL asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "transport/nfs_client.h"

static struct nfs_query query_of(const char *text)
{
	struct nfs_query query;
	struct bmr_err e = {0};
	struct bmr_url url;

	assert_int_equal(bmr_url_parse(text, &url, &e), 0);
	bmr_nfs_query(&url, &query);
	bmr_url_clear(&url);
	return query;
}

static void test_nothing(void **state)
{
	struct nfs_query q = query_of("nfs://h/x/y");

	(void)state;
	assert_int_equal(q.version, 0);
	assert_int_equal(q.nfs_port, 0);
	assert_int_equal(q.mount_port, 0);
	assert_int_equal(q.uid, -1);
	assert_int_equal(q.gid, -1);
}

static void test_all(void **state)
{
	struct nfs_query q =
		query_of("nfs://h:1/x/y?version=4&nfsport=2&mountport=3&uid=0&gid=4294967294");

	(void)state;
	assert_int_equal(q.version, 4);
	assert_int_equal(q.nfs_port, 2);
	assert_int_equal(q.mount_port, 3);
	assert_int_equal(q.uid, 0);
	assert_int_equal(q.gid, 4294967294);
}

static void test_port(void **state)
{
	(void)state;
	assert_int_equal(query_of("nfs://h:2050/x/y").nfs_port, 2050);
	assert_int_equal(query_of("nfs://h:2050/x/y?version=3").version, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
