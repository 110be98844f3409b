/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/log.h"

#include <ctype.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"

#define STARS "***"
#define SHORT_SECRET 4

struct secret {
	struct secret *next;
	size_t len;
	char text[];
};

struct bmr_log {
	bmr_log_write_fn *write;
	void *ctx;
	pthread_mutex_t lock; /* guards secrets */
	struct secret *secrets;
};

int bmr_log_open(bmr_log_write_fn *write, void *ctx, struct bmr_log **out, struct bmr_err *e)
{
	struct bmr_log *log = calloc(1, sizeof *log);

	if (!log)
		return bmr_err_nomem(e, "the log");
	log->write = write;
	log->ctx = ctx;
	pthread_mutex_init(&log->lock, NULL);
	*out = log;
	return 0;
}

void bmr_log_close(struct bmr_log *log)
{
	if (!log)
		return;
	while (log->secrets) {
		struct secret *s = log->secrets;

		log->secrets = s->next;
		explicit_bzero(s->text, s->len);
		free(s);
	}
	pthread_mutex_destroy(&log->lock);
	free(log);
}

/* The longest comes first: a secret that is the beginning of another must not leave its end. */
static int add_text(struct bmr_log *log, const char *text, size_t len, struct bmr_err *e)
{
	struct secret *s = malloc(sizeof *s + len + 1);
	struct secret **at;

	if (!s)
		return bmr_err_nomem(e, "a secret");
	s->len = len;
	memcpy(s->text, text, len);
	s->text[len] = '\0';
	pthread_mutex_lock(&log->lock);
	for (at = &log->secrets; *at && (*at)->len > len;)
		at = &(*at)->next;
	s->next = *at;
	*at = s;
	pthread_mutex_unlock(&log->lock);
	return 0;
}

/* RFC 3986: everything but unreserved characters may stand as %XX in a URL. */
static size_t percent_escape(const char *text, const char hex[16], char *out)
{
	char *start = out;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c)) {
			*out++ = (char)c;
			continue;
		}
		*out++ = '%';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}
	*out = '\0';
	return (size_t)(out - start);
}

int bmr_log_add_secret(struct bmr_log *log, const char *secret, struct bmr_err *e)
{
	static const char *const digits[] = {"0123456789ABCDEF", "0123456789abcdef"};
	size_t len = strlen(secret);
	AUTO_FREE char *escaped = NULL;

	if (!log || len == 0)
		return 0;
	escaped = malloc(3 * len + 1);
	if (!escaped)
		return bmr_err_nomem(e, "a secret");
	for (size_t i = 0; i < sizeof digits / sizeof *digits; i++) {
		size_t escaped_len = percent_escape(secret, digits[i], escaped);
		int rc = escaped_len != len ? add_text(log, escaped, escaped_len, e) : 0;

		explicit_bzero(escaped, escaped_len);
		if (rc < 0)
			return -1;
	}
	return add_text(log, secret, len, e);
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static bool stands_alone(const char *text, const char *hit, size_t len)
{
	return (hit == text || !is_word(hit[-1])) && !is_word(hit[len]);
}

/* Replace one secret wherever it occurs.  Shrinks, or grows a secret of 1 or 2 characters: then the
 * end of the line is lost rather than the buffer overrun. */
static void redact_one(const struct secret *s, char *text, size_t size)
{
	char *from = text;
	char *hit;

	while ((hit = strstr(from, s->text)) != NULL) {
		size_t tail;
		size_t room = size - (size_t)(hit - text);

		if (s->len < SHORT_SECRET && !stands_alone(text, hit, s->len)) {
			from = hit + 1;
			continue;
		}
		if (room <= sizeof STARS) {
			*hit = '\0';
			return;
		}
		tail = strlen(hit + s->len);
		if (tail > room - sizeof STARS)
			tail = room - sizeof STARS;
		memmove(hit + sizeof STARS - 1, hit + s->len, tail);
		hit[sizeof STARS - 1 + tail] = '\0';
		memcpy(hit, STARS, sizeof STARS - 1);
		from = hit + sizeof STARS - 1;
	}
}

/* A text that fills its buffer may have been cut in the middle of a secret. */
static void redact_cut(const struct secret *s, char *text)
{
	size_t len = strlen(text);

	for (size_t n = s->len - 1; n >= SHORT_SECRET; n--)
		if (n <= len && memcmp(text + len - n, s->text, n) == 0) {
			strcpy(text + len - n, STARS);
			return;
		}
}

void bmr_log_redact(struct bmr_log *log, char *text, size_t size)
{
	bool cut = strlen(text) + 1 >= size;

	if (!log)
		return;
	pthread_mutex_lock(&log->lock);
	for (const struct secret *s = log->secrets; s; s = s->next) {
		redact_one(s, text, size);
		if (cut && s->len > SHORT_SECRET)
			redact_cut(s, text);
	}
	pthread_mutex_unlock(&log->lock);
}

void bmr_log_say(struct bmr_log *log, enum bmr_log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	bmr_log_redact(log, line, sizeof line);
	bmr_text_clean(line);
	log->write(log->ctx, level, line);
}
