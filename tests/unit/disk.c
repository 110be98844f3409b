/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The inventory of disks, on machines that do not exist and, as root, on loop devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/target.h"
#include "tests/fixtures/fake_machine.h"

#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <linux/fs.h>
#include <linux/loop.h>

static struct bmr_disk_list list_of(const struct bmr_disk_env *env)
{
	struct bmr_disk_list list;
	struct bmr_err e = {0};

	if (bmr_disk_list_read(env, &list, &e) != 0)
		fail_msg("%s", e.msg);
	return list;
}

static const struct bmr_disk *disk_named(const struct bmr_disk_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->disks[i].name, name) == 0)
			return &list->disks[i];
	fail_msg("no disk '%s'", name);
	return NULL;
}

static int open_machine(void **state)
{
	*state = fake_open();
	return 0;
}

static int close_machine(void **state)
{
	fake_close(*state);
	return 0;
}

static void test_no_sysfs(void **state)
{
	struct bmr_disk_env env = {.sysfs = "/nonexistent"};
	struct bmr_disk_list list;
	struct bmr_err e = {0};

	(void)state;
	assert_int_equal(bmr_disk_list_read(&env, &list, &e), -1);
	assert_int_equal(e.code, BMR_E_TARGET);
	bmr_disk_list_clear(&list);
}

static void test_empty_machine(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list = list_of(&m->env);

	assert_int_equal(list.count, 0);
	bmr_disk_list_clear(&list);
}

static void test_order(void **state)
{
	static const char *const sorted[] = {"nvme0n1", "nvme10n1", "sda", "sdz", "sdaa", "vda"};
	static const char *const mixed[] = {"sdaa", "vda", "nvme10n1", "sdz", "sda", "nvme0n1"};
	struct fake *m = *state;
	struct bmr_disk_list list;
	char place[64];
	char number[16];

	for (int i = 0; i < 6; i++) {
		snprintf(place, sizeof place, "pci0000:00/0000:00:0%d.0/virtio%d", i, i);
		snprintf(number, sizeof number, "8:%d", i * 16);
		fake_disk(m, place, mixed[i], number, FAKE_GIB);
	}
	list = list_of(&m->env);
	assert_int_equal(list.count, 6);
	for (int i = 0; i < 6; i++)
		assert_string_equal(list.disks[i].name, sorted[i]);
	bmr_disk_list_clear(&list);
}

static void test_sata(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;
	const struct bmr_disk *d;

	fake_disk(m, FAKE_ATA2, "sda", "8:0", FAKE_GIB);
	fake_scsi_serial(m, "sda", "   WD-WCC4N7 ");
	fake_attr(m, "sda", "device/vendor", "ATA     \n");
	fake_attr(m, "sda", "device/model", "WDC WD10EZEX    \n");
	fake_attr(m, "sda", "device/wwid", "naa.50014ee2b5a1c3d4\n");
	fake_attr(m, "sda", "queue/rotational", "1\n");
	fake_attr(m, "sda", "queue/physical_block_size", "4096\n");
	fake_attr(m, "sda", "diskseq", "17\n");
	fake_text(m, "sys/devices/pci0000:00/0000:00:1f.2/ata2/ata_port/ata2/port_no", "2\n");
	list = list_of(&m->env);
	d = disk_named(&list, "sda");
	assert_string_equal(d->serial, "WD-WCC4N7");
	assert_string_equal(d->vendor, "");
	assert_string_equal(d->model, "WDC WD10EZEX");
	assert_string_equal(d->wwn, "naa.50014ee2b5a1c3d4");
	assert_string_equal(d->bus, "sata");
	assert_string_equal(d->by_path, "pci-0000:00:1f.2-ata-2");
	assert_int_equal(d->kind, BMR_DISK_DISK);
	assert_true(d->rotational);
	assert_false(d->removable || d->read_only || d->medium || d->holds_something);
	assert_string_equal(d->used_by, "");
	assert_string_equal(d->probe_error, "");
	assert_int_equal(d->sequence, 17);
	assert_int_equal(d->size, FAKE_GIB);
	assert_int_equal(d->logical_sector, 512);
	assert_int_equal(d->physical_sector, 4096);
	assert_int_equal(d->dev, makedev(8, 0));
	bmr_disk_list_clear(&list);
}

static void test_virtio(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;
	const struct bmr_disk *d;

	fake_disk(m, FAKE_VIRTIO1, "vda", "254:0", FAKE_GIB);
	fake_attr(m, "vda", "serial", "BMR-0001"); /* without a newline, as the kernel gives it */
	fake_attr(m, "vda", "device/vendor", "0x1af4\n");
	list = list_of(&m->env);
	d = disk_named(&list, "vda");
	assert_string_equal(d->serial, "BMR-0001");
	assert_string_equal(d->vendor, "");
	assert_string_equal(d->bus, "virtio");
	assert_string_equal(d->by_path, "pci-0000:00:05.0");
	bmr_disk_list_clear(&list);
}

