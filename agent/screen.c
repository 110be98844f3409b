/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/screen.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/progress.h"
#include "agent/version.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"

#define OUTPUTS_MAX 16
#define FACTS_MAX 4
#define LOG_LINES 11 /* messages that a panel of 24 lines has room for */
#define WIDTH 80
#define ROW 76 /* characters of a message in one row of the panel */
#define ROWS 24
#define PANEL_SIZE 8192 /* bytes of a screen that is written at once */
#define TICK_MS 500
#define LINES_EVERY_S 5.0
#define LINES_FIRST_S 2.0 /* a phase shorter than that is not worth one */
#define CONSOLE_WAIT_MS 500

struct fact {
	char name[16];
	char value[256];
};

struct output {
	int fd;
	enum bmr_screen_kind kind;
	bool line_open; /* REDRAW: a line of progress stands there without its newline */
	bool stuck;     /* it did not take text in time */
};

struct bmr_screen {
	pthread_mutex_t lock; /* guards all below; held while text is written, so that it stays
				 whole */
	pthread_cond_t wake;
	struct output outputs[OUTPUTS_MAX];
	unsigned output_count;
	struct fact facts[FACTS_MAX];
	unsigned fact_count;
	char log[LOG_LINES][WIDTH + 1];
	unsigned log_count; /* ever written */
	bool finished;      /* the result is on the panel: nothing is drawn over it */

	bool watching;
	pthread_t ticker;
	const struct bmr_restore_progress *progress;
	uint64_t file_size;
	uint64_t disk_size;
	struct bmr_meter meter;
	struct bmr_progress_view view;
	double last_line; /* when LINES outputs got one */
};

/* Consoles of a machine are O_NONBLOCK: one that does not take text for a while (a serial line held
 * by flow control) loses it, and is not waited for again until it has taken some. */
static bool wait_writable(struct output *o)
{
	struct pollfd p = {.fd = o->fd, .events = POLLOUT};

	o->stuck = poll(&p, 1, o->stuck ? 0 : CONSOLE_WAIT_MS) <= 0;
	return !o->stuck;
}

static void put(struct output *o, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(o->fd, text, len);

		if (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_writable(o))))
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* --- the panel: one text is built and written at once, so that it does not flicker --- */

/* End a line: clear what an older one left to its right. */
static void draw_end(struct bmr_text *c)
{
	bmr_text_add(c, "\033[K\r\n");
}

static void draw_rule(struct bmr_text *c)
{
	bmr_text_add(c, " ");
	for (int i = 0; i < WIDTH - 2; i++)
		bmr_text_add(c, "-");
	draw_end(c);
}

static void draw_bar(struct bmr_text *c, double fraction)
{
	int width = WIDTH - 12;
	int full = fraction < 0 ? 0 : (int)(fraction * width);

	bmr_text_add(c, "  [");
	for (int i = 0; i < width; i++)
		bmr_text_add(c, "%c", i < full ? '#' : '.');
	if (fraction < 0)
		bmr_text_add(c, "]");
	else
		bmr_text_add(c, "] %3d %%", (int)(fraction * 100));
	draw_end(c);
}

/* How much of a text goes into one row of the panel: it ends at a blank if there is one. */
static size_t row_length(const char *text)
{
	size_t len = strlen(text);
	size_t at = ROW;

	if (len <= ROW)
		return len;
	while (at > ROW / 2 && text[at] != ' ')
		at--;
	return text[at] == ' ' ? at : ROW;
}

/* The rest of a text after a row of it. */
static const char *next_row(const char *text, size_t len)
{
	return text + len + (text[len] == ' ');
}

static void draw_progress(struct bmr_text *c, struct bmr_screen *s)
{
	struct bmr_progress_view view = s->view;
	char text[160];

	if (!s->watching) {
		draw_end(c);
		draw_end(c);
		return;
	}
	draw_bar(c, view.fraction);
	view.fraction = -1; /* the bar has said it, and the line is full without */
	bmr_text_add(c, "  %.77s", bmr_progress_text(&view, text, sizeof text));
	draw_end(c);
}

static void draw_log(struct bmr_text *c, const struct bmr_screen *s, unsigned rows)
{
	unsigned first = s->log_count > rows ? s->log_count - rows : 0;

	for (unsigned i = first; i < first + rows; i++) {
		if (i < s->log_count)
			bmr_text_add(c, "  %.77s", s->log[i % LOG_LINES]);
		draw_end(c);
	}
}

/* Long messages take several rows rather than lose their end. */
static void keep_in_log(struct bmr_screen *s, const char *line)
{
	do {
		size_t len = row_length(line);

		snprintf(s->log[s->log_count++ % LOG_LINES], WIDTH + 1, "%.*s", (int)len, line);
		line = next_row(line, len);
	} while (*line);
}

