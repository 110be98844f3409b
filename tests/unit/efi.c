/* SPDX-License-Identifier: GPL-3.0-or-later */
/* efi: boot entries read and made right, with a firmware that is a shell script and its files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/ready/efi.h"
#include "base/err.h"
#include "tests/fixtures/fake_machine.h"

#define ESP "626d7200-0000-4000-8000-0000000000d2"
#define GONE "626d7200-0000-4000-8000-0000000000ff"
#define HD(uuid) "HD(2,GPT," uuid ",0x1000,0x10000)"
#define SHIM "\\EFI\\debian\\shimx64.efi"
#define NET "PciRoot(0x0)/Pci(0x3,0x0)/MAC(525400626d72,1)/IPv4(0.0.0.00.0.0.0,0,0)"
#define CD "PciRoot(0x0)/Pci(0x1f,0x2)/Sata(2,65535,0)"

static const struct bmr_efi_loader debian = {.partition = 2,
                                             .gpt = true,
                                             .uuid = ESP,
                                             .device = "/dev/vda2",
                                             .path = SHIM,
                                             .label = "debian",
                                             .has_fallback = true};

/* --- a firmware: each entry a file Boot0001 with its line, and the files order, next --- */

static const char firmware[] =
	"#!/bin/sh\n"
	"cd '%s' || exit 9\n"
	"echo \"$*\" >>calls\n"
	"[ ! -e full ] || case $* in *--create-only*)\n"
	"	echo 'Could not prepare Boot variable: No space left on device' >&2; exit 5;; "
	"esac\n"
	"case $* in\n"
	"-v) [ ! -e next ] || echo \"BootNext: $(cat next)\"; echo 'Timeout: 0 seconds'\n"
	"	echo \"BootOrder: $(cat order)\"; cat Boot*;;\n"
	"*--create-only*) [ -e forgets ] || printf 'Boot0007* %%s\\tHD(%%s,GPT," ESP
	",0x1000,0x10000)/File(%%s)\\n' \"$8\" \"$6\" \"${10}\" >Boot0007;;\n"
	"'-q -b '*' -B') rm \"Boot$3\"; sed -i \"s/$3,//; s/,$3//; s/$3//\" order;;\n"
	"'-q -b '*' -a') sed -i 's/ /*/' \"Boot$3\";;\n"
	"'-q -o '*) [ -e stubborn ] || echo \"$3\" >order;;\n"
	"'-q -n '*) [ -e stubborn ] || echo \"$3\" >next;;\n"
	"*) exit 3;;\n"
	"esac\n";

struct bench {
	struct fake *m;
	char *path; /* $PATH before */
	char text[256];
	struct bmr_err e;
};

static void entry(struct bench *b, const char *number, const char *line)
{
	char name[32];
	char full[400];

	snprintf(name, sizeof name, "Boot%s", number);
	snprintf(full, sizeof full, "Boot%s%s\n", number, line);
	fake_text(b->m, name, full);
}

static struct bench bench_new(const char *order)
{
	struct bench b = {fake_open(), strdup(getenv("PATH")), "", {0}};
	char script[4096];
	char path[4096];

	snprintf(script, sizeof script, firmware, b.m->root);
	fake_text(b.m, "bin/efibootmgr", script);
	snprintf(path, sizeof path, "%s/bin/efibootmgr", b.m->root);
	assert_int_equal(chmod(path, 0755), 0);
	snprintf(path, sizeof path, "%s/bin:%s", b.m->root, b.path);
	setenv("PATH", path, 1);
	fake_text(b.m, "order", order);
	entry(&b, "0000", "* UiApp\tFvVol(7cb8bdc9)/FvFile(462caa21)");
	entry(&b, "0001", "* UEFI PXEv4 (MAC:525400626D72)\t" NET);
	entry(&b, "0002", "* UEFI QEMU DVD-ROM QM00005 \t" CD "N.....YM");
	return b;
}

