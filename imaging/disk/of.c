/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/disk.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/disk/internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define DEPTH_MAX 16 /* of mappings on mappings; only a broken tree has more */

struct descent {
	const struct bmr_disk_env *env;
	void (*member)(void *ctx, dev_t whole_disk);
	void *ctx;
	struct bmr_err *e;
};

static int descend(const struct descent *d, dev_t dev, unsigned depth);

struct bmr_disk_env bmr_disk_of_env(const struct bmr_disk_env *env)
{
	struct bmr_disk_env full = env ? *env : (struct bmr_disk_env){0};

	full.sysfs = full.sysfs ? full.sysfs : "/sys";
	full.proc = full.proc ? full.proc : "/proc";
	full.dev = full.dev ? full.dev : "/dev";
	full.medium_id_file = full.medium_id_file ? full.medium_id_file : "/etc/bmr/medium-id";
	return full;
}

char *bmr_disk_of_dir(const struct bmr_disk_env *env, dev_t dev)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof path, "%s/dev/block/%u:%u", env->sysfs, major(dev),
	                   minor(dev));

	if (len < 0 || len >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return realpath(path, NULL);
}

bool bmr_disk_of_part(char *dir)
{
	if (!bmr_disk_attr_exists(dir, "partition"))
		return false;
	*strrchr(dir, '/') = '\0';
	return true;
}

/* *members: how many devices lie below this mapped one. */
static int descend_slaves(const struct descent *d, const char *dir, unsigned depth,
                          unsigned *members)
{
	char slaves[PATH_MAX];
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *list;
	int rc = 0;

	*members = 0;
	if (!bmr_disk_attr_path(slaves, dir, "slaves") || !(list = opendir(slaves)))
		return 0;
	while (rc == 0 && (entry = readdir(list))) {
		if (entry->d_name[0] == '.' || !bmr_disk_attr_path(path, slaves, entry->d_name))
			continue;
		++*members;
		rc = descend(d, bmr_disk_attr_dev(path), depth + 1);
	}
	closedir(list);
	return rc;
}

/* The file behind a loop device lies on a disk too. */
static int descend_loop(const struct descent *d, const char *dir, unsigned depth)
{
	char file[PATH_MAX];
	struct stat st;

	if (!bmr_disk_attr_text(dir, "loop/backing_file", file, sizeof file) ||
	    stat(file, &st) != 0)
		return 0;
	return descend(d, st.st_dev, depth + 1);
}

static int descend(const struct descent *d, dev_t dev, unsigned depth)
{
	unsigned members;

	if (major(dev) == 0) /* memory, network, or a file system with a number of its own */
		return 0;
	if (depth > DEPTH_MAX)
		return bmr_err_set(d->e, BMR_E_TARGET, 0, "device %u:%u is mapped in a circle",
		                   major(dev), minor(dev));
	AUTO_FREE char *dir = bmr_disk_of_dir(d->env, dev);
	if (!dir)
		return bmr_err_set(d->e, BMR_E_TARGET, errno, "no disk has the device number %u:%u",
		                   major(dev), minor(dev));
	bmr_disk_of_part(dir);
	if (descend_slaves(d, dir, depth, &members) < 0)
		return -1;
	if (members > 0)
		return 0;
	d->member(d->ctx, bmr_disk_attr_dev(dir));
	return descend_loop(d, dir, depth);
}

int bmr_disk_of(const struct bmr_disk_env *env, dev_t dev,
                void (*member)(void *ctx, dev_t whole_disk), void *ctx, struct bmr_err *e)
{
	const struct bmr_disk_env full = bmr_disk_of_env(env);
	const struct descent d = {.env = &full, .member = member, .ctx = ctx, .e = e};

	return descend(&d, dev, 0);
}
