/* SPDX-License-Identifier: GPL-3.0-or-later */
/* same_file.h - do two paths name one file? */
#ifndef BMR_BASE_SAME_FILE_H
#define BMR_BASE_SAME_FILE_H

#include <stdbool.h>

/* By whatever names: hard and symbolic links are followed (stat(2)).  false also if one of them cannot
 * be looked at.  Any thread. */
bool bmr_same_file(const char *path, const char *other);

#endif