static void test_virtio_scsi(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;
	const struct bmr_disk *d;

	fake_disk(m, FAKE_VIRTIO_SCSI, "sda", "8:0", FAKE_GIB);
	fake_disk(m, FAKE_VIRTIO_SCSI_NEXT, "sdb", "8:16", FAKE_GIB);
	fake_attr(m, "sda", "device/vendor", "QEMU    \n");
	list = list_of(&m->env);
	d = disk_named(&list, "sda");
	assert_string_equal(d->bus, "scsi");
	assert_string_equal(d->vendor, "QEMU");
	assert_string_equal(d->by_path, "pci-0000:00:07.0-scsi-0:0:1:3");
	/* The second host of this adapter, whatever number the kernel gave it. */
	assert_string_equal(disk_named(&list, "sdb")->by_path, "pci-0000:00:07.0-scsi-1:0:1:3");
	bmr_disk_list_clear(&list);
}

static void test_wwn_of_page_83(void **state)
{
	static const unsigned char page[] = {
		0,    0x83, 0,    4 + 8 + 4 + 2 + 4 + 8, /* header */
		0x02, 0x01, 0,    8,
		'T',  '1',  '0',  ' ',
		' ',  ' ',  ' ',  ' ', /* vendor's own: no */
		0x02, 0x03, 0,    2,
		'n',  'o', /* not binary */
		0x01, 0x03, 0,    8,
		0x50, 0x01, 0x4e, 0xe2,
		0xb5, 0xa1, 0xc3, 0xd4,
	};
	struct fake *m = *state;
	struct bmr_disk_list list;

	fake_disk(m, FAKE_ATA1, "sda", "8:0", FAKE_GIB);
	fake_bytes(m, "sys/block/sda/device/vpd_pg83", 0, page, sizeof page);
	fake_disk(m, FAKE_ATA2, "sdb", "8:16", FAKE_GIB); /* cut within the second designator */
	fake_bytes(m, "sys/block/sdb/device/vpd_pg83", 0, page, sizeof page - 3);
	list = list_of(&m->env);
	assert_string_equal(disk_named(&list, "sda")->wwn, "naa.50014ee2b5a1c3d4");
	assert_string_equal(disk_named(&list, "sdb")->wwn, "");
	bmr_disk_list_clear(&list);
}

static void test_sas(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;

	fake_disk(m, FAKE_SAS, "sda", "8:0", FAKE_GIB);
	fake_text(m,
	          "sys/devices/pci0000:00/0000:02:00.0/host4/port-4:0/end_device-4:0/sas_device/"
	          "end_device-4:0/sas_address",
	          "0x5000c500a1b2c3d5\n");
	list = list_of(&m->env);
	assert_string_equal(list.disks[0].bus, "sas");
	assert_string_equal(list.disks[0].by_path, "pci-0000:02:00.0-sas-0x5000c500a1b2c3d5-lun-0");
	bmr_disk_list_clear(&list);
}

static void test_nvme(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;
	const struct bmr_disk *d;

	fake_disk(m, FAKE_NVME, "nvme0n1", "259:0", FAKE_GIB);
	fake_attr(m, "nvme0n1", "device/serial", "S3X9NX0K123456      \n");
	fake_attr(m, "nvme0n1", "device/model", "Samsung SSD 970 PRO 512GB               \n");
	fake_attr(m, "nvme0n1", "wwid", "eui.0025385671b01234\n");
	fake_attr(m, "nvme0n1", "nsid", "1\n");
	/* One path of a disk that has several: not a disk. */
	fake_disk(m, FAKE_NVME, "nvme0c0n1", "259:1", FAKE_GIB);
	fake_attr(m, "nvme0c0n1", "hidden", "1\n");
	list = list_of(&m->env);
	assert_int_equal(list.count, 1);
	d = disk_named(&list, "nvme0n1");
	assert_string_equal(d->serial, "S3X9NX0K123456");
	assert_string_equal(d->model, "Samsung SSD 970 PRO 512GB");
	assert_string_equal(d->wwn, "eui.0025385671b01234");
	assert_string_equal(d->bus, "nvme");
	assert_string_equal(d->by_path, "pci-0000:03:00.0-nvme-1");
	bmr_disk_list_clear(&list);
}

static void test_mmc(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;
	const struct bmr_disk *d;

	fake_disk(m, FAKE_MMC, "mmcblk0", "179:0", FAKE_GIB);
	fake_disk(m, FAKE_MMC "/mmcblk0", "mmcblk0boot0", "179:8", FAKE_GIB / 256);
	fake_attr(m, "mmcblk0", "device/serial", "0x1a2b3c4d\n");
	fake_attr(m, "mmcblk0", "device/name", "DG4016\n");
	fake_attr(m, "mmcblk0", "device/type", "MMC\n");
	list = list_of(&m->env);
	d = disk_named(&list, "mmcblk0");
	assert_string_equal(d->serial, "0x1a2b3c4d");
	assert_string_equal(d->model, "DG4016");
	assert_string_equal(d->bus, "mmc");
	assert_string_equal(d->by_path, "pci-0000:00:1c.0");
	assert_int_equal(d->kind, BMR_DISK_DISK);
	assert_false(d->removable);
	assert_int_equal(disk_named(&list, "mmcblk0boot0")->kind, BMR_DISK_MMC_BOOT);
	bmr_disk_list_clear(&list);
	fake_attr(m, "mmcblk0", "device/type", "SD\n");
	list = list_of(&m->env);
	assert_true(disk_named(&list, "mmcblk0")->removable);
	bmr_disk_list_clear(&list);
}

