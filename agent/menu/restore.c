/* SPDX-License-Identifier: GPL-3.0-or-later */
/* restore.c - from "where is the image?" to a restored disk; and whether an image is whole, or a
 * disk holds it. */
#include <stdio.h>
#include <stdlib.h>

#include "agent/choose.h"
#include "agent/info.h"
#include "agent/job.h"
#include "agent/menu/internal.h"
#include "agent/session.h"
#include "base/err.h"
#include "imaging/table/cut.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/select.h"

#define SOURCE_DISKS_MAX 16

struct todo {
	struct bmr_job *job;
	struct bmr_target_info target;
	struct bmr_disk disk;
	bool has_target;
};

/* What `bmr info` says of it. */
static bool show_image(struct bmr_menu *m)
{
	struct bmr_err err = {0};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool ok;
	int rc;

	if (!out)
		return false;
	bmr_menu_ui_busy("Looking at the image...");
	rc = bmr_info_print(m->session, m->session->options->params.image, out, &err);
	bmr_menu_ui_busy_end();
	if (fclose(out) != 0)
		rc = bmr_err_nomem(&err, "a text");
	if (rc < 0)
		bmr_menu_error(m, "Not an image", &err);
	ok = rc == 0 && bmr_menu_ok(m, bmr_menu_ui_page("This image?", text));
	free(text);
	return ok;
}

static bool open_job(struct bmr_menu *m, struct bmr_job *job)
{
	struct bmr_err err = {0};
	int rc;

	bmr_menu_ui_busy("Opening the image...");
	rc = bmr_job_open(m->session, m->session->options->params.image, job, &err);
	bmr_menu_ui_busy_end();
	if (rc < 0)
		bmr_menu_error(m, "The image cannot be opened", &err);
	return rc == 0;
}

static bool choose_target(struct bmr_menu *m, struct todo *t, const char *title, bool reading)
{
	dev_t sources[SOURCE_DISKS_MAX];
	struct bmr_select_rules rules = {
		.source_disks = sources,
		.image_size = bmr_cut_least(&t->job->image),
		.image_sector = t->job->image.layout.sector,
		.overwrite = "any", /* what the word is asked for */
	};
	struct bmr_err err = {0};

	if (bmr_choose_source_disks(t->job, sources, SOURCE_DISKS_MAX, &rules.source_disk_count,
	                            &err) < 0) {
		bmr_menu_error(m, title, &err);
		return false;
	}
	return bmr_menu_choose_disk(m, title, &rules, reading, !m->session->live, &t->disk,
	                            &t->target);
}

/* --- restore --- */

/* The disk was chosen from the list; a file has not been judged yet. */
static int restore(void *ctx, struct bmr_err *e)
{
	struct todo *t = ctx;
	struct bmr_disk disk = {0};
	int rc = t->target.is_file ? bmr_job_check_target(t->job, &t->target, &disk, e) : 0;

	bmr_disk_clear(&disk);
	return rc < 0 ? -1 : bmr_job_restore(t->job, &t->target, e);
}

/* false: went back. */
static bool restore_job(struct bmr_menu *m, struct todo *t)
{
	char line[BMR_MENU_LINE_SIZE] = "";
	bool agreed;

	if (!choose_target(m, t, "Restore onto which disk?", false))
		return false;
	if (*t->disk.path) {
		bmr_health_ask(&t->disk);
		bmr_menu_unattended(m, "restore", &t->disk, t->disk.holds_something, line);
	}
	agreed = bmr_menu_confirm(m, &t->disk, &t->target);
	if (agreed)
		bmr_menu_act(m, line, restore, t);
	bmr_disk_clear(&t->disk);
	return agreed;
}

/* Open the image, and go on with it.  false: went back, to another image. */
static bool with_image(struct bmr_menu *m, bool (*go_on)(struct bmr_menu *m, struct todo *t))
{
	struct bmr_job job = {.session = m->session};
	struct todo t = {.job = &job};
	bool done = open_job(m, &job) && go_on(m, &t);

	bmr_job_close(&job);
	return done;
}

void bmr_menu_restore(struct bmr_menu *m)
{
	bool done = false;

	while (!done && !m->lost && bmr_menu_choose_image(m))
		done = show_image(m) && with_image(m, restore_job);
}

/* --- verify --- */

static int verify(void *ctx, struct bmr_err *e)
{
	struct todo *t = ctx;

	return bmr_job_verify(t->job, t->has_target ? &t->target : NULL, e);
}

static bool verify_job(struct bmr_menu *m, struct todo *t)
{
	static const char *const items[] = {"The image alone: is it whole?",
	                                    "A disk too: does it hold the image?"};
	char line[BMR_MENU_LINE_SIZE];
	size_t chosen = 0;

	if (!bmr_menu_ok(m,
	                 bmr_menu_ui_list("Verify", "What is to be verified?", items, 2, &chosen)))
		return false;
	t->has_target = chosen == 1;
	if (t->has_target && !choose_target(m, t, "Verify which disk?", true))
		return false;
	bmr_menu_unattended(m, "verify", *t->disk.path ? &t->disk : NULL, false, line);
	bmr_menu_act(m, line, verify, t);
	bmr_disk_clear(&t->disk);
	return true;
}

void bmr_menu_verify(struct bmr_menu *m)
{
	bool done = false;

	while (!done && !m->lost && bmr_menu_choose_image(m))
		done = with_image(m, verify_job);
}
