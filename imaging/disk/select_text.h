/* SPDX-License-Identifier: GPL-3.0-or-later */
/* select_text.h - how imaging/disk/select.c words what it found; for nobody else. */
#ifndef BMR_IMAGING_DISK_SELECT_TEXT_H
#define BMR_IMAGING_DISK_SELECT_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct bmr_disk;
struct bmr_judgement;

#define BMR_SELECT_FIGURE 32

/* "1,073,741,312"; returns text. */
char *bmr_select_text_figure(uint64_t value, char text[BMR_SELECT_FIGURE]);

/* Fill the reason: confirm= names another disk. */
void bmr_select_text_unconfirmed(const char *confirm, const struct bmr_disk *disk,
                                 struct bmr_judgement *judgement);
/* Fill the reason: what would be lost, and what would consent.  overwrite: NULL, or what was given
 * and is wrong. */
void bmr_select_text_no_consent(const char *overwrite, const struct bmr_disk *disk,
                                struct bmr_judgement *judgement);

/* Add one more to an enumeration; what does not fit is left out and "..." says so. */
void bmr_select_text_add(char *text, size_t size, const char *more);
void bmr_select_text_add_disk(char *text, size_t size, const struct bmr_disk *disk);
void bmr_select_text_add_reason(char *text, size_t size, const struct bmr_disk *disk,
                                const struct bmr_judgement *judgement);

#endif