static void test_usb(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;
	const struct bmr_disk *d;

	fake_disk(m, FAKE_USB, "sda", "8:0", FAKE_GIB);
	fake_scsi_serial(m, "sda", "BEHIND-THE-BRIDGE");
	fake_text(m, "sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/serial", "AA00000000000489\n");
	/* The serial of the root hub is none of the disk's. */
	fake_text(m, "sys/devices/pci0000:00/0000:00:14.0/usb1/serial", "0000:00:14.0\n");
	list = list_of(&m->env);
	d = disk_named(&list, "sda");
	assert_string_equal(d->serial, "AA00000000000489");
	assert_string_equal(d->bus, "usb");
	assert_string_equal(d->by_path, "pci-0000:00:14.0-usb-0:2:1.0-scsi-0:0:0:0");
	bmr_disk_list_clear(&list);
	fake_text(m, "sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/serial", "\n");
	list = list_of(&m->env);
	assert_string_equal(disk_named(&list, "sda")->serial, "BEHIND-THE-BRIDGE");
	bmr_disk_list_clear(&list);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *name;
		enum bmr_disk_kind kind;
	} kinds[] = {
		{"sr0", BMR_DISK_OPTICAL},
		{"loop3", BMR_DISK_LOOP},
		{"ram0", BMR_DISK_RAM},
		{"zram0", BMR_DISK_RAM},
		{"dm-0", BMR_DISK_MAPPED},
		{"md127", BMR_DISK_MAPPED},
		{"md_d0", BMR_DISK_MAPPED},
		{"bcache0", BMR_DISK_MAPPED},
		{"fd0", BMR_DISK_OTHER},
		{"nbd0", BMR_DISK_OTHER},
		{"xvda", BMR_DISK_DISK},
		{"pmem0", BMR_DISK_DISK},
		{"mmcblk1rpmb", BMR_DISK_MMC_BOOT},
	};
	struct fake *m = *state;
	struct bmr_disk_list list;
	char number[16];

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		snprintf(number, sizeof number, "7:%zu", i);
		fake_disk(m, FAKE_VIRTUAL, kinds[i].name, number, FAKE_GIB);
	}
	fake_disk(m, FAKE_VIRTUAL, "loop0", "7:100", 0);
	fake_disk(m, FAKE_ATA1, "sdb", "8:16", FAKE_GIB);
	fake_attr(m, "sdb", "device/type", "5\n");
	list = list_of(&m->env);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		assert_int_equal(disk_named(&list, kinds[i].name)->kind, kinds[i].kind);
	assert_int_equal(disk_named(&list, "sdb")->kind, BMR_DISK_OPTICAL);
	/* loop0 has no file. */
	assert_int_equal(list.count, sizeof kinds / sizeof *kinds + 1);
	bmr_disk_list_clear(&list);
}

static void test_hostile_strings(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;
	const struct bmr_disk *d;
	char label[64];

	fake_disk(m, FAKE_ATA1, "sda", "8:0", FAKE_GIB);
	fake_scsi_serial(m, "sda", "A\033[2J\nB\x80\xff\"");
	fake_attr(m, "sda", "device/model",
	          "a model that is far longer than any field of an inquiry page has room for, "
	          "and goes on\n");
	fake_attr(m, "sda", "size", "99999999999999999999999999\n");
	fake_attr(m, "sda", "queue/logical_block_size", "-1\n");
	fake_disk(m, FAKE_ATA2, "sdb", "8:16", FAKE_GIB);
	fake_swap_signature(m, "sdb", 0, "x\033y\n\xc3\xa4");
	list = list_of(&m->env);
	d = disk_named(&list, "sda");
	assert_string_equal(d->serial, "A?[2J?B??\"");
	assert_int_equal(strlen(d->model), sizeof d->model - 1);
	assert_int_equal(d->size, 0);
	assert_int_equal(d->logical_sector, 512);
	d = disk_named(&list, "sdb");
	assert_int_equal(d->content_count, 1);
	assert_string_equal(d->contents[0].type, "swap");
	snprintf(label, sizeof label, "%s", d->contents[0].label);
	for (const char *c = label; *c != '\0'; c++)
		assert_in_range(*c, ' ', '~');
	bmr_disk_list_clear(&list);
}

static void test_content(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;
	const struct bmr_disk *d;

	fake_disk(m, FAKE_ATA1, "sda", "8:0", FAKE_GIB);
	fake_mbr(m, "sda", 100000);
	fake_swap_signature(m, "sda", 2048 * 512, "inside");
	fake_disk(m, FAKE_ATA2, "sdb", "8:16", FAKE_GIB); /* blank */
	list = list_of(&m->env);
	d = disk_named(&list, "sda");
	assert_string_equal(d->table, "dos");
	assert_string_equal(d->table_uuid, "1234abcd");
	assert_true(d->holds_something);
	assert_int_equal(d->content_count, 1);
	assert_int_equal(d->contents[0].number, 1);
	assert_int_equal(d->contents[0].start, 2048 * 512);
	assert_int_equal(d->contents[0].size, 100000 * 512);
	assert_string_equal(d->contents[0].type, "swap");
	assert_string_equal(d->contents[0].label, "inside");
	d = disk_named(&list, "sdb");
	assert_string_equal(d->table, "");
	assert_false(d->holds_something);
	assert_int_equal(d->content_count, 0);
	bmr_disk_list_clear(&list);
}

