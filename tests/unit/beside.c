/* SPDX-License-Identifier: GPL-3.0-or-later */
/* beside: the URL of another file in the same folder, whatever its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "transport/beside.h"

static void test_urls(void **state)
{
	static const struct {
		const char *url, *name, *expected;
	} cases[] = {
		{"/images/new.zst", "old.zst", "/images/old.zst"},
		{"new.zst", "old.zst", "./old.zst"},
		{"new.zst", "http:old", "./http:old"},
		{"../x/new%20.zst", "o%20ld #1?", "../x/o%20ld #1?"},
		{"/new", "old", "/old"},
		{"http://h:81/a/b/new.zst", "old 1.zst", "http://h:81/a/b/old%201.zst"},
		{"https://h/new", "a?b#c%d", "https://h/a%3Fb%23c%25d"},
		{"nfs://10.0.0.1/export/new?version=3&nfsport=2050", "old",
	         "nfs://10.0.0.1/export/old?version=3&nfsport=2050"},
		{"smb://[fe80::1]/share/dir/new", "${mac}",
	         "smb://[fe80::1]/share/dir/%24%7Bmac%7D"},
		{"disk:UUID=a-b/images/new", "old", "disk:UUID=a-b/images/old"},
		{"cdrom:/new", "old", "cdrom:/old"},
	};
	struct bmr_err err;
	char *url;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (bmr_beside_url(cases[i].url, cases[i].name, &url, &err) < 0)
			fail_msg("%s: %s", cases[i].url, err.msg);
		assert_string_equal(url, cases[i].expected);
		free(url);
	}
}

/* What an image says must not lead out of its folder. */
static void test_names(void **state)
{
	static const char *const wrong[] = {"", ".", "..", "a/b", "/etc/shadow", "../x"};
	struct bmr_err err;
	char *url;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(bmr_beside_url("/a/b", wrong[i], &url, &err), -1);
		assert_int_equal(err.code, BMR_E_DATA);
		assert_non_null(strstr(err.msg, "is not the name of a file"));
	}
	assert_true(bmr_beside_is_name("..."));
	assert_int_equal(bmr_beside_url("gopher://x/y", "z", &url, &err), -1);
	assert_int_equal(err.code, BMR_E_USAGE);
}

static void test_sidecar(void **state)
{
	static const char *const cases[][2] = {
		{"a.gz", "a.gz.manifest"},
		{"./a?b", "./a?b.manifest"},
		{"nfs://h/x/a.gz?version=3", "nfs://h/x/a.gz.manifest?version=3"},
	};
	struct bmr_err err;
	char *url;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(bmr_beside_sidecar(cases[i][0], &url, &err), 0);
		assert_string_equal(url, cases[i][1]);
		free(url);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_sidecar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
