/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Host names, the line of /etc/hosts, and files of a tree that is not to be trusted. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/ready/identity_files.h"
#include "agent/ready/identity_text.h"
#include "base/err.h"

#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890123"

static void test_hostnames(void **state)
{
	static const char *const good[] = {"a",   "web1",   "1",   "3com", "web-1.example.com",
	                                   "A.b", LABEL_63, "x--y"};
	static const char *const bad[] = {"",           ".",          "a.",     ".a",   "a..b",
	                                  "-a",         "a-",         "a.-b",   "a_b",  "a b",
	                                  "a/b",        "a%20b",      "${mac}", "a\nb", "w\xc3\xa4",
	                                  LABEL_63 "x", LABEL_63 ".a"};
	struct bmr_err e;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(bmr_hostname_check(good[i], &e), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(bmr_hostname_check(bad[i], &e), -1);
		assert_int_equal(e.code, BMR_E_USAGE);
	}
}

static void expect_hosts(const char *hosts, const char *name, const char *expected)
{
	struct bmr_err e;
	char *out;

	assert_int_equal(bmr_hosts_rename(hosts, name, &out, &e), 0);
	if (!expected)
		assert_null(out);
	else
		assert_string_equal(out, expected);
	free(out);
}

static void test_hosts(void **state)
{
	(void)state;
	expect_hosts("127.0.0.1 localhost\n127.0.1.1 old\n::1 x\n", "new",
	             "127.0.0.1 localhost\n127.0.1.1\tnew\n::1 x\n");
	expect_hosts("127.0.1.1\told.example.com old # mine", "new",
	             "127.0.1.1\tnew.example.com new\n");
	expect_hosts("127.0.1.1 old.a.b old\r\n", "new.c", "127.0.1.1\tnew.c new\n");
	expect_hosts("  127.0.1.1 \nx", "new", "127.0.1.1\tnew\nx");
	expect_hosts("127.0.1.1 #old.a", "new", "127.0.1.1\tnew\n");
	expect_hosts("127.0.1.10 old\n#127.0.1.1 old\n127.0.1.1", "new", NULL);
	expect_hosts("", "new", NULL);
}

/* A folder to be removed again by remove_tree. */
static int make_tree(char *path)
{
	int fd;

	strcpy(path, "/tmp/bmr-identity.XXXXXX");
	assert_non_null(mkdtemp(path));
	fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	return fd;
}

static void remove_tree(int fd, const char *path)
{
	char command[80];

	close(fd);
	snprintf(command, sizeof command, "rm -rf %s", path);
	assert_int_equal(system(command), 0);
}

static void expect_text(int folder, const char *name, const char *expected)
{
	struct bmr_err e;
	char *text;
	size_t len;

	assert_int_equal(bmr_files_read(folder, name, &text, &len, &e), 0);
	if (!expected) {
		assert_null(text);
		return;
	}
	assert_string_equal(text, expected);
	assert_int_equal(len, strlen(expected));
	free(text);
}

static void test_replace(void **state)
{
	char path[32];
	int root = make_tree(path);
	struct bmr_err e;
	struct stat st;

	(void)state;
	assert_int_equal(bmr_files_replace(root, "new", "one\n", 4, 0644, &e), 0);
	expect_text(root, "new", "one\n");
	assert_int_equal(fstatat(root, "new", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(fchmodat(root, "new", 0600, 0), 0);
	assert_int_equal(bmr_files_replace(root, "new", "", 0, 0644, &e), 0);
	expect_text(root, "new", "");
	assert_int_equal(fstatat(root, "new", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600); /* the old one's */
	assert_int_equal(mkdirat(root, "folder", 0755), 0);
	assert_int_equal(bmr_files_replace(root, "folder", "", 0, 0644, &e), -1);
	assert_int_equal(e.code, BMR_E_TARGET);
	assert_false(bmr_files_exist(root, ".folder.bmr-new"));
	remove_tree(root, path);
}

/* A link is replaced and never written through, read through or walked through. */
static void test_links(void **state)
{
	char path[32], outside[32], victim[64];
	int root = make_tree(path);
	int other = make_tree(outside);
	struct bmr_err e;
	int folder = -1;

	(void)state;
	assert_int_equal(bmr_files_replace(other, "victim", "safe", 4, 0644, &e), 0);
	snprintf(victim, sizeof victim, "%s/victim", outside);
	assert_int_equal(symlinkat(victim, root, "file"), 0);
	assert_int_equal(symlinkat(outside, root, "etc"), 0);
	assert_int_equal(symlinkat(".", root, "here"), 0);
	expect_text(root, "file", NULL);
	assert_true(bmr_files_exist(root, "file"));
	assert_false(bmr_files_exist(root, "etc/victim"));
	assert_false(bmr_files_exist(root, "here/file"));
	assert_false(bmr_files_exist(root, "../"));
	assert_int_equal(bmr_files_open(root, "etc", O_RDONLY | O_DIRECTORY), -1);
	assert_int_equal(bmr_files_make_folder(root, "etc/x", 0755, &folder, &e), -1);
	assert_int_equal(bmr_files_replace(root, "file", "new", 3, 0644, &e), 0);
	expect_text(root, "file", "new");
	expect_text(other, "victim", "safe");
	assert_false(bmr_files_exist(other, "x"));
	remove_tree(other, outside);
	remove_tree(root, path);
}

static void test_folders_and_removal(void **state)
{
	char path[32];
	int root = make_tree(path);
	struct bmr_err e;
	struct stat st;
	unsigned count;
	int folder = -1;

	(void)state;
	assert_int_equal(bmr_files_make_folder(root, "a/b/c", 0700, &folder, &e), 0);
	assert_int_equal(fstatat(root, "a/b/c", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(bmr_files_replace(folder, "key_1", "x", 1, 0600, &e), 0);
	assert_int_equal(bmr_files_replace(folder, "key_2.pub", "x", 1, 0600, &e), 0);
	assert_int_equal(bmr_files_replace(folder, "config", "x", 1, 0600, &e), 0);
	assert_int_equal(symlinkat("/etc/passwd", folder, "key_3"), 0);
	assert_int_equal(bmr_files_remove(folder, "key_*", &count, &e), 0);
	assert_int_equal(count, 3);
	assert_true(bmr_files_exist(folder, "config"));
	close(folder);
	remove_tree(root, path);
}

static void test_too_large(void **state)
{
	char path[32];
	int root = make_tree(path);
	struct bmr_err e;
	char *text;
	size_t len;
	int fd = openat(root, "big", O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_int_equal(ftruncate(fd, BMR_FILES_TEXT_MAX + 1), 0);
	close(fd);
	assert_int_equal(bmr_files_read(root, "big", &text, &len, &e), -1);
	remove_tree(root, path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostnames),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_folders_and_removal),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
