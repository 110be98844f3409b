/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rules that keep the wrong disk safe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/select.h"
#include "tests/fixtures/fake_machine.h"

#include <sys/sysmacros.h>

#define IMAGE FAKE_GIB
#define MAX 8

static struct bmr_disk a_disk(const char *name, const char *serial)
{
	struct bmr_disk disk = {
		.bus = "sata",
		.kind = BMR_DISK_DISK,
		.dev = makedev(8, (unsigned)(unsigned char)name[2]),
		.size = 2 * IMAGE,
		.logical_sector = 512,
	};

	snprintf(disk.name, sizeof disk.name, "%s", name);
	snprintf(disk.serial, sizeof disk.serial, "%s", serial);
	return disk;
}

/* Judge one disk with the hints; the rules' own hints are replaced. */
static struct bmr_judgement judge(struct bmr_select_rules rules, const char *hints,
                                  const struct bmr_disk *disk)
{
	struct bmr_judgement judgement = {0};
	struct bmr_hints parsed = {0};
	struct bmr_err e = {0};

	if (hints && bmr_hints_parse(hints, &parsed, &e) != 0)
		fail_msg("%s", e.msg);
	rules.hints = hints ? &parsed : NULL;
	bmr_select_judge(&rules, disk, &judgement);
	bmr_hints_clear(&parsed);
	return judgement;
}

static void expect(struct bmr_judgement judgement, enum bmr_verdict verdict, const char *reason)
{
	if (judgement.verdict != verdict)
		fail_msg("verdict %d: %s", judgement.verdict, judgement.reason);
	assert_string_equal(judgement.reason, reason);
}

/* Pick from disks; returns the name, or "" with what the refusal says in e. */
static const char *pick(struct bmr_select_rules rules, const char *hints, struct bmr_disk *disks,
                        size_t count, struct bmr_err *e)
{
	struct bmr_disk_list list = {.disks = disks, .count = count};
	struct bmr_judgement judgements[MAX];
	const struct bmr_disk *found = NULL;
	struct bmr_hints parsed;
	int rc;

	assert_true(count <= MAX);
	*e = (struct bmr_err){0};
	if (bmr_hints_parse(hints, &parsed, e) != 0)
		fail_msg("%s", e->msg);
	rules.hints = &parsed;
	rc = bmr_select_pick(&rules, &list, judgements, &found, e);
	bmr_hints_clear(&parsed);
	if (rc == 0)
		return found->name;
	assert_int_equal(e->code, BMR_E_REFUSED);
	return "";
}

static void expect_says(const struct bmr_err *e, const char *part)
{
	if (!strstr(e->msg, part))
		fail_msg("no '%s' in: %s", part, e->msg);
}

static void test_serial_when_names_swap(void **state)
{
	struct bmr_disk one[] = {a_disk("sda", "A1"), a_disk("sdb", "B2")};
	struct bmr_disk other[] = {a_disk("sda", "B2"), a_disk("sdb", "A1")};
	struct bmr_select_rules rules = {.unattended = true};
	struct bmr_err e;

	(void)state;
	assert_string_equal(pick(rules, "serial=B2", one, 2, &e), "sdb");
	assert_string_equal(pick(rules, "serial=B2", other, 2, &e), "sda");
}

static void test_no_match(void **state)
{
	struct bmr_disk disks[] = {a_disk("sda", "A1"), a_disk("sdb", "")};
	struct bmr_err e;

	(void)state;
	assert_string_equal(pick((struct bmr_select_rules){0}, "serial=C3", disks, 2, &e), "");
	expect_says(&e, "none of the 2 disks matches");
	assert_string_equal(pick((struct bmr_select_rules){0}, "serial=C3", disks, 0, &e), "");
	/* A disk without a serial matches no pattern. */
	assert_string_equal(pick((struct bmr_select_rules){0}, "serial=*", disks, 2, &e), "sda");
}

