/* SPDX-License-Identifier: GPL-3.0-or-later */
/* run.c - an action while it runs, and what came of it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/menu/internal.h"
#include "agent/progress.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/log.h"
#include "transport/url.h"

/* --- the line --- */

char *bmr_menu_unattended(struct bmr_menu *m, const char *action, const struct bmr_disk *disk,
                          bool overwrites, char line[BMR_MENU_LINE_SIZE])
{
	const struct bmr_params *p = &m->session->options->params;
	struct bmr_menu_order order = {
		.action = action,
		.image = p->image,
		.user = p->user,
		.domain = p->domain,
		.password = p->password != NULL,
		.disk = disk,
		.overwrites = overwrites,
		.network = m->network_needed ? m->network : NULL,
		.cafile = p->cafile,
		.netrc = p->netrc,
		.proxy = p->proxy,
	};
	struct bmr_url url;
	struct bmr_err ignored;

	/* A login may also stand in the address. */
	if (bmr_url_parse(p->image, &url, &ignored) == 0 && url.user && !p->user) {
		order.user = url.user;
		order.password = url.password != NULL;
	}
	bmr_menu_line(&order, line, BMR_MENU_LINE_SIZE);
	bmr_url_clear(&url);
	bmr_log_redact(m->session->log, line, BMR_MENU_LINE_SIZE);
	return line;
}

/* --- running --- */

static void say_failed(struct bmr_menu *m, const struct bmr_err *err)
{
	struct bmr_session *s = m->session;
	struct bmr_err copy = *err;
	char title[80];
	char lines[1024];
	int code = bmr_session_failed(s, err);

	bmr_log_redact(s->log, copy.msg, sizeof copy.msg);
	snprintf(title, sizeof title, "bmr: FAILED, exit code %d (%s)", code,
	         bmr_err_name(copy.code));
	snprintf(
		lines, sizeof lines,
		"bmr: why: %s\nbmr: what the exit codes mean is in bmr(8)\nbmr: next: the menu, to "
		"try again",
		copy.msg);
	bmr_screen_result(s->screen, false, title, lines);
	m->code = code;
}

/* The last row of the screen; the cursor is shown again. */
static void wait_enter(struct bmr_menu *m)
{
	static const char ask[] = "\033[24;1H\033[K\033[?25h Press Enter to go on. ";
	char c = 0;

	if (write(STDOUT_FILENO, ask, sizeof ask - 1) < 0)
		m->lost = true;
	while (!m->lost && c != '\n' && c != '\r')
		if (read(STDIN_FILENO, &c, 1) != 1)
			m->lost = true;
}

void bmr_menu_act(struct bmr_menu *m, const char *again, int (*act)(void *ctx, struct bmr_err *e),
                  void *ctx)
{
	struct bmr_session *s = m->session;
	struct bmr_err err = {0};
	int rc;

	bmr_menu_ui_suspend();
	bmr_screen_add(s->screen, m->terminal, BMR_SCREEN_PANEL);
	if (*again)
		bmr_log_say(s->log, BMR_LOG_INFO, "without questions: %s", again);
	rc = act(ctx, &err);
	m->code = rc;
	if (rc < 0)
		say_failed(m, &err);
	bmr_screen_remove(s->screen, m->terminal);
	if (!atomic_load(&s->stop))
		wait_enter(m);
	bmr_menu_ui_resume();
	if (*again && !m->lost && !atomic_load(&s->stop))
		bmr_menu_ok(m, bmr_menu_ui_page("The same without questions", again));
}
