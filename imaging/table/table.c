/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/table/table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/layout.h"
#include "imaging/restore/pipe.h"
#include "imaging/table/fdisk.h"
#include "imaging/disk/target.h"

#define NAME "the image's partition table"
#define BOOT_CODE 446 /* bytes of LBA 0 before the table of an MBR */

/* --- the made-up disk --- */

static int put_all(int fd, const uint8_t *data, size_t len, uint64_t off, struct bmr_err *e)
{
	if (pwrite(fd, data, len, (off_t)off) != (ssize_t)len)
		return bmr_err_set(e, BMR_E_NOMEM, errno, "no memory for a partition table");
	return 0;
}

static int get_all(int fd, uint8_t *data, size_t len, uint64_t off, struct bmr_err *e)
{
	if (pread(fd, data, len, (off_t)off) != (ssize_t)len)
		return bmr_err_set(e, BMR_E_BUG, errno, "a partition table cannot be read again");
	return 0;
}

static int set_size(int fd, uint64_t size, struct bmr_err *e)
{
	if (ftruncate(fd, (off_t)size) < 0)
		return bmr_err_set(e, BMR_E_NOMEM, errno, "no memory for a partition table");
	return 0;
}

static int make_disk(const uint8_t *first, size_t len, uint64_t size, int *out, struct bmr_err *e)
{
	AUTO_FD int fd = memfd_create("bmr-table", MFD_CLOEXEC);

	if (fd < 0)
		return bmr_err_set(e, BMR_E_NOMEM, errno, "no memory for a partition table");
	if (set_size(fd, size, e) < 0 ||
	    put_all(fd, first, (size_t)bmr_size_min(len, size), 0, e) < 0)
		return -1;
	*out = take_fd(&fd);
	return 0;
}

/* --- a larger disk: libfdisk moves the backup whenever it writes --- */

static int write_table(struct bmr_fdisk *f, struct bmr_err *e)
{
	int rc = fdisk_write_disklabel(f->context);

	return rc == 0 ? 0 : bmr_fdisk_failed(f, rc, "write the partition table", e);
}

static int move_backup(int fd, unsigned sector, struct bmr_err *e)
{
	struct bmr_fdisk f;
	int rc;

	if (bmr_fdisk_open(&f, fd, NAME, sector, false, e) < 0)
		return -1;
	rc = write_table(&f, e);
	bmr_fdisk_close(&f);
	return rc;
}

/* --- a smaller disk: a table whose header points past the end is none, so it is made anew --- */

static int read_script(int fd, unsigned sector, struct fdisk_script **script, struct bmr_err *e)
{
	struct bmr_fdisk f;
	int rc;

	if (bmr_fdisk_open(&f, fd, NAME, sector, true, e) < 0)
		return -1;
	if (fdisk_gpt_is_hybrid(f.context)) {
		bmr_fdisk_close(&f);
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "the image has a hybrid of GPT and MBR, which cannot be made "
		                   "smaller");
	}
	*script = fdisk_new_script(f.context);
	rc = *script ? fdisk_script_read_context(*script, NULL) : -ENOMEM;
	if (rc == 0)
		rc = fdisk_script_set_header(*script, "last-lba", NULL);
	if (rc != 0)
		bmr_fdisk_failed(&f, rc, "read the partition table", e);
	bmr_fdisk_close(&f);
	return rc == 0 ? 0 : -1;
}

static int apply_script(int fd, unsigned sector, struct fdisk_script *script, struct bmr_err *e)
{
	struct bmr_fdisk f;
	int rc;

	if (bmr_fdisk_open(&f, fd, NAME, sector, false, e) < 0)
		return -1;
	fdisk_enable_bootbits_protection(f.context, 1);
	f.said[0] = '\0'; /* that the old table does not fit */
	rc = fdisk_apply_script(f.context, script);
	if (rc != 0)
		rc = bmr_fdisk_failed(&f, rc, "make the partition table fit", e);
	else
		rc = write_table(&f, e);
	bmr_fdisk_close(&f);
	return rc;
}

static int make_smaller(int fd, const struct bmr_layout *layout, uint64_t size, struct bmr_err *e)
{
	struct fdisk_script *script = NULL;
	int rc = -1;

	if (set_size(fd, layout->needed, e) == 0 &&
	    read_script(fd, layout->sector, &script, e) == 0 && set_size(fd, size, e) == 0)
		rc = apply_script(fd, layout->sector, script, e);
	fdisk_unref_script(script);
	return rc;
}

/* --- what came out --- */

/* Only the header and the protective MBR may have changed, so partitions are what they were. */
static int check_rest(const uint8_t *before, const uint8_t *after, size_t len, unsigned sector,
                      struct bmr_err *e)
{
	if (memcmp(before, after, BOOT_CODE) == 0 &&
	    memcmp(before + 512, after + 512, sector - 512) == 0 &&
	    memcmp(before + 2 * sector, after + 2 * sector, len - 2 * sector) == 0)
		return 0;
	return bmr_err_set(e, BMR_E_REFUSED, 0,
	                   "the image's GPT would have to change in more than its size");
}

static int take_tail(int fd, unsigned sector, uint64_t size, struct bmr_table_fit *fit,
                     struct bmr_err *e)
{
	struct bmr_fdisk f;
	uint64_t last;
	int rc;

