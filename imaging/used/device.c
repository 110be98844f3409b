/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "imaging/used/internal.h"

#define TRIES 32 /* others take loop devices too */

/* Some kernels take no offset that is not a multiple of the block size asked for. */
static unsigned block_size(const struct bmr_used_look *look, const struct bmr_used_piece *piece)
{
	unsigned sector = look->options->sector;

	return piece->offset % sector == 0 && piece->length % sector == 0 ? sector : 512;
}

/* Make the free device number `index` show the piece.  1: somebody else was faster. */
static int configure(const struct bmr_used_look *look, const struct bmr_used_piece *piece,
                     int index, struct bmr_used_device *device, struct bmr_err *e)
{
	struct loop_config config = {
		.fd = (uint32_t)look->fd,
		.block_size = block_size(look, piece),
		.info = {.lo_offset = piece->offset,
	                 .lo_sizelimit = piece->length,
	                 .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR},
	};
	AUTO_FD int fd = -1;
	uint64_t size;

	snprintf(device->path, sizeof device->path, "/dev/loop%d", index);
	fd = open(device->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot open '%s'", device->path);
	if (ioctl(fd, LOOP_CONFIGURE, &config) < 0)
		return errno == EBUSY ? 1
		                      : bmr_err_set(e, BMR_E_SOURCE, errno, "cannot set up '%s'",
		                                    device->path);
	if (ioctl(fd, BLKGETSIZE64, &size) < 0 || size != piece->length - piece->length % 512)
		return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' has another size than was asked for",
		                   device->path);
	device->fd = take_fd(&fd);
	return 0;
}

static int open_loop(const struct bmr_used_look *look, const struct bmr_used_piece *piece,
                     struct bmr_used_device *device, struct bmr_err *e)
{
	AUTO_FD int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int rc = 1;

	if (control < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot open '/dev/loop-control'");
	for (unsigned i = 0; rc == 1 && i < TRIES; i++) {
		int index = ioctl(control, LOOP_CTL_GET_FREE);

		if (index < 0)
			return bmr_err_set(e, BMR_E_SOURCE, errno, "no loop device is free");
		rc = configure(look, piece, index, device, e);
	}
	return rc == 1 ? bmr_err_set(e, BMR_E_SOURCE, 0, "others take every loop device") : rc;
}

int bmr_used_device_open(const struct bmr_used_look *look, const struct bmr_used_place *place,
                         struct bmr_used_device *device, struct bmr_err *e)
{
	*device = (struct bmr_used_device){.fd = -1};
	return place->count == 1 ? open_loop(look, place->pieces, device, e)
	                         : bmr_used_dm_open(look, place, device, e);
}

void bmr_used_device_close(struct bmr_used_device *device)
{
	if (device->fd >= 0)
		close(take_fd(&device->fd));
}