static void test_partition_beyond_end(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;

	fake_disk(m, FAKE_ATA1, "sda", "8:0", FAKE_GIB);
	fake_mbr(m, "sda", UINT32_MAX);
	list = list_of(&m->env);
	assert_true(list.disks[0].holds_something);
	assert_string_equal(list.disks[0].probe_error, "");
	bmr_disk_list_clear(&list);
}

/* What cannot be read may be anything, so it is taken for something. */
static void test_unreadable(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;
	char path[128];

	fake_disk(m, FAKE_ATA1, "sda", "8:0", FAKE_GIB);
	snprintf(path, sizeof path, "%s/sda", m->dev);
	assert_int_equal(unlink(path), 0);
	fake_disk(m, FAKE_ATA2, "sdb", "8:16", FAKE_GIB); /* ends where sysfs says it goes on */
	snprintf(path, sizeof path, "%s/sdb", m->dev);
	assert_int_equal(truncate(path, 1000), 0);
	fake_disk(m, FAKE_VIRTIO1, "vda", "254:0", FAKE_GIB); /* a node of another device */
	snprintf(path, sizeof path, "%s/vda", m->dev);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	list = list_of(&m->env);
	assert_string_equal(disk_named(&list, "sda")->probe_error,
	                    "cannot open: No such file or directory");
	assert_string_equal(disk_named(&list, "sdb")->probe_error,
	                    "ends within the first 4096 bytes");
	assert_string_equal(disk_named(&list, "vda")->probe_error,
	                    "its device node is another device");
	for (size_t i = 0; i < 3; i++)
		assert_true(list.disks[i].holds_something);
	bmr_disk_list_clear(&list);
}

static void test_used(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;

	fake_disk(m, FAKE_ATA1, "sda", "8:0", FAKE_GIB);
	fake_part(m, "sda", "sda1", "8:1");
	fake_part(m, "sda", "sda2", "8:2");
	fake_disk(m, FAKE_ATA2, "sdb", "8:16", FAKE_GIB);
	fake_part(m, "sdb", "sdb2", "8:18");
	fake_disk(m, FAKE_SAS, "sdc", "8:32", FAKE_GIB);
	fake_part(m, "sdc", "sdc1", "8:33");
	fake_disk(m, FAKE_VIRTIO1, "vda", "254:0", FAKE_GIB);
	fake_disk(m, FAKE_VIRTIO2, "vdb", "254:16", FAKE_GIB);
	fake_disk(m, FAKE_NVME, "nvme0n1", "259:0", FAKE_GIB);
	fake_disk(m, FAKE_MMC, "mmcblk0", "179:0", FAKE_GIB);
	fake_disk(m, FAKE_VIRTUAL, "dm-0", "253:0", FAKE_GIB);
	fake_attr(m, "dm-0", "dm/name", "vg0-root\n");
	fake_disk(m, FAKE_VIRTUAL, "md0", "9:0", FAKE_GIB);
	fake_text(m, "proc/self/mountinfo",
	          "22 1 0:21 / /proc rw,relatime - proc proc rw\n"
	          "31 1 8:2 / /my\\040home rw shared:1 master:2 - ext4 /dev/sda2 rw\n"
	          "32 1 0:45 /@ /data rw - btrfs /dev/vda rw\n"
	          "garbage\n33 1 8:99\n34 1 8:16 -\n");
	fake_text(m, "proc/swaps",
	          "Filename\tType\tSize\tUsed\tPriority\n"
	          "/dev/disk/by-uuid/77 partition 1 0 -2\n/swapfile file 1 0 -2\n");
	fake_dir(m, "dev/disk/by-uuid");
	fake_bytes(m, "dev/sdb2", 0, "", 0);
	fake_link(m, "dev/sdb2", "dev/disk/by-uuid/77");
	fake_link(m, "sys/block/dm-0", "sys/block/sdc/sdc1/holders/dm-0");
	fake_link(m, "sys/block/md0", "sys/block/vdb/holders/md0");
	fake_dir(m, "sys/fs/btrfs/features");
	fake_link(m, "sys/block/nvme0n1", "sys/fs/btrfs/11-22/devices/nvme0n1");
	list = list_of(&m->env);
	assert_string_equal(disk_named(&list, "sda")->used_by, "sda2 mounted on /my home");
	assert_string_equal(disk_named(&list, "sdb")->used_by, "sdb2 used as swap");
	assert_string_equal(disk_named(&list, "sdc")->used_by, "sdc1 held by vg0-root (dm-0)");
	assert_string_equal(disk_named(&list, "vda")->used_by, "vda mounted on /data");
	assert_string_equal(disk_named(&list, "vdb")->used_by, "vdb held by md0");
	assert_string_equal(disk_named(&list, "nvme0n1")->used_by,
	                    "nvme0n1 part of a mounted btrfs");
	assert_string_equal(disk_named(&list, "mmcblk0")->used_by, "");
	bmr_disk_list_clear(&list);
}