static void bench_close(struct bench *b)
{
	setenv("PATH", b->path, 1);
	free(b->path);
	fake_close(b->m);
}

static const char *file(const struct bench *b, const char *name)
{
	static char text[4096];
	char path[200];
	FILE *f;
	size_t len;

	snprintf(path, sizeof path, "%s/%s", b->m->root, name);
	f = fopen(path, "re");
	len = f ? fread(text, 1, sizeof text - 1, f) : 0;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (f)
		fclose(f);
	return text;
}

static int make(struct bench *b)
{
	return bmr_efi_make_entry(&debian, "/dev/vda", b->text, sizeof b->text, &b->e);
}

/* --- reading --- */

static void test_parse(void **state)
{
	static struct bmr_efi_vars vars;

	(void)state;
	bmr_efi_parse("BootNext: 0003\nBootCurrent: 0001\nTimeout: 0 seconds\n"
	              "BootOrder: 0003,000A,0000\n"
	              "Boot0000  UiApp\tFvVol(7cb8)\n"
	              "Boot000A* two words\t" CD "\n"
	              "Boot0003* no path\n"
	              "BootXYZW* not one\tx\nBoot0004\nBoot0005*\n",
	              &vars);
	assert_int_equal(vars.count, 3);
	assert_int_equal(vars.entries[0].number, 0);
	assert_false(vars.entries[0].active);
	assert_int_equal(vars.entries[1].number, 10);
	assert_true(vars.entries[1].active);
	assert_string_equal(vars.entries[1].label, "two words");
	assert_string_equal(vars.entries[1].path, CD);
	assert_string_equal(vars.entries[2].label, "no path");
	assert_string_equal(vars.entries[2].path, "");
	assert_int_equal(vars.order_count, 3);
	assert_int_equal(vars.order[1], 10);
	assert_true(vars.has_next);
	assert_int_equal(vars.next, 3);
	bmr_efi_parse("", &vars);
	assert_int_equal(vars.count, 0);
	assert_int_equal(vars.order_count, 0);
	assert_false(vars.has_next);
}

static bool found(const struct bmr_efi_loader *loader, const char *path)
{
	static struct bmr_efi_vars vars;
	char text[400];

	snprintf(text, sizeof text, "Boot0004* x\t%s\n", path);
	bmr_efi_parse(text, &vars);
	return bmr_efi_find(&vars, loader) != NULL;
}

static void test_find(void **state)
{
	struct bmr_efi_loader mbr = debian;

	(void)state;
	assert_true(found(&debian, HD(ESP) "/File(" SHIM ")"));
	assert_true(found(&debian, HD(ESP) "/" SHIM));
	assert_true(found(&debian, HD(ESP) "/File(\\efi\\DEBIAN\\shimx64.efi)"));
	assert_false(found(&debian, HD(GONE) "/File(" SHIM ")"));
	assert_false(found(&debian, HD(ESP) "/File(\\EFI\\debian\\grubx64.efi)"));
	assert_false(found(&debian, HD(ESP) "/File(" SHIM ".old)"));
	assert_false(found(&debian, HD(ESP) "/File(\\old" SHIM ")"));
	/* Firmware skips this one. */
	assert_false(found(&debian, HD(ESP) "/File(\\\\EFI\\\\debian\\\\shimx64.efi)"));
	mbr.gpt = false;
	strcpy(mbr.uuid, "026d7210-02");
	assert_true(found(&mbr, "HD(2,MBR,0x26d7210,0x800,0x1000)/File(" SHIM ")"));
	assert_false(found(&mbr, "HD(1,MBR,0x26d7210,0x800,0x1000)/File(" SHIM ")"));
}

/* --- made --- */

static void test_made_first(void **state)
{
	struct bench b = bench_new("0002,0000,0001");

	(void)state;
	assert_int_equal(make(&b), 0);
	assert_string_equal(file(&b, "order"), "0007,0002,0000,0001");
	assert_string_equal(file(&b, "Boot0007"), "Boot0007* debian\t" HD(ESP) "/File(" SHIM ")");
	assert_non_null(strstr(b.text, "Boot0007 'debian' made"));
	assert_non_null(strstr(b.text, "first"));
	bench_close(&b);
}

