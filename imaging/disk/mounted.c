/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/mounted.h"

#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/internal.h"

#define LINE_SIZE 8192 /* longer mount options are cut, which takes nothing from their first word */

struct search {
	dev_t disk;
	bool found;
};

static void compare(void *ctx, dev_t whole_disk)
{
	struct search *s = ctx;

	s->found |= whole_disk == s->disk;
}

/* Does this device lie on the disk?  What cannot be followed down does not count: a device that
 * vanished in between is not written to either. */
static bool lies_on(const struct bmr_disk_env *env, dev_t dev, dev_t disk)
{
	struct search s = {.disk = disk};
	struct bmr_err ignored;

	bmr_disk_of(env, dev, compare, &s, &ignored);
	return s.found;
}

/* A block device by its path; 0 if it is none. */
static dev_t device_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISBLK(st.st_mode) ? st.st_rdev : 0;
}

/* Only what comes from a local device: to ask a file system on a network could take for ever. */
static dev_t device_of_mount(const struct mntent *m)
{
	struct stat st;
	dev_t dev;

	if (strncmp(m->mnt_fsname, "/dev/", 5) != 0)
		return 0;
	dev = device_of(m->mnt_fsname);
	if (dev)
		return dev;
	/* "/dev/root": a name that the kernel made up. */
	return stat(m->mnt_dir, &st) == 0 ? st.st_dev : 0;
}

static bool find_mount(const struct bmr_disk_env *env, dev_t disk, char *who, size_t len)
{
	char path[PATH_MAX];
	char line[LINE_SIZE];
	struct mntent m;
	bool found = false;
	FILE *f;

	if (!bmr_disk_attr_path(path, env->proc, "self/mounts"))
		return false;
	f = setmntent(path, "re");
	while (f && !found && getmntent_r(f, &m, line, sizeof line)) {
		dev_t dev = hasmntopt(&m, "rw") ? device_of_mount(&m) : 0;

		found = dev && lies_on(env, dev, disk);
		if (found)
			snprintf(who, len, "'%s' is mounted on '%s'", m.mnt_fsname, m.mnt_dir);
	}
	if (f)
		endmntent(f);
	return found;
}

static bool find_swap(const struct bmr_disk_env *env, dev_t disk, char *who, size_t len)
{
	char path[PATH_MAX];
	char line[LINE_SIZE];
	AUTO_FILE FILE *f = NULL;

	if (!bmr_disk_attr_path(path, env->proc, "swaps"))
		return false;
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		dev_t dev;

		line[strcspn(line, " \t\n")] = '\0';
		dev = device_of(line);
		if (dev && lies_on(env, dev, disk)) {
			snprintf(who, len, "'%s' is used as swap", line);
			return true;
		}
	}
	return false;
}

bool bmr_mounted_writable(const struct bmr_disk_env *env, dev_t disk, char *who, size_t len)
{
	const struct bmr_disk_env full = bmr_disk_of_env(env);

	return find_mount(&full, disk, who, len) || find_swap(&full, disk, who, len);
}