/* An ISO 9660 volume whose root directory has a subdirectory with one file. */
static void write_iso(struct fake *m, const char *disk, const char *file)
{
	unsigned char volume[2048] = {1, 'C', 'D', '0', '0', '1', 1};
	unsigned char root[2048] = {0};
	unsigned char sub[2048] = {0};
	const unsigned char end[7] = {255, 'C', 'D', '0', '0', '1', 1};
	char path[64];

	volume[156] = 34;
	volume[156 + 2] = 20;
	volume[156 + 11] = 8; /* 2048 */
	root[0] = 34;         /* itself */
	root[2] = 20;
	root[11] = 8;
	root[25] = 2;
	root[32] = 1;
	root[34] = 38;
	root[34 + 2] = 21;
	root[34 + 11] = 8;
	root[34 + 25] = 2;
	root[34 + 32] = 3;
	memcpy(root + 34 + 33, "BMR", 3);
	sub[0] = (unsigned char)(33 + strlen(file));
	sub[32] = (unsigned char)strlen(file);
	memcpy(sub + 33, file, strlen(file));
	snprintf(path, sizeof path, "dev/%s", disk);
	fake_bytes(m, path, 16 * 2048, volume, sizeof volume);
	fake_bytes(m, path, 17 * 2048, end, sizeof end);
	fake_bytes(m, path, 20 * 2048, root, sizeof root);
	fake_bytes(m, path, 21 * 2048, sub, sizeof sub);
}

static void test_medium(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;

	fake_disk(m, FAKE_USB, "sda", "8:0", FAKE_GIB);
	write_iso(m, "sda", "0123456789abcdef.id");
	fake_disk(m, FAKE_ATA1, "sdb", "8:16", FAKE_GIB); /* a medium of another build */
	write_iso(m, "sdb", "fedcba9876543210.id");
	list = list_of(&m->env);
	assert_false(disk_named(&list, "sda")->medium); /* no id known: netboot of old */
	bmr_disk_list_clear(&list);
	fake_text(m, "medium-id", "0123456789abcdef\n");
	list = list_of(&m->env);
	assert_string_equal(disk_named(&list, "sda")->contents[0].type, "iso9660");
	assert_true(disk_named(&list, "sda")->medium);
	assert_false(disk_named(&list, "sdb")->medium);
	bmr_disk_list_clear(&list);
	fake_text(m, "medium-id", "0\n"); /* would be found by chance */
	list = list_of(&m->env);
	assert_false(disk_named(&list, "sda")->medium);
	bmr_disk_list_clear(&list);
}

/* Directories that point at themselves, at nothing, and records of any length. */
static void test_medium_broken(void **state)
{
	struct fake *m = *state;
	struct bmr_disk_list list;
	unsigned char noise[2048];

	fake_text(m, "medium-id", "0123456789abcdef\n");
	fake_disk(m, FAKE_USB, "sda", "8:0", FAKE_GIB);
	write_iso(m, "sda", "other");
	for (unsigned seed = 1; seed < 200; seed++) {
		for (size_t i = 0; i < sizeof noise; i++)
			noise[i] = (unsigned char)((i * 2654435761u * seed) >> (seed % 24));
		fake_bytes(m, "dev/sda", 20 * 2048, noise, sizeof noise);
		fake_bytes(m, "dev/sda", 16 * 2048 + 158, noise + seed, 16);
		list = list_of(&m->env);
		assert_false(list.disks[0].medium);
		bmr_disk_list_clear(&list);
	}
}

static void test_read_one(void **state)
{
	struct fake *m = *state;
	struct bmr_disk disk;
	struct bmr_err e = {0};

	fake_disk(m, FAKE_ATA1, "sda", "8:0", FAKE_GIB);
	fake_part(m, "sda", "sda1", "8:1");
	assert_int_equal(bmr_disk_read(&m->env, makedev(8, 0), &disk, &e), 0);
	assert_string_equal(disk.name, "sda");
	bmr_disk_clear(&disk);
	assert_int_equal(bmr_disk_read(&m->env, makedev(8, 1), &disk, &e), -1);
	assert_int_equal(e.code, BMR_E_REFUSED);
	assert_string_equal(e.msg, "'sda1' is a partition; a restore takes the whole disk 'sda'");
	assert_int_equal(bmr_disk_read(&m->env, makedev(8, 2), &disk, &e), -1);
	assert_int_equal(e.code, BMR_E_TARGET);
}

struct members {
	dev_t dev[8];
	size_t count;
};

static void take_member(void *ctx, dev_t whole_disk)
{
	struct members *members = ctx;

	assert_true(members->count < 8);
	members->dev[members->count++] = whole_disk;
}

static bool has_member(const struct members *members, dev_t dev)
{
	for (size_t i = 0; i < members->count; i++)
		if (members->dev[i] == dev)
			return true;
	return false;
}

