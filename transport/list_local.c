/* SPDX-License-Identifier: GPL-3.0-or-later */
/* list_local.c - folders of this machine: its own tree, file systems of its disks, the medium. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "transport/list_ops.h"
#include "transport/medium.h"

/* What is neither a folder nor a file cannot be an image; block devices can. */
static void add(struct bmr_list *list, int folder, const char *name)
{
	struct stat st;

	if (fstatat(folder, name, &st, 0) < 0)
		return;
	if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))
		bmr_list_add(list, name, S_ISDIR(st.st_mode), (uint64_t)st.st_size,
		             st.st_mtim.tv_sec);
}

/* Takes fd. */
static int list_fd(int fd, const char *safe, struct bmr_list *list, struct bmr_err *e)
{
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	int error = errno;

	if (!folder) {
		if (fd >= 0)
			close(fd);
		return bmr_err_set(e, BMR_E_SOURCE, error, "cannot list '%s'", safe);
	}
	for (struct dirent *entry = readdir(folder); entry && !list->cut; entry = readdir(folder))
		add(list, dirfd(folder), entry->d_name);
	closedir(folder);
	return 0;
}

int bmr_list_local(const struct bmr_place *place, struct bmr_list *list, struct bmr_err *e)
{
	int fd = open(place->url->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return list_fd(fd, place->url->safe, list, e);
}

int bmr_list_medium(const struct bmr_place *place, struct bmr_list *list, struct bmr_err *e)
{
	struct medium m;
	AUTO_FD int root = -1;

	if (bmr_medium_find(place, &m, &root, e) < 0)
		return -1;
	return list_fd(bmr_medium_open_file(root, place->url->path), place->url->safe, list, e);
}

/* --- which file systems there are --- */

struct search {
	struct bmr_volume *volumes;
	size_t most;
	size_t count;
	dev_t numbers[64];
};

static uint64_t device_size(const char *device)
{
	AUTO_FD int fd = open(device, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint64_t bytes = 0;

	return fd >= 0 && ioctl(fd, BLKGETSIZE64, &bytes) == 0 ? bytes : 0;
}

/* A UUID is what blkid makes of bytes on a disk; only what a URL can hold is taken. */
static bool is_plain(const char *uuid)
{
	return *uuid && uuid[strspn(uuid, "0123456789abcdefABCDEF-")] == '\0';
}

static int visit_uuid(void *ctx, const struct medium *m, const char *uuid, struct bmr_err *e)
{
	struct search *s = ctx;
	struct bmr_volume *v = &s->volumes[s->count];

	(void)e;
	if (!uuid || !is_plain(uuid) || !bmr_medium_readable(m))
		return 0;
	snprintf(v->url, sizeof v->url, "disk:UUID=%s/", uuid);
	snprintf(v->device, sizeof v->device, "%s", m->device);
	snprintf(v->type, sizeof v->type, "%s", m->type);
	v->label[0] = '\0';
	v->size = device_size(m->device);
	s->numbers[s->count++] = m->number;
	return s->count == s->most;
}

static int visit_label(void *ctx, const struct medium *m, const char *label, struct bmr_err *e)
{
	struct search *s = ctx;

	(void)e;
	for (size_t i = 0; label && i < s->count; i++)
		if (s->numbers[i] == m->number)
			snprintf(s->volumes[i].label, sizeof s->volumes[i].label, "%s", label);
	return 0;
}

int bmr_list_volumes(const struct bmr_source_options *options, struct bmr_volume *volumes,
                     size_t most, size_t *count, struct bmr_err *e)
{
	const char *sysfs = options && options->sysfs ? options->sysfs : "/sys";
	struct search s = {.volumes = volumes, .most = most};

	if (s.most > sizeof s.numbers / sizeof *s.numbers)
		s.most = sizeof s.numbers / sizeof *s.numbers;
	if (bmr_medium_each(sysfs, "UUID", visit_uuid, &s, e) < 0 ||
	    (s.count > 0 && bmr_medium_each(sysfs, "LABEL", visit_label, &s, e) < 0))
		return -1;
	*count = s.count;
	return 0;
}
