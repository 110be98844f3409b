/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/internal.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

bool bmr_disk_attr_path(char path[PATH_MAX], const char *dir, const char *name)
{
	int len = snprintf(path, PATH_MAX, "%s/%s", dir, name);

	return len > 0 && len < PATH_MAX;
}

ssize_t bmr_disk_attr_raw(const char *dir, const char *name, void *buf, size_t size)
{
	char path[PATH_MAX];

	if (!bmr_disk_attr_path(path, dir, name))
		return -1;
	AUTO_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return read(fd, buf, size);
}

void bmr_disk_attr_clean(char *out, size_t size, const void *raw, size_t len)
{
	const unsigned char *from = raw;
	size_t used = 0;

	while (len > 0 && (from[len - 1] <= ' '))
		len--;
	while (len > 0 && *from <= ' ') {
		from++;
		len--;
	}
	for (; used < len && used + 1 < size; used++)
		out[used] = from[used] >= ' ' && from[used] < 0x7f ? (char)from[used] : '?';
	out[used] = '\0';
}

bool bmr_disk_attr_text(const char *dir, const char *name, char *out, size_t size)
{
	char raw[512];
	ssize_t len = bmr_disk_attr_raw(dir, name, raw, sizeof raw);

	bmr_disk_attr_clean(out, size, raw, len > 0 ? (size_t)len : 0);
	return *out != '\0';
}

uint64_t bmr_disk_attr_number(const char *dir, const char *name)
{
	char text[32];

	if (!bmr_disk_attr_text(dir, name, text, sizeof text))
		return 0;
	return strtoull(text, NULL, 10);
}

dev_t bmr_disk_attr_dev(const char *dir)
{
	char text[32];
	unsigned major_number;
	unsigned minor_number;

	if (!bmr_disk_attr_text(dir, "dev", text, sizeof text) ||
	    sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
		return 0;
	return makedev(major_number, minor_number);
}

bool bmr_disk_attr_exists(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return bmr_disk_attr_path(path, dir, name) && access(path, F_OK) == 0;
}