static void test_duplicate_serial(void **state)
{
	struct bmr_disk disks[] = {a_disk("sda", "A1"), a_disk("sdb", "A1")};
	struct bmr_select_rules rules = {.image_size = IMAGE};
	struct bmr_err e;

	(void)state;
	assert_string_equal(pick(rules, "serial=A1", disks, 2, &e), "");
	expect_says(&e, "several disks match");
	expect_says(&e, "'sda' (serial A1, 2.00 GiB), 'sdb' (serial A1, 2.00 GiB)");
	/* Neither size nor emptiness settles who was meant. */
	disks[1].size = 512;
	disks[1].holds_something = true;
	assert_string_equal(pick(rules, "serial=A1", disks, 2, &e), "");
	expect_says(&e, "several disks match");
	/* A further hint does. */
	assert_string_equal(pick(rules, "serial=A1,size=2G", disks, 2, &e), "sda");
}

static void test_same_disk_twice(void **state)
{
	struct bmr_disk disks[] = {a_disk("sda", "A1"), a_disk("sdb", "A1")};
	struct bmr_select_rules rules = {0};
	dev_t source = disks[0].dev;
	struct bmr_err e;

	(void)state;
	snprintf(disks[0].used_by, sizeof disks[0].used_by, "sda1 mounted on /");
	assert_string_equal(pick(rules, "serial=A1", disks, 2, &e), "");
	expect_says(&e, "'sdb' seems to be the same disk as 'sda', which is in use: sda1");
	/* Both have a name, and the names differ: two disks (say, two parts of one drive). */
	strcpy(disks[0].wwn, "eui.01");
	strcpy(disks[1].wwn, "eui.02");
	assert_string_equal(pick(rules, "serial=A1", disks, 2, &e), "sdb");
	strcpy(disks[1].wwn, "EUI.01");
	assert_string_equal(pick(rules, "serial=A1", disks, 2, &e), "");
	disks[0].used_by[0] = '\0';
	rules.source_disks = &source;
	rules.source_disk_count = 1;
	assert_string_equal(pick(rules, "serial=A1", disks, 2, &e), "");
	expect_says(&e, "same disk as 'sda', which holds the image");
}

static void test_auto(void **state)
{
	struct bmr_disk disks[] = {a_disk("sda", "A1"), a_disk("sdb", "B2"), a_disk("sr0", "")};
	struct bmr_select_rules rules = {.unattended = true};
	dev_t source = disks[1].dev;
	struct bmr_err e;

	(void)state;
	disks[2].kind = BMR_DISK_OPTICAL;
	assert_string_equal(pick(rules, "auto", disks, 1, &e), "sda");
	assert_string_equal(pick(rules, "auto", disks, 2, &e), "");
	expect_says(&e, "exactly one fixed disk, there are several: 'sda' (serial A1");
	/* One in use is still a second fixed disk. */
	strcpy(disks[1].used_by, "sdb1 mounted on /");
	assert_string_equal(pick(rules, "auto", disks, 3, &e), "");
	expect_says(&e, "'sdb' is in use");
	disks[1].used_by[0] = '\0';
	/* The one that holds the image, the medium and a stick are not meant. */
	rules.source_disks = &source;
	rules.source_disk_count = 1;
	assert_string_equal(pick(rules, "auto", disks, 3, &e), "sda");
	rules.source_disk_count = 0;
	disks[1].medium = true;
	assert_string_equal(pick(rules, "auto", disks, 3, &e), "sda");
	disks[1].medium = false;
	strcpy(disks[1].bus, "usb");
	assert_string_equal(pick(rules, "auto", disks, 3, &e), "sda");
	assert_string_equal(pick(rules, "auto", disks + 1, 2, &e), "");
	expect_says(&e, "there is none");
}

static void test_no_hints(void **state)
{
	struct bmr_disk disk = a_disk("sda", "A1");
	struct bmr_disk_list list = {.disks = &disk, .count = 1};
	struct bmr_select_rules rules = {0};
	struct bmr_judgement judgement;
	const struct bmr_disk *found;
	struct bmr_err e = {0};

	(void)state;
	assert_int_equal(bmr_select_pick(&rules, &list, &judgement, &found, &e), -1);
	assert_int_equal(e.code, BMR_E_REFUSED);
	expect_says(&e, "no disk is named");
	expect(judgement, BMR_VERDICT_OK, "");
}

