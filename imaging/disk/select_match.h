/* SPDX-License-Identifier: GPL-3.0-or-later */
/* select_match.h - do the hints mean this disk?  For imaging/disk/select.c. */
#ifndef BMR_IMAGING_DISK_SELECT_MATCH_H
#define BMR_IMAGING_DISK_SELECT_MATCH_H

#include <stdbool.h>

struct bmr_disk;
struct bmr_hints;
struct bmr_judgement;

/* Do all hints that are given match?  NULL hints do.  If not, the judgement's reason names the
 * first that does not. */
bool bmr_select_match(const struct bmr_hints *hints, const struct bmr_disk *disk,
                      struct bmr_judgement *judgement);

#endif
