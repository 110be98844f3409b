/* SPDX-License-Identifier: GPL-3.0-or-later */
/* target.h - the disk (or file) that is written, and nothing else that writes to it.
 *
 * One descriptor from the first write to the last.  Writes are O_DIRECT where the target can, so
 * that an error names its place and the page cache neither hides nor delays one.  A write or flush
 * that failed is final: Linux reports a lost page once only.
 *
 * Offsets and lengths are bytes.  Buffers are aligned to BMR_CHUNK_ALIGN (imaging/restore/pipe.h); offsets
 * and lengths are multiples of the sector size.  Reads and writes may run in several threads.
 */
#ifndef BMR_IMAGING_DISK_TARGET_H
#define BMR_IMAGING_DISK_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bmr_disk;
struct bmr_err;
struct bmr_target;

/* What is known of a target before it is opened for writing; see bmr_target_look. */
struct bmr_target_info {
	char path[256];    /* as given */
	bool is_file;      /* a regular file, or none yet */
	bool is_new;       /* a file that does not exist, or is empty: takes the image's size */
	dev_t dev;         /* block device: its number */
	uint64_t size;     /* bytes; 0 if is_new */
	unsigned sector;   /* logical sector size; 512 for a file */
	uint64_t sequence; /* diskseq: tells a disk from another one that took its name */
};

/* Look at a path without changing it.  Errors: BMR_E_REFUSED (neither a block device nor a regular
 * file), BMR_E_TARGET. */
int bmr_target_look(const char *path, struct bmr_target_info *info, struct bmr_err *e);

/* The same by the path of a disk that was listed before (disk/disk.h), and is it still that one: by
 * number, diskseq and size?  Errors: also BMR_E_REFUSED: it was exchanged since. */
int bmr_target_look_disk(const struct bmr_disk *disk, struct bmr_target_info *info,
                         struct bmr_err *e);

/* Open for writing, exclusively.  A new file is created.  *out is closed by bmr_target_close.
 * Errors: BMR_E_REFUSED (busy: mounted, swap, LVM, md; read-only; no longer the disk that was
 * looked at), BMR_E_TARGET. */
int bmr_target_open(const struct bmr_target_info *info, struct bmr_target **out, struct bmr_err *e);

/* Open for reading past the cache only, for verify.  The same errors. */
int bmr_target_open_readonly(const struct bmr_target_info *info, struct bmr_target **out,
                             struct bmr_err *e);

const struct bmr_target_info *bmr_target_info(const struct bmr_target *t);

/* Write all of data at off.  Errors: BMR_E_TARGET naming the byte and the sector. */
int bmr_target_write(struct bmr_target *t, const void *data, size_t len, uint64_t off,
                     struct bmr_err *e);

/* Make [off, off + len) read as zeros: by punching a hole, else by the device's own zeroing, else
 * by writing zeros.  What a device refuses once is not asked again.  (A discard promises nothing
 * about what is read afterwards.)  Errors: BMR_E_TARGET. */
int bmr_target_zero(struct bmr_target *t, uint64_t off, uint64_t len, struct bmr_err *e);

/* Tell the device that nobody needs [off, off + len): what is read there afterwards is anything.
 * false: it was not told, or refused, and is not asked again. */
bool bmr_target_discard(struct bmr_target *t, uint64_t off, uint64_t len);

/* Everything written so far is on the medium.  Errors: BMR_E_TARGET, final. */
int bmr_target_flush(struct bmr_target *t, struct bmr_err *e);

/* Forget what the page cache holds of it, so that reads come from the medium.
 * Errors: BMR_E_TARGET. */
int bmr_target_drop_cache(struct bmr_target *t, struct bmr_err *e);

/* Read len bytes at off, past the cache.  Errors: BMR_E_TARGET naming the byte and the sector. */
int bmr_target_read(struct bmr_target *t, void *data, size_t len, uint64_t off, struct bmr_err *e);

/* Is it still the disk that was looked at (diskseq, size)?  Errors: BMR_E_REFUSED. */
int bmr_target_check_same(struct bmr_target *t, struct bmr_err *e);

/* A new file gets exactly this size.  No-op for others.  Errors: BMR_E_TARGET. */
int bmr_target_set_size(struct bmr_target *t, uint64_t size, struct bmr_err *e);

/* Ask the kernel to read the partition table anew; waits at most timeout_ms.  false: it did not,
 * and *reason says why (a static text or strerror's); the restore is right all the same. */
bool bmr_target_reread_table(struct bmr_target *t, unsigned timeout_ms, const char **reason);

/* Close and free; NULL is allowed.  Errors: BMR_E_TARGET; the target is freed all the same. */
int bmr_target_close(struct bmr_target *t, struct bmr_err *e);

#endif