static void test_dev_alone(void **state)
{
	struct bmr_disk disks[] = {a_disk("sda", "A1"), a_disk("sdb", "")};
	struct bmr_select_rules rules = {.unattended = true};
	struct bmr_err e;

	(void)state;
	assert_string_equal(pick(rules, "dev=/dev/sda", disks, 2, &e), "");
	expect_says(&e, "add serial= (this disk's is A1)");
	assert_string_equal(pick(rules, "dev=sdb", disks, 2, &e), "");
	expect_says(&e, "add path=");
	assert_string_equal(pick(rules, "dev=sdc", disks, 2, &e), "");
	expect_says(&e, "none of the 2 disks");
	assert_string_equal(pick(rules, "dev=sda,serial=A1", disks, 2, &e), "sda");
	assert_string_equal(pick(rules, "dev=sdb,serial=A1", disks, 2, &e), "");
	rules.unattended = false;
	assert_string_equal(pick(rules, "dev=/dev/sda", disks, 2, &e), "sda");
}

static void test_hint_table(void **state)
{
	static const struct {
		const char *hints;
		const char *reason; /* "" matches */
	} table[] = {
		{"serial=wd-wcc4*", ""},
		{"serial=WD-WCC4N7", ""},
		{"serial=?D-WCC4N[0-9]", ""},
		{"serial=WD", "serial 'WD-WCC4N7' is not 'WD'"},
		{"wwn=naa.50014EE2B5A1C3D4", ""},
		{"wwn=50014ee2b5a1c3d4", ""},
		{"wwn=0x50014ee2b5a1c3d4", ""},
		{"wwn=50014ee2b5a1c3d5", "wwn 'naa.50014ee2b5a1c3d4' is not '50014ee2b5a1c3d5'"},
		{"path=pci-*-ata-1", ""},
		{"path=pci-0000:00:1f.2-ata-2",
	         "path 'pci-0000:00:1f.2-ata-1' is not 'pci-0000:00:1f.2-ata-2'"},
		{"model=wd10*", ""},
		{"model=WDC WD10*", ""},
		{"model=ST*", "model 'WD10EZEX' is not 'ST*'"},
		{"bus=SATA", ""},
		{"bus=nvme", "bus 'sata' is not 'nvme'"},
		{"dev=sda", ""},
		{"dev=SDA", "name 'sda' is not 'SDA'"},
		{"dev=sd*", "name 'sda' is not 'sd*'"},
		{"size=2G", ""},
		{"size=1G-2G", ""},
		{"size=2147483648-2147483648", ""},
		{"size=2147483649-",
	         "has 2,147,483,648 bytes, the hint wants at least 2,147,483,649"},
		{"size=-2147483647",
	         "has 2,147,483,648 bytes, the hint wants at most 2,147,483,647"},
		{"serial=WD*,bus=sata,size=1G-3G", ""},
		{"serial=WD*,bus=usb", "bus 'sata' is not 'usb'"},
	};
	struct bmr_disk disk = a_disk("sda", "WD-WCC4N7");

	(void)state;
	strcpy(disk.wwn, "naa.50014ee2b5a1c3d4");
	strcpy(disk.by_path, "pci-0000:00:1f.2-ata-1");
	strcpy(disk.vendor, "WDC");
	strcpy(disk.model, "WD10EZEX");
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct bmr_judgement j = judge((struct bmr_select_rules){0}, table[i].hints, &disk);

		if (strcmp(j.reason, table[i].reason) != 0)
			fail_msg("'%s': %s", table[i].hints, j.reason);
		assert_int_equal(j.verdict, table[i].reason[0] ? BMR_VERDICT_HINT : BMR_VERDICT_OK);
	}
	disk.wwn[0] = '\0';
	expect(judge((struct bmr_select_rules){0}, "wwn=*", &disk), BMR_VERDICT_HINT,
	       "tells no wwn, '*' is wanted");
}

