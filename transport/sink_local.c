/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink_local.c - a captured image in a file of this machine. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "transport/sink_ops.h"

struct local_drain {
	struct bmr_drain drain;
	const struct bmr_place *place;
	bool replace;
	int fd;
	char *part;
};

static int local_write(struct bmr_drain *drain, const void *data, size_t len, uint64_t off,
                       struct bmr_err *e)
{
	struct local_drain *d = (struct local_drain *)drain;
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			pwrite(d->fd, (const char *)data + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return bmr_err_set(e, BMR_E_SOURCE, n < 0 ? errno : EIO,
			                   "cannot write '%s'", d->part);
		done += (size_t)n;
	}
	return 0;
}

/* The name lasts only when its directory is on the disk. */
static int sync_directory(const struct local_drain *d, struct bmr_err *e)
{
	AUTO_FREE char *path = strdup(d->part);
	AUTO_FD int fd = -1;

	if (!path)
		return bmr_err_nomem(e, "a path");
	fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot flush the directory of '%s'",
		                   d->place->url->safe);
	return 0;
}

static int local_commit(struct bmr_drain *drain, uint64_t size, struct bmr_err *e)
{
	struct local_drain *d = (struct local_drain *)drain;
	const char *name = d->place->url->path;
	struct stat st;

	if (fsync(d->fd) < 0 || fstat(d->fd, &st) < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot flush '%s'", d->part);
	if ((uint64_t)st.st_size != size)
		return bmr_sink_wrong_length(d->place, (uint64_t)st.st_size, size, e);
	if (renameat2(AT_FDCWD, d->part, AT_FDCWD, name, d->replace ? 0 : RENAME_NOREPLACE) < 0) {
		if (errno == EEXIST)
			return bmr_sink_exists(d->place, e);
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot rename '%s'", d->part);
	}
	return sync_directory(d, e);
}

static void local_close(struct bmr_drain *drain)
{
	struct local_drain *d = (struct local_drain *)drain;

	if (d->fd >= 0) {
		close(d->fd);
		if (!d->drain.committed)
			unlink(d->part);
	}
	free(d->part);
	free(d);
}

static int prepare(struct local_drain *d, struct bmr_err *e)
{
	const char *path = d->place->url->path;
	struct stat st;

	if (lstat(path, &st) == 0 && !(d->replace && S_ISREG(st.st_mode)))
		return bmr_sink_exists(d->place, e);
	if (bmr_sink_part_name(path, &d->part, e) < 0)
		return -1;
	/* One that a killed capture left. */
	unlink(d->part);
	d->fd = open(d->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (d->fd < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot create '%s'", d->part);
	return 0;
}

static int local_open(const struct bmr_place *place, bool replace, struct bmr_drain **out,
                      struct bmr_err *e)
{
	struct local_drain *d = calloc(1, sizeof *d);

	if (!d)
		return bmr_err_nomem(e, "a file");
	d->place = place;
	d->replace = replace;
	d->fd = -1;
	if (prepare(d, e) < 0) {
		local_close(&d->drain);
		return -1;
	}
	*out = &d->drain;
	return 0;
}

const struct bmr_sink_ops bmr_sink_local_ops = {
	.open = local_open,
	.write = local_write,
	.commit = local_commit,
	.close = local_close,
};
