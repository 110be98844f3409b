/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "imaging/disk/loop.h"
#include "imaging/used/internal.h"

int bmr_used_device_open(const struct bmr_used_look *look, const struct bmr_used_place *place,
                         struct bmr_used_device *device, struct bmr_err *e)
{
	struct bmr_loop_part part = {
		.file = look->fd,
		.offset = place->pieces->offset,
		.length = place->pieces->length,
		.sector = look->options->sector,
	};
	uint64_t size;

	*device = (struct bmr_used_device){.fd = -1};
	if (place->count > 1)
		return bmr_used_dm_open(look, place, device, e);
	if (bmr_loop_open(&part, device->path, sizeof device->path, &device->fd, e) < 0)
		return -1;
	if (ioctl(device->fd, BLKGETSIZE64, &size) == 0 && size == part.length - part.length % 512)
		return 0;
	bmr_used_device_close(device);
	return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' has another size than was asked for",
	                   device->path);
}

void bmr_used_device_close(struct bmr_used_device *device)
{
	if (device->fd >= 0)
		close(take_fd(&device->fd));
}
