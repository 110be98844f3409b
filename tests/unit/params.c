/* SPDX-License-Identifier: GPL-3.0-or-later */
/* params.c - bmr.* from a line, a file and options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "cmdline/params.h"

#define DIGEST "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"

static void parse(struct bmr_params *p, const char *line)
{
	struct bmr_err e = {0};

	bmr_params_init(p);
	if (bmr_params_parse_line(p, line, &e) < 0)
		fail_msg("%s: %s", line, e.msg);
}

/* The line is refused with a message that holds each of the texts. */
static void refused(const char *line, const char *one, const char *other)
{
	struct bmr_params p;
	struct bmr_err e = {0};

	bmr_params_init(&p);
	if (bmr_params_parse_line(&p, line, &e) == 0)
		fail_msg("accepted: %s", line);
	assert_int_equal(e.code, BMR_E_USAGE);
	if (!strstr(e.msg, one) || !strstr(e.msg, other))
		fail_msg("%s: '%s' does not say '%s' and '%s'", line, e.msg, one, other);
	bmr_params_clear(&p);
}

static bool noticed(const struct bmr_params *p, const char *text)
{
	for (size_t i = 0; i < p->notice_count; i++)
		if (strstr(p->notices[i], text))
			return true;
	return false;
}

static void defaults(void **state)
{
	struct bmr_params p;

	(void)state;
	parse(&p, "BOOT_IMAGE=/vmlinuz quiet root=/dev/sda1 console=ttyS0,115200");
	assert_null(p.image);
	assert_int_equal(p.action, BMR_ACTION_NONE);
	assert_int_equal(bmr_params_action(&p), BMR_ACTION_MENU);
	assert_int_equal(p.finish, BMR_FINISH_REBOOT);
	assert_int_equal(p.onfail, BMR_FINISH_HOLD);
	assert_int_equal(p.retries, 100);
	assert_int_equal(p.timeout, 50);
	assert_int_equal(p.rate, 0);
	assert_int_equal(p.compare, BMR_COMPARE_AUTO);
	assert_int_equal(p.verify, BMR_VERIFY_DEFAULT);
	assert_int_equal(p.notice_count, 0);
	bmr_params_clear(&p);
}

static void all_kinds(void **state)
{
	struct bmr_params p;

	(void)state;
	parse(&p, "bmr.image=http://h/a.img \"bmr.target=model=Foo Bar,size=1T\" bmr.rate=2M "
	          "bmr.timeout=7 bmr.retries=0 bmr.finish=kexec bmr.onfail=poweroff "
	          "bmr.compare=hash bmr.verify=none bmr.sha256=" DIGEST);
	assert_string_equal(p.image, "http://h/a.img");
	assert_string_equal(p.target, "model=Foo Bar,size=1T");
	assert_int_equal(p.rate, 2097152);
	assert_int_equal(p.timeout, 7);
	assert_int_equal(p.retries, 0);
	assert_int_equal(p.finish, BMR_FINISH_KEXEC);
	assert_int_equal(p.onfail, BMR_FINISH_POWEROFF);
	assert_int_equal(p.compare, BMR_COMPARE_HASH);
	assert_int_equal(p.verify, BMR_VERIFY_NONE);
	assert_int_equal(strspn(p.sha256, "0123456789abcdef"), 64);
	assert_int_equal(bmr_params_action(&p), BMR_ACTION_RESTORE);
	bmr_params_clear(&p);
}

static void last_wins(void **state)
{
	struct bmr_params p;

	(void)state;
	parse(&p, "bmr.image=a bmr.finish=halt bmr.image=b bmr.finish=hold");
	assert_string_equal(p.image, "b");
	assert_int_equal(p.finish, BMR_FINISH_HOLD);
	bmr_params_clear(&p);
	parse(&p, "bmr.image=a bmr.image=");
	assert_null(p.image);
	bmr_params_clear(&p);
}

static void wrong_values(void **state)
{
	(void)state;
	refused("bmr.imge=x", "bmr.imge", "'bmr.image'");
	refused("bmr.Overwrite=any", "bmr.Overwrite", "'bmr.overwrite'");
	refused("bmr.tiemout=5", "bmr.tiemout", "'bmr.timeout'");
	refused("bmr.=5", "unknown parameter 'bmr.'", "nearest");
	refused("bmr.image", "bmr.image", "URL");
	refused("bmr.action=restor", "bmr.action=restor", "restore|capture|verify");
	refused("bmr.onfail=halt", "bmr.onfail=halt", "hold|reboot|poweroff");
	refused("bmr.retries=-1", "bmr.retries=-1", "1000000");
	refused("bmr.retries=", "bmr.retries=", "1000000");
	refused("bmr.retries=4294967297", "bmr.retries", "1000000");
	refused("bmr.timeout=0", "bmr.timeout=0", "86400");
	refused("bmr.rate=fast", "bmr.rate=fast", "100M");
	refused("bmr.sha256=abc", "bmr.sha256=abc", "64 hexadecimal");
	refused("bmr.image=\"http://h/a", "bmr.image", "quote");
	refused("\"bmr.user=a\nb\"", "bmr.user", "control");
	refused("ip=eth0:dchp", "ip=eth0:dchp", "'dchp'");
}

