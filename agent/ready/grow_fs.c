/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready/grow_fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/child.h"
#include "base/err.h"

#define LIMIT_MS 3600000 /* e2fsck of a disk of many TiB that turns */
#define OUTPUT_MOST ((size_t)1 << 20)
#define E2FSCK_REPAIRED 2 /* 0 clean, 1 repaired, 2 the same and would matter if it was mounted */

/* A status of at most `worst` is no failure. */
static int run_tool(const char *const *args, int worst, const atomic_bool *stop, struct bmr_err *e)
{
	static const char *const variables[] = {"LC_ALL=C", NULL};
	const struct bmr_child_order order = {
		.args = args,
		.variables = variables,
		.joined = true,
		.limit_ms = LIMIT_MS,
		.output_most = OUTPUT_MOST,
		.stop = stop,
	};
	struct bmr_child_result result;
	int rc = bmr_child_run(&order, &result, e);

	if (rc < 0 && result.status > 0 && result.status <= worst)
		rc = 0;
	if (rc < 0 && result.status > 0 && result.output) {
		char *end = result.output + result.output_len;

		while (end > result.output && strchr(" \r\n", end[-1]))
			*--end = '\0';
		for (char *c = result.output; *c; c++)
			*c = *c == '\n' ? ';' : *c;
		bmr_err_set(e, BMR_E_TARGET, 0, "'%s' ended with status %d: %s", args[0],
		            result.status, end - result.output > 240 ? end - 240 : result.output);
	}
	bmr_child_clear(&result);
	return rc;
}

static int grow_ext(const char *device, const atomic_bool *stop, struct bmr_err *e)
{
	const char *const check[] = {"e2fsck", "-f", "-p", device, NULL};
	const char *const grow[] = {"resize2fs", device, NULL};

	return run_tool(check, E2FSCK_REPAIRED, stop, e) < 0 || run_tool(grow, 0, stop, e) < 0 ? -1
	                                                                                       : 0;
}

/* --- those that grow while they are mounted --- */

static int grow_mounted(const char *device, const char *type, const atomic_bool *stop,
                        struct bmr_err *e)
{
	bool xfs = strcmp(type, "xfs") == 0;
	char folder[] = "/tmp/bmr-grow-XXXXXX";
	const char *const grow_xfs[] = {"xfs_growfs", "-d", folder, NULL};
	const char *const grow_btrfs[] = {"btrfs", "filesystem", "resize", "max", folder, NULL};
	int rc;

	if (!mkdtemp(folder))
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot make a folder in '/tmp'");
	/* nouuid: the disk that it was copied from may be mounted here. */
	rc = mount(device, folder, type, MS_NOSUID | MS_NODEV | MS_NOEXEC, xfs ? "nouuid" : NULL);
	if (rc < 0) {
		bmr_err_set(e, BMR_E_TARGET, errno, "cannot mount the %s file system", type);
	} else {
		rc = run_tool(xfs ? grow_xfs : grow_btrfs, 0, stop, e);
		if (umount2(folder, UMOUNT_NOFOLLOW) < 0 && rc == 0)
			rc = bmr_err_set(e, BMR_E_TARGET, errno,
			                 "cannot unmount the %s file system", type);
	}
	rmdir(folder);
	return rc;
}

static bool is_ext(const char *type)
{
	return strcmp(type, "ext2") == 0 || strcmp(type, "ext3") == 0 || strcmp(type, "ext4") == 0;
}

bool bmr_grow_fs_can(const char *type)
{
	return is_ext(type) || strcmp(type, "xfs") == 0 || strcmp(type, "btrfs") == 0;
}

int bmr_grow_fs(const char *device, const char *type, const atomic_bool *stop, struct bmr_err *e)
{
	int rc = is_ext(type) ? grow_ext(device, stop, e) : grow_mounted(device, type, stop, e);

	return rc < 0 ? bmr_err_while(e, "growing the %s file system", type) : 0;
}
