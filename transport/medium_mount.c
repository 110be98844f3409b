/* SPDX-License-Identifier: GPL-3.0-or-later */
/* medium_mount.c - a file system as a descriptor, read-only in every sense. */
#include "transport/medium.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

/* "ro" alone lets ext, xfs and btrfs write what their journal holds. */
static const struct kind {
	const char *type;   /* as libblkid calls it */
	const char *driver; /* as the kernel does */
	const char *flags[3];
	const char *key; /* an option with a value */
	const char *value;
} kinds[] = {
	{"ext2", "ext4", {"noload"}, NULL, NULL},
	{"ext3", "ext4", {"noload"}, NULL, NULL},
	{"ext4", "ext4", {"noload"}, NULL, NULL},
	{"xfs", "xfs", {"norecovery", "nouuid"}, NULL, NULL},
	{"btrfs", "btrfs", {NULL}, "rescue", "nologreplay"},
	{"vfat", "vfat", {NULL}, NULL, NULL},
	{"exfat", "exfat", {NULL}, NULL, NULL},
	{"ntfs", "ntfs3", {NULL}, NULL, NULL},
	{"iso9660", "iso9660", {NULL}, NULL, NULL},
	{"udf", "udf", {NULL}, NULL, NULL},
};

static const struct kind *find_kind(const char *type)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].type, type) == 0)
			return &kinds[i];
	return NULL;
}

bool bmr_medium_readable(const struct medium *m)
{
	return find_kind(m->type) != NULL;
}

static int configure(int fs, const struct kind *kind, const char *device)
{
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0)
		return -1;
	for (size_t i = 0; i < sizeof kind->flags / sizeof *kind->flags && kind->flags[i]; i++)
		if (fsconfig(fs, FSCONFIG_SET_FLAG, kind->flags[i], NULL, 0) < 0)
			return -1;
	if (kind->key && fsconfig(fs, FSCONFIG_SET_STRING, kind->key, kind->value, 0) < 0)
		return -1;
	return fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

int bmr_medium_mount(const struct medium *m, int *root, struct bmr_err *e)
{
	const struct kind *kind = find_kind(m->type);
	AUTO_FD int fs = -1;

	if (!kind)
		return bmr_err_set(e, BMR_E_SOURCE, 0,
		                   "'%s' holds '%s', which is no file system for us", m->device,
		                   m->type);
	fs = fsopen(kind->driver, FSOPEN_CLOEXEC);
	if (fs < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno,
		                   "the kernel cannot read '%s' file systems", kind->driver);
	if (configure(fs, kind, m->device) < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot mount '%s' (%s)%s", m->device,
		                   m->type, errno == EBUSY ? ", which is mounted for writing" : "");
	*root = fsmount(fs, FSMOUNT_CLOEXEC,
	                MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
	                        MOUNT_ATTR_NOEXEC);
	if (*root < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot mount '%s' (%s)", m->device,
		                   m->type);
	return 0;
}

int bmr_medium_open_file(int root, const char *path)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}
