/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready/identity_seed.h"

#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/ready/identity_files.h"
#include "agent/job.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/err.h"

#define PLACE "var/lib/cloud/seed/nocloud"

static const struct {
	const char *name;
	bool needed;
} kinds[BMR_SEED_FILES] = {
	{"user-data", true},
	{"meta-data", true},
	{"vendor-data", false},
	{"network-config", false},
};

/* --- fetching --- */

static int read_all(struct bmr_source *source, struct bmr_seed *seed, size_t i, struct bmr_err *e)
{
	AUTO_FREE char *data = malloc(BMR_SEED_FILE_MAX + 1);
	size_t got;

	if (!data)
		return bmr_err_nomem(e, "a cloud-init seed");
	if (bmr_source_read(source, data, BMR_SEED_FILE_MAX + 1, 0, &got, e) < 0)
		return -1;
	if (got > BMR_SEED_FILE_MAX)
		return bmr_err_set(e, BMR_E_USAGE, 0, "'%s' has more than %d bytes",
		                   bmr_source_name(source), BMR_SEED_FILE_MAX);
	seed->files[i].data = take_ptr(&data);
	seed->files[i].len = got;
	seed->count++;
	return 0;
}

static int fetch_file(const struct bmr_source_options *options, const char *url,
                      struct bmr_seed *seed, size_t i, struct bmr_err *e)
{
	struct bmr_source *source = NULL;
	AUTO_FREE char *path = NULL;
	size_t len = strlen(url);
	int rc;

	while (len > 0 && url[len - 1] == '/')
		len--;
	if (asprintf(&path, "%.*s/%s", (int)len, url, kinds[i].name) < 0) {
		path = NULL;
		return bmr_err_nomem(e, "a URL");
	}
	rc = bmr_source_open(path, options, &source, e);
	if (rc < 0)
		return e->code == BMR_E_SOURCE && !kinds[i].needed ? 0 : -1;
	rc = read_all(source, seed, i, e);
	bmr_source_close(source);
	return rc;
}

int bmr_seed_fetch(struct bmr_session *session, const char *url, struct bmr_seed *seed,
                   struct bmr_err *e)
{
	struct bmr_source_options options;

	memset(seed, 0, sizeof *seed);
	bmr_job_source_options(session, &options);
	for (size_t i = 0; i < BMR_SEED_FILES; i++)
		if (fetch_file(&options, url, seed, i, e) < 0)
			return bmr_err_while(e, "fetching the seed");
	return 0;
}

void bmr_seed_clear(struct bmr_seed *seed)
{
	for (size_t i = 0; i < BMR_SEED_FILES; i++)
		free(seed->files[i].data);
	memset(seed, 0, sizeof *seed);
}

/* --- writing --- */

static bool covers(const char *mount_point)
{
	size_t len = strlen(mount_point);

	return len > 1 && strncmp("/" PLACE, mount_point, len) == 0 &&
	       strchr("/", ("/" PLACE)[len]) != NULL;
}

/* What is written below a mount point is not seen by the system that mounts there. */
static int check_mounts(int root, struct bmr_err *e)
{
	int fd = bmr_files_open(root, "etc/fstab", O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	AUTO_FILE FILE *f = fd < 0 ? NULL : fdopen(fd, "re");
	char text[1024];
	struct mntent entry;

	if (!f) {
		bmr_cleanup_fd(&fd);
		return 0; /* no table, nothing is mounted by it */
	}
	while (getmntent_r(f, &entry, text, sizeof text))
		if (covers(entry.mnt_dir))
			return bmr_err_set(e, BMR_E_TARGET, 0,
			                   "'%s' of the restored system is a file system of its "
			                   "own: a seed would not be seen there",
			                   entry.mnt_dir);
	return 0;
}

int bmr_seed_write(const struct bmr_seed *seed, int root, struct bmr_err *e)
{
	AUTO_FD int folder = -1;
	AUTO_FD int above = -1;

	if (check_mounts(root, e) < 0 ||
	    bmr_files_make_folder(root, "var/lib/cloud/seed", 0755, &above, e) < 0 ||
	    bmr_files_make_folder(root, PLACE, 0700, &folder, e) < 0)
		return -1;
	for (size_t i = 0; i < BMR_SEED_FILES; i++) {
		unsigned gone;

		if (bmr_files_remove(folder, kinds[i].name, &gone, e) < 0)
			return -1;
		if (seed->files[i].data &&
		    bmr_files_replace(folder, kinds[i].name, seed->files[i].data,
		                      seed->files[i].len, 0600, e) < 0)
			return -1;
	}
	return 0;
}
