/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "imaging/used/internal.h"

int bmr_used_ask(const struct bmr_used_look *look, uint64_t size, bmr_used_judge_fn *judge,
                 int worst, void *ctx, struct bmr_err *e, const char *const *args)
{
	struct bmr_child_order order = bmr_used_order(look, size, args);
	struct bmr_child_result result;
	int rc = bmr_child_run(&order, &result, e);

	if (rc == 0 || (result.status > 0 && result.status <= worst))
		rc = judge(result.output, ctx, e);
	bmr_child_clear(&result);
	return rc;
}

const char *bmr_used_after(const char *text, const char *name)
{
	size_t len = strlen(name);

	while (text && strncmp(text, name, len) != 0) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text ? text + len + strspn(text + len, " \t") : NULL;
}

bool bmr_used_line_is(const char *line, const char *wanted)
{
	size_t len = strlen(wanted);

	return strncmp(line, wanted, len) == 0 && (line[len] == '\n' || line[len] == '\0');
}

bool bmr_used_all_known(const char *text, size_t len, const char *separators,
                        const char *const *known, char stranger[BMR_USED_WORD_SIZE])
{
	for (size_t at = 0; at < len;) {
		size_t word = strcspn(text + at, separators);
		bool found = word == 0;

		if (word > len - at)
			word = len - at;
		snprintf(stranger, BMR_USED_WORD_SIZE, "%.*s", (int)word, text + at);
		for (const char *const *k = known; *k && !found; k++)
			found = strcmp(*k, stranger) == 0;
		if (!found)
			return false;
		at += word + 1;
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

static int judge_ext(const char *text, void *ctx, struct bmr_err *e)
{
	const char *features = bmr_used_after(text, "Filesystem features:");
	const char *state = bmr_used_after(text, "Filesystem state:");
	char stranger[BMR_USED_WORD_SIZE];

	(void)ctx;
	if (!features || !state)
		return bmr_err_set(e, BMR_E_DATA, 0, "dumpe2fs does not tell its features");
	if (!bmr_used_all_known(features, strcspn(features, "\n"), " \n", ext_known, stranger))
		return bmr_err_set(e, BMR_E_DATA, 0, "it has the feature '%s'", stranger);
	return bmr_used_line_is(state, "clean") ? 0
	                                        : bmr_err_set(e, BMR_E_DATA, 0, "it is not clean");
}

int bmr_used_doubt_ext(const struct bmr_used_look *look, const struct bmr_used_device *device,
                       uint64_t size, struct bmr_used_list *map, struct bmr_err *e)
{
	(void)map;
	return BMR_USED_ASK(look, size, judge_ext, 0, NULL, e, "dumpe2fs", "-h", device->path);
}

/* --- xfs --- */

/* As for ext; not among them: NEEDSREPAIR, and what later versions will bring. */
static const char *const xfs_known[] = {
	"V4",          "V5",      "NLINK",    "ALIGN",    "DALIGN",  "DIRV2",     "LOGV2",
	"EXTFLG",      "SECTOR",  "QUOTA",    "MOREBITS", "ATTR",    "ATTR2",     "LAZYSBCOUNT",
	"PROJID32BIT", "CRC",     "FTYPE",    "FINOBT",   "BIGTIME", "META_UUID", "SPARSE_INODES",
	"RMAPBT",      "REFLINK", "INOBTCNT", "NREXT64",  NULL};

/* versionnum [0xb4a5+0x18a] = V5,NLINK,... */
static int judge_xfs(const char *text, void *ctx, struct bmr_err *e)
{
	const char *features = bmr_used_after(text, "versionnum");
	const char *log = bmr_used_after(text, "logstart =");
	char stranger[BMR_USED_WORD_SIZE];

	(void)ctx;
	features = features ? strstr(features, "= ") : NULL;
	if (!features || !log)
		return bmr_err_set(e, BMR_E_DATA, 0, "xfs_db does not tell its features");
	if (!bmr_used_all_known(features + 2, strcspn(features + 2, "\n"), ",\n", xfs_known,
	                        stranger))
		return bmr_err_set(e, BMR_E_DATA, 0, "it has the feature '%s'", stranger);
	return !bmr_used_line_is(log, "0")
	               ? 0
	               : bmr_err_set(e, BMR_E_DATA, 0, "its log is on another device");
}

static int judge_xfs_log(const char *text, void *ctx, struct bmr_err *e)
{
	const char *state = strstr(text, " state: <");

	(void)ctx;
	if (state && bmr_used_line_is(state, " state: <CLEAN>"))
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0, "its log is not clean");
}

/* partclone does not see a log that is to be replayed. */
int bmr_used_doubt_xfs(const struct bmr_used_look *look, const struct bmr_used_device *device,
                       uint64_t size, struct bmr_used_list *map, struct bmr_err *e)
{
	(void)map;
	if (BMR_USED_ASK(look, size, judge_xfs, 0, NULL, e, "xfs_db", "-r", "-c", "version", "-c",
	                 "sb 0", "-c", "print logstart", device->path) < 0)
		return -1;
	return BMR_USED_ASK(look, size, judge_xfs_log, 0, NULL, e, "xfs_logprint", "-t",
	                    device->path);
}

/* --- fat, exfat --- */

static int judge_fat(const char *text, void *ctx, struct bmr_err *e)
{
	(void)ctx;
	if (!strcasestr(text, "dirty bit is set"))
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0, "it is not clean");
}

/* Its status says that something could be mended, if only a count of free blocks. */
int bmr_used_doubt_fat(const struct bmr_used_look *look, const struct bmr_used_device *device,
                       uint64_t size, struct bmr_used_list *map, struct bmr_err *e)
{
	(void)map;
	return BMR_USED_ASK(look, size, judge_fat, 1, NULL, e, "fsck.fat", "-n", device->path);
}

/* partclone itself says so of one that is not clean. */
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
