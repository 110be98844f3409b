/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready/identity_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"

#define LABEL "security.selinux"
#define LABEL_MAX 256

int bmr_files_open(int root, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
	                   RESOLVE_NO_XDEV,
	};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

bool bmr_files_exist(int root, const char *path)
{
	AUTO_FD int fd = bmr_files_open(root, path, O_PATH | O_NOFOLLOW);

	return fd >= 0;
}

static int fill(int fd, char *text, size_t *len)
{
	ssize_t got = 1;

	while (*len < BMR_FILES_TEXT_MAX &&
	       (got = read(fd, text + *len, BMR_FILES_TEXT_MAX - *len)) > 0)
		*len += (size_t)got;
	return got < 0 ? -1 : 0;
}

int bmr_files_read(int folder, const char *name, char **text, size_t *len, struct bmr_err *e)
{
	AUTO_FD int fd =
		bmr_files_open(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	AUTO_FREE char *copy = NULL;
	struct stat st;

	*text = NULL;
	*len = 0;
	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == EXDEV))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot open '%s'", name);
	if (!S_ISREG(st.st_mode))
		return 0;
	if (st.st_size > BMR_FILES_TEXT_MAX)
		return bmr_err_set(e, BMR_E_TARGET, 0, "'%s' has more than %d bytes", name,
		                   BMR_FILES_TEXT_MAX);
	copy = malloc(BMR_FILES_TEXT_MAX + 1);
	if (!copy)
		return bmr_err_nomem(e, "a file of the restored system");
	if (fill(fd, copy, len) < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot read '%s'", name);
	copy[*len] = '\0';
	*text = take_ptr(&copy);
	return 0;
}

/* A system with SELinux refuses a file without a label, and the live system has no policy. */
static int copy_label(int from, int to)
{
	char label[LABEL_MAX];
	ssize_t len = fgetxattr(from, LABEL, label, sizeof label);

	return len > 0 ? fsetxattr(to, LABEL, label, (size_t)len, 0) : 0;
}

static int copy_attributes(int folder, const char *name, int to, mode_t mode)
{
	AUTO_FD int from =
		bmr_files_open(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
		return fchmod(to, mode);
	if (fchown(to, st.st_uid, st.st_gid) < 0 || copy_label(from, to) < 0)
		return -1;
	return fchmod(to, st.st_mode & 0777);
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, data, len);

		if (done < 0)
			return -1;
		data += done;
		len -= (size_t)done;
	}
	return fsync(fd);
}

static int create(int folder, const char *draft)
{
	unlinkat(folder, draft, 0); /* of a run that was killed */
	return openat(folder, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int bmr_files_replace(int folder, const char *name, const void *data, size_t len, mode_t mode,
                      struct bmr_err *e)
{
	char draft[NAME_MAX];
	AUTO_FD int fd = -1;

	snprintf(draft, sizeof draft, ".%.200s.bmr-new", name);
	fd = create(folder, draft);
	if (fd >= 0 && copy_attributes(folder, name, fd, mode) == 0 &&
	    write_all(fd, data, len) == 0 && renameat(folder, draft, folder, name) == 0 &&
	    fsync(folder) == 0)
		return 0;
	bmr_err_set(e, BMR_E_TARGET, errno, "cannot write '%s'", name);
	if (fd >= 0)
		unlinkat(folder, draft, 0);
	return -1;
}

/* One step of a path. */
static int enter(int from, const char *name, mode_t mode, int *folder)
{
	if (mkdirat(from, name, mode) < 0 && errno != EEXIST)
		return -1;
	*folder = bmr_files_open(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	return *folder < 0 ? -1 : fsync(from);
}

int bmr_files_make_folder(int root, const char *path, mode_t mode, int *folder, struct bmr_err *e)
{
	AUTO_FD int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
	char text[PATH_MAX];
	char *rest = text;
	const char *name;

	snprintf(text, sizeof text, "%s", path);
	while (at >= 0 && (name = strsep(&rest, "/")) != NULL) {
		int next = -1;

		if (enter(at, name, mode, &next) < 0) {
			bmr_err_set(e, BMR_E_TARGET, errno, "cannot enter '/%s' (at '%s')", path,
			            name);
			bmr_cleanup_fd(&next);
			return -1;
		}
		close(at);
		at = next;
	}
	if (at < 0)
		return bmr_err_set(e, BMR_E_NOMEM, errno, "no descriptor is left");
	*folder = take_fd(&at);
	return 0;
}

static int remove_matching(int folder, DIR *list, const char *pattern, unsigned *count,
                           struct bmr_err *e)
{
	const struct dirent *entry;

	while ((entry = readdir(list))) {
		if (fnmatch(pattern, entry->d_name, FNM_PERIOD) != 0)
			continue;
		if (unlinkat(folder, entry->d_name, 0) < 0)
			return bmr_err_set(e, BMR_E_TARGET, errno, "cannot remove '%s'",
			                   entry->d_name);
		++*count;
	}
	return fsync(folder) < 0 ? bmr_err_set(e, BMR_E_TARGET, errno, "cannot flush a folder") : 0;
}

int bmr_files_remove(int folder, const char *pattern, unsigned *count, struct bmr_err *e)
{
	int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);
	int rc;

	*count = 0;
	if (!list) {
		bmr_cleanup_fd(&copy);
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot list a folder");
	}
	rc = remove_matching(folder, list, pattern, count, e);
	closedir(list);
	return rc;
}
