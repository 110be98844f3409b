/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready/identity_root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/ready/identity_files.h"
#include "agent/ready/volumes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "transport/medium.h"

#define SUBVOLUME_INODE 256 /* the number of every subvolume's own folder, of btrfs */
#define NAMES_SIZE 360
#define LEAVE_MS 10000
#define LEAVE_STEP_MS 20

static const struct kind {
	const char *type;
	const char *driver;
	const char *key; /* an option; value NULL: it has none */
	const char *value;
} kinds[] = {
	/* The superblock may say "panic", and that would be this machine's. */
	{"ext2", "ext4", "errors", "remount-ro"},
	{"ext3", "ext4", "errors", "remount-ro"},
	{"ext4", "ext4", "errors", "remount-ro"},
	{"xfs", "xfs", "nouuid", NULL}, /* the disk that it was copied from may be mounted here */
	{"btrfs", "btrfs", NULL, NULL},
};

static const struct kind *find_kind(const char *type)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].type, type) == 0)
			return &kinds[i];
	return NULL;
}

/* --- finding --- */

struct search {
	struct bmr_root *root; /* the last one found */
	size_t found;
	char names[NAMES_SIZE];
	char looked[NAMES_SIZE];
};

static void add_name(char *names, const char *name)
{
	size_t used = strlen(names);
	const char *comma = used ? ", " : "";
	size_t room = NAMES_SIZE - 1 - used;

	if (room > strlen(comma))
		snprintf(names + used, room + 1, "%s%.*s", comma, (int)(room - strlen(comma)),
		         name);
}

static bool is_root(int folder)
{
	AUTO_FD int release = bmr_files_open(folder, "etc/os-release", O_PATH | O_NOFOLLOW);

	return release >= 0;
}

static void take(struct search *s, const struct bmr_volume *volume, const char *subvolume)
{
	struct bmr_root *root = s->root;

	root->volume = volume;
	snprintf(root->subvolume, sizeof root->subvolume, "%s", subvolume);
	snprintf(root->name, sizeof root->name, "%s (%s%s%.100s)", volume->name, volume->type,
	         *subvolume ? ", subvolume " : "", subvolume);
	add_name(s->names, root->name);
	s->found++;
}

/* Distributions that boot by "subvol=@" leave the default one without a system. */
static void look_at_subvolumes(struct search *s, const struct bmr_volume *volume, int top)
{
	int copy = bmr_files_open(top, ".", O_RDONLY | O_DIRECTORY);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!list) {
		if (copy >= 0)
			close(copy);
		return;
	}
	while ((entry = readdir(list))) {
		AUTO_FD int folder = -1;
		struct stat st;

		if (entry->d_name[0] == '.')
			continue;
		folder = bmr_files_open(top, entry->d_name, O_RDONLY | O_DIRECTORY);
		if (folder >= 0 && fstat(folder, &st) == 0 && st.st_ino == SUBVOLUME_INODE &&
		    is_root(folder))
			take(s, volume, entry->d_name);
	}
	closedir(list);
}

/* What cannot be mounted is no root: its name is said if none is found. */
static void look_at(struct search *s, const struct bmr_volume *volume)
{
	struct medium medium = {0};
	struct bmr_err why;
	char text[sizeof volume->name + sizeof volume->type + 4];
	AUTO_FD int top = -1;

	snprintf(text, sizeof text, "%s (%s)", volume->name, *volume->type ? volume->type : "?");
	if (!find_kind(volume->type)) {
		add_name(s->looked, text);
		return;
	}
	snprintf(medium.device, sizeof medium.device, "%.63s", volume->device);
	snprintf(medium.type, sizeof medium.type, "%s", volume->type);
	if (bmr_medium_mount(&medium, &top, &why) < 0) {
		add_name(s->looked, why.msg);
		return;
	}
	add_name(s->looked, text);
	if (is_root(top))
		take(s, volume, "");
	else if (strcmp(volume->type, "btrfs") == 0)
		look_at_subvolumes(s, volume, top);
}

int bmr_root_find(const struct bmr_volumes *v, struct bmr_root *root, struct bmr_err *e)
{
	struct search s = {.root = root};

	for (size_t i = 0; i < v->count; i++) {
		if (v->stop && atomic_load(v->stop))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "asked to stop");
		look_at(&s, &v->list[i]);
	}
	if (s.found == 0)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "no root file system (one with /etc/os-release) is on the disk, "
		                   "only: %s",
		                   s.looked);
	if (s.found > 1)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "%zu root file systems are on the disk, and which one is meant "
		                   "is not known: %s",
		                   s.found, s.names);
	return 0;
}

/* --- mounting --- */

static int configure(int fs, const struct kind *kind, const char *device)
{
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", device, 0) < 0)
		return -1;
	if (kind->key && kind->value &&
	    fsconfig(fs, FSCONFIG_SET_STRING, kind->key, kind->value, 0) < 0)
		return -1;
	if (kind->key && !kind->value && fsconfig(fs, FSCONFIG_SET_FLAG, kind->key, NULL, 0) < 0)
		return -1;
	return fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

int bmr_root_enter(const struct bmr_root *root, int *folder, struct bmr_err *e)
{
	const struct kind *kind = find_kind(root->volume->type);
	AUTO_FD int fs = fsopen(kind->driver, FSOPEN_CLOEXEC);
	AUTO_FD int top = -1;

	if (fs < 0 || configure(fs, kind, root->volume->device) < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot mount %s for writing",
		                   root->name);
	top = fsmount(fs, FSMOUNT_CLOEXEC,
	              MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (top < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot mount %s for writing",
		                   root->name);
	/* What fsmount(2) gives is a place only: nothing can be flushed by it. */
	*folder = bmr_files_open(top, *root->subvolume ? root->subvolume : ".",
	                         O_RDONLY | O_DIRECTORY);
	if (*folder < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot enter %s", root->name);
	return 0;
}

/* The kernel says EBUSY to one who wants the device alone for as long as it is mounted. */
static bool wait_unmounted(const char *device)
{
	const struct timespec step = {.tv_nsec = LEAVE_STEP_MS * 1000000L};

	for (unsigned ms = 0; ms < LEAVE_MS; ms += LEAVE_STEP_MS) {
		int fd = open(device, O_RDONLY | O_CLOEXEC | O_EXCL);

		if (fd >= 0) {
			close(fd);
			return true;
		}
		nanosleep(&step, NULL);
	}
	return false;
}

int bmr_root_leave(const struct bmr_root *root, int *folder, struct bmr_err *e)
{
	int rc = 0;

	if (syncfs(*folder) < 0)
		rc = bmr_err_set(e, BMR_E_TARGET, errno, "cannot write %s to the disk", root->name);
	close(take_fd(folder));
	if (!wait_unmounted(root->volume->device) && rc == 0)
		rc = bmr_err_set(e, BMR_E_TARGET, 0, "%s is not unmounted after %d s", root->name,
		                 LEAVE_MS / 1000);
	return rc;
}