static void test_never(void **state)
{
	struct bmr_select_rules rules = {.overwrite = "any"};
	struct bmr_disk disk = a_disk("sda", "A1");
	struct bmr_disk d;
	dev_t sources[] = {makedev(254, 0), disk.dev};

	(void)state;
#define NEVER(change, reason)                                                                      \
	do {                                                                                       \
		d = disk;                                                                          \
		change;                                                                            \
		expect(judge(rules, "serial=A1", &d), BMR_VERDICT_NEVER, reason);                  \
	} while (0)
	NEVER(d.medium = true, "is the boot medium");
	NEVER(d.read_only = true, "is read-only");
	NEVER(d.size = 0, "has no medium in it");
	NEVER(strcpy(d.used_by, "sda2 used as swap"), "is in use: sda2 used as swap");
	NEVER(d.kind = BMR_DISK_OPTICAL, "is an optical drive");
	NEVER(d.kind = BMR_DISK_LOOP, "is a loop device");
	NEVER(d.kind = BMR_DISK_RAM, "is in memory");
	NEVER(d.kind = BMR_DISK_MAPPED, "is mapped onto other disks");
	NEVER(d.kind = BMR_DISK_MMC_BOOT, "is the boot area of a flash chip, not a disk");
	NEVER(d.kind = BMR_DISK_OTHER, "is not a kind of disk that is restored to");
	rules.source_disks = sources;
	rules.source_disk_count = 2;
	NEVER((void)0, "holds the image");
	rules.source_disk_count = 1;
	expect(judge(rules, "serial=A1", &disk), BMR_VERDICT_OK, "");
	/* A device named as an argument may be of any kind that can be written ... */
	rules.named = true;
	d = disk;
	d.kind = BMR_DISK_LOOP;
	expect(judge(rules, NULL, &d), BMR_VERDICT_OK, "");
	d.kind = BMR_DISK_MAPPED;
	expect(judge(rules, NULL, &d), BMR_VERDICT_OK, "");
	strcpy(d.bus, "usb");
	expect(judge(rules, NULL, &d), BMR_VERDICT_OK, "");
	/* ... but never in use, the medium, and so on. */
	NEVER(d.medium = true, "is the boot medium");
	NEVER(d.read_only = true, "is read-only");
	NEVER(strcpy(d.used_by, "x"), "is in use: x");
	NEVER(d.kind = BMR_DISK_OPTICAL, "is an optical drive");
	NEVER(d.kind = BMR_DISK_MMC_BOOT, "is the boot area of a flash chip, not a disk");
#undef NEVER
}

static void test_portable(void **state)
{
	struct bmr_disk disks[] = {a_disk("sda", "STICK1"), a_disk("sdb", "B2")};
	struct bmr_select_rules rules = {0};
	struct bmr_err e;

	(void)state;
	strcpy(disks[0].bus, "usb");
	expect(judge(rules, "size=2G", &disks[0]), BMR_VERDICT_NEVER,
	       "is on USB: it is only taken if named by serial=STICK1");
	expect(judge(rules, "serial=*", &disks[0]), BMR_VERDICT_NEVER,
	       "is on USB: it is only taken if named by serial=STICK1");
	expect(judge(rules, "serial=stick1", &disks[0]), BMR_VERDICT_OK, "");
	/* A USB disk that comes first, of the same size, does not come into question. */
	assert_string_equal(pick(rules, "size=2G", disks, 2, &e), "sdb");
	assert_string_equal(pick(rules, "serial=STICK1", disks, 2, &e), "sda");
	/* Booted from: not even by its serial. */
	disks[0].medium = true;
	assert_string_equal(pick(rules, "serial=STICK1", disks, 2, &e), "");
	expect_says(&e, "'sda' is the boot medium");
	disks[0].medium = false;
	strcpy(disks[0].bus, "mmc");
	disks[0].removable = true;
	disks[0].serial[0] = '\0';
	expect(judge(rules, "size=2G", &disks[0]), BMR_VERDICT_NEVER,
	       "is removable and has no serial that could name it");
}