static void test_disk_of(void **state)
{
	struct fake *m = *state;
	struct members members = {0};
	struct bmr_err e = {0};

	fake_disk(m, FAKE_ATA1, "sda", "8:0", FAKE_GIB);
	fake_part(m, "sda", "sda1", "8:1");
	fake_disk(m, FAKE_ATA2, "sdb", "8:16", FAKE_GIB);
	fake_disk(m, FAKE_VIRTUAL, "md0", "9:0", FAKE_GIB);
	fake_disk(m, FAKE_VIRTUAL, "dm-0", "253:0", FAKE_GIB);
	fake_disk(m, FAKE_VIRTUAL, "dm-1", "253:1", FAKE_GIB);
	fake_link(m, "sys/block/sda/sda1", "sys/block/md0/slaves/sda1");
	fake_link(m, "sys/block/sdb", "sys/block/md0/slaves/sdb");
	fake_link(m, "sys/block/md0", "sys/block/dm-0/slaves/md0");
	fake_link(m, "sys/block/dm-1", "sys/block/dm-1/slaves/dm-1");
	assert_int_equal(bmr_disk_of(&m->env, makedev(8, 1), take_member, &members, &e), 0);
	assert_int_equal(members.count, 1);
	assert_true(has_member(&members, makedev(8, 0)));
	members.count = 0;
	assert_int_equal(bmr_disk_of(&m->env, makedev(253, 0), take_member, &members, &e), 0);
	assert_int_equal(members.count, 2);
	assert_true(has_member(&members, makedev(8, 0)) && has_member(&members, makedev(8, 16)));
	members.count = 0;
	assert_int_equal(bmr_disk_of(&m->env, makedev(0, 30), take_member, &members, &e), 0);
	assert_int_equal(members.count, 0);
	assert_int_equal(bmr_disk_of(&m->env, makedev(253, 1), take_member, &members, &e), -1);
	assert_int_equal(bmr_disk_of(&m->env, makedev(8, 99), take_member, &members, &e), -1);
	assert_int_equal(e.code, BMR_E_TARGET);
}

/* ---- loop devices: the kernel's own sysfs, real file systems, real exclusive opens */

struct loop {
	char file[64];
	char mount[64];
	char device[32];
};

static int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int run(const char *fmt, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	return system(command);
}

/* how: losetup's words, which print the device. */
static int open_loop_as(void **state, const char *how)
{
	struct loop *l = calloc(1, sizeof *l);
	FILE *out;
	char command[256];

	*state = l;
	if (!l || geteuid() != 0)
		return 0;
	strcpy(l->file, "/tmp/bmr-loop-XXXXXX");
	strcpy(l->mount, "/tmp/bmr-mount-XXXXXX");
	close(mkstemp(l->file));
	if (!mkdtemp(l->mount) || truncate(l->file, 64 << 20) != 0)
		return -1;
	snprintf(command, sizeof command, "losetup --show %s %s 2>/dev/null", how, l->file);
	out = popen(command, "re");
	if (out && fgets(l->device, sizeof l->device, out))
		l->device[strcspn(l->device, "\n")] = '\0';
	if (out)
		pclose(out);
	return 0;
}

static int close_loop(void **state)
{
	struct loop *l = *state;
	int rc = 0;

	if (l->device[0] != '\0') {
		run("mountpoint -q %s && umount %s", l->mount, l->mount);
		rc = run("losetup -d %s", l->device);
	}
	if (l->file[0] != '\0') {
		unlink(l->file);
		rmdir(l->mount);
	}
	free(l);
	return rc;
}

static int open_loop(void **state)
{
	return open_loop_as(state, "-f");
}

/* With a number that losetup -f, called meanwhile by others, never gives: lower ones are free. */
static int open_far_loop(void **state)
{
	char device[32];

	snprintf(device, sizeof device, "/dev/loop%d", 1000 + (int)(getpid() % 10000));
	return open_loop_as(state, device);
}

static int close_far_loop(void **state)
{
	const struct loop *l = *state;
	int number = l->device[0] ? atoi(l->device + strlen("/dev/loop")) : 0;
	int rc = close_loop(state);
	AUTO_FD int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (control >= 0 && number > 0) /* else the name stays in /dev */
		ioctl(control, LOOP_CTL_REMOVE, number);
	return rc;
}

static void need_loop(const struct loop *l)
{
	if (l->device[0] == '\0') {
		print_message("no loop device to be had: not root, or none free\n");
		skip();
	}
}

static struct bmr_disk read_loop(const struct loop *l)
{
	struct bmr_err e = {0};
	struct bmr_disk disk;
	struct stat st;

	assert_int_equal(stat(l->device, &st), 0);
	if (bmr_disk_read(NULL, st.st_rdev, &disk, &e) != 0)
		fail_msg("%s", e.msg);
	return disk;
}

static void test_loop_blank(void **state)
{
	struct loop *l = *state;
	struct bmr_disk disk;

	need_loop(l);
	disk = read_loop(l);
	assert_int_equal(disk.kind, BMR_DISK_LOOP);
	assert_int_equal(disk.size, 64 << 20);
	assert_string_equal(disk.path, l->device);
	assert_string_equal(disk.probe_error, "");
	assert_false(disk.holds_something);
	assert_string_equal(disk.used_by, "");
	assert_true(disk.sequence > 0);
	bmr_disk_clear(&disk);
}

