/* SPDX-License-Identifier: GPL-3.0-or-later */
/* machine: what a machine is called, from a sysfs of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/machine.h"
#include "cmdline/net.h"
#include "tests/fixtures/fake_machine.h"

#define SERIAL "sys/class/dmi/id/product_serial"
#define UUID "sys/class/dmi/id/product_uuid"
#define SECURE_BOOT "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* An interface; carrier NULL: it is down, and the kernel gives no answer. */
static void interface(struct fake *m, const char *name, const char *mac, const char *carrier,
                      bool physical)
{
	char path[128];

	snprintf(path, sizeof path, "sys/class/net/%s/address", name);
	fake_text(m, path, mac);
	snprintf(path, sizeof path, "sys/class/net/%s/carrier", name);
	if (carrier)
		fake_text(m, path, carrier);
	snprintf(path, sizeof path, "sys/class/net/%s/device", name);
	if (physical)
		fake_dir(m, path);
}

static void expect_mac(struct fake *m, const struct bmr_net_mac *boot, const char *want)
{
	struct bmr_machine machine;

	bmr_machine_read(m->sysfs, boot, &machine);
	assert_string_equal(machine.mac, want);
}

static void test_mac(void **state)
{
	const struct bmr_net_mac boot = {.given = true, .bytes = {2, 0, 0xab, 0xcd, 0xef, 9}};
	const struct bmr_net_mac not_given = {.bytes = {2, 0, 0xab, 0xcd, 0xef, 9}};
	struct fake *m = fake_open();

	(void)state;
	expect_mac(m, NULL, "");
	interface(m, "aaa-bridge", "02:00:00:00:00:01\n", "1\n", false);
	expect_mac(m, NULL, "");
	interface(m, "eth1", "52:54:00:AB:34:01\n", NULL, true);
	interface(m, "eth2", "52:54:00:ab:34:02\n", "0\n", true);
	expect_mac(m, NULL, "52-54-00-ab-34-01"); /* none has a link: the first */
	expect_mac(m, &not_given, "52-54-00-ab-34-01");
	interface(m, "eth3", "52:54:00:ab:34:03\n", "1\n", true);
	interface(m, "eth4", "52:54:00:ab:34:04\n", "1\n", true);
	expect_mac(m, NULL, "52-54-00-ab-34-03"); /* the first with a link */
	expect_mac(m, &boot, "02-00-ab-cd-ef-09");
	fake_close(m);
}

static void test_firmware_texts(void **state)
{
	static const struct {
		const char *file;
		const char *want;
	} cases[] = {
		{"ABC123\n", "ABC123"},
		{"  A  B \t\n", "A  B"},
		{"\n", ""},
		{"Default string\n", ""},
		{" to be filled by o.e.m. \n", ""},
		{"0\n", ""},
		{"0123456789\n", ""},
		{"01234567890\n", "01234567890"},
		{"None\n", ""},
		{"None of these\n", "None of these"},
		{"x\x1b[2Jy\n", "x [2Jy"},
	};
	struct fake *m = fake_open();
	struct bmr_machine machine;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fake_text(m, SERIAL, cases[i].file);
		bmr_machine_read(m->sysfs, NULL, &machine);
		assert_string_equal(machine.serial, cases[i].want);
	}
	fake_text(m, UUID, "4C4C4544-0042-3510-8052-B4C04F4A3032\n");
	bmr_machine_read(m->sysfs, NULL, &machine);
	assert_string_equal(machine.uuid, "4c4c4544-0042-3510-8052-b4c04f4a3032");
	fake_text(m, UUID, "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n");
	bmr_machine_read(m->sysfs, NULL, &machine);
	assert_string_equal(machine.uuid, "");
	fake_close(m);
}

static void test_which_firmware(void **state)
{
	const char on[] = {6, 0, 0, 0, 1};
	const char off[] = {6, 0, 0, 0, 0};
	struct fake *m = fake_open();

	(void)state;
	assert_string_equal(bmr_machine_firmware(m->sysfs), "BIOS");
	fake_dir(m, "sys/firmware/efi");
	assert_string_equal(bmr_machine_firmware(m->sysfs), "UEFI, Secure Boot off");
	fake_bytes(m, SECURE_BOOT, 0, on, 4); /* cut: says nothing */
	assert_string_equal(bmr_machine_firmware(m->sysfs), "UEFI, Secure Boot off");
	fake_bytes(m, SECURE_BOOT, 0, on, sizeof on);
	assert_string_equal(bmr_machine_firmware(m->sysfs), "UEFI, Secure Boot on");
	fake_bytes(m, SECURE_BOOT, 0, off, sizeof off);
	assert_string_equal(bmr_machine_firmware(m->sysfs), "UEFI, Secure Boot off");
	fake_close(m);
}

static void test_names(void **state)
{
	struct bmr_machine machine = {.mac = "m", .serial = "s", .uuid = "u", .hostname = "h"};
	struct bmr_url_variable variables[BMR_MACHINE_VARIABLES];

	(void)state;
	assert_string_equal(bmr_machine_name(&machine), "u");
	machine.uuid[0] = '\0';
	assert_string_equal(bmr_machine_name(&machine), "m");
	machine.mac[0] = '\0';
	assert_string_equal(bmr_machine_name(&machine), "h");
	bmr_machine_variables(&machine, variables);
	for (size_t i = 0; i < BMR_MACHINE_VARIABLES; i++) {
		const char *name = variables[i].name;
		const char *want = strcmp(name, "serial") == 0     ? "s"
		                   : strcmp(name, "hostname") == 0 ? "h"
		                                                   : NULL;

		if (want)
			assert_string_equal(variables[i].value, want);
		else
			assert_null(variables[i].value); /* so that a URL with it is refused */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_firmware_texts),
		cmocka_unit_test(test_which_firmware),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
