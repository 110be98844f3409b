/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/disk/disk.h"
#include "imaging/restore/pipe.h"

#ifndef BLKGETDISKSEQ /* Linux 5.15; Debian 12's headers have it, older ones do not */
#define BLKGETDISKSEQ _IOR(0x12, 128, __u64)
#endif

struct bmr_target {
	struct bmr_target_info info;
	int fd;
	atomic_bool no_punch;   /* FALLOC_FL_PUNCH_HOLE was refused */
	atomic_bool no_zeroout; /* BLKZEROOUT was refused, or the device would only write zeros */
	atomic_bool no_discard; /* BLKDISCARD was refused */
	uint8_t *zeros;         /* one chunk of them, for the last step of the ladder */
};

static int look_at_device(int fd, const struct stat *st, struct bmr_target_info *info,
                          struct bmr_err *e)
{
	int sector = 0;
	uint64_t sequence = 0;

	if (ioctl(fd, BLKGETSIZE64, &info->size) < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot tell the size of '%s'",
		                   info->path);
	if (ioctl(fd, BLKSSZGET, &sector) < 0 || sector < 512 || sector > BMR_CHUNK_ALIGN)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot tell the sector size of '%s'",
		                   info->path);
	if (ioctl(fd, BLKGETDISKSEQ, &sequence) < 0)
		sequence = 0; /* a kernel before 5.15 */
	info->sector = (unsigned)sector;
	info->dev = st->st_rdev;
	info->sequence = sequence;
	return 0;
}

static int look_at_fd(int fd, struct bmr_target_info *info, struct bmr_err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot look at '%s'", info->path);
	if (S_ISBLK(st.st_mode))
		return look_at_device(fd, &st, info, e);
	if (!S_ISREG(st.st_mode))
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' is neither a disk nor a regular file; nothing was written",
		                   info->path);
	info->is_file = true;
	info->is_new = st.st_size == 0;
	info->size = (uint64_t)st.st_size;
	info->sector = 512;
	return 0;
}

int bmr_target_look(const char *path, struct bmr_target_info *info, struct bmr_err *e)
{
	AUTO_FD int fd = -1;

	memset(info, 0, sizeof *info);
	if ((size_t)snprintf(info->path, sizeof info->path, "%s", path) >= sizeof info->path)
		return bmr_err_set(e, BMR_E_USAGE, 0, "the target's path is too long: '%s'", path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT && strncmp(path, "/dev/", 5) != 0) {
		info->is_file = true;
		info->is_new = true;
		info->sector = 512;
		return 0;
	}
	if (fd < 0)
		return bmr_err_set(e, errno == ENOENT ? BMR_E_REFUSED : BMR_E_TARGET, errno,
		                   "cannot open the target '%s'", path);
	return look_at_fd(fd, info, e);
}

int bmr_target_look_disk(const struct bmr_disk *disk, struct bmr_target_info *info,
                         struct bmr_err *e)
{
	if (bmr_target_look(disk->path, info, e) < 0)
		return -1;
	if (info->is_file || info->dev != disk->dev || info->sequence != disk->sequence ||
	    info->size != disk->size)
		return bmr_err_set(e, BMR_E_REFUSED, 0, "'%s' was exchanged while it was looked at",
		                   disk->path);
	return 0;
}

/* O_DIRECT where the file system under a file allows it; a block device always does. */
static int open_direct(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT | O_CLOEXEC, 0666);

	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags | O_CLOEXEC, 0666);
	return fd;
}

static int cannot_open(const struct bmr_target_info *info, struct bmr_err *e)
{
	switch (errno) {
	case EBUSY:
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' is in use (mounted, swap, LVM, RAID or another program); "
		                   "nothing was written",
		                   info->path);
	case EROFS:
	case EACCES:
	case EPERM:
		return bmr_err_set(e, BMR_E_REFUSED, errno, "'%s' cannot be written", info->path);
	default:
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot open '%s'", info->path);
	}
}

static int check_same_fd(int fd, const struct bmr_target_info *was, struct bmr_err *e)
{
	struct bmr_target_info now = {0};

	memcpy(now.path, was->path, sizeof now.path);
	if (look_at_fd(fd, &now, e) < 0)
		return -1;
	if (was->is_file ? !now.is_file
	                 : now.is_file || now.dev != was->dev || now.sequence != was->sequence ||
	                           now.size != was->size || now.sector != was->sector)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' is no longer the disk that was chosen: it was exchanged",
		                   was->path);
	return 0;
}