static void test_fit(void **state)
{
	struct bmr_select_rules rules = {.image_size = IMAGE, .image_sector = 512};
	struct bmr_disk disks[] = {a_disk("sda", "A1")};
	struct bmr_err e;

	(void)state;
	disks[0].size = IMAGE - 512;
	expect(judge(rules, "serial=A1", disks), BMR_VERDICT_UNFIT,
	       "has 1,073,741,312 bytes, the image needs 1,073,741,824: 512 too few");
	assert_string_equal(pick(rules, "serial=A1", disks, 1, &e), "");
	expect_says(&e, "disk 'sda' has 1,073,741,312 bytes, the image needs 1,073,741,824");
	disks[0].size = IMAGE;
	assert_string_equal(pick(rules, "serial=A1", disks, 1, &e), "sda");
	disks[0].size = IMAGE + 512;
	assert_string_equal(pick(rules, "serial=A1", disks, 1, &e), "sda");
	disks[0].logical_sector = 4096;
	expect(judge(rules, "serial=A1", disks), BMR_VERDICT_UNFIT,
	       "has sectors of 4096 bytes, the image was made for sectors of 512");
	rules.image_sector = 0; /* unknown */
	expect(judge(rules, "serial=A1", disks), BMR_VERDICT_OK, "");
	rules.image_sector = 4096;
	expect(judge(rules, "serial=A1", disks), BMR_VERDICT_OK, "");
	disks[0].logical_sector = 512;
	expect(judge(rules, "serial=A1", disks), BMR_VERDICT_UNFIT,
	       "has sectors of 512 bytes, the image was made for sectors of 4096");
}

static void test_consent(void **state)
{
	static const struct {
		bool holds;
		const char *error;
		const char *overwrite, *confirm;
		const char *reason; /* "" consent */
	} table[] = {
		{false, "", NULL, NULL, ""},
		{false, "", "C3", NULL, ""},
		{true, "", NULL, NULL,
	         "holds a gpt partition table with 1 partition; overwrite=A1 would consent"},
		{true, "", "", NULL,
	         "holds a gpt partition table with 1 partition; overwrite= is not this disk, "
	         "overwrite=A1 would consent"},
		{true, "", "B2", NULL,
	         "holds a gpt partition table with 1 partition; overwrite=B2 is not this disk, "
	         "overwrite=A1 would consent"},
		{true, "", "ANY", NULL,
	         "holds a gpt partition table with 1 partition; overwrite=ANY is not this disk, "
	         "overwrite=A1 would consent"},
		{true, "", "any", NULL, ""},
		{true, "", "a1", NULL, ""},
		{true, "", "1234ABCD-1", NULL, ""},
		{true, "", NULL, "A1", ""},
		{true, "", NULL, "1234abcd-1", ""},
		{true, "", "any", "A1", ""},
		{true, "", "any", "B2",
	         "confirm=B2 is neither its serial (A1) nor its table UUID (1234abcd-1)"},
		{false, "", "any", "B2",
	         "confirm=B2 is neither its serial (A1) nor its table UUID (none)"},
		{false, "", NULL, "any",
	         "confirm=any is neither its serial (A1) nor its table UUID (none)"},
		{false, "", NULL, "",
	         "confirm= is neither its serial (A1) nor its table UUID (none)"},
		{false, "", NULL, "http://user:Se/cret@a-host-with-a-long-name.example/",
	         "confirm=http://user:***@a-host-with-a-long-name. is neither its serial (A1) nor "
	         "its table UUID (none)"},
		{true, "", "http://user:a-password-of-more-than-forty-characters@h", NULL,
	         "holds a gpt partition table with 1 partition; overwrite=http://user:***@h is not "
	         "this "
	         "disk, overwrite=A1 would consent"},
		{false, "", NULL, "A1", ""},
		{false, "cannot read its start: Input/output error", NULL, NULL,
	         "may hold anything (cannot read its start: Input/output error); overwrite=A1 "
	         "would consent"},
		{false, "cannot read its start: Input/output error", "A1", NULL, ""},
	};
	struct bmr_disk_content part = {.number = 1, .type = "ext4"};

	(void)state;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct bmr_select_rules rules = {.overwrite = table[i].overwrite,
		                                 .confirm = table[i].confirm};
		struct bmr_disk disk = a_disk("sda", "A1");
		struct bmr_judgement j;

		if (table[i].holds) {
			disk.holds_something = true;
			strcpy(disk.table, "gpt");
			strcpy(disk.table_uuid, "1234abcd-1");
			disk.contents = &part;
			disk.content_count = 1;
		}
		strcpy(disk.probe_error, table[i].error);
		j = judge(rules, "serial=A1", &disk);
		if (strcmp(j.reason, table[i].reason) != 0)
			fail_msg("row %zu: %s", i, j.reason);
		assert_int_equal(j.verdict,
		                 table[i].reason[0] ? BMR_VERDICT_CONSENT : BMR_VERDICT_OK);
	}
}

