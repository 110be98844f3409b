/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/menu/ui.h"

#include <newt.h>
#include <slang.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "agent/menu/text.h"
#include "agent/version.h"
#include "base/cleanup.h"
#include "base/err.h"

#define LEAST_COLUMNS 80
#define LEAST_ROWS 24
#define MOST_WIDTH 116 /* longer lines are hard to read */
#define AROUND_X 6     /* border, a blank at each side, shadow */
#define AROUND_Y 6     /* title line, border, shadow, help line */
#define LOOK_MS 400    /* how often the size of the terminal is looked at */
#define VALUE_SIZE 1024
#define FIELDS_MAX 8

static const char help_list[] = " Up Down PgUp PgDn: move   Enter: choose   Esc: back";
static const char help_page[] = " Up Down PgUp PgDn: read on   Enter: go on   Esc: back";
static const char help_fields[] = " Tab Up Down: another field   Enter: go on   Esc: back";

enum outcome {
	OUTCOME_OK,
	OUTCOME_BACK,
	OUTCOME_LOST,
	OUTCOME_RESIZED,
};

/* Beside newt's own state, of which there is one too. */
static const atomic_bool *stopped;

/* --- the terminal --- */

/* newt asks the environment for the locale, and takes it for all of the program: numbers must stay
 * with their point. */
static void set_locale(bool utf8)
{
	setenv("LC_ALL", utf8 ? "C.UTF-8" : "C", 1);
}

/* A serial line has no size of its own. */
static void get_size(int *columns, int *rows)
{
	struct winsize size = {0};

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*columns = size.ws_col ? size.ws_col : LEAST_COLUMNS;
	*rows = size.ws_row ? size.ws_row : LEAST_ROWS;
}

static bool was_resized(void)
{
	int columns, rows, now_columns, now_rows;

	newtGetScreenSize(&columns, &rows);
	get_size(&now_columns, &now_rows);
	return columns != now_columns || rows != now_rows;
}

static void draw_root(void)
{
	char text[80];

	newtCls();
	snprintf(text, sizeof text, " bmr %.30s  bare-metal restore", bmr_version);
	newtDrawRootText(0, 0, text);
}

/* Else S-Lang takes the controlling terminal, which in the live system is another console. */
static void take_standard_input(void)
{
	SLang_TT_Read_FD = STDIN_FILENO;
}

int bmr_menu_ui_open(bool utf8, const atomic_bool *stop, struct bmr_err *e)
{
	const char *term = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the menu needs a terminal for input and output");
	if (!term || !*term || strcmp(term, "dumb") == 0 || strcmp(term, "unknown") == 0)
		return bmr_err_set(
			e, BMR_E_USAGE, 0,
			"the menu needs a terminal that can move its cursor: set TERM, to "
			"vt100 for one");
	set_locale(utf8);
	take_standard_input();
	/* newtInit would end the program. */
	if (SLtt_initialize(NULL) < 0 || newtInit() != 0)
		return bmr_err_set(e, BMR_E_USAGE, 0, "the terminal '%s' is not known", term);
	draw_root();
	stopped = stop;
	return 0;
}

void bmr_menu_ui_close(void)
{
	newtFinished();
}

void bmr_menu_ui_suspend(void)
{
	newtSuspend();
}

void bmr_menu_ui_resume(void)
{
	take_standard_input();
	newtResume();
	draw_root();
	newtRefresh();
}

static int room_x(void)
{
	int columns, rows;

	newtGetScreenSize(&columns, &rows);
	columns -= AROUND_X;
	return columns < MOST_WIDTH ? columns : MOST_WIDTH;
}

static int room_y(void)
{
	int columns, rows;

	newtGetScreenSize(&columns, &rows);
	return rows - AROUND_Y;
}

size_t bmr_menu_ui_width(void)
{
	return (size_t)room_x();
}

/* --- what windows share --- */

static int least(int a, int b)
{
	return a < b ? a : b;
}

