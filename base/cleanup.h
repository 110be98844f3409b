/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cleanup.h - the scope releases what it still owns.
 *
 *	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);	closed on every return
 *	AUTO_FREE char *name = strdup(text);			freed on every return
 *	...
 *	object->fd = take_fd(&fd);				ownership leaves this scope
 *	*out = take_ptr(&name);
 *
 * Cleaning up keeps errno.  The target disk is the exception to AUTO_FD: its fsync and close are
 * explicit and checked (imaging/disk/target.h).
 */
#ifndef BMR_BASE_CLEANUP_H
#define BMR_BASE_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void bmr_cleanup_fd(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void bmr_cleanup_free(void *pointer_to_pointer)
{
	int saved = errno;

	free(*(void **)pointer_to_pointer);
	errno = saved;
}

static inline void bmr_cleanup_file(FILE **f)
{
	int saved = errno;

	if (*f)
		fclose(*f);
	errno = saved;
}

/* Give up ownership of *fd and return it. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define AUTO_FD __attribute__((cleanup(bmr_cleanup_fd)))
#define AUTO_FREE __attribute__((cleanup(bmr_cleanup_free)))
#define AUTO_FILE __attribute__((cleanup(bmr_cleanup_file)))

/* Give up ownership of *pointer and return it, with its type. */
#define take_ptr(pointer)                                                                          \
	({                                                                                         \
		__auto_type taken_ = *(pointer);                                                   \
		*(pointer) = NULL;                                                                 \
		taken_;                                                                            \
	})

#endif
