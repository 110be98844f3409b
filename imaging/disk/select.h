/* SPDX-License-Identifier: GPL-3.0-or-later */
/* select.h - which disk may be written: the rules that keep the wrong one safe.
 *
 * Pure: judges a list of disks (imaging/disk/disk.h), touches none.
 */
#ifndef BMR_IMAGING_DISK_SELECT_H
#define BMR_IMAGING_DISK_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bmr_err;
struct bmr_disk;
struct bmr_disk_list;

/* bmr.target=: all that are given must match.  serial, wwn, path, model, bus: shell patterns
 * (fnmatch(3): * ? []), case-insensitive, blanks at the ends ignored; what a disk does not tell
 * never matches.  wwn: with or without "naa.", "eui." or "0x" before it.  model: also "vendor
 * model".  dev: "/dev/sda" or "sda".  size: "500G" (that, within 1 %), "400G-600G", "400G-",
 * "-600G"; units as bmr_size_parse has them: G is 1024^3, GB is 1000^3. */
struct bmr_hints {
	bool automatic; /* "auto" alone: the only fixed disk there is */
	char *serial, *wwn, *path, *model, *bus, *dev;
	uint64_t size_low, size_high; /* bytes, 0 and UINT64_MAX if not given */
};

/* *hints is to be cleared by bmr_hints_clear; after a failure it is cleared already.
 * Errors: BMR_E_NOMEM, BMR_E_USAGE (an unknown hint names the known ones; an empty value; auto with others). */
int bmr_hints_parse(const char *text, struct bmr_hints *hints, struct bmr_err *e);
void bmr_hints_clear(struct bmr_hints *hints);

/* What is known of the restore when a disk is judged. */
struct bmr_select_rules {
	const struct bmr_hints *hints; /* NULL: no hint; every disk matches (bmr disks) */
	bool unattended;               /* dev= alone is then not enough */
	bool named; /* this very device was named as an argument: it may also be a loop, memory or
		       mapped device, or removable */
	const dev_t *source_disks; /* whole disks that hold the image */
	size_t source_disk_count;
	uint64_t image_size;   /* bytes the disk must have at least; 0 unknown */
	unsigned image_sector; /* logical sector the image was made for; 0 unknown */
	const char *overwrite; /* consent: NULL, "any", a serial or a table UUID */
	const char *confirm;   /* NULL, or a serial or table UUID that must be right */
};

enum bmr_verdict {
	BMR_VERDICT_OK,
	BMR_VERDICT_NEVER,   /* boot medium, source, busy, read-only, optical, loop, mapped ... */
	BMR_VERDICT_HINT,    /* a hint does not match */
	BMR_VERDICT_UNFIT,   /* matches, but too small or of another sector size */
	BMR_VERDICT_CONSENT, /* matches and fits, but holds something and there is no consent */
};

struct bmr_judgement {
	enum bmr_verdict verdict;
	bool meant; /* the hints (not "auto") match, whatever else speaks against it: waiting for
		       another disk would change nothing */
	char reason[256]; /* one line: "serial 'A1' is not 'B2'"; "" for OK */
};

/* Judge one disk by itself. */
void bmr_select_judge(const struct bmr_select_rules *rules, const struct bmr_disk *disk,
                      struct bmr_judgement *judgement);

/* Judge all; judgements[] has list->count members.  Besides judging each by itself: a disk that
 * seems to be the same as one in use, seen by a second way (equal wwn; equal serial where one of
 * them has no wwn), is as untouchable as that. */
void bmr_select_judge_all(const struct bmr_select_rules *rules, const struct bmr_disk_list *list,
                          struct bmr_judgement *judgements);

/* Judge all as above and pick the one disk.  Hints and "never" rules decide who is meant; exactly
 * one must remain, and it alone is then asked for fit and consent: a second disk that matches is
 * never settled by its size or emptiness.  "auto" counts a fixed disk in use as a second one.
 * Without hints nothing is picked.  *disk points into list; judgements[] is filled also after a
 * refusal.
 * Errors: BMR_E_REFUSED: none, several (names them), unfit, no consent; with what to do. */
int bmr_select_pick(const struct bmr_select_rules *rules, const struct bmr_disk_list *list,
                    struct bmr_judgement *judgements, const struct bmr_disk **disk,
                    struct bmr_err *e);

#endif