static void draw_head(struct bmr_text *c, const struct bmr_screen *s)
{
	bmr_text_add(c, "\033[H\033[1m  bmr %-20s\033[0m%52s", bmr_version, "bare-metal restore");
	draw_end(c);
	draw_rule(c);
	for (unsigned i = 0; i < FACTS_MAX; i++) {
		if (i < s->fact_count)
			bmr_text_add(c, "  %-9s%.68s", s->facts[i].name, s->facts[i].value);
		draw_end(c);
	}
	draw_rule(c);
}

static void draw_panel(struct bmr_screen *s, struct output *o)
{
	char buf[PANEL_SIZE];
	struct bmr_text c = bmr_text_in(buf, sizeof buf);

	if (s->finished)
		return;
	draw_head(&c, s);
	draw_progress(&c, s);
	draw_rule(&c);
	draw_log(&c, s, LOG_LINES);
	bmr_text_add(&c, "\033[J\033[H");
	put(o, c.at, c.used);
}

/* --- the other kinds --- */

static void put_line(struct output *o, const char *text)
{
	char buf[PANEL_SIZE];
	struct bmr_text c = bmr_text_in(buf, sizeof buf);

	/* A progress line that stands there is wiped. */
	bmr_text_add(&c, "%s%s\n", o->line_open ? "\r\033[K" : "", text);
	o->line_open = false;
	put(o, c.at, c.used);
}

static void put_progress(struct bmr_screen *s, struct output *o, bool line_due)
{
	char text[160];
	char buf[PANEL_SIZE];
	struct bmr_text c = bmr_text_in(buf, sizeof buf);

	bmr_progress_text(&s->view, text, sizeof text);
	if (o->kind == BMR_SCREEN_PANEL) {
		draw_panel(s, o);
	} else if (o->kind == BMR_SCREEN_REDRAW) {
		bmr_text_add(&c, "\r%.79s\033[K", text);
		put(o, c.at, c.used);
		o->line_open = true;
	} else if (line_due) {
		put_line(o, text);
	}
}

static void say_locked(struct bmr_screen *s, const char *line)
{
	keep_in_log(s, line);
	for (unsigned i = 0; i < s->output_count; i++) {
		if (s->outputs[i].kind == BMR_SCREEN_PANEL)
			draw_panel(s, &s->outputs[i]);
		else
			put_line(&s->outputs[i], line);
	}
}

/* --- public --- */

int bmr_screen_open(struct bmr_screen **out, struct bmr_err *e)
{
	struct bmr_screen *s = calloc(1, sizeof *s);

	if (!s)
		return bmr_err_nomem(e, "the screen");
	pthread_mutex_init(&s->lock, NULL);
	bmr_cond_init(&s->wake);
	*out = s;
	return 0;
}

void bmr_screen_close(struct bmr_screen *s)
{
	if (!s)
		return;
	bmr_screen_unwatch(s);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void bmr_screen_add(struct bmr_screen *s, int fd, enum bmr_screen_kind kind)
{
	static const char clear[] = "\033[2J\033[?25l"; /* and hide the cursor */

	pthread_mutex_lock(&s->lock);
	if (s->output_count < OUTPUTS_MAX) {
		struct output *o = &s->outputs[s->output_count++];

		*o = (struct output){.fd = fd, .kind = kind};
		if (kind == BMR_SCREEN_PANEL) {
			put(o, clear, sizeof clear - 1);
			draw_panel(s, o);
		}
	}
	pthread_mutex_unlock(&s->lock);
}

void bmr_screen_remove(struct bmr_screen *s, int fd)
{
	unsigned left = 0;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->output_count; i++)
		if (s->outputs[i].fd != fd)
			s->outputs[left++] = s->outputs[i];
	s->output_count = left;
	s->finished = false;
	s->fact_count = 0;
	s->log_count = 0;
	pthread_mutex_unlock(&s->lock);
}

static struct fact *find_fact(struct bmr_screen *s, const char *name)
{
	for (unsigned i = 0; i < s->fact_count; i++)
		if (strcmp(s->facts[i].name, name) == 0)
			return &s->facts[i];
	if (s->fact_count == FACTS_MAX)
		return NULL;
	snprintf(s->facts[s->fact_count].name, sizeof s->facts[0].name, "%s", name);
	return &s->facts[s->fact_count++];
}

void bmr_screen_fact(struct bmr_screen *s, const char *name, const char *value)
{
	char line[300];
	struct fact *f;

	pthread_mutex_lock(&s->lock);
	f = find_fact(s, name);
	if (f)
		snprintf(f->value, sizeof f->value, "%s", value);
	snprintf(line, sizeof line, "%s: %s", name, value);
	for (unsigned i = 0; i < s->output_count; i++) {
		if (s->outputs[i].kind == BMR_SCREEN_PANEL)
			draw_panel(s, &s->outputs[i]);
		else
			put_line(&s->outputs[i], line);
	}
	pthread_mutex_unlock(&s->lock);
}