/* Text of a window, cleaned; height: how many lines it may take, and takes then. */
static newtComponent make_text(const char *text, int top, int *height, bool scrolls)
{
	int width = room_x();
	newtComponent box = newtTextbox(1, top, width, 1, NEWT_FLAG_WRAP);
	int lines;

	newtTextboxSetText(box, text);
	lines = newtTextboxGetNumLines(box);
	if (lines > *height && scrolls) {
		newtComponentDestroy(box);
		/* The bar takes two columns of the box. */
		box = newtTextbox(1, top, width, *height, NEWT_FLAG_WRAP | NEWT_FLAG_SCROLL);
		newtTextboxSetText(box, text);
		return box;
	}
	*height = least(lines, *height);
	newtTextboxSetHeight(box, *height);
	return box;
}

static newtComponent make_intro(const char *intro, int *height)
{
	AUTO_FREE char *clean = bmr_menu_clean_lines(intro);
	newtComponent box;

	*height = room_y() - 4;
	box = make_text(clean ? clean : "", 0, height, false);
	return box;
}

static void open_window(int height, const char *title, const char *help)
{
	char clean[80];

	bmr_menu_clean(title, clean, sizeof clean, 60);
	newtCenteredWindow((unsigned)room_x() + 2, (unsigned)height, clean);
	newtPushHelpLine(help);
}

static void close_window(newtComponent form)
{
	newtFormDestroy(form);
	newtPopHelpLine();
	newtPopWindow();
}

static newtComponent make_form(void)
{
	newtComponent form = newtForm(NULL, NULL, NEWT_FLAG_NOF12);

	newtFormAddHotKey(form, NEWT_KEY_ESCAPE);
	newtFormAddHotKey(form, NEWT_KEY_ENTER);
	newtFormSetTimer(form, LOOK_MS);
	return form;
}

static enum outcome run(newtComponent form)
{
	struct newtExitStruct end;

	for (;;) {
		newtFormRun(form, &end);
		if (end.reason == NEWT_EXIT_ERROR || atomic_load(stopped))
			return OUTCOME_LOST;
		if (end.reason == NEWT_EXIT_TIMER && was_resized())
			return OUTCOME_RESIZED;
		if (end.reason == NEWT_EXIT_HOTKEY)
			return end.u.key == NEWT_KEY_ESCAPE ? OUTCOME_BACK : OUTCOME_OK;
		if (end.reason == NEWT_EXIT_COMPONENT)
			return OUTCOME_OK;
	}
}

/* true: the window is to be made again, for another size. */
static bool again(enum outcome outcome)
{
	if (outcome != OUTCOME_RESIZED)
		return false;
	/* newtResizeScreen leaves S-Lang's screen as wide as it was. */
	newtFinished();
	take_standard_input();
	newtInit();
	draw_root();
	return true;
}

static enum bmr_menu_answer answer(enum outcome outcome)
{
	return outcome == OUTCOME_OK     ? BMR_MENU_OK
	       : outcome == OUTCOME_BACK ? BMR_MENU_BACK
	                                 : BMR_MENU_LOST;
}

/* --- a list --- */

static void fill_list(newtComponent list, const char *const *items, size_t count, size_t chosen)
{
	int width = room_x() - 2;

	for (size_t i = 0; i < count; i++) {
		char line[512];

		bmr_menu_clean(items[i], line, sizeof line, (size_t)width);
		newtListboxAppendEntry(list, line, &items[i]);
	}
	newtListboxSetWidth(list, width + 2);
	newtListboxSetCurrent(list, (int)chosen);
}

static enum outcome show_list(const char *title, const char *intro, const char *const *items,
                              size_t count, size_t *chosen)
{
	newtComponent form = make_form();
	enum outcome outcome;
	int above;
	newtComponent text = make_intro(intro, &above);
	int height = least((int)count, room_y() - above - 1);
	bool scrolls = (int)count > height;
	newtComponent list = newtListbox(1, above + 1, height,
	                                 NEWT_FLAG_RETURNEXIT | (scrolls ? NEWT_FLAG_SCROLL : 0));
	const char *const *current;

	fill_list(list, items, count, *chosen);
	open_window(above + 1 + height, title, help_list);
	newtFormAddComponents(form, text, list, NULL);
	newtFormSetCurrent(form, list);
	outcome = run(form);
	current = newtListboxGetCurrent(list);
	*chosen = current ? (size_t)(current - items) : 0;
	close_window(form);
	return outcome;
}

