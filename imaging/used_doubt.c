/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "imaging/used_internal.h"

#define NAME_SIZE 48

/* What stands behind "NAME:" or the like at the start of a line; NULL: no such line. */
static const char *after(const char *text, const char *name)
{
	size_t len = strlen(name);

	while (text && strncmp(text, name, len) != 0) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text ? text + len + strspn(text + len, " \t") : NULL;
}

static bool line_is(const char *line, const char *wanted)
{
	size_t len = strlen(wanted);

	return strncmp(line, wanted, len) == 0 && (line[len] == '\n' || line[len] == '\0');
}

/* Each word up to the end of the line is one of those in `known`; else the one that is not. */
static bool all_known(const char *line, const char *separators, const char *const *known,
                      char stranger[NAME_SIZE])
{
	size_t end = strcspn(line, "\n");

	for (size_t at = 0; at < end;) {
		size_t len = strcspn(line + at, separators);
		bool found = len == 0;

		if (len > end - at)
			len = end - at;
		snprintf(stranger, NAME_SIZE, "%.*s", (int)len, line + at);
		for (const char *const *k = known; *k && !found; k++)
			found = strcmp(*k, stranger) == 0;
		if (!found)
			return false;
		at += len + 1;
	}
	return true;
}

/* --- ext2, ext3, ext4 --- */

/* Those that leave the meaning of the block bitmaps as it is.  Not among them: bigalloc, whose map
 * comes out wrong; needs_recovery and orphan_present, which say that it was not unmounted. */
static const char *const ext_known[] = {"casefold",
                                        "dir_index",
                                        "dir_nlink",
                                        "dir_prealloc",
                                        "ea_inode",
                                        "encrypt",
                                        "ext_attr",
                                        "extent",
                                        "extents",
                                        "extra_isize",
                                        "fast_commit",
                                        "filetype",
                                        "flex_bg",
                                        "has_journal",
                                        "huge_file",
                                        "inline_data",
                                        "large_dir",
                                        "large_file",
                                        "metadata_csum",
                                        "metadata_csum_seed",
                                        "meta_bg",
                                        "mmp",
                                        "orphan_file",
                                        "project",
                                        "quota",
                                        "resize_inode",
                                        "sparse_super",
                                        "sparse_super2",
                                        "stable_inodes",
                                        "uninit_bg",
                                        "verity",
                                        "64bit",
                                        NULL};

static int judge_ext(const char *text, struct bmr_err *e)
{
	const char *features = after(text, "Filesystem features:");
	const char *state = after(text, "Filesystem state:");
	char stranger[NAME_SIZE];

	if (!features || !state)
		return bmr_err_set(e, BMR_E_DATA, 0, "dumpe2fs does not tell its features");
	if (!all_known(features, " \n", ext_known, stranger))
		return bmr_err_set(e, BMR_E_DATA, 0, "it has the feature '%s'", stranger);
	return line_is(state, "clean") ? 0 : bmr_err_set(e, BMR_E_DATA, 0, "it is not clean");
}

int bmr_used_doubt_ext(const struct bmr_used_look *look, const struct bmr_used_device *device,
                       uint64_t size, struct bmr_used_list *map, struct bmr_err *e)
{
	struct bmr_child_result result;
	int rc = BMR_USED_RUN(look, size, &result, e, "dumpe2fs", "-h", device->path);

	(void)map;
	if (rc == 0)
		rc = judge_ext(result.output, e);
	bmr_child_clear(&result);
	return rc;
}

/* --- xfs --- */

/* As for ext; not among them: NEEDSREPAIR, and what later versions will bring. */
static const char *const xfs_known[] = {
	"V4",          "V5",      "NLINK",    "ALIGN",    "DALIGN",  "DIRV2",     "LOGV2",
	"EXTFLG",      "SECTOR",  "QUOTA",    "MOREBITS", "ATTR",    "ATTR2",     "LAZYSBCOUNT",
	"PROJID32BIT", "CRC",     "FTYPE",    "FINOBT",   "BIGTIME", "META_UUID", "SPARSE_INODES",
	"RMAPBT",      "REFLINK", "INOBTCNT", "NREXT64",  NULL};

/* versionnum [0xb4a5+0x18a] = V5,NLINK,... */
static int judge_xfs(const char *text, struct bmr_err *e)
{
	const char *features = after(text, "versionnum");
	const char *log = after(text, "logstart =");
	char stranger[NAME_SIZE];

	features = features ? strstr(features, "= ") : NULL;
	if (!features || !log)
		return bmr_err_set(e, BMR_E_DATA, 0, "xfs_db does not tell its features");
	if (!all_known(features + 2, ",\n", xfs_known, stranger))
		return bmr_err_set(e, BMR_E_DATA, 0, "it has the feature '%s'", stranger);
	return !line_is(log, "0") ? 0
	                          : bmr_err_set(e, BMR_E_DATA, 0, "its log is on another device");
}

/* That its log is clean is seen to by partclone. */
int bmr_used_doubt_xfs(const struct bmr_used_look *look, const struct bmr_used_device *device,
                       uint64_t size, struct bmr_used_list *map, struct bmr_err *e)
{
	struct bmr_child_result result;
	int rc = BMR_USED_RUN(look, size, &result, e, "xfs_db", "-r", "-c", "version", "-c", "sb 0",
	                      "-c", "print logstart", device->path);

	(void)map;
	if (rc == 0)
		rc = judge_xfs(result.output, e);
	bmr_child_clear(&result);
	return rc;
}

/* --- ntfs, fat, exfat --- */

int bmr_used_doubt_ntfs(const struct bmr_used_look *look, const struct bmr_used_device *device,
                        uint64_t size, struct bmr_used_list *map, struct bmr_err *e)
{
	struct bmr_child_result result;
	int rc = BMR_USED_RUN(look, size, &result, e, "ntfsinfo", "-m", device->path);
	const char *flags;

	(void)map;
	flags = rc == 0 ? after(result.output, "\tVolume Flags:") : NULL;
	if (rc == 0 && (!flags || !line_is(flags, "0x0000")))
		rc = bmr_err_set(e, BMR_E_DATA, 0, "it is marked as not clean");
	bmr_child_clear(&result);
	return rc;
}

int bmr_used_doubt_fat(const struct bmr_used_look *look, const struct bmr_used_device *device,
                       uint64_t size, struct bmr_used_list *map, struct bmr_err *e)
{
	(void)look;
	(void)device;
	(void)size;
	(void)map;
	(void)e;
	return 0;
}

int bmr_used_doubt_exfat(const struct bmr_used_look *look, const struct bmr_used_device *device,
                         uint64_t size, struct bmr_used_list *map, struct bmr_err *e)
{
	(void)look;
	(void)device;
	(void)size;
	(void)map;
	(void)e;
	return 0;
}
