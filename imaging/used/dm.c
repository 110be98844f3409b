/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A place in several pieces, put together by the kernel's device-mapper.  The device is marked for
 * removal as soon as it is open, so it goes with the last of those who have it open. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "imaging/used/internal.h"

#define SECTOR 512u /* of device-mapper's tables, whatever the disk's are */
#define PIECES_MOST 1024
#define LINE_SIZE 96 /* of a table */
#define NAME_SIZE 64

/* NAME,UUID,MINOR,FLAGS,TABLE[,TABLE...]: as dmsetup's --concise has it */
static int write_table(const struct bmr_used_place *place, const char *name, dev_t disk, char *text,
                       size_t size, struct bmr_err *e)
{
	size_t used = (size_t)snprintf(text, size, "%s,,,ro", name);

	for (size_t i = 0; i < place->count; i++) {
		const struct bmr_used_piece *p = &place->pieces[i];

		if (p->at % SECTOR || p->length % SECTOR || p->offset % SECTOR)
			return bmr_err_set(e, BMR_E_SOURCE, 0, "its pieces are not whole sectors");
		used += (size_t)snprintf(text + used, size - used,
		                         ",%" PRIu64 " %" PRIu64 " linear %u:%u %" PRIu64,
		                         p->at / SECTOR, p->length / SECTOR, major(disk),
		                         minor(disk), p->offset / SECTOR);
	}
	return 0;
}

static int dmsetup(const struct bmr_used_look *look, const char *const *args, bool always,
                   char *answer, size_t size, struct bmr_err *e)
{
	struct bmr_child_order order = bmr_used_order(look, 0, args);
	struct bmr_child_result result;
	int rc;

	if (always) /* what was begun is ended even by those who are to stop */
		order.stop = NULL;
	rc = bmr_child_run(&order, &result, e);
	if (rc == 0 && answer)
		snprintf(answer, size, "%s", result.output);
	bmr_child_clear(&result);
	return rc;
}

static int create(const struct bmr_used_look *look, const struct bmr_used_place *place,
                  const char *name, dev_t disk, struct bmr_err *e)
{
	size_t size = NAME_SIZE + place->count * LINE_SIZE;
	AUTO_FREE char *text = malloc(size);
	const char *const args[] = {"dmsetup", "create", "--concise", text, NULL};

	if (!text)
		return bmr_err_nomem(e, "a volume's table");
	if (write_table(place, name, disk, text, size, e) < 0)
		return -1;
	return dmsetup(look, args, true, NULL, 0, e);
}

/* The node of the kernel's own naming: that of ours goes with the mark of removal. */
static int open_node(const struct bmr_used_look *look, const char *name, uint64_t size,
                     struct bmr_used_device *device, struct bmr_err *e)
{
	const char *const args[] = {"dmsetup", "info",  "-c", "--noheadings",
	                            "-o",      "minor", name, NULL};
	AUTO_FD int fd = -1;
	char answer[16] = "";
	uint64_t got;

	if (dmsetup(look, args, true, answer, sizeof answer, e) < 0)
		return -1;
	snprintf(device->path, sizeof device->path, "/dev/dm-%lu", strtoul(answer, NULL, 10));
	fd = open(device->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot open '%s'", device->path);
	if (ioctl(fd, BLKGETSIZE64, &got) < 0 || got != size)
		return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' has another size than was asked for",
		                   device->path);
	device->fd = take_fd(&fd);
	return 0;
}

static int open_and_mark(const struct bmr_used_look *look, const struct bmr_used_place *place,
                         const char *name, struct bmr_used_device *device, struct bmr_err *e)
{
	const char *const args[] = {"dmsetup", "remove", "--deferred", name, NULL};
	struct bmr_err mark;
	int rc = open_node(look, name, place->size, device, e);

	if (dmsetup(look, args, true, NULL, 0, &mark) < 0 && rc == 0) {
		*e = mark;
		rc = -1;
	}
	return rc;
}

int bmr_used_dm_open(const struct bmr_used_look *look, const struct bmr_used_place *place,
                     struct bmr_used_device *device, struct bmr_err *e)
{
	struct bmr_used_piece all = {.length = look->options->size};
	struct bmr_used_place disk = {.pieces = &all, .count = 1, .size = all.length};
	struct bmr_used_device under;
	char name[NAME_SIZE];
	struct stat st;
	int rc = -1;

	if (access("/dev/mapper/control", R_OK | W_OK) < 0)
		return bmr_err_set(e, BMR_E_SOURCE, 0,
		                   "it lies in several pieces, and there is no device-mapper");
	if (place->count > PIECES_MOST)
		return bmr_err_set(e, BMR_E_SOURCE, 0, "it lies in too many pieces");
	if (bmr_used_device_open(look, &disk, &under, e) < 0)
		return -1;
	snprintf(name, sizeof name, "bmr-%ld-%" PRIu64, (long)getpid(), place->pieces[0].offset);
	if (fstat(under.fd, &st) < 0)
		bmr_err_set(e, BMR_E_SOURCE, errno, "cannot ask '%s'", under.path);
	else if (create(look, place, name, st.st_rdev, e) == 0)
		rc = open_and_mark(look, place, name, device, e);
	/* The mapped device has it open for itself. */
	bmr_used_device_close(&under);
	if (rc < 0)
		bmr_used_device_close(device);
	return rc;
}