/* A machine that asks the network first goes on doing so. */
static void test_made_behind_network(void **state)
{
	struct bench b = bench_new("0001,0002,0000");

	(void)state;
	assert_int_equal(make(&b), 0);
	assert_string_equal(file(&b, "order"), "0001,0007,0002,0000");
	assert_non_null(strstr(b.text, "behind 1 other"));
	bench_close(&b);
}

static void test_right_already(void **state)
{
	struct bench b = bench_new("0001,0002,0004");

	(void)state;
	entry(&b, "0004", "* debian\t" HD(ESP) "/File(" SHIM ")");
	assert_int_equal(make(&b), 0);
	assert_non_null(strstr(b.text, "right already"));
	assert_string_equal(file(&b, "calls"), "-v"); /* and no other */
	assert_string_equal(file(&b, "order"), "0001,0002,0004");
	bench_close(&b);
}

/* Those that lead nowhere go, and the new one takes their place; others' stay. */
static void test_stale(void **state)
{
	struct bench b = bench_new("0002,0004,0005,0001");

	(void)state;
	entry(&b, "0004", "* debian\t" HD(GONE) "/File(" SHIM ")");
	entry(&b, "0005", "* debian\t" HD(ESP) "/File(\\\\EFI\\\\debian\\\\shimx64.efi)");
	entry(&b, "0006", "* other\t" HD(GONE) "/File(" SHIM ")");
	assert_int_equal(make(&b), 0);
	assert_string_equal(file(&b, "order"), "0002,0007,0001");
	assert_string_equal(file(&b, "Boot0004"), "");
	assert_string_equal(file(&b, "Boot0005"), "");
	assert_string_not_equal(file(&b, "Boot0006"), "");
	assert_non_null(strstr(b.text, "2 old ones removed"));
	bench_close(&b);
}

static void test_repaired(void **state)
{
	struct bench b = bench_new("0002,0004");

	(void)state;
	entry(&b, "0004", "  debian\t" HD(ESP) "/File(" SHIM ")");
	assert_int_equal(make(&b), 0);
	assert_non_null(strstr(b.text, "Boot0004 'debian' repaired"));
	assert_string_equal(file(&b, "order"), "0002,0004");
	bench_close(&b);
	b = bench_new("0001,0002");
	entry(&b, "0004", "* debian\t" HD(ESP) "/File(" SHIM ")");
	assert_int_equal(make(&b), 0);
	assert_string_equal(file(&b, "order"), "0001,0004,0002");
	bench_close(&b);
}

/* --- firmware that does not do it --- */

static void refused(const char *how, const char *words)
{
	struct bench b = bench_new("0002,0001");

	fake_text(b.m, how, "");
	assert_int_equal(make(&b), -1);
	assert_int_equal(b.e.code, BMR_E_TARGET);
	assert_non_null(strstr(b.e.msg, words));
	bench_close(&b);
}

static void test_refused(void **state)
{
	(void)state;
	refused("full", "memory for variables is full");
	refused("forgets", "did not keep the boot entry 'debian'");
	refused("stubborn", "did not keep the boot order: it is 0002,0001");
}

static void test_next(void **state)
{
	struct bench b = bench_new("0002,0001");

	(void)state;
	assert_int_equal(bmr_efi_set_next(&debian, b.text, sizeof b.text, &b.e), -1);
	assert_non_null(strstr(b.e.msg, "bmr.bootentry=yes"));
	entry(&b, "000A", "* debian\t" HD(ESP) "/File(" SHIM ")");
	assert_int_equal(bmr_efi_set_next(&debian, b.text, sizeof b.text, &b.e), 0);
	assert_string_equal(file(&b, "next"), "000A");
	assert_non_null(strstr(b.text, "Boot000A"));
	fake_text(b.m, "next", "0001\n");
	fake_text(b.m, "stubborn", "");
	assert_int_equal(bmr_efi_set_next(&debian, b.text, sizeof b.text, &b.e), -1);
	assert_non_null(strstr(b.e.msg, "did not keep BootNext"));
	bench_close(&b);
}