static void secrets_stay_hidden(void **state)
{
	(void)state;
	refused("\"bmr.password=hush\x01hush\"", "bmr.password", "control");
	for (int open = 0; open < 2; open++) {
		struct bmr_params p;
		struct bmr_err e = {0};

		bmr_params_init(&p);
		assert_int_equal(
			bmr_params_parse_line(
				&p, open ? "bmr.password=\"hush" : "\"bmr.password=hush\x01\"", &e),
			-1);
		assert_null(strstr(e.msg, "hush"));
		bmr_params_clear(&p);
	}
}

/* A URL in the place of something else, with a password that is cut, or taken apart. */
static void no_password_of_a_url(void **state)
{
	static const char *const names[] = {"bmr.finish",
	                                    "bmr.sha256",
	                                    "bmr.timeout",
	                                    "bmr.retries",
	                                    "bmr.rate",
	                                    "bmr.http:",
	                                    "ip",
	                                    "nameserver",
	                                    "ifname",
	                                    "vlan",
	                                    "bond",
	                                    "rd.route",
	                                    "BOOTIF",
	                                    "bootdev",
	                                    "rd.net.timeout.dhcp",
	                                    "rd.bootif",
	                                    "DHCP_Timeout",
	                                    "AUTO",
	                                    "coreos.inst.install_dev"};
	static const char *const urls[] = {
		"http://u:secret@h", "http:/u:secret@h,b",
		"http://u:secret:se/cret,0123456789abcdef0123456789abcdef0123456789abcd"
		"ef0123456789abcdef0123456789abcdef0123456789@h, x"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		for (size_t j = 0; j < sizeof urls / sizeof *urls; j++) {
			struct bmr_params p;
			struct bmr_err e = {0};
			char line[200];

			snprintf(line, sizeof line, "\"%s=%s\"", names[i], urls[j]);
			bmr_params_init(&p);
			if (bmr_params_parse_line(&p, line, &e) == 0 &&
			    strcmp(names[i], "coreos.inst.install_dev") != 0)
				fail_msg("accepted: %s", line);
			if (strstr(e.msg, "cret") || strstr(e.msg, "cdef"))
				fail_msg("%s: %s", line, e.msg);
			bmr_params_clear(&p);
		}
	refused("bmr.finish=http://u:secret@h", "'bmr.finish=http://u:***@h'", "hold|kexec");
	refused("ip=http:/u:secret@h", "'ip=http:/u:***@h'", "no place");
}

static void passwords_are_noticed(void **state)
{
	struct bmr_params p;

	(void)state;
	parse(&p, "bmr.password=hush bmr.image=smb://u:hush@h/s/i");
	assert_true(noticed(&p, "a password was given in the open"));
	assert_true(noticed(&p, "a URL holds a password"));
	assert_false(noticed(&p, "hush"));
	bmr_params_clear(&p);
	parse(&p, "bmr.user=u bmr.image=http://u@h:80/s/i");
	assert_int_equal(p.notice_count, 0);
	bmr_params_clear(&p);
}

/* A line of len characters that ends in `tail`. */
static char *long_line(size_t len, const char *tail)
{
	char *line = malloc(len + 1);

	memset(line, 'x', len);
	line[len] = '\0';
	memcpy(line + len - strlen(tail), tail, strlen(tail));
	return line;
}

static void cut_lines(void **state)
{
	struct bmr_params p;
	char *line;

	(void)state;
	line = long_line(2045, " bmr.password=hus");
	parse(&p, line);
	assert_false(noticed(&p, "cut"));
	bmr_params_clear(&p);
	free(line);
	line = long_line(2046, " bmr.password=hus");
	parse(&p, line);
	assert_true(noticed(&p, "cut in 'bmr.password'"));
	assert_false(noticed(&p, "hus"));
	bmr_params_clear(&p);
	free(line);
	line = long_line(2047, " quiet\n");
	parse(&p, line);
	assert_true(noticed(&p, "2046 characters and may be cut"));
	bmr_params_clear(&p);
	free(line);
	line = long_line(2047, " bmr.imag");
	refused(line, "bmr.imag", "may be cut");
	free(line);
	line = long_line(BMR_PARAMS_TEXT_MAX + 1, "x");
	refused(line, "65536", "command line");
	free(line);
}

static int parse_file(struct bmr_params *p, const char *text, struct bmr_err *e)
{
	*e = (struct bmr_err){0};
	bmr_params_init(p);
	return bmr_params_parse_file(p, text, strlen(text), e);
}

static void file(void **state)
{
	struct bmr_params p;
	struct bmr_err e;

	(void)state;
	assert_int_equal(parse_file(&p,
	                            "\xef\xbb\xbf# a job\r\n"
	                            "bmr.image=http://h/a.img\r\n"
	                            "\n"
	                            "  target=model=Foo Bar\n"
	                            "user=\"a b\"\n"
	                            "\"domain=c d\"\n"
	                            "ip=eth0:dhcp\n"
	                            "After_Completion=Shutdown",
	                            &e),
	                 0);
	assert_string_equal(p.image, "http://h/a.img");
	assert_string_equal(p.target, "model=Foo Bar");
	assert_string_equal(p.user, "a b");
	assert_string_equal(p.domain, "c d");
	assert_int_equal(p.net.config_count, 1);
	assert_int_equal(p.finish, BMR_FINISH_POWEROFF);
	/* The command line is read after it. */
	assert_int_equal(bmr_params_parse_line(&p, "bmr.target=serial=S bmr.finish=halt", &e), 0);
	assert_string_equal(p.target, "serial=S");
	assert_string_equal(p.image, "http://h/a.img");
	assert_int_equal(p.finish, BMR_FINISH_HALT);
	bmr_params_clear(&p);
}

static void file_refused(const char *text, const char *one, const char *other)
{
	struct bmr_params p;
	struct bmr_err e;

	assert_int_equal(parse_file(&p, text, &e), -1);
	assert_int_equal(e.code, BMR_E_USAGE);
	if (!strstr(e.msg, one) || !strstr(e.msg, other))
		fail_msg("'%s' does not say '%s' and '%s'", e.msg, one, other);
	bmr_params_clear(&p);
}

static void wrong_files(void **state)
{
	struct bmr_params p;
	struct bmr_err e = {0};

	(void)state;
	file_refused("image=a\n\nquite\n", "bmr.quite", "line 3");
	file_refused("config=http://h/x\n", "config", "line 1");
	file_refused("bmr.config=http://h/x\n", "config", "line 1");
	file_refused("image = a\n", "'image'", "NAME=VALUE");
	file_refused("image=\"a\" b\n", "image", "closing quote");
	file_refused("image=\"a\n", "image", "closing quote");
	file_refused("Cmd_1=rm -rf /\n", "Cmd_1", "line 1");
	bmr_params_init(&p);
	assert_int_equal(bmr_params_parse_file(&p, "image=a\0b", 9, &e), -1);
	assert_non_null(strstr(e.msg, "NUL"));
	bmr_params_clear(&p);
}

static void aliases(void **state)
{
	struct bmr_params p;

	(void)state;
	parse(&p, "coreos.inst.install_dev=/dev/sda coreos.inst.image_url=https://h/a.xz "
	          "coreos.inst.skip_reboot");
	assert_string_equal(p.target, "dev=/dev/sda");
	assert_string_equal(p.image, "https://h/a.xz");
	assert_int_equal(p.finish, BMR_FINISH_HOLD);
	assert_true(noticed(&p, "bmr.target=serial="));
	bmr_params_clear(&p);
	parse(&p, "bmr.target=serial=S coreos.inst.install_dev=/dev/sda bmr.image=b "
	          "coreos.inst.image_url=https://h/a.xz bmr.finish=halt coreos.inst.skip_reboot=1");
	assert_string_equal(p.target, "serial=S");
	assert_string_equal(p.image, "b");
	assert_int_equal(p.finish, BMR_FINISH_HALT);
	bmr_params_clear(&p);
	refused("coreos.inst.install_dev=sda,bus=usb", "coreos.inst.install_dev", "one device");
}

static void table_is_whole(void **state)
{
	size_t count;
	const struct bmr_param_info *table = bmr_params_table(&count);

	(void)state;
	assert_true(count >= 20);
	for (size_t i = 0; i < count; i++) {
		assert_true(*table[i].help);
		assert_true(*table[i].argument);
		assert_true(strspn(table[i].scope, "ARVIDCMS") == strlen(table[i].scope));
		assert_int_equal(strcmp(table[i].kind, "CHOICE") == 0, table[i].choices != NULL);
	}
}

/* Each word of each list is accepted, and written back. */
static void all_choices(void **state)
{
	size_t count;
	const struct bmr_param_info *table = bmr_params_table(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		char *copy = table[i].choices ? strdup(table[i].choices) : NULL;
		char *rest = copy;

		for (char *word; rest && (word = strsep(&rest, "|"));) {
			struct bmr_params p;
			struct bmr_err e;

			bmr_params_init(&p);
			assert_int_equal(bmr_params_set(&p, table[i].name, word, &e), 0);
			bmr_params_clear(&p);
		}
		free(copy);
	}
}

struct text {
	char all[8192];
};

static void collect(void *ctx, const char *line)
{
	struct text *t = ctx;
	size_t used = strlen(t->all);

	snprintf(t->all + used, sizeof t->all - used, "%s ", line);
}

static void each_is_read_again(void **state)
{
	static const char *const lines[] = {
		"bmr.image=http://h/a.img \"bmr.target=model=Foo Bar\" bmr.rate=100M",
		"bmr.action=plan bmr.finish=halt bmr.onfail=reboot bmr.compare=hash "
		"bmr.verify=none",
		"bmr.user=DOM\\u \"bmr.domain=say \\\"hi\\\"\" bmr.retries=0",
		"Restore_Only=Y Server=h Share=s Image_To_Restore=i",
		"ip=eth0:dhcp:1500:52:54:00:00:00:01 nameserver=2001:db8::1 rd.net.timeout.dhcp=3",
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		struct bmr_params p;
		struct text one = {""};
		struct text two = {""};

		parse(&p, lines[i]);
		bmr_params_each(&p, collect, &one);
		bmr_params_clear(&p);
		assert_true(*one.all);
		parse(&p, one.all);
		bmr_params_each(&p, collect, &two);
		bmr_params_clear(&p);
		assert_string_equal(one.all, two.all);
	}
}

static void each_hides_secrets(void **state)
{
	struct bmr_params p;
	struct text t = {""};

	(void)state;
	parse(&p, "bmr.password=hush bmr.image=smb://u:hush@h/s/i,http://h/x,ftp://v:hush@h/y "
	          "bmr.report=http://h:80/x");
	bmr_params_each(&p, collect, &t);
	assert_string_equal(t.all, "bmr.image=smb://u:***@h/s/i,http://h/x,ftp://v:***@h/y "
	                           "bmr.password=*** bmr.report=http://h:80/x ");
	bmr_params_clear(&p);
	t = (struct text){""};
	parse(&p, "bmr.image=smb://u:hu/sh@h/s/i,http://h/x@y,http://u:hu,sh@h/x "
	          "bmr.base=http://u:hu#sh@h/y");
	assert_true(noticed(&p, "a URL holds a password"));
	bmr_params_each(&p, collect, &t);
	assert_string_equal(t.all, "bmr.image=smb://u:***@h/s/i,http://h/x@y,http://u:***@h/x "
	                           "bmr.base=http://u:***@h/y ");
	bmr_params_clear(&p);
}

/* A forgotten '=' makes a URL of a name. */
static void names_are_no_urls(void **state)
{
	static const char *const lines[] = {
		"bmr.imagehttp://u:hush@h/x", "bmr.imagehttp://u:hush@h/x=y",
		"\"bmr.imagehttp://u:hush@h/x", "Server=u:hush@h Share=s Image_To_Restore=i"};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct bmr_params p;
		struct bmr_err e = {0};

		bmr_params_init(&p);
		assert_int_equal(bmr_params_parse_line(&p, lines[i], &e), -1);
		if (strstr(e.msg, "hush"))
			fail_msg("'%s': %s", lines[i], e.msg);
		bmr_params_clear(&p);
		e = (struct bmr_err){0};
		bmr_params_init(&p);
		if (bmr_params_parse_file(&p, lines[i], strlen(lines[i]), &e) < 0 &&
		    strstr(e.msg, "hush"))
			fail_msg("file '%s': %s", lines[i], e.msg);
		bmr_params_clear(&p);
	}
}

static void nothing_of_defaults(void **state)
{
	struct bmr_params p;
	struct text t = {""};

	(void)state;
	parse(&p, "bmr.finish=reboot bmr.retries=100 rd.net.timeout.iflink=60 bmr.rate=0");
	bmr_params_each(&p, collect, &t);
	assert_string_equal(t.all, "");
	bmr_params_clear(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(all_kinds),
		cmocka_unit_test(last_wins),
		cmocka_unit_test(wrong_values),
		cmocka_unit_test(secrets_stay_hidden),
		cmocka_unit_test(no_password_of_a_url),
		cmocka_unit_test(passwords_are_noticed),
		cmocka_unit_test(cut_lines),
		cmocka_unit_test(file),
		cmocka_unit_test(wrong_files),
		cmocka_unit_test(aliases),
		cmocka_unit_test(table_is_whole),
		cmocka_unit_test(all_choices),
		cmocka_unit_test(each_is_read_again),
		cmocka_unit_test(each_hides_secrets),
		cmocka_unit_test(names_are_no_urls),
		cmocka_unit_test(nothing_of_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
