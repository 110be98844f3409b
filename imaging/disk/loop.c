/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

#define TRIES 32 /* others take loop devices too */
#define LEAST_SECTOR 512

static enum bmr_errc whose(const struct bmr_loop_part *part)
{
	return part->writable ? BMR_E_TARGET : BMR_E_SOURCE;
}

/* Some kernels take no offset that is not a multiple of the block size asked for. */
static unsigned block_size(const struct bmr_loop_part *part)
{
	return part->offset % part->sector == 0 && part->length % part->sector == 0 ? part->sector
	                                                                            : LEAST_SECTOR;
}

/* Make the free device number `index` show the part.  1: somebody else was faster. */
static int configure(const struct bmr_loop_part *part, int index, char *path, size_t path_size,
                     int *result, struct bmr_err *e)
{
	struct loop_config config = {
		.fd = (uint32_t)part->file,
		.block_size = block_size(part),
		.info = {.lo_offset = part->offset,
	                 .lo_sizelimit = part->length,
	                 .lo_flags = LO_FLAGS_AUTOCLEAR |
	                             (part->writable ? 0 : LO_FLAGS_READ_ONLY)},
	};
	AUTO_FD int fd = -1;

	snprintf(path, path_size, "/dev/loop%d", index);
	fd = open(path, (part->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return bmr_err_set(e, whose(part), errno, "cannot open '%s'", path);
	if (ioctl(fd, LOOP_CONFIGURE, &config) < 0)
		return errno == EBUSY
		               ? 1
		               : bmr_err_set(e, whose(part), errno, "cannot set up '%s'", path);
	*result = take_fd(&fd);
	return 0;
}

int bmr_loop_open(const struct bmr_loop_part *part, char *path, size_t size, int *fd,
                  struct bmr_err *e)
{
	AUTO_FD int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int rc = 1;

	if (control < 0)
		return bmr_err_set(e, whose(part), errno, "cannot open '/dev/loop-control'");
	for (unsigned i = 0; rc == 1 && i < TRIES; i++) {
		int index = ioctl(control, LOOP_CTL_GET_FREE);

		if (index < 0)
			return bmr_err_set(e, whose(part), errno, "no loop device is free");
		rc = configure(part, index, path, size, fd, e);
	}
	return rc == 1 ? bmr_err_set(e, whose(part), 0, "others take every loop device") : rc;
}