static int open_target(const struct bmr_target_info *info, int flags, struct bmr_target **out,
                       struct bmr_err *e)
{
	AUTO_FREE struct bmr_target *t = calloc(1, sizeof *t);
	AUTO_FREE uint8_t *zeros = aligned_alloc(BMR_CHUNK_ALIGN, BMR_CHUNK_SIZE);
	AUTO_FD int fd = -1;

	if (!t || !zeros)
		return bmr_err_nomem(e, "the target");
	memset(zeros, 0, BMR_CHUNK_SIZE);
	fd = open_direct(info->path, flags);
	if (fd < 0)
		return cannot_open(info, e);
	if (check_same_fd(fd, info, e) < 0)
		return -1;
	t->info = *info;
	t->fd = take_fd(&fd);
	t->zeros = take_ptr(&zeros);
	*out = take_ptr(&t);
	return 0;
}

/* sysfs knows whether the device zeroes by itself; BLKZEROOUT on one that does not is slower than
 * our own large writes. */
static bool offloads_zeroing(dev_t dev)
{
	char path[96];
	AUTO_FILE FILE *f = NULL;
	unsigned long long max = 0;

	snprintf(path, sizeof path, "/sys/dev/block/%u:%u/queue/write_zeroes_max_bytes", major(dev),
	         minor(dev));
	f = fopen(path, "re");
	return f && fscanf(f, "%llu", &max) == 1 && max > 0;
}

int bmr_target_open(const struct bmr_target_info *info, struct bmr_target **out, struct bmr_err *e)
{
	/* O_EXCL on a block device: EBUSY while a mount, swap, dm or md holds it or a part of it. */
	int flags = info->is_file ? O_RDWR | O_CREAT : O_RDWR | O_EXCL;
	struct bmr_target *t;

	if (open_target(info, flags, &t, e) < 0)
		return -1;
	atomic_init(&t->no_zeroout, info->is_file || !offloads_zeroing(info->dev));
	*out = t;
	return 0;
}

int bmr_target_open_readonly(const struct bmr_target_info *info, struct bmr_target **out,
                             struct bmr_err *e)
{
	return open_target(info, O_RDONLY, out, e);
}

const struct bmr_target_info *bmr_target_info(const struct bmr_target *t)
{
	return &t->info;
}

/* Such a disk has no size any more, and so no space for a write. */
static bool is_pulled(const struct bmr_target *t)
{
	uint64_t size;

	return !t->info.is_file && (ioctl(t->fd, BLKGETSIZE64, &size) < 0 || size == 0);
}

static int io_failed(const struct bmr_target *t, const char *verb, int sys, uint64_t off,
                     struct bmr_err *e)
{
	if (sys == ENOSPC && is_pulled(t))
		sys = ENODEV;
	return bmr_err_set(e, BMR_E_TARGET, sys,
	                   "cannot %s '%s' at byte %" PRIu64 " (sector %" PRIu64 ")", verb,
	                   t->info.path, off, off / t->info.sector);
}

/* A file system may refuse O_DIRECT for the odd end of an image only; then the file, never a
 * disk, goes on through the page cache, and flush and drop_cache keep the meaning. */