static void test_loop_table(void **state)
{
	struct loop *l = *state;
	struct bmr_disk disk;

	need_loop(l);
	assert_int_equal(run("printf 'label: gpt\\nlabel-id: "
	                     "11111111-2222-3333-4444-555555555555\\nstart=2048,size=20M\\n"
	                     "size=20M\\n' | sfdisk -q --no-reread --no-tell-kernel %s",
	                     l->device),
	                 0);
	assert_int_equal(
		run("mkfs.ext4 -q -F -L first -E offset=1048576 %s 20M 2>/dev/null", l->device), 0);
	disk = read_loop(l);
	assert_string_equal(disk.table, "gpt");
	assert_string_equal(disk.table_uuid, "11111111-2222-3333-4444-555555555555");
	assert_int_equal(disk.content_count, 2);
	assert_string_equal(disk.contents[0].type, "ext4");
	assert_string_equal(disk.contents[0].label, "first");
	assert_int_equal(disk.contents[0].start, 1 << 20);
	assert_int_equal(disk.contents[0].size, 20 << 20);
	assert_string_equal(disk.contents[1].type, "");
	assert_true(disk.holds_something);
	bmr_disk_clear(&disk);
}

/* libblkid counts in units of 512 bytes also where the disk does not. */
static void test_loop_large_sectors(void **state)
{
	struct loop *l = *state;
	struct bmr_disk disk;

	need_loop(l);
	assert_int_equal(run("losetup -b 4096 %s", l->device), 0);
	assert_int_equal(run("printf 'label: gpt\\nstart=512,size=20M\\n' | "
	                     "sfdisk -q --no-reread --no-tell-kernel %s",
	                     l->device),
	                 0);
	assert_int_equal(run("mkfs.ext4 -q -F -E offset=2097152 %s 20M 2>/dev/null", l->device), 0);
	disk = read_loop(l);
	assert_int_equal(disk.logical_sector, 4096);
	assert_int_equal(disk.size, 64 << 20);
	assert_string_equal(disk.table, "gpt");
	assert_int_equal(disk.content_count, 1);
	assert_int_equal(disk.contents[0].start, 2 << 20);
	assert_int_equal(disk.contents[0].size, 20 << 20);
	assert_string_equal(disk.contents[0].type, "ext4");
	bmr_disk_clear(&disk);
}

static void test_loop_whole_file_system(void **state)
{
	struct loop *l = *state;
	struct bmr_disk disk;

	need_loop(l);
	assert_int_equal(run("mkfs.ext4 -q -F -L whole %s", l->device), 0);
	disk = read_loop(l);
	assert_true(disk.holds_something);
	assert_string_equal(disk.table, "");
	assert_int_equal(disk.content_count, 1);
	assert_int_equal(disk.contents[0].number, 0);
	assert_string_equal(disk.contents[0].type, "ext4");
	bmr_disk_clear(&disk);
}

static void test_loop_mounted(void **state)
{
	struct loop *l = *state;
	struct bmr_disk disk;
	char expected[128];

	need_loop(l);
	assert_int_equal(run("mkfs.ext4 -q -F %s && mount %s %s", l->device, l->device, l->mount),
	                 0);
	disk = read_loop(l);
	snprintf(expected, sizeof expected, "%s mounted on %s", l->device + 5, l->mount);
	assert_string_equal(disk.used_by, expected);
	bmr_disk_clear(&disk);
}

/* Neither sysfs nor /proc tells of this one. */
static void test_loop_exclusive(void **state)
{
	struct loop *l = *state;
	struct bmr_disk disk;
	char expected[128];

	need_loop(l);
	AUTO_FD int fd = open(l->device, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(fd >= 0);
	disk = read_loop(l);
	snprintf(expected, sizeof expected, "%s opened exclusively by the kernel or a program",
	         l->device + 5);
	assert_string_equal(disk.used_by, expected);
	bmr_disk_clear(&disk);
}

static void test_loop_read_only(void **state)
{
	struct loop *l = *state;
	struct bmr_disk disk;

	need_loop(l);
	assert_int_equal(run("blockdev --setro %s", l->device), 0);
	disk = read_loop(l);
	assert_true(disk.read_only);
	bmr_disk_clear(&disk);
	assert_int_equal(run("blockdev --setrw %s", l->device), 0);
}

/* The file is cut below the device: reads fail, and the disk is listed all the same. */
static void test_loop_read_error(void **state)
{
	struct loop *l = *state;
	struct bmr_disk disk;

	need_loop(l);
	assert_int_equal(truncate(l->file, 0), 0);
	disk = read_loop(l);
	assert_string_equal(disk.probe_error, "cannot read its start: Input/output error");
	assert_true(disk.holds_something);
	bmr_disk_clear(&disk);
}

/* The device is given another file of the same size, or of `size`: under its name there is now another
 * disk. */
static void exchange(const struct loop *l, off_t size)
{
	static const uint8_t old[4096] = {0xaa};
	AUTO_FD int fd = -1;

	assert_int_equal(run("losetup -d %s", l->device), 0);
	unlink(l->file);
	fd = open(l->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, old, sizeof old, 0), sizeof old);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(run("losetup %s %s", l->device, l->file), 0);
}

static void expect_exchanged(int rc, const struct bmr_err *e)
{
	assert_int_equal(rc, -1);
	assert_int_equal(e->code, BMR_E_REFUSED);
	assert_non_null(strstr(e->msg, "exchanged"));
}

