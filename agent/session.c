/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/session.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/console.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

/* Wakes the thread of signals so that it can be joined. */
#define END_SIGNAL SIGUSR1

static void keep_line(struct bmr_session *s, const char *line)
{
	struct timespec t;
	struct tm tm;
	char when[32];
	char dated[1200];

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	strftime(when, sizeof when, "%FT%TZ", &tm);
	snprintf(dated, sizeof dated, "%s %s", when, line);
	bmr_tail_add(&s->tail, dated);
	if (!s->log_file)
		return;
	fprintf(s->log_file, "%s\n", dated);
	fflush(s->log_file);
}

static void write_line(void *ctx, enum bmr_log_level level, const char *line)
{
	struct bmr_session *s = ctx;

	keep_line(s, line);
	bmr_screen_say(s->screen, line);
	if (level == BMR_LOG_NOTICE)
		bmr_events_text(s->events, "notice", "text", line);
}

/* What somebody had ignored when he started us stays so: nohup, a job in the background. */
static void watch_unless_ignored(sigset_t *set, int number)
{
	struct sigaction old;

	if (sigaction(number, NULL, &old) < 0 || old.sa_handler != SIG_IGN)
		sigaddset(set, number);
}

static sigset_t watched_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	watch_unless_ignored(&set, SIGINT);
	watch_unless_ignored(&set, SIGTERM);
	watch_unless_ignored(&set, SIGHUP);
	sigaddset(&set, END_SIGNAL);
	return set;
}

static void *signals_main(void *arg)
{
	struct bmr_session *s = arg;
	sigset_t set = watched_signals();
	int number;

	while (sigwait(&set, &number) == 0 && number != END_SIGNAL) {
		/* The second one is from somebody who does not want to wait: at no moment does an
		 * end lead to a disk that boots and is wrong. */
		if (atomic_exchange(&s->stop, true))
			_exit(128 + number);
		eventfd_write(s->stop_fd, 1);
	}
	return NULL;
}

/* Signals are blocked everywhere and waited for in one thread: nothing is interrupted. */
static int start_signals(struct bmr_session *s, struct bmr_err *e)
{
	sigset_t set = watched_signals();
	int rc;

	s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->stop_fd < 0)
		return bmr_err_set(e, BMR_E_NOMEM, errno, "cannot make an eventfd");
	signal(SIGPIPE, SIG_IGN);
	/* Where whoever started us ignores it, how a process of ours ended would be lost. */
	signal(SIGCHLD, SIG_DFL);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	rc = pthread_create(&s->signals, NULL, signals_main, s);
	return rc == 0 ? 0 : bmr_err_set(e, BMR_E_NOMEM, rc, "cannot start a thread");
}

static int open_outputs(struct bmr_session *s, bool on_stderr, struct bmr_err *e)
{
	const struct bmr_options *o = s->options;

	if (bmr_screen_open(&s->screen, e) < 0 || bmr_log_open(write_line, s, &s->log, e) < 0 ||
	    bmr_events_open(s->log, &s->events, e) < 0)
		return -1;
	if (on_stderr)
		bmr_screen_add(s->screen, STDERR_FILENO, bmr_console_kind(STDERR_FILENO));
	return o->events ? bmr_events_to_file(s->events, o->events, e) : 0;
}

static void free_outputs(struct bmr_session *s)
{
	bmr_events_close(s->events);
	bmr_screen_close(s->screen);
	bmr_log_close(s->log);
	if (s->log_file)
		fclose(s->log_file);
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	bmr_tail_close(&s->tail);
}

int bmr_session_open(struct bmr_options *options, bool on_stderr, struct bmr_session *s,
                     struct bmr_err *e)
{
	memset(s, 0, sizeof *s);
	s->options = options;
	bmr_tail_open(&s->tail);
	s->stop_fd = -1;
	if (open_outputs(s, on_stderr, e) < 0 || start_signals(s, e) < 0) {
		free_outputs(s);
		return -1;
	}
	return 0;
}

void bmr_session_close(struct bmr_session *s)
{
	pthread_kill(s->signals, END_SIGNAL);
	pthread_join(s->signals, NULL);
	free_outputs(s);
}

void bmr_session_log_to(struct bmr_session *s, const char *path)
{
	s->log_file = fopen(path, "ae");
}

static void add_failure(void *ctx, struct bmr_json *j)
{
	const struct bmr_err *err = ctx;

	bmr_json_text(j, "code", bmr_err_name(err->code));
	bmr_json_number(j, "exit", (uint64_t)bmr_err_exit_code(err->code));
	bmr_json_text(j, "reason", err->msg);
}

int bmr_session_failed(struct bmr_session *s, const struct bmr_err *err)
{
	struct bmr_err copy = *err;
	char title[sizeof copy.msg + 32];
	AUTO_FREE char *log = NULL;

	bmr_log_redact(s->log, copy.msg, sizeof copy.msg);
	bmr_screen_unwatch(s->screen);
	snprintf(title, sizeof title, "bmr: failed: %s", copy.msg);
	keep_line(s, title);
	log = bmr_tail_copy(&s->tail);
	if (log)
		bmr_events_log(s->events, log);
	bmr_events_send(s->events, "failed", add_failure, &copy);
	bmr_screen_say(s->screen, title);
	return bmr_err_exit_code(copy.code);
}
