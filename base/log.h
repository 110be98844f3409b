/* SPDX-License-Identifier: GPL-3.0-or-later */
/* log.h - what lower layers have to say while they work, with secrets taken out.
 *
 * Only agent/ decides where a line goes: it makes the log with a function that receives each
 * finished line.  Everybody else gets a struct bmr_log pointer, which may be NULL: then nothing is
 * said.  Errors are returned (base/err.h), not logged.
 */
#ifndef BMR_BASE_LOG_H
#define BMR_BASE_LOG_H

#include <stddef.h>

struct bmr_err;
struct bmr_log;

enum bmr_log_level {
	BMR_LOG_INFO,   /* a step that went as planned */
	BMR_LOG_NOTICE, /* a person should know: a retry, a fallback, a warning */
};

/* Receives one line, without a newline and without secrets, from any thread. */
typedef void bmr_log_write_fn(void *ctx, enum bmr_log_level level, const char *line);

/* *out: owned by the caller, freed by bmr_log_close.  Errors: BMR_E_NOMEM. */
int bmr_log_open(bmr_log_write_fn *write, void *ctx, struct bmr_log **out, struct bmr_err *e);
void bmr_log_close(struct bmr_log *log);

/* From now on `secret` and its %-escaped forms never leave this log, nor bmr_log_redact: they become
 * "***".  Secrets of fewer than 4 characters would turn every line into stars; they are only
 * replaced where they stand alone between non-word characters.  The text is copied.
 * Errors: BMR_E_NOMEM. */
int bmr_log_add_secret(struct bmr_log *log, const char *secret, struct bmr_err *e);

/* Say one line.  Any thread.  Control characters become '?'. */
void bmr_log_say(struct bmr_log *log, enum bmr_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Replace the secrets in `text`, in place; text never grows past `size`.  Text that fills `size` may
 * have been cut: then its end goes too where it is the beginning of a secret.  For what does not go
 * through the log: errors, events, plans.  Any thread; log may be NULL. */
void bmr_log_redact(struct bmr_log *log, char *text, size_t size);

#endif