void bmr_screen_say(struct bmr_screen *s, const char *line)
{
	pthread_mutex_lock(&s->lock);
	say_locked(s, line);
	pthread_mutex_unlock(&s->lock);
}

static void tick(struct bmr_screen *s)
{
	double now = bmr_clock_s();
	enum bmr_phase phase = (enum bmr_phase)atomic_load(&s->progress->phase);
	bool due = now - s->last_line >= LINES_EVERY_S;

	if (phase != s->view.phase) {
		s->meter = (struct bmr_meter){0};
		s->last_line = now - LINES_EVERY_S + LINES_FIRST_S;
		due = false;
	}
	bmr_progress_look(s->progress, s->file_size, s->disk_size, now, &s->meter, &s->view);
	if (phase == BMR_PHASE_PREPARE || phase == BMR_PHASE_DONE)
		return;
	if (due)
		s->last_line = now;
	for (unsigned i = 0; i < s->output_count; i++)
		put_progress(s, &s->outputs[i], due);
}

static void *ticker_main(void *arg)
{
	struct bmr_screen *s = arg;

	pthread_mutex_lock(&s->lock);
	while (s->watching) {
		tick(s);
		bmr_cond_wait_ms(&s->wake, &s->lock, TICK_MS);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int bmr_screen_watch(struct bmr_screen *s, const struct bmr_restore_progress *p, uint64_t file_size,
                     uint64_t disk_size, struct bmr_err *e)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	s->progress = p;
	s->file_size = file_size;
	s->disk_size = disk_size;
	s->meter = (struct bmr_meter){0};
	s->view = (struct bmr_progress_view){.fraction = -1};
	s->watching = true;
	rc = pthread_create(&s->ticker, NULL, ticker_main, s);
	if (rc != 0)
		s->watching = false;
	pthread_mutex_unlock(&s->lock);
	return rc == 0 ? 0 : bmr_err_set(e, BMR_E_NOMEM, rc, "cannot show progress");
}

void bmr_screen_unwatch(struct bmr_screen *s)
{
	bool was;

	pthread_mutex_lock(&s->lock);
	was = s->watching;
	s->watching = false;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (!was)
		return;
	pthread_join(s->ticker, NULL);
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->output_count; i++)
		if (s->outputs[i].line_open) {
			put(&s->outputs[i], "\r\033[K", 4);
			s->outputs[i].line_open = false;
		}
	pthread_mutex_unlock(&s->lock);
}

/* Call one() for each line of newline-separated text. */
static void each_line(const char *text, void (*one)(void *ctx, const char *line), void *ctx)
{
	while (*text) {
		char line[1024];
		size_t len = strcspn(text, "\n");

		snprintf(line, sizeof line, "%.*s", (int)len, text);
		one(ctx, line);
		text += len + (text[len] == '\n');
	}
}

static void draw_result_line(void *ctx, const char *line)
{
	struct bmr_text *c = ctx;

	do {
		size_t len = row_length(line);

		bmr_text_add(c, "  %.*s", (int)len, line);
		draw_end(c);
		line = next_row(line, len);
	} while (*line);
}

static unsigned rows_drawn(const struct bmr_text *c)
{
	unsigned rows = 0;

	for (size_t i = 0; i < c->used; i++)
		rows += c->at[i] == '\n';
	return rows;
}

/* What led to a failure stays below it, as far as there is room: the table of disks, for one. */
static void draw_what_led_to_it(struct bmr_text *c, const struct bmr_screen *s)
{
	unsigned room;

	draw_rule(c);
	room = ROWS - rows_drawn(c);
	if (room < ROWS)
		draw_log(c, s, room < LOG_LINES ? room : LOG_LINES);
}

static void draw_result(struct bmr_screen *s, struct output *o, bool good, const char *title,
                        const char *lines)
{
	char buf[PANEL_SIZE];
	struct bmr_text c = bmr_text_in(buf, sizeof buf);

	draw_head(&c, s);
	draw_end(&c);
	bmr_text_add(&c, "  \033[1;37;%dm  %s  \033[0m", good ? 42 : 41, title);
	draw_end(&c);
	draw_end(&c);
	each_line(lines, draw_result_line, &c);
	if (!good)
		draw_what_led_to_it(&c, s);
	bmr_text_add(&c, "\033[J");
	put(o, c.at, c.used);
}

static void put_result_line(void *ctx, const char *line)
{
	put_line(ctx, line);
}

void bmr_screen_result(struct bmr_screen *s, bool good, const char *title, const char *lines)
{
	pthread_mutex_lock(&s->lock);
	s->finished = true;
	for (unsigned i = 0; i < s->output_count; i++) {
		struct output *o = &s->outputs[i];

		if (o->kind == BMR_SCREEN_PANEL) {
			draw_result(s, o, good, title, lines);
			continue;
		}
		put_line(o, title);
		each_line(lines, put_result_line, o);
	}
	pthread_mutex_unlock(&s->lock);
}
