/* SPDX-License-Identifier: GPL-3.0-or-later */
/* menu_text: what a server or a disk says is drawn without harm; the word that overwrites; the line
 * that does the same again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "agent/menu/text.h"
#include "imaging/disk/disk.h"

static void expect_clean(const char *text, size_t columns, const char *wanted)
{
	char buf[64];

	assert_string_equal(bmr_menu_clean(text, buf, sizeof buf, columns), wanted);
	assert_true(bmr_menu_columns(buf) <= columns);
}

static void test_clean(void **state)
{
	(void)state;
	expect_clean("", 10, "");
	expect_clean("plain.img", 10, "plain.img");
	expect_clean("a\x1b[2J\x07\n\tb", 20, "a?[2J???b");
	expect_clean("\x80\xff", 10, "??");
	expect_clean("0123456789", 10, "0123456789");
	expect_clean("0123456789a", 10, "0123456...");
}

/* In a UTF-8 locale letters stay, and what turns the direction or is half a character does not. */
static void test_clean_utf8(void **state)
{
	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		skip();
	expect_clean("gr\xc3\xbc\xc3\x9f", 10, "gr\xc3\xbc\xc3\x9f");
	expect_clean("a\xe2\x80\xae"
	             "b",
	             10, "a?b");
	expect_clean("a\xc3", 10, "a?");
	expect_clean("\xc2\x9b"
	             "2J",
	             10, "?2J"); /* CSI as one character */
	expect_clean("\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2", 5, "\xe6\xbc\xa2...");
	setlocale(LC_CTYPE, "C");
	expect_clean("gr\xc3\xbc", 10, "gr??");
}

/* Whatever the room, nothing is written past it. */
static void test_clean_room(void **state)
{
	(void)state;
	for (size_t size = 8; size < 30; size++) {
		char *buf = malloc(size);

		bmr_menu_clean("01234567890123456789", buf, size, 80);
		assert_true(strlen(buf) < size);
		free(buf);
	}
}

static void test_lines(void **state)
{
	char *clean = bmr_menu_clean_lines("one\n\n\x1btwo\r\n");

	(void)state;
	assert_string_equal(clean, "one\n\n?two?\n");
	free(clean);
}

static void test_word(void **state)
{
	struct bmr_disk disk = {.serial = "WD-ABC0815x", .size = 500107862016};
	struct bmr_menu_word word;

	(void)state;
	bmr_menu_word_of(&disk, &word);
	assert_true(bmr_menu_word_is(&word, "815x"));
	assert_true(bmr_menu_word_is(&word, " 815X "));
	assert_false(bmr_menu_word_is(&word, ""));
	assert_false(bmr_menu_word_is(&word, "815"));
	assert_false(bmr_menu_word_is(&word, "0815x"));
	assert_false(bmr_menu_word_is(&word, "WD-ABC0815x"));
	assert_false(bmr_menu_word_is(&word, "yes"));
	strcpy(disk.serial, "x1"); /* too little to tell it from others */
	bmr_menu_word_of(&disk, &word);
	assert_false(bmr_menu_word_is(&word, "x1"));
	assert_true(bmr_menu_word_is(&word, "500107862016"));
	assert_non_null(strstr(word.question, "size in bytes"));
}

static void expect_line(const struct bmr_menu_order *order, const char *wanted)
{
	char buf[2048];

	assert_string_equal(bmr_menu_line(order, buf, sizeof buf), wanted);
}

static void test_line(void **state)
{
	struct bmr_disk disk = {.serial = "A B", .path = "/dev/sda", .size = 1000};
	struct bmr_menu_order order = {.action = "restore", .image = "nfs://h/e/i?version=4"};

	(void)state;
	expect_line(&order, "bmr.action=restore bmr.image=nfs://h/e/i?version=4");
	order.network = "ip=dhcp";
	order.disk = &disk;
	expect_line(&order, "bmr.action=restore bmr.image=nfs://h/e/i?version=4 "
	                    "\"bmr.target=serial=A B\" ip=dhcp");
	order.overwrites = true;
	order.network = "";
	expect_line(&order, "bmr.action=restore bmr.image=nfs://h/e/i?version=4 "
	                    "\"bmr.target=serial=A B\" \"bmr.overwrite=A B\"");
	strcpy(disk.serial, "A*"); /* would match others */
	strcpy(disk.wwn, "eui.1");
	strcpy(disk.table_uuid, "u-u");
	expect_line(&order, "bmr.action=restore bmr.image=nfs://h/e/i?version=4 "
	                    "bmr.target=wwn=eui.1 bmr.overwrite=u-u");
	disk.serial[0] = disk.wwn[0] = disk.table_uuid[0] = '\0';
	expect_line(&order, "bmr.action=restore bmr.image=nfs://h/e/i?version=4 "
	                    "bmr.target=dev=/dev/sda,size=1000-1000 bmr.overwrite=any");
}

/* No password, and nothing that may be one. */
static void test_line_secrets(void **state)
{
	struct bmr_menu_order order = {
		.action = "verify", .image = "smb://u:p@ss@h/s/i", .user = "u"};

	(void)state;
	expect_line(&order, "bmr.action=verify bmr.image=smb://h/s/i bmr.user=u");
	order.password = true;
	expect_line(&order,
	            "bmr.action=verify bmr.image=smb://h/s/i bmr.credentials=/etc/bmr/credentials");
	order = (struct bmr_menu_order){.action = "verify", .image = "https://h/a@b?token=x"};
	expect_line(&order, "bmr.action=verify bmr.image=https://h/a@b?");
	order = (struct bmr_menu_order){.action = "verify", .image = "http://h/a", .cafile = "/ca"};
	order.netrc = "/n";
	order.proxy = "http://u:p@w@h:3128";
	expect_line(&order, "bmr.action=verify bmr.image=http://h/a bmr.cafile=/ca bmr.netrc=/n "
	                    "bmr.proxy=http://h:3128");
	order = (struct bmr_menu_order){.action = "verify", .image = "http://h/a", .proxy = "none"};
	expect_line(&order, "bmr.action=verify bmr.image=http://h/a bmr.proxy=none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),        cmocka_unit_test(test_clean_utf8),
		cmocka_unit_test(test_clean_room),   cmocka_unit_test(test_lines),
		cmocka_unit_test(test_word),         cmocka_unit_test(test_line),
		cmocka_unit_test(test_line_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