static void test_missing(void **state)
{
	struct fake *m = fake_open();
	bool bios;

	(void)state;
	assert_non_null(strstr(bmr_efi_missing(m->sysfs, &bios), "BIOS"));
	assert_true(bios);
	fake_dir(m, "sys/firmware/efi");
	assert_non_null(strstr(bmr_efi_missing(m->sysfs, &bios), "noruntime"));
	assert_false(bios);
	fake_dir(m, "sys/firmware/efi/efivars");
	assert_non_null(strstr(bmr_efi_missing(m->sysfs, &bios), "not mounted"));
	fake_text(m, "sys/firmware/efi/efivars/BootOrder-8be4df61", "");
	assert_null(bmr_efi_missing(m->sysfs, &bios));
	fake_close(m);
}

/* --- the loader --- */

static void chosen(const char *const *files, const char *path, const char *label)
{
	struct bmr_efi_loader loader = {0};
	struct fake *m = fake_open();
	bool good;

	for (; *files; files++)
		fake_text(m, *files, "");
	good = bmr_efi_choose(m->root, &loader);
	assert_int_equal(good, path != NULL);
	if (path) {
		assert_string_equal(loader.path, path);
		assert_string_equal(loader.label, label);
	}
	fake_close(m);
}

#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_choose(void **state)
{
	(void)state;
#ifdef __x86_64__
	assert_string_equal(BMR_EFI_ARCH, "x64");
	assert_string_equal(BMR_EFI_FALLBACK, "BOOTX64.EFI");
#endif
	chosen(FILES("EFI/BOOT/" BMR_EFI_FALLBACK, "EFI/debian/grub" BMR_EFI_ARCH ".efi",
	             "EFI/debian/shim" BMR_EFI_ARCH ".efi"),
	       "\\EFI\\debian\\shim" BMR_EFI_ARCH ".efi", "debian");
	chosen(FILES("EFI/arch/grub" BMR_EFI_ARCH ".efi", "EFI/ubuntu/shim" BMR_EFI_ARCH ".efi"),
	       "\\EFI\\ubuntu\\shim" BMR_EFI_ARCH ".efi", "ubuntu");
	chosen(FILES("EFI/arch/grub" BMR_EFI_ARCH ".efi", "EFI/BOOT/" BMR_EFI_FALLBACK),
	       "\\EFI\\arch\\grub" BMR_EFI_ARCH ".efi", "arch");
	chosen(FILES("EFI/Microsoft/Boot/bootmgfw.efi"), "\\EFI\\Microsoft\\Boot\\bootmgfw.efi",
	       "Windows Boot Manager");
	chosen(FILES("EFI/systemd/systemd-boot" BMR_EFI_ARCH ".efi"),
	       "\\EFI\\systemd\\systemd-boot" BMR_EFI_ARCH ".efi", "Linux Boot Manager");
	chosen(FILES("EFI/BOOT/" BMR_EFI_FALLBACK, "EFI/BOOT/shim" BMR_EFI_ARCH ".efi"),
	       "\\EFI\\BOOT\\" BMR_EFI_FALLBACK, "bmr");
	chosen(FILES("EFI/debian/fwupd" BMR_EFI_ARCH ".efi"), NULL, NULL);
	chosen(FILES("startup.nsh"), NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),         cmocka_unit_test(test_find),
		cmocka_unit_test(test_made_first),    cmocka_unit_test(test_made_behind_network),
		cmocka_unit_test(test_right_already), cmocka_unit_test(test_stale),
		cmocka_unit_test(test_repaired),      cmocka_unit_test(test_refused),
		cmocka_unit_test(test_next),          cmocka_unit_test(test_missing),
		cmocka_unit_test(test_choose),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