/* Without a serial an empty consent must not match an empty name. */
static void test_consent_nameless(void **state)
{
	struct bmr_select_rules rules = {.overwrite = ""};
	struct bmr_disk_content whole = {.type = "LVM2_member"};
	struct bmr_disk disk = a_disk("sda", "");

	(void)state;
	disk.holds_something = true;
	disk.contents = &whole;
	disk.content_count = 1;
	rules.overwrite = NULL;
	expect(judge(rules, "dev=sda", &disk), BMR_VERDICT_CONSENT,
	       "holds LVM2_member; overwrite=any would consent");
	rules.overwrite = "";
	assert_int_equal(judge(rules, "dev=sda", &disk).verdict, BMR_VERDICT_CONSENT);
	rules.overwrite = NULL;
	rules.confirm = "";
	assert_int_equal(judge(rules, "dev=sda", &disk).verdict, BMR_VERDICT_CONSENT);
}

static void test_long_texts(void **state)
{
	struct bmr_disk disks[MAX];
	struct bmr_select_rules rules = {.confirm = "a-confirmation-that-is-far-longer-than-what-"
	                                            "any-disk-would-ever-call-itself-by"};
	struct bmr_err e;

	(void)state;
	for (size_t i = 0; i < MAX; i++) {
		char name[8] = {'s', 'd', (char)('a' + i), 0};

		disks[i] = a_disk(name, "");
		memset(disks[i].serial, 'S', sizeof disks[i].serial - 1);
		memset(disks[i].table_uuid, 'u', sizeof disks[i].table_uuid - 1);
	}
	assert_string_equal(pick(rules, "serial=S*", disks, MAX, &e), "");
	expect_says(&e, "'sda' (serial SSS");
	expect_says(&e, ", ...; add a hint");
	assert_string_equal(pick(rules, "serial=S*", disks, 1, &e), "");
	expect_says(&e, "nor its table UUID");
}

/* From the files of a machine to the choice. */
static void test_whole_machine(void **state)
{
	struct fake *m = fake_open();
	struct bmr_select_rules rules = {.unattended = true, .image_size = FAKE_GIB};
	struct bmr_disk_list list;
	struct bmr_err e = {0};

	(void)state;
	fake_disk(m, FAKE_USB, "sda", "8:0", 2 * FAKE_GIB);
	fake_disk(m, FAKE_ATA1, "sdb", "8:16", 2 * FAKE_GIB);
	fake_scsi_serial(m, "sdb", "TARGET");
	fake_disk(m, FAKE_ATA2, "sdc", "8:32", 2 * FAKE_GIB);
	fake_scsi_serial(m, "sdc", "OTHER");
	fake_mbr(m, "sdc", 100000);
	fake_disk(m, FAKE_VIRTUAL, "loop0", "7:0", 2 * FAKE_GIB);
	assert_int_equal(bmr_disk_list_read(&m->env, &list, &e), 0);
	assert_string_equal(pick(rules, "serial=TARGET", list.disks, list.count, &e), "sdb");
	assert_string_equal(pick(rules, "serial=OTHER", list.disks, list.count, &e), "");
	expect_says(&e, "holds a dos partition table with 1 partition; overwrite=OTHER");
	rules.overwrite = "1234ABCD";
	assert_string_equal(pick(rules, "serial=OTHER", list.disks, list.count, &e), "sdc");
	assert_string_equal(pick(rules, "size=2G", list.disks, list.count, &e), "");
	assert_string_equal(pick(rules, "auto", list.disks, list.count, &e), "");
	bmr_disk_list_clear(&list);
	fake_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serial_when_names_swap),
		cmocka_unit_test(test_no_match),
		cmocka_unit_test(test_duplicate_serial),
		cmocka_unit_test(test_same_disk_twice),
		cmocka_unit_test(test_auto),
		cmocka_unit_test(test_no_hints),
		cmocka_unit_test(test_dev_alone),
		cmocka_unit_test(test_hint_table),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_portable),
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_consent),
		cmocka_unit_test(test_consent_nameless),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_whole_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
