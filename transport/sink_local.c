/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink_local.c - a captured image in a file of this machine.
 *
 * Who writes holds flock(2) on the part file from making it to renaming or removing it, so that a
 * second capture to the same name can tell it from one that a killed capture left.  A file system
 * without such locks does without: then, as whenever a person removes the part file, that the name
 * is another file's by now is at least seen before it is renamed.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

/* Is this open file still the one of that name? */
static bool is_named(int fd, const char *path)
{
	struct stat opened;
	struct stat named;

	return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 &&
	       opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
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
	if (!is_named(d->fd, d->part))
		return bmr_err_set(e, BMR_E_SOURCE, 0,
		                   "'%s' was removed or replaced while it was written", d->part);
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

	/* Before the lock is gone: after it the name may be another one's. */
	if (d->fd >= 0 && !d->drain.committed && is_named(d->fd, d->part))
		unlink(d->part);
	if (d->fd >= 0)
		close(d->fd);
	free(d->part);
	free(d);
}

static int in_use(const struct local_drain *d, struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_REFUSED, 0,
	                   "'%s' is being written by another bmr: wait for it or choose another "
	                   "name",
	                   d->part);
}

/* false: another one holds it. */
static bool lock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

/* One that a killed capture left.  While its lock is held nobody else removes what has this name. */
static int remove_old_part(const struct local_drain *d, struct bmr_err *e)
{
	AUTO_FD int fd = -1;
	struct stat st;

	if (lstat(d->part, &st) < 0)
		return 0;
	if (S_ISREG(st.st_mode)) {
		fd = open(d->part, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return 0;
		if (fd < 0)
			return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot open '%s'", d->part);
		if (!lock(fd) || !is_named(fd, d->part))
			return in_use(d, e);
	}
	if (unlink(d->part) < 0 && errno != ENOENT)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot remove '%s'", d->part);
	return 0;
}

static int create_part(struct local_drain *d, struct bmr_err *e)
{
	AUTO_FD int fd = open(d->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		return in_use(d, e);
	if (fd < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot create '%s'", d->part);
	/* Between the two another one may have taken it for an old one. */
	if (!lock(fd) || !is_named(fd, d->part))
		return in_use(d, e);
	d->fd = take_fd(&fd);
	return 0;
}

static int check_name(const struct bmr_place *place, bool replace, struct bmr_err *e)
{
	struct stat st;

	if (lstat(place->url->path, &st) < 0 || (replace && S_ISREG(st.st_mode)))
		return 0;
	return bmr_sink_exists(place, e);
}

static int local_check(const struct bmr_place *place, bool replace, struct bmr_err *e)
{
	AUTO_FREE char *part = NULL;
	AUTO_FREE char *copy = NULL;

	if (check_name(place, replace, e) < 0 || bmr_sink_part_name(place->url->path, &part, e) < 0)
		return -1;
	copy = strdup(part);
	if (!copy)
		return bmr_err_nomem(e, "a path");
	if (faccessat(AT_FDCWD, dirname(copy), W_OK | X_OK, AT_EACCESS) < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot create '%s'", part);
	return 0;
}

static int prepare(struct local_drain *d, struct bmr_err *e)
{
	const char *path = d->place->url->path;

	if (check_name(d->place, d->replace, e) < 0)
		return -1;
	if (bmr_sink_part_name(path, &d->part, e) < 0 || remove_old_part(d, e) < 0)
		return -1;
	return create_part(d, e);
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
	.check = local_check,
	.open = local_open,
	.write = local_write,
	.commit = local_commit,
	.close = local_close,
};
