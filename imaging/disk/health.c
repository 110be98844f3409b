/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/health.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "imaging/disk/disk.h"

#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <scsi/sg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define TIMEOUT_MS 5000u

/* --- NVMe --- */

#define NVME_GET_LOG_PAGE 0x02
#define NVME_LOG_HEALTH 0x02u
#define NVME_LOG_SIZE 512u
#define NVME_WHOLE_CONTROLLER 0xffffffffu

#define WARNING_TEMPERATURE 0x02u

static void add(struct bmr_text *t, const char *what)
{
	bmr_text_add(t, "%s%s", t->used > 0 ? ", " : "", what);
}

void bmr_health_of_nvme(const void *log, size_t len, struct bmr_health *health)
{
	static const struct {
		unsigned bit;
		const char *why;
	} failures[] = {
		{0x01, "spare blocks below the threshold"},
		{0x04, "too many errors to be relied on"},
		{0x08, "it can only be read now"},
		{0x10, "its memory backup failed"},
	};
	struct bmr_text t = bmr_text_in(health->text, sizeof health->text);
	const unsigned char *bytes = log;

	health->verdict = BMR_HEALTH_UNKNOWN;
	/* Byte 3, the spare that is left in percent: a log of ones comes from no disk. */
	if (len < NVME_LOG_SIZE || bytes[3] > 100)
		return;
	health->verdict = BMR_HEALTH_GOOD;
	for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
		if (bytes[0] & failures[i].bit) {
			health->verdict = BMR_HEALTH_FAILING;
			add(&t, failures[i].why);
		}
	if (bytes[0] & WARNING_TEMPERATURE)
		add(&t, "temperature beyond its limits");
	if (bytes[5] >= 100)
		add(&t, "rated life used up");
}

static void ask_nvme(int fd, struct bmr_health *health)
{
	unsigned char log[NVME_LOG_SIZE] = {0};
	struct nvme_admin_cmd command = {
		.opcode = NVME_GET_LOG_PAGE,
		.nsid = NVME_WHOLE_CONTROLLER,
		.addr = (uintptr_t)log,
		.data_len = sizeof log,
		.cdw10 = NVME_LOG_HEALTH | (sizeof log / 4 - 1) << 16,
		.timeout_ms = TIMEOUT_MS,
	};

	if (ioctl(fd, NVME_IOCTL_ADMIN_CMD, &command) == 0)
		bmr_health_of_nvme(log, sizeof log, health);
}

/* --- ATA --- */

#define SENSE_DESCRIPTORS 0x72
#define SENSE_HEAD 8u
#define ATA_STATUS_RETURN 0x09
#define ATA_STATUS_RETURN_SIZE 14u
#define ATA_STATUS_BAD 0xa1 /* busy, device fault, error: the other registers mean nothing */

/* The descriptor with the registers, or NULL.  The kernel's ATA layer gives no other format. */
static const unsigned char *find_registers(const unsigned char *sense, size_t len)
{
	size_t end;

	if (len < SENSE_HEAD || (sense[0] & 0x7f) != SENSE_DESCRIPTORS)
		return NULL;
	end = SENSE_HEAD + sense[7];
	end = end < len ? end : len;
	for (size_t at = SENSE_HEAD; end - at >= 2; at += 2u + sense[at + 1]) {
		if (end - at < 2u + sense[at + 1])
			return NULL;
		if (sense[at] == ATA_STATUS_RETURN && 2u + sense[at + 1] >= ATA_STATUS_RETURN_SIZE)
			return sense + at;
	}
	return NULL;
}

void bmr_health_of_ata(const void *sense, size_t len, struct bmr_health *health)
{
	const unsigned char *registers = find_registers(sense, len);
	struct bmr_text t = bmr_text_in(health->text, sizeof health->text);
	unsigned answer;

	health->verdict = BMR_HEALTH_UNKNOWN;
	if (!registers || (registers[13] & ATA_STATUS_BAD))
		return;
	answer = (unsigned)registers[11] << 8 | registers[9]; /* LBA (23:16) and (15:8) */
	if (answer == 0xc24f)
		health->verdict = BMR_HEALTH_GOOD;
	if (answer == 0x2cf4) {
		health->verdict = BMR_HEALTH_FAILING;
		add(&t, "a SMART attribute is beyond its threshold");
	}
}

static void ask_ata(int fd, struct bmr_health *health)
{
	unsigned char command[16] = {
		0x85,                     /* ATA PASS-THROUGH (16) */
		0x06,                     /* no data */
		0x20,                     /* CK_COND: the registers come back as sense data */
		[4] = 0xda,               /* SMART RETURN STATUS */
		[10] = 0x4f, [12] = 0xc2, /* which SMART asks for */
		[14] = 0xb0,              /* SMART */
	};
	unsigned char sense[64] = {0};
	struct sg_io_hdr io = {
		.interface_id = 'S',
		.dxfer_direction = SG_DXFER_NONE,
		.cmd_len = sizeof command,
		.cmdp = command,
		.mx_sb_len = sizeof sense,
		.sbp = sense,
		.timeout = TIMEOUT_MS,
	};

	if (ioctl(fd, SG_IO, &io) == 0)
		bmr_health_of_ata(sense, io.sb_len_wr, health);
}

/* --- which of them --- */

/* Only the disk that was listed under this name. */
static int open_disk(const struct bmr_disk *disk)
{
	AUTO_FD int fd = open(disk->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != disk->dev)
		return -1;
	return take_fd(&fd);
}

void bmr_health_ask(struct bmr_disk *disk)
{
	bool nvme = strcmp(disk->bus, "nvme") == 0;
	bool ata = strcmp(disk->bus, "sata") == 0 && disk->kind == BMR_DISK_DISK;

	disk->health = (struct bmr_health){.verdict = BMR_HEALTH_UNKNOWN};
	if (!nvme && !ata)
		return;
	AUTO_FD int fd = open_disk(disk);
	if (fd < 0)
		return;
	if (nvme)
		ask_nvme(fd, &disk->health);
	else
		ask_ata(fd, &disk->health);
}
