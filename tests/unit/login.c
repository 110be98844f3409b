/* SPDX-License-Identifier: GPL-3.0-or-later */
/* login: passwords are found also where a character of theirs should have been escaped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/login.h"

static const struct {
	const char *text;
	const char *hidden; /* NULL: the same */
	bool raw;
} cases[] = {
	{"http://h/x", NULL, false},
	{"http://h/a@b.img", NULL, false},
	{"http://h:80/a@b.img", NULL, false},
	{"http://h:80/a:b@c.img,http://i/d@e", NULL, false},
	{"http://[2001:db8::1]/a@b", NULL, false},
	{"http://[2001:db8::1]:80/a@b", NULL, false},
	{"http://u@h/a@b", NULL, false},
	{"http://u@[::1]:80/a@b", NULL, false},
	{"/a/b:c@d", NULL, false},
	{"http://h", NULL, false},
	{"http://h:3128", NULL, false},
	{"http://h:80?x=a@b", NULL, false},
	{"http://h:80?x@b", "http://h:***@b", true},
	{"http://[::1]:80?x=a@b/c,http://i:443?y=d@e", NULL, false},
	{"http://u:secret@h/x", "http://u:***@h/x", false},
	{"http://u:80@h/x", "http://u:***@h/x", false},
	{"http://u:se@cret@h/x", "http://u:***@h/x", false},
	{"http://u:se:cret@h:80/x", "http://u:***@h:80/x", false},
	{"http://u:secret@[::1]:80/x", "http://u:***@[::1]:80/x", false},
	{"http://u:[secret@h/x", "http://u:***@h/x", false},
	{"http://u:secret@h/x,/mnt/a@b", "http://u:***@h/x,/mnt/a@b", false},
	{"http://u:secret@h/x,disk:LABEL=a/b@c", "http://u:***@h/x,disk:LABEL=a/b@c", false},
	{"http://u:secret@h/x,ftp://v:other@i/y", "http://u:***@h/x,ftp://v:***@i/y", false},
	{"http://u:se/cret@h/x", "http://u:***@h/x", true},
	{"http://u:se?cret@h/x", "http://u:***@h/x", true},
	{"http://u:se#cret@h/x", "http://u:***@h/x", true},
	{"http://u:se,cret@h/x", "http://u:***@h/x", true},
	{"http://u:/secret@h/x", "http://u:***@h/x", true},
	{"http://u:se,/cret@h/x", "http://u:***@h/x", true},
	{"http://u:s@e/cret@h/x", "http://u:***@h/x", true},
	{"http://u:s@e/cr,et@h/x", "http://u:***@h/x", true},
	{"http://u:99999/secret@h/x", "http://u:***@h/x", true},
	{"http://u:80?secret@h/x", "http://u:***@h/x", true},
	{"http://u:80?secret@h/x?y=z", "http://u:***@h/x?y=z", true},
	{"http://h/x,http://u:se,cret@h/x,smb://v:ot/her@i/s/y",
         "http://h/x,http://u:***@h/x,smb://v:***@i/s/y", true},
	{"http:/u:secret@h/x", "http:/u:***@h/x", false},
	{"bmr.image=NFS:/u:se/cret@h/x", "bmr.image=NFS:/u:***@h/x", true},
	{"'syslog:/u:secret@h' and http://v:other@i", "'syslog:/u:***@i", true},
	{"file:/a/b:c@d", NULL, false},
	{"/a/xhttp:/b:c@d", NULL, false},
	{":/b:c@d", NULL, false},
	{"http:/h/b:c@d", NULL, false},
	{"bmr.image=http://u:se/cret@h/x", "bmr.image=http://u:***@h/x", true},
};

static void test_hide(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *want = cases[i].hidden ? cases[i].hidden : cases[i].text;
		struct bmr_login login;
		char out[200];

		bmr_login_hide(cases[i].text, out, sizeof out);
		assert_string_equal(out, want);
		assert_int_equal(bmr_login_find(cases[i].text, &login), cases[i].hidden != NULL);
		if (cases[i].hidden && !strchr(cases[i].text, ','))
			assert_int_equal(login.raw, cases[i].raw);
	}
}

static void test_cut(void **state)
{
	char out[14];

	(void)state;
	bmr_login_hide("http://u:secret@host/path", out, sizeof out);
	assert_string_equal(out, "http://u:***@");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hide),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
