/* SPDX-License-Identifier: GPL-3.0-or-later */
/* capture.c - from "which disk?" to an image of it. */
#include <stdio.h>

#include "agent/capture/capture.h"
#include "agent/menu/internal.h"
#include "agent/session.h"
#include "base/err.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/select.h"
#include "transport/url.h"

struct todo {
	struct bmr_session *session;
	struct bmr_target_info info;
};

static int capture(void *ctx, struct bmr_err *e)
{
	struct todo *t = ctx;

	return bmr_capture_disk(t->session, t->info.path, t->session->options->params.image, e);
}

/* Reading needs no word; that the place is right is worth one look. */
static bool agree(struct bmr_menu *m, const struct todo *t, const char *line)
{
	char text[BMR_MENU_LINE_SIZE + 1024];
	struct bmr_err ignored;
	struct bmr_url url;

	bmr_url_parse(m->session->options->params.image, &url, &ignored);
	snprintf(text, sizeof text,
	         "Disk:  %s (it is only read)\nImage: %s\n\nThe same without questions:\n%s",
	         t->info.path, url.safe ? url.safe : "?", line);
	bmr_url_clear(&url);
	return bmr_menu_ok(m, bmr_menu_ui_page("Capture this disk?", text));
}

void bmr_menu_capture(struct bmr_menu *m)
{
	static const struct bmr_select_rules rules = {.overwrite = "any"}; /* nothing is */
	struct todo t = {.session = m->session};
	char line[BMR_MENU_LINE_SIZE];
	struct bmr_disk disk;

	if (!bmr_menu_choose_disk(m, "Capture which disk?", &rules, true, !m->session->live, &disk,
	                          &t.info))
		return;
	if (bmr_menu_choose_place(m)) {
		bmr_menu_unattended(m, "capture", *disk.path ? &disk : NULL, false, line);
		if (agree(m, &t, line))
			bmr_menu_act(m, line, capture, &t);
	}
	bmr_disk_clear(&disk);
}
