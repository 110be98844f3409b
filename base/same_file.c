/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/same_file.h"

#include <sys/stat.h>

bool bmr_same_file(const char *path, const char *other)
{
	struct stat one;
	struct stat two;

	return stat(path, &one) == 0 && stat(other, &two) == 0 && one.st_dev == two.st_dev &&
	       one.st_ino == two.st_ino;
}