enum bmr_menu_answer bmr_menu_ui_list(const char *title, const char *intro,
                                      const char *const *items, size_t count, size_t *chosen)
{
	enum outcome outcome;

	if (*chosen >= count)
		*chosen = 0;
	do
		outcome = show_list(title, intro, items, count, chosen);
	while (again(outcome));
	return answer(outcome);
}

/* --- a page --- */

static enum outcome show_page(const char *title, const char *text)
{
	newtComponent form = make_form();
	enum outcome outcome;
	int height = room_y();
	newtComponent box = make_text(text, 0, &height, true);

	open_window(height, title, help_page);
	newtFormAddComponent(form, box);
	outcome = run(form);
	close_window(form);
	return outcome;
}

enum bmr_menu_answer bmr_menu_ui_page(const char *title, const char *text)
{
	AUTO_FREE char *clean = bmr_menu_clean_lines(text);
	enum outcome outcome;

	do
		outcome = show_page(title, clean ? clean : "");
	while (again(outcome));
	return answer(outcome);
}

/* --- fields --- */

static int label_width(const struct bmr_menu_field *fields, size_t count)
{
	size_t longest = 0;

	for (size_t i = 0; i < count; i++)
		if (strlen(fields[i].label) > longest)
			longest = strlen(fields[i].label);
	return (int)longest + 1;
}

static newtComponent make_field(const struct bmr_menu_field *field, const char *value, int left,
                                int top)
{
	int flags = NEWT_FLAG_SCROLL | (field->secret ? NEWT_FLAG_PASSWORD : 0);

	return newtEntry(left, top, value, room_x() - left, NULL, flags);
}

/* What was typed; the field's own memory is wiped of it. */
static void take_value(newtComponent entry, char value[VALUE_SIZE])
{
	snprintf(value, VALUE_SIZE, "%s", newtEntryGetValue(entry));
	newtEntrySet(entry, "", 0);
}

static enum outcome show_fields(const char *title, const char *intro,
                                const struct bmr_menu_field *fields, size_t count,
                                char (*values)[VALUE_SIZE])
{
	newtComponent form = make_form();
	newtComponent entries[FIELDS_MAX] = {NULL};
	enum outcome outcome;
	int above;
	newtComponent text = make_intro(intro, &above);
	int left = label_width(fields, count) + 1;

	open_window(above + 1 + (int)count, title, help_fields);
	newtFormAddComponent(form, text);
	for (size_t i = 0; i < count; i++) {
		int top = above + 1 + (int)i;

		entries[i] = make_field(&fields[i], values[i], left, top);
		newtFormAddComponents(form, newtLabel(1, top, fields[i].label), entries[i], NULL);
	}
	newtFormSetCurrent(form, entries[0]);
	outcome = run(form);
	for (size_t i = 0; i < count; i++)
		take_value(entries[i], values[i]);
	close_window(form);
	return outcome;
}

enum bmr_menu_answer bmr_menu_ui_fields(const char *title, const char *intro,
                                        struct bmr_menu_field *fields, size_t count)
{
	char values[FIELDS_MAX][VALUE_SIZE];
	enum outcome outcome;

	for (size_t i = 0; i < count; i++)
		snprintf(values[i], sizeof values[i], "%s", fields[i].value);
	do
		outcome = show_fields(title, intro, fields, count, values);
	while (again(outcome));
	for (size_t i = 0; i < count && outcome == OUTCOME_OK; i++)
		snprintf(fields[i].value, fields[i].size, "%s", values[i]);
	explicit_bzero(values, sizeof values);
	return answer(outcome);
}

/* --- waiting --- */

void bmr_menu_ui_busy(const char *text)
{
	char clean[160];
	newtComponent form = newtForm(NULL, NULL, 0);

	bmr_menu_clean(text, clean, sizeof clean, (size_t)room_x());
	open_window(1, "Please wait", "");
	newtFormAddComponent(form, newtLabel(1, 0, clean));
	newtDrawForm(form);
	newtRefresh();
	newtFormDestroy(form);
}

void bmr_menu_ui_busy_end(void)
{
	newtPopHelpLine();
	newtPopWindow();
}
