/* SPDX-License-Identifier: GPL-3.0-or-later */
/* url: the grammar, what it refuses, what it never shows, ${name}. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "transport/url.h"

struct good {
	const char *text;
	enum bmr_url_scheme scheme;
	const char *user;
	const char *password;
	const char *domain;
	const char *host;
	unsigned port;
	const char *path;
	const char *raw_path;
	const char *query;
	const char *safe;
};

static const struct good goods[] = {
	{.text = "/a b/c",
         .scheme = BMR_URL_FILE,
         .path = "/a b/c",
         .raw_path = "/a b/c",
         .safe = "/a b/c"},
	{.text = "./x%41",
         .scheme = BMR_URL_FILE,
         .path = "./x%41",
         .raw_path = "./x%41",
         .safe = "./x%41"},
	{.text = "image.gz",
         .scheme = BMR_URL_FILE,
         .path = "image.gz",
         .raw_path = "image.gz",
         .safe = "image.gz"},
	{.text = "a:b", .scheme = BMR_URL_FILE, .path = "a:b", .raw_path = "a:b", .safe = "a:b"},
	{.text = "file:///a%20b?c",
         .scheme = BMR_URL_FILE,
         .path = "/a b?c",
         .raw_path = "/a%20b?c",
         .safe = "/a b?c"},
	{.text = "file:/x", .scheme = BMR_URL_FILE, .path = "/x", .raw_path = "/x", .safe = "/x"},
	{.text = "HTTP://Host.Example/x",
         .scheme = BMR_URL_HTTP,
         .host = "host.example",
         .path = "/x",
         .raw_path = "/x",
         .safe = "http://host.example/x"},
	{.text = "https://u:p%40s%2Fs@h:8443/a%2Fb c?k=v&t=secret",
         .scheme = BMR_URL_HTTPS,
         .user = "u",
         .password = "p@s/s",
         .host = "h",
         .port = 8443,
         .path = "/a/b c",
         .raw_path = "/a%2Fb%20c",
         .query = "k=v&t=secret",
         .safe = "https://h:8443/a%2Fb%20c"},
	{.text = "http://u:p@ss@h/x",
         .scheme = BMR_URL_HTTP,
         .user = "u",
         .password = "p@ss",
         .host = "h",
         .path = "/x",
         .raw_path = "/x",
         .safe = "http://h/x"},
	{.text = "http://h/a@b.img",
         .scheme = BMR_URL_HTTP,
         .host = "h",
         .path = "/a@b.img",
         .raw_path = "/a@b.img",
         .safe = "http://h/a@b.img"},
	{.text = "http://u:p@h:80/a%40b.img",
         .scheme = BMR_URL_HTTP,
         .user = "u",
         .password = "p",
         .host = "h",
         .port = 80,
         .path = "/a@b.img",
         .raw_path = "/a%40b.img",
         .safe = "http://h:80/a%40b.img"},
	{.text = "http://u:@h/x",
         .scheme = BMR_URL_HTTP,
         .user = "u",
         .password = "",
         .host = "h",
         .path = "/x",
         .raw_path = "/x",
         .safe = "http://h/x"},
	{.text = "http://[2001:DB8::1]:81/x",
         .scheme = BMR_URL_HTTP,
         .host = "2001:db8::1",
         .port = 81,
         .path = "/x",
         .raw_path = "/x",
         .safe = "http://[2001:db8::1]:81/x"},
	{.text = "ftp://h/a?b",
         .scheme = BMR_URL_FTP,
         .host = "h",
         .path = "/a?b",
         .raw_path = "/a?b",
         .safe = "ftp://h/a?b"},
	{.text = "nfs://10.0.0.1/srv/x?version=4&nfsport=2050&mountport=1&uid=0&gid=4294967294",
         .scheme = BMR_URL_NFS,
         .host = "10.0.0.1",
         .path = "/srv/x",
         .raw_path = "/srv/x",
         .query = "version=4&nfsport=2050&mountport=1&uid=0&gid=4294967294",
         .safe = "nfs://10.0.0.1/srv/x?version=4&nfsport=2050&mountport=1&uid=0&gid=4294967294"},
	{.text = "smb://DOM;us%65r:pw@h/share/f",
         .scheme = BMR_URL_SMB,
         .user = "user",
         .password = "pw",
         .domain = "DOM",
         .host = "h",
         .path = "/share/f",
         .raw_path = "/share/f",
         .safe = "smb://h/share/f"},
	{.text = "smb://DOM\\user:pw@h/share/a/b",
         .scheme = BMR_URL_SMB,
         .user = "user",
         .password = "pw",
         .domain = "DOM",
         .host = "h",
         .path = "/share/a/b",
         .raw_path = "/share/a/b",
         .safe = "smb://h/share/a/b"},
	{.text = "cdrom:/images/x.gz",
         .scheme = BMR_URL_CDROM,
         .path = "/images/x.gz",
         .raw_path = "/images/x.gz",
         .safe = "cdrom:/images/x.gz"},
	{.text = "http://h/\xc3\xa4",
         .scheme = BMR_URL_HTTP,
         .host = "h",
         .path = "/\xc3\xa4",
         .raw_path = "/%C3%A4",
         .safe = "http://h/%C3%A4"},
};

static void same(const char *what, const char *text, const char *got, const char *want)
{
	if ((got == NULL) != (want == NULL) || (got && strcmp(got, want) != 0))
		fail_msg("%s of '%s': '%s', expected '%s'", what, text, got ? got : "(none)",
		         want ? want : "(none)");
}

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
		const struct good *g = &goods[i];
		struct bmr_err e = {0};
		struct bmr_url u;

		if (bmr_url_parse(g->text, &u, &e) < 0)
			fail_msg("'%s' was refused: %s", g->text, e.msg);
		assert_int_equal(u.scheme, g->scheme);
		assert_int_equal(u.port, g->port);
		same("user", g->text, u.user, g->user);
		same("password", g->text, u.password, g->password);
		same("domain", g->text, u.domain, g->domain);
		same("host", g->text, u.host, g->host);
		same("path", g->text, u.path, g->path);
		same("raw path", g->text, u.raw_path, g->raw_path);
		same("query", g->text, u.query, g->query);
		same("safe form", g->text, u.safe, g->safe);
		bmr_url_clear(&u);
	}
}

static void test_disk(void **state)
{
	static const char *const tags[] = {"UUID", "LABEL", "PARTUUID", "PARTLABEL"};

	(void)state;
	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
		struct bmr_err e = {0};
		struct bmr_url u;
		char text[64];

		snprintf(text, sizeof text, "disk:%s=my%%20data/dir/x", tags[i]);
		assert_int_equal(bmr_url_parse(text, &u, &e), 0);
		assert_int_equal(u.scheme, BMR_URL_DISK);
		assert_string_equal(u.tag_name, tags[i]);
		assert_string_equal(u.tag_value, "my data");
		assert_string_equal(u.path, "/dir/x");
		bmr_url_clear(&u);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		const char *word;
	} bad[] = {
		{"", "empty"},
		{"gopher://h/x", "gopher"},
		{"http:/h/x", "http://"},
		{"http://h", "no file"},
		{"http://h?x", "no file"},
		{"http:///x", "no host"},
		{"http://@h/x", "without a user"},
		{"http://:p@h/x", "without a user"},
		{"http://h:/x", "port"},
		{"http://h:0/x", "port"},
		{"http://h:65536/x", "port"},
		{"http://h:8o/x", "port"},
		{"http://h_ost!/x", "host name"},
		{"http://[::1/x", "']'"},
		{"http://[::1]x/x", "behind its host"},
		{"http://[1.2.3.4]/x", "IPv6"},
		{"http://h/%0", "path"},
		{"http://h/%zz", "path"},
		{"http://h/%00", "path"},
		{"http://u:secretword%0@h/x", "password"},
		{"http://h/x#y", "%23"},
		{"file://host/x", "no host"},
		{"nfs://h/x?versoin=4", "versoin"},
		{"nfs://h/x?version=5", "version"},
		{"nfs://h/x?version=2", "version=3"},
		{"nfs://h/x?nfsport=65536", "nfsport"},
		{"nfs://h/x?uid=-1", "uid"},
		{"nfs://h/x?version", "version"},
		{"smb://h/share", "/share/file"},
		{"smb://h/share//", "/share/file"},
		{"smb://h/", "/share/file"},
		{"disk:UUID=/x", "disk:UUID"},
		{"disk:UUID=1", "disk:UUID"},
		{"disk:ID=1/x", "PARTUUID"},
		{"disk:/dev/sda1", "disk:UUID"},
		{"cdrom:x", "cdrom:/path"},
		{"http://u:secret/word@h/x", "%2F"},
		{"http://u:secret#word@h/x", "%23"},
		{"https://u:secret?word@h/x", "%3F"},
		{"nfs://u:secret,word@h/x", "%2C"},
		{"smb://u:p@secret/word@h/s/x", "%40"},
		{"file://u:secret/word@h/x", "%2F"},
		{"http://u:secret/word", "port"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct bmr_err e = {0};
		struct bmr_url u;

		if (bmr_url_parse(bad[i].text, &u, &e) == 0)
			fail_msg("'%s' was accepted", bad[i].text);
		bmr_url_clear(&u);
		assert_int_equal(e.code, BMR_E_USAGE);
		if (!strstr(e.msg, bad[i].word))
			fail_msg("'%s': '%s' does not say '%s'", bad[i].text, e.msg, bad[i].word);
		assert_null(strstr(e.msg, "secret"));
		assert_null(strstr(e.msg, "word@"));
	}
}

static void test_too_long(void **state)
{
	struct bmr_err e = {0};
	struct bmr_url u;
	char text[9000];

	(void)state;
	memset(text, 'x', sizeof text);
	text[0] = '/';
	text[sizeof text - 1] = '\0';
	assert_int_equal(bmr_url_parse(text, &u, &e), -1);
	assert_int_equal(e.code, BMR_E_USAGE);
	bmr_url_clear(&u);
}

static const struct bmr_url_variable variables[] = {
	{"mac", "52:54:00:12:34:56"},
	{"serial", "A/../B ?#%"},
	{"uuid", NULL},
	{"hostname", ""},
};

static void test_expand(void **state)
{
	static const char *const pairs[][2] = {
		{"http://h/x", "http://h/x"},
		{"http://h/${mac}.gz", "http://h/52:54:00:12:34:56.gz"},
		{"http://h/${serial}/${mac}", "http://h/A%2F..%2FB%20%3F%23%25/52:54:00:12:34:56"},
		{"/a$b/$", "/a$b/$"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct bmr_err e = {0};
		char *out = NULL;

		assert_int_equal(bmr_url_expand(pairs[i][0], variables, 4, &out, &e), 0);
		assert_string_equal(out, pairs[i][1]);
		free(out);
	}
}

static void test_expand_refused(void **state)
{
	static const char *const bad[] = {"/${mac",   "/${nothing}",  "/${}",
	                                  "/${uuid}", "/${hostname}", "/${MAC}"};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct bmr_err e = {0};
		char *out = NULL;

		assert_int_equal(bmr_url_expand(bad[i], variables, 4, &out, &e), -1);
		assert_int_equal(e.code, BMR_E_USAGE);
		assert_null(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),    cmocka_unit_test(test_disk),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_expand),  cmocka_unit_test(test_expand_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
