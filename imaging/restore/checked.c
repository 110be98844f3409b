/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/checked.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "imaging/restore/pipe.h"
#include "imaging/disk/target.h"

/* One try; buffer is aligned.  *same: it reads back right, or was not to be read. */
static int write_once(struct bmr_checked *c, const void *data, size_t len, uint64_t off,
                      uint8_t *buffer, bool *same, struct bmr_err *e)
{
	*same = true;
	memcpy(buffer, data, len);
	if (bmr_target_write(c->target, buffer, len, off, e) < 0 ||
	    bmr_target_flush(c->target, e) < 0)
		return -1;
	if (!c->read_back)
		return 0;
	if (bmr_target_drop_cache(c->target, e) < 0 ||
	    bmr_target_read(c->target, buffer, len, off, e) < 0)
		return -1;
	*same = memcmp(buffer, data, len) == 0;
	return 0;
}

int bmr_checked_write(struct bmr_checked *c, const void *data, size_t len, uint64_t off,
                      struct bmr_err *e)
{
	const struct bmr_target_info *info = bmr_target_info(c->target);
	AUTO_FREE uint8_t *buffer = aligned_alloc(BMR_CHUNK_ALIGN, BMR_CHUNK_SIZE);
	bool same;

	if (!buffer)
		return bmr_err_nomem(e, "reading back");
	for (int i = 0; i <= BMR_REWRITES_MAX; i++) {
		if (write_once(c, data, len, off, buffer, &same, e) < 0)
			return -1;
		if (same)
			return 0;
		c->rewritten += i < BMR_REWRITES_MAX;
		bmr_log_say(c->log, BMR_LOG_NOTICE,
		            "'%s' reads back wrong within %zu bytes from byte %" PRIu64, info->path,
		            len, off);
	}
	return bmr_err_set(e, BMR_E_TARGET, 0,
	                   "'%s' does not hold what was written: %zu bytes from sector %" PRIu64
	                   " read back wrong after %d rewrites",
	                   info->path, len, off / info->sector, BMR_REWRITES_MAX);
}
