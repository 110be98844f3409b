/* SPDX-License-Identifier: GPL-3.0-or-later */
/* identity_files.h - files of a system that is not ours, below a descriptor of its "/".
 *
 * No symbolic link is ever followed, neither in a path nor at its end, and no other file system is
 * entered: what is written is where it is meant to be or nowhere.  Paths have no leading slash.
 */
#ifndef BMR_AGENT_READY_IDENTITY_FILES_H
#define BMR_AGENT_READY_IDENTITY_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bmr_err;

#define BMR_FILES_TEXT_MAX 65536 /* bytes of a file that is read */

/* Like openat(2), close-on-exec, without a link in the way.  -1 and errno. */
int bmr_files_open(int root, const char *path, int flags);

/* Is there anything of this name (a link too)? */
bool bmr_files_exist(int root, const char *path);

/* Read a regular file of folder whole: *text (malloc'ed) ends with a NUL, *len is without it.  No
 * file, or none that is regular: 0 and *text NULL.
 * Errors: BMR_E_TARGET (also: over BMR_FILES_TEXT_MAX), BMR_E_NOMEM. */
int bmr_files_read(int folder, const char *name, char **text, size_t *len, struct bmr_err *e);

/* Write a file whole: under another name, flushed, renamed.  A file that was there gives it its
 * owner, mode and SELinux label, else it is root's and has this mode; a link is replaced.
 * Errors: BMR_E_TARGET. */
int bmr_files_replace(int folder, const char *name, const void *data, size_t len, mode_t mode,
                      struct bmr_err *e);

/* Open a folder for reading; it and those on the way are made (root's, mode) where they are not.
 * Errors: BMR_E_TARGET. */
int bmr_files_make_folder(int root, const char *path, mode_t mode, int *folder, struct bmr_err *e);

/* Remove the files and links of folder whose names match (fnmatch(3)); *count how many.
 * Errors: BMR_E_TARGET. */
int bmr_files_remove(int folder, const char *pattern, unsigned *count, struct bmr_err *e);

#endif
