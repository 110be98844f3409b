/* SPDX-License-Identifier: GPL-3.0-or-later */
/* internal.h - what the files of imaging/used/ share: used.c is the whole, list.c lists of
 * ranges, table.c partitions and what lies between them, content.c what one of them holds,
 * probe.c libblkid, device.c a block device for a part of the disk, partclone.c
 * the maps, doubt.c, btrfs.c and ntfs.c when not to believe them, lvm.c volume
 * groups, dm.c volumes in several pieces.
 *
 * Inside, a failure is either one that ends everything (BMR_E_STOPPED, BMR_E_NOMEM) or the reason why
 * something is taken whole.
 */
#ifndef BMR_IMAGING_USED_INTERNAL_H
#define BMR_IMAGING_USED_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/child.h"
#include "base/err.h"
#include "imaging/used/used.h"

#define BMR_USED_EDGE ((uint64_t)1 << 20) /* of everything, at both ends, is always used */

/* --- ranges, of the disk or of a part of it; list.c --- */

struct bmr_used_list {
	struct bmr_used_range *ranges; /* in any order until it is packed */
	size_t count;
	size_t room;
	uint64_t join; /* what is less apart is made one, so that there are not too many */
};

/* Errors: BMR_E_NOMEM. */
int bmr_used_list_add(struct bmr_used_list *list, uint64_t offset, uint64_t length,
                      struct bmr_err *e);
/* Sort, and join what touches. */
void bmr_used_list_pack(struct bmr_used_list *list);
void bmr_used_list_clear(struct bmr_used_list *list);

/* --- one run --- */

struct bmr_used_pv { /* where a physical volume was found */
	uint64_t offset;
	uint64_t size;
	char name[24]; /* "partition 3" */
	char fact[24]; /* "partition.3" */
};

struct bmr_used_look {
	const struct bmr_used_options *options;
	int fd; /* of the disk, for reading */
	struct bmr_used_list list;
	struct bmr_used_pv *pvs;
	size_t pv_count;
};

/* A part of the disk that is a device of its own to those who use it. */
struct bmr_used_piece {
	uint64_t at;     /* in the place, from 0 on without gaps */
	uint64_t offset; /* on the disk */
	uint64_t length;
};

struct bmr_used_place {
	const char *name; /* "partition 3", "volume 'vg/root'" */
	const char *fact; /* "partition.3": what its facts' names begin with */
	const struct bmr_used_piece *pieces;
	size_t count;
	uint64_t size;
};

bool bmr_used_is_fatal(const struct bmr_err *e);

/* [offset, offset + length) of a place, or all of it, is used.  What leaves it is cut off.
 * Errors: BMR_E_NOMEM. */
int bmr_used_take(struct bmr_used_look *look, const struct bmr_used_place *place, uint64_t offset,
                  uint64_t length, struct bmr_err *e);

/* A fact, its name in two parts.  Errors: BMR_E_NOMEM. */
int bmr_used_fact(struct bmr_used_look *look, const char *first, const char *last,
                  struct bmr_err *e, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* All of a place is used, and `why` is told (NULL: no need to).  Errors: BMR_E_NOMEM. */
int bmr_used_whole(struct bmr_used_look *look, const struct bmr_used_place *place, const char *why,
                   struct bmr_err *e);

/* --- its parts --- */

/* Everything on the disk.  Errors: BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_used_table(struct bmr_used_look *look, struct bmr_err *e);

/* What a place holds.  Physical volumes are put aside in look->pvs.
 * Errors: BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_used_content(struct bmr_used_look *look, const struct bmr_used_place *place,
                     bool pv_allowed, struct bmr_err *e);

/* The physical volumes put aside.  Errors: BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_used_lvm(struct bmr_used_look *look, struct bmr_err *e);

/* --- tools --- */

struct bmr_used_found { /* by libblkid; "" where it says nothing */
	char type[32];
	char label[128];
	char uuid[64];
};

/* What stands at [offset, offset + size) of an open file.  Errors: BMR_E_TARGET (cannot be read),
 * BMR_E_DATA (several contradict each other), BMR_E_NOMEM. */
int bmr_used_probe(int fd, unsigned sector, uint64_t offset, uint64_t size,
                   struct bmr_used_found *found, struct bmr_err *e);

struct bmr_used_device {
	int fd; /* while it is open, the device is there */
	char path[64];
};

/* A block device that shows a place, for reading only.  It goes with the last of those who have it
 * open, so nothing is left after a kill.  *device is closed by bmr_used_device_close.
 * Errors: BMR_E_SOURCE (this machine cannot), BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_used_device_open(const struct bmr_used_look *look, const struct bmr_used_place *place,
                         struct bmr_used_device *device, struct bmr_err *e);
void bmr_used_device_close(struct bmr_used_device *device);
/* Of bmr_used_device_open: a place of more than one piece. */
int bmr_used_dm_open(const struct bmr_used_look *look, const struct bmr_used_place *place,
                     struct bmr_used_device *device, struct bmr_err *e);

/* How to run a program that reads `size` bytes at most: in the C locale, with a limit of time. */
struct bmr_child_order bmr_used_order(const struct bmr_used_look *look, uint64_t size,
                                      const char *const *args);

/* Run a program and judge what it says; an exit code up to `worst` is no failure.
 * Errors: those of bmr_child_run and of the judge, who has BMR_E_DATA. */
typedef int bmr_used_judge_fn(const char *text, void *ctx, struct bmr_err *e);
int bmr_used_ask(const struct bmr_used_look *look, uint64_t size, bmr_used_judge_fn *judge,
                 int worst, void *ctx, struct bmr_err *e, const char *const *args);
#define BMR_USED_ASK(look, size, judge, worst, ctx, e, ...)                                        \
	bmr_used_ask(look, size, judge, worst, ctx, e, (const char *const[]){__VA_ARGS__, NULL})

/* What stands behind "NAME:" or the like at the start of a line; NULL: no such line, or no text. */
const char *bmr_used_after(const char *text, const char *name);
/* Up to its end, and no further. */
bool bmr_used_line_is(const char *line, const char *wanted);
/* Is each word of the first len bytes one of those in `known`?  Else *stranger is one that is not. */
#define BMR_USED_WORD_SIZE 48
bool bmr_used_all_known(const char *text, size_t len, const char *separators,
                        const char *const *known, char stranger[BMR_USED_WORD_SIZE]);

/* The map that partclone.FS makes of a device of `size` bytes, into *map (added, in order).
 * *end: where it ends.  Errors: BMR_E_DATA (it makes no sense), those of bmr_child_run. */
int bmr_used_partclone(const struct bmr_used_look *look, const char *fs,
                       const struct bmr_used_device *device, uint64_t size,
                       struct bmr_used_list *map, uint64_t *end, struct bmr_err *e);

/* Is there something about the file system that its map would get wrong?  Then BMR_E_DATA with the
 * reason.  What the map leaves out is added to it. */
typedef int bmr_used_doubt_fn(const struct bmr_used_look *look,
                              const struct bmr_used_device *device, uint64_t size,
                              struct bmr_used_list *map, struct bmr_err *e);
bmr_used_doubt_fn bmr_used_doubt_ext;
bmr_used_doubt_fn bmr_used_doubt_xfs;
bmr_used_doubt_fn bmr_used_doubt_btrfs;
bmr_used_doubt_fn bmr_used_doubt_ntfs;
bmr_used_doubt_fn bmr_used_doubt_exfat;
bmr_used_doubt_fn bmr_used_doubt_fat;

#endif