	if (bmr_fdisk_open(&f, fd, NAME, sector, true, e) < 0)
		return -1;
	rc = bmr_fdisk_check(&f, e);
	last = fdisk_get_last_lba(f.context);
	bmr_fdisk_close(&f);
	if (rc < 0)
		return -1;
	fit->tail_offset = (last + 1) * sector;
	fit->tail_len = (size_t)(size - fit->tail_offset);
	if (fit->tail_offset >= size || fit->tail_len > BMR_TABLE_TAIL_MOST)
		return bmr_err_set(e, BMR_E_REFUSED, 0, "the image's GPT is too large");
	fit->tail = malloc(fit->tail_len);
	if (!fit->tail)
		return bmr_err_nomem(e, "a partition table");
	return get_all(fd, fit->tail, fit->tail_len, fit->tail_offset, e);
}

static int fit_gpt(const uint8_t *first, size_t len, const struct bmr_layout *layout, uint64_t size,
                   struct bmr_table_fit *fit, struct bmr_err *e)
{
	AUTO_FD int fd = -1;

	fit->first = malloc(len);
	if (!fit->first)
		return bmr_err_nomem(e, "a partition table");
	if (make_disk(first, len, size, &fd, e) < 0)
		return -1;
	if ((size > layout->backup_end ? move_backup(fd, layout->sector, e)
	                               : make_smaller(fd, layout, size, e)) < 0)
		return -1;
	if (get_all(fd, fit->first, len, 0, e) < 0 ||
	    check_rest(first, fit->first, len, layout->sector, e) < 0)
		return -1;
	return take_tail(fd, layout->sector, size, fit, e);
}

int bmr_table_fit(const uint8_t *first, size_t len, uint64_t disk_size, struct bmr_table_fit *fit,
                  struct bmr_err *e)
{
	struct bmr_layout layout;

	*fit = (struct bmr_table_fit){.changed = false};
	bmr_layout_read(first, len, &layout);
	if (layout.table != BMR_TABLE_GPT || layout.backup_end == disk_size)
		return 0;
	if (disk_size % layout.sector != 0 || disk_size < len || layout.used_end > disk_size)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "a GPT cannot be made to fit %" PRIu64
		                   " bytes: its last partition ends at byte %" PRIu64,
		                   disk_size, layout.used_end);
	if (fit_gpt(first, len, &layout, disk_size, fit, e) < 0) {
		bmr_table_fit_clear(fit);
		return bmr_err_while(e, "making the GPT fit %" PRIu64 " bytes", disk_size);
	}
	fit->changed = true;
	return 0;
}

void bmr_table_fit_clear(struct bmr_table_fit *fit)
{
	free(fit->first);
	free(fit->tail);
	*fit = (struct bmr_table_fit){.changed = false};
}

bool bmr_table_has_tail(struct bmr_target *target, const struct bmr_table_fit *fit)
{
	AUTO_FREE uint8_t *buffer = aligned_alloc(BMR_CHUNK_ALIGN, BMR_TABLE_TAIL_MOST);
	struct bmr_err ignored;

	return buffer &&
	       bmr_target_read(target, buffer, fit->tail_len, fit->tail_offset, &ignored) == 0 &&
	       memcmp(buffer, fit->tail, fit->tail_len) == 0;
}

bool bmr_table_in_tail(uint64_t at, uint64_t disk_size)
{
	return at < disk_size && disk_size - at <= BMR_TABLE_TAIL_MOST;
}

bool bmr_table_can_fit(const uint8_t *image, size_t len, uint64_t disk_size)
{
	struct bmr_table_fit fit;
	struct bmr_err ignored; /* then it cannot */
	bool can;

	if (bmr_table_fit(image, (size_t)bmr_size_min(len, BMR_LAYOUT_HEAD), disk_size, &fit,
	                  &ignored) < 0)
		return false;
	can = fit.changed;
	bmr_table_fit_clear(&fit);
	return can;
}

bool bmr_table_was_fitted(struct bmr_target *target, const uint8_t *disk, const uint8_t *image,
                          size_t len, uint64_t *tail)
{
	size_t head = (size_t)bmr_size_min(len, BMR_LAYOUT_HEAD);
	struct bmr_table_fit fit;
	struct bmr_err ignored; /* then it was not */
	bool was;

	if (bmr_table_fit(image, head, bmr_target_info(target)->size, &fit, &ignored) < 0)
		return false;
	was = fit.changed && memcmp(disk, fit.first, head) == 0 &&
	      memcmp(disk + head, image + head, len - head) == 0 &&
	      bmr_table_has_tail(target, &fit);
	if (was)
		*tail = fit.tail_offset;
	bmr_table_fit_clear(&fit);
	return was;
}

static int check_gpt(int fd, const char *path, unsigned sector, struct bmr_err *e)
{
	struct bmr_fdisk f;
	int rc;

	if (bmr_fdisk_open(&f, fd, path, sector, true, e) < 0)
		return -1;
	rc = bmr_fdisk_check(&f, e);
	bmr_fdisk_close(&f);
	return rc;
}

int bmr_table_check(const struct bmr_target_info *target, bool *is_gpt, struct bmr_err *e)
{
	AUTO_FREE uint8_t *head = malloc(BMR_LAYOUT_HEAD);
	AUTO_FD int fd = open(target->path, O_RDONLY | O_CLOEXEC);
	struct bmr_layout layout;
	ssize_t len;

	*is_gpt = false;
	if (!head)
		return bmr_err_nomem(e, "a partition table");
	len = fd < 0 ? -1 : pread(fd, head, BMR_LAYOUT_HEAD, 0);
	if (len < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot read '%s'", target->path);
	bmr_layout_read(head, (size_t)len, &layout);
	*is_gpt = layout.table == BMR_TABLE_GPT;
	return *is_gpt ? check_gpt(fd, target->path, layout.sector, e) : 0;
}
