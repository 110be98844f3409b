/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/duplicates.h"

#include "agent/job.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/log.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/duplicate.h"
#include "imaging/disk/target.h"

#define TEXT_SIZE 320

static const struct bmr_disk *find_target(const struct bmr_disk_list *list, dev_t dev)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->disks[i].dev == dev)
			return &list->disks[i];
	return NULL;
}

static int judge(struct bmr_job *job, const struct bmr_target_info *target, const char *found,
                 struct bmr_err *e)
{
	if (job->session->options->params.duplicates == BMR_DUPLICATES_REFUSE)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "%s as the image for '%s', so that the restored system could "
		                   "take the one for the other: remove it, or give "
		                   "duplicates=allow; nothing was written",
		                   found, target->path);
	bmr_log_say(job->session->log, BMR_LOG_NOTICE,
	            "%s as the image for '%s' (duplicates=allow)", found, target->path);
	return 0;
}

int bmr_duplicates_check(struct bmr_job *job, const struct bmr_target_info *target,
                         struct bmr_err *e)
{
	struct bmr_disk_list list = {0};
	const struct bmr_disk *disk;
	char found[TEXT_SIZE];
	int rc = 0;

	if (target->is_file)
		return 0;
	if (bmr_disk_list_read(NULL, &list, e) < 0) {
		bmr_disk_list_clear(&list);
		return -1;
	}
	disk = find_target(&list, target->dev);
	if (disk && bmr_duplicate_of_image(&list, disk, &job->image, found, sizeof found))
		rc = judge(job, target, found, e);
	bmr_disk_list_clear(&list);
	return rc;
}

void bmr_duplicates_say(struct bmr_session *s, const struct bmr_target_info *target)
{
	struct bmr_disk_list list = {0};
	const struct bmr_disk *disk;
	char found[TEXT_SIZE];
	struct bmr_err ignored; /* what cannot be looked at is not said */

	if (target->is_file)
		return;
	if (bmr_disk_list_read(NULL, &list, &ignored) == 0) {
		disk = find_target(&list, target->dev);
		if (disk && bmr_duplicate_of_disk(&list, disk, found, sizeof found))
			bmr_log_say(s->log, BMR_LOG_NOTICE,
			            "%s as '%s' now: only one of them may stay in this machine",
			            found, target->path);
	}
	bmr_disk_list_clear(&list);
}