/* Between the list of disks, by which one is chosen, and the look at it. */
static void test_loop_exchanged_after_choice(void **state)
{
	struct loop *l = *state;
	struct bmr_target_info info;
	struct bmr_disk disk;
	struct bmr_err e;

	need_loop(l);
	disk = read_loop(l);
	assert_int_equal(bmr_target_look_disk(&disk, &info, &e), 0);
	exchange(l, 64 << 20);
	expect_exchanged(bmr_target_look_disk(&disk, &info, &e), &e);
	bmr_disk_clear(&disk);
	disk = read_loop(l);
	assert_int_equal(bmr_target_look_disk(&disk, &info, &e), 0);
	disk.sequence--; /* each of the three is enough by itself */
	expect_exchanged(bmr_target_look_disk(&disk, &info, &e), &e);
	disk.sequence++;
	disk.size -= 512;
	expect_exchanged(bmr_target_look_disk(&disk, &info, &e), &e);
	disk.size += 512;
	disk.dev++;
	expect_exchanged(bmr_target_look_disk(&disk, &info, &e), &e);
	bmr_disk_clear(&disk);
}

/* Between the look and the opening for writing: nothing is written. */
static void test_loop_exchanged_before_open(void **state)
{
	struct loop *l = *state;
	struct bmr_target_info info;
	struct bmr_target *target;
	struct bmr_err e;
	uint8_t first = 0;
	off_t sizes[] = {64 << 20, 32 << 20};

	need_loop(l);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		assert_int_equal(bmr_target_look(l->device, &info, &e), 0);
		exchange(l, sizes[i]);
		expect_exchanged(bmr_target_open(&info, &target, &e), &e);
		expect_exchanged(bmr_target_open_readonly(&info, &target, &e), &e);
	}
	AUTO_FD int fd = open(l->file, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &first, 1, 0), 1);
	assert_int_equal(first, 0xaa);
}

/* A disk that is pulled has no size any more: the kernel's ENOSPC is not what is wrong. */
static void test_loop_pulled(void **state)
{
	static _Alignas(4096) const char block[4096];
	struct loop *l = *state;
	struct bmr_target_info info;
	struct bmr_target *target;
	struct bmr_err e;

	need_loop(l);
	assert_int_equal(bmr_target_look(l->device, &info, &e), 0);
	assert_int_equal(bmr_target_open(&info, &target, &e), 0);
	assert_int_equal(bmr_target_write(target, block, sizeof block, 40960, &e), 0);
	assert_int_equal(run("truncate -s 0 %s && losetup -c %s", l->file, l->device), 0);
	assert_int_equal(bmr_target_write(target, block, sizeof block, 40960, &e), -1);
	assert_int_equal(e.code, BMR_E_TARGET);
	assert_non_null(strstr(e.msg, "at byte 40960 (sector 80): No such device"));
	bmr_target_close(target, &e);
}

/* On a machine that is not there: under the name of the chosen disk is a file now. */
static void test_exchanged_for_a_file(void **state)
{
	struct fake *m = *state;
	struct bmr_target_info info;
	struct bmr_disk_list list;
	struct bmr_err e;
	FILE *f;

	fake_disk(m, FAKE_ATA1, "sda", "8:0", FAKE_GIB);
	list = list_of(&m->env);
	assert_int_equal(list.count, 1);
	snprintf(list.disks[0].path, sizeof list.disks[0].path, "%.40s/sda", m->dev);
	f = fopen(list.disks[0].path, "w");
	assert_non_null(f);
	fclose(f);
	expect_exchanged(bmr_target_look_disk(&list.disks[0], &info, &e), &e);
	bmr_disk_list_clear(&list);
}

static void test_this_machine(void **state)
{
	struct bmr_disk_list list = list_of(NULL);

	(void)state;
	for (size_t i = 0; i < list.count; i++) {
		assert_true(list.disks[i].dev != 0);
		assert_true(list.disks[i].name[0] != '\0');
	}
	bmr_disk_list_clear(&list);
}

#define FAKED(test) cmocka_unit_test_setup_teardown(test, open_machine, close_machine)
#define LOOPED(test) cmocka_unit_test_setup_teardown(test, open_loop, close_loop)
#define FAR_LOOPED(test) cmocka_unit_test_setup_teardown(test, open_far_loop, close_far_loop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_sysfs),
		FAKED(test_empty_machine),
		FAKED(test_order),
		FAKED(test_sata),
		FAKED(test_virtio),
		FAKED(test_virtio_scsi),
		FAKED(test_wwn_of_page_83),
		FAKED(test_sas),
		FAKED(test_nvme),
		FAKED(test_mmc),
		FAKED(test_usb),
		FAKED(test_kinds),
		FAKED(test_hostile_strings),
		FAKED(test_content),
		FAKED(test_partition_beyond_end),
		FAKED(test_unreadable),
		FAKED(test_used),
		FAKED(test_medium),
		FAKED(test_medium_broken),
		FAKED(test_read_one),
		FAKED(test_disk_of),
		LOOPED(test_loop_blank),
		LOOPED(test_loop_table),
		LOOPED(test_loop_large_sectors),
		LOOPED(test_loop_whole_file_system),
		LOOPED(test_loop_mounted),
		LOOPED(test_loop_exclusive),
		LOOPED(test_loop_read_only),
		LOOPED(test_loop_read_error),
		FAR_LOOPED(test_loop_exchanged_after_choice),
		FAR_LOOPED(test_loop_exchanged_before_open),
		LOOPED(test_loop_pulled),
		FAKED(test_exchanged_for_a_file),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
