/* SPDX-License-Identifier: GPL-3.0-or-later */
/* local.c - an image in a file or on a block device of this machine. */
#include "transport/local.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"

struct local {
	struct bmr_conn conn;
	int fd;
	char *name; /* for messages */
};

/* A plain file lies on the disk its st_dev names; major 0 is a file system without one (tmpfs,
 * overlay, btrfs, network). */
static dev_t device_of(const struct stat *st)
{
	if (S_ISBLK(st->st_mode))
		return st->st_rdev;
	return major(st->st_dev) == 0 ? 0 : st->st_dev;
}

static int learn_size(struct local *l, const struct stat *st, struct bmr_err *e)
{
	off_t end;

	if (S_ISREG(st->st_mode)) {
		l->conn.size = (uint64_t)st->st_size;
		return 0;
	}
	if (!S_ISBLK(st->st_mode))
		return bmr_err_set(e, BMR_E_SOURCE, 0,
		                   "'%s' is neither a regular file nor a block device", l->name);
	end = lseek(l->fd, 0, SEEK_END);
	if (end < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot learn the size of '%s'",
		                   l->name);
	l->conn.size = (uint64_t)end;
	return 0;
}

static int learn(struct local *l, struct bmr_err *e)
{
	struct stat st;

	if (fstat(l->fd, &st) < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot examine '%s'", l->name);
	if (learn_size(l, &st, e) < 0)
		return -1;
	l->conn.seekable = true;
	l->conn.device = device_of(&st);
	if (S_ISBLK(st.st_mode))
		snprintf(l->conn.identity, sizeof l->conn.identity,
		         "device %u:%u, %" PRIu64 " bytes", major(st.st_rdev), minor(st.st_rdev),
		         l->conn.size);
	else
		snprintf(l->conn.identity, sizeof l->conn.identity,
		         "inode %ju, %" PRIu64 " bytes, modified %jd.%09ld", (uintmax_t)st.st_ino,
		         l->conn.size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	return 0;
}

void bmr_local_close(struct bmr_conn *conn)
{
	struct local *l = (struct local *)conn;

	if (l->fd >= 0)
		close(l->fd);
	free(l->name);
	free(l);
}

int bmr_local_take(int fd, const char *name, struct bmr_conn **out, struct bmr_err *e)
{
	AUTO_FD int owned = fd;
	struct local *l = calloc(1, sizeof *l);

	if (!l)
		return bmr_err_nomem(e, "a file");
	l->conn.ops = &bmr_local_ops;
	l->fd = take_fd(&owned);
	l->name = strdup(name);
	if (!l->name || learn(l, e) < 0) {
		if (!l->name)
			bmr_err_nomem(e, "a file name");
		bmr_local_close(&l->conn);
		return -1;
	}
	/* Only advice: the whole image is going to be read, mostly in order. */
	posix_fadvise(l->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	*out = &l->conn;
	return 0;
}

static int local_open(const struct bmr_place *place, uint64_t off, struct bmr_conn **out,
                      struct bmr_err *e)
{
	const char *name = place->url->safe;
	/* A FIFO without a writer would block the open for ever. */
	int fd = open(place->url->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	(void)off;
	if (fd < 0)
		return bmr_err_set(e, BMR_E_SOURCE, errno, "cannot open '%s'", name);
	return bmr_local_take(fd, name, out, e);
}

/* A disk that fails to read has failed: its driver has tried for long already. */
int bmr_local_read(struct bmr_conn *conn, void *buf, size_t len, uint64_t off, size_t *got,
                   struct bmr_err *e)
{
	struct local *l = (struct local *)conn;

	for (*got = 0; *got < len;) {
		ssize_t n = pread(l->fd, (char *)buf + *got, len - *got, (off_t)(off + *got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return bmr_err_set(e, BMR_E_SOURCE, errno,
			                   "cannot read '%s' at byte %" PRIu64, l->name,
			                   off + *got);
		if (n == 0)
			break;
		*got += (size_t)n;
		l->conn.received += (uint64_t)n;
	}
	return 0;
}

const struct bmr_source_ops bmr_local_ops = {
	.block = BMR_MIB,
	.depth = 2,
	.open = local_open,
	.read = bmr_local_read,
	.close = bmr_local_close,
};