static bool fall_back_to_cache(struct bmr_target *t)
{
	int flags = fcntl(t->fd, F_GETFL);

	return t->info.is_file && errno == EINVAL && flags >= 0 && (flags & O_DIRECT) &&
	       fcntl(t->fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

int bmr_target_write(struct bmr_target *t, const void *data, size_t len, uint64_t off,
                     struct bmr_err *e)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = pwrite(t->fd, p, len, (off_t)off);

		if (n < 0 && (errno == EINTR || fall_back_to_cache(t)))
			continue;
		if (n <= 0)
			return io_failed(t, "write", n < 0 ? errno : ENOSPC, off, e);
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int bmr_target_read(struct bmr_target *t, void *data, size_t len, uint64_t off, struct bmr_err *e)
{
	uint8_t *p = data;

	while (len > 0) {
		ssize_t n = pread(t->fd, p, len, (off_t)off);

		if (n < 0 && (errno == EINTR || fall_back_to_cache(t)))
			continue;
		if (n <= 0)
			return io_failed(t, "read back", n < 0 ? errno : EIO, off, e);
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Try one step of the ladder; a refusal is remembered in *refused. */
static bool punch(struct bmr_target *t, uint64_t off, uint64_t len)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	if (atomic_load(&t->no_punch))
		return false;
	if (fallocate(t->fd, mode, (off_t)off, (off_t)len) == 0)
		return true;
	atomic_store(&t->no_punch, true);
	return false;
}

static bool zeroout(struct bmr_target *t, uint64_t off, uint64_t len)
{
	uint64_t range[2] = {off, len};

	if (atomic_load(&t->no_zeroout))
		return false;
	if (ioctl(t->fd, BLKZEROOUT, range) == 0)
		return true;
	atomic_store(&t->no_zeroout, true);
	return false;
}

int bmr_target_zero(struct bmr_target *t, uint64_t off, uint64_t len, struct bmr_err *e)
{
	if (punch(t, off, len) || zeroout(t, off, len))
		return 0;
	while (len > 0) {
		size_t n = (size_t)bmr_size_min(len, BMR_CHUNK_SIZE);

		if (bmr_target_write(t, t->zeros, n, off, e) < 0)
			return -1;
		off += n;
		len -= n;
	}
	return 0;
}

bool bmr_target_discard(struct bmr_target *t, uint64_t off, uint64_t len)
{
	uint64_t range[2] = {off, len};

	if (t->info.is_file)
		return punch(t, off, len);
	if (atomic_load(&t->no_discard))
		return false;
	if (ioctl(t->fd, BLKDISCARD, range) == 0)
		return true;
	atomic_store(&t->no_discard, true);
	return false;
}

int bmr_target_flush(struct bmr_target *t, struct bmr_err *e)
{
	if (fsync(t->fd) < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot flush '%s'", t->info.path);
	return 0;
}

int bmr_target_drop_cache(struct bmr_target *t, struct bmr_err *e)
{
	int rc = posix_fadvise(t->fd, 0, 0, POSIX_FADV_DONTNEED);

	if (rc != 0 || (!t->info.is_file && ioctl(t->fd, BLKFLSBUF, 0) < 0 && errno != EACCES))
		return bmr_err_set(e, BMR_E_TARGET, rc ? rc : errno,
		                   "cannot drop the cache of '%s'", t->info.path);
	return 0;
}

int bmr_target_check_same(struct bmr_target *t, struct bmr_err *e)
{
	return check_same_fd(t->fd, &t->info, e);
}

int bmr_target_set_size(struct bmr_target *t, uint64_t size, struct bmr_err *e)
{
	if (!t->info.is_new)
		return 0;
	if (ftruncate(t->fd, (off_t)size) < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno,
		                   "cannot give '%s' its size of %" PRIu64 " bytes", t->info.path,
		                   size);
	return 0;
}

struct reread {
	int fd;
	int sys;
};

static void *reread_main(void *arg)
{
	struct reread *r = arg;

	/* udev and others may hold the disk for a moment: a few tries, then the reason. */
	for (int i = 0; i < 10; i++) {
		r->sys = ioctl(r->fd, BLKRRPART) < 0 ? errno : 0;
		if (r->sys != EBUSY)
			break;
		usleep(100 * 1000);
	}
	return NULL;
}

bool bmr_target_reread_table(struct bmr_target *t, unsigned timeout_ms, const char **reason)
{
	/* Outlives this call if the kernel does not come back; a few bytes, once. */
	struct reread *r;
	struct timespec until;
	pthread_t thread;

	if (t->info.is_file)
		return true;
	r = malloc(sizeof *r);
	*reason = "out of memory";
	if (!r)
		return false;
	*r = (struct reread){t->fd, 0};
	if (pthread_create(&thread, NULL, reread_main, r) != 0) {
		free(r);
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != 0) {
		pthread_detach(thread);
		*reason = "the kernel did not answer in time";
		return false;
	}
	/* EINVAL: the device cannot have partitions (a loop device without them): nothing to do. */
	*reason = r->sys == 0 || r->sys == EINVAL ? NULL : strerrordesc_np(r->sys);
	free(r);
	return *reason == NULL;
}

int bmr_target_close(struct bmr_target *t, struct bmr_err *e)
{
	int rc = 0;

	if (!t)
		return 0;
	if (close(t->fd) < 0)
		rc = bmr_err_set(e, BMR_E_TARGET, errno, "cannot close '%s'", t->info.path);
	free(t->zeros);
	free(t);
	return rc;
}
