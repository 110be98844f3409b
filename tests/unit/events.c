/* SPDX-License-Identifier: GPL-3.0-or-later */
/* events: lines of a file and of a report server, and servers that are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent/events.h"
#include "agent/report.h"
#include "base/err.h"
#include "base/log.h"

struct setup {
	char path[64];
	struct bmr_log *log;
	atomic_uint notices;
	struct bmr_events *events;
	struct bmr_err err;
};

static void count_notice(void *ctx, enum bmr_log_level level, const char *line)
{
	struct setup *s = ctx;

	(void)line;
	if (level == BMR_LOG_NOTICE)
		atomic_fetch_add(&s->notices, 1);
}

static void prepare(struct setup *s)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	memset(s, 0, sizeof *s);
	snprintf(s->path, sizeof s->path, "%.40s/events-XXXXXX", tmp ? tmp : "/tmp");
	fd = mkstemp(s->path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(bmr_log_open(count_notice, s, &s->log, &s->err), 0);
	assert_int_equal(bmr_events_open(s->log, &s->events, &s->err), 0);
	assert_int_equal(bmr_events_to_file(s->events, s->path, &s->err), 0);
}

static void clear(struct setup *s)
{
	bmr_log_close(s->log);
	unlink(s->path);
}

/* --- a parser of RFC 8259 that only says whether a text is JSON --- */

static const char *value(const char *p);

static const char *text(const char *p)
{
	if (*p++ != '"')
		return NULL;
	for (; *p != '"'; p++) {
		if ((unsigned char)*p < ' ')
			return NULL;
		if (*p == '\\' && !strchr("\"\\/bfnrtu", *++p))
			return NULL;
	}
	return p + 1;
}

static const char *word(const char *p)
{
	static const char *const words[] = {"true", "false", "null"};
	char *end;

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strncmp(p, words[i], strlen(words[i])) == 0)
			return p + strlen(words[i]);
	if (*p != '-' && !isdigit((unsigned char)*p))
		return NULL;
	strtod(p, &end);
	return end;
}

static const char *list(const char *p, char close, bool named)
{
	if (*p == close)
		return p + 1;
	for (;; p++) {
		p = named ? text(p) : p;
		if (named && (!p || *p++ != ':'))
			return NULL;
		p = value(p);
		if (!p || (*p != ',' && *p != close))
			return NULL;
		if (*p == close)
			return p + 1;
	}
}

static const char *value(const char *p)
{
	switch (*p) {
	case '{':
		return list(p + 1, '}', true);
	case '[':
		return list(p + 1, ']', false);
	case '"':
		return text(p);
	default:
		return word(p);
	}
}

static bool is_json(const char *line)
{
	const char *end = *line == '{' ? value(line) : NULL;

	return end && *end == '\0';
}

static void test_the_parser_itself(void **state)
{
	(void)state;
	assert_true(is_json("{\"a\":[1,true,{}],\"b\":\"\\u0041\"}"));
	assert_false(is_json("{\"a\":1,}"));
	assert_false(is_json("{\"a\":1}}"));
	assert_false(is_json("{a:1}"));
	assert_false(is_json("{\"a\":\"\n\"}"));
	assert_false(is_json("{\"a\":[1}"));
}

/* --- the file --- */

/* Every line is JSON with what all events have; returns how many there are, and copies the last. */
static unsigned check_lines(struct setup *s, char *last, size_t size)
{
	FILE *f = fopen(s->path, "r");
	unsigned count = 0;

	assert_non_null(f);
	while (fgets(last, (int)size, f)) {
		assert_int_equal(last[strlen(last) - 1], '\n');
		last[strlen(last) - 1] = '\0';
		if (!is_json(last))
			fail_msg("not JSON: %s", last);
		assert_int_equal(strncmp(last, "{\"event\":\"", 10), 0);
		assert_non_null(strstr(last, "\"time\":"));
		assert_non_null(strstr(last, "\"seconds\":"));
		assert_non_null(strstr(last, "\"host\":"));
		count++;
	}
	fclose(f);
	return count;
}

static void add_some(void *ctx, struct bmr_json *j)
{
	(void)ctx;
	bmr_json_number(j, "bytes", UINT64_MAX);
	bmr_json_open(j, "disks", '[');
	bmr_json_text(j, NULL, "/dev/sda");
	bmr_json_close(j, ']');
}

static void test_lines(void **state)
{
	struct setup s;
	char last[600];

	(void)state;
	prepare(&s);
	bmr_events_text(s.events, "phase", "phase", "write");
	bmr_events_host(s.events, "a \"host\"\n");
	bmr_events_send(s.events, "empty", NULL, NULL);
	bmr_events_text(s.events, "notice", "text", "quotes \" \\ \x01 \xff and {\"event\":1}\n");
	bmr_events_send(s.events, "some", add_some, NULL);
	bmr_events_send(NULL, "nowhere", add_some, NULL);
	bmr_events_close(s.events);
	bmr_events_close(NULL);
	assert_int_equal(check_lines(&s, last, sizeof last), 4);
	assert_non_null(strstr(last, "\"host\":\"a \\\"host\\\"\\u000a\""));
	assert_non_null(strstr(last, "\"bytes\":18446744073709551615,\"disks\":[\"/dev/sda\"]}"));
	clear(&s);
}

static void test_a_file_is_appended_to(void **state)
{
	struct setup s;
	char last[600];

	(void)state;
	prepare(&s);
	bmr_events_text(s.events, "first", "a", "b");
	bmr_events_close(s.events);
	assert_int_equal(bmr_events_open(s.log, &s.events, &s.err), 0);
	assert_int_equal(bmr_events_to_file(s.events, s.path, &s.err), 0);
	bmr_events_text(s.events, "second", "a", "b");
	assert_int_equal(bmr_events_to_file(s.events, "/nonexistent/events", &s.err), -1);
	assert_int_equal(s.err.code, BMR_E_USAGE);
	bmr_events_close(s.events);
	assert_int_equal(check_lines(&s, last, sizeof last), 2);
	clear(&s);
}

/* Neither as they are, nor as they stand in a URL, nor where JSON escapes them. */
static void test_secrets(void **state)
{
	struct setup s;
	char last[600];

	(void)state;
	prepare(&s);
	assert_int_equal(bmr_log_add_secret(s.log, "p\"ss w\\rd", &s.err), 0);
	bmr_events_host(s.events, "p\"ss w\\rd");
	bmr_events_text(s.events, "image", "url", "http://u:p%22ss%20w%5Crd@h/x p\"ss w\\rd");
	bmr_events_close(s.events);
	assert_int_equal(check_lines(&s, last, sizeof last), 1);
	assert_null(strstr(last, "ss w"));
	assert_null(strstr(last, "ss%20w"));
	assert_non_null(strstr(last, "\"url\":\"http://u:***@h/x ***\"}"));
	clear(&s);
}

#define SENDERS 4
#define EACH 50

static void *send_many(void *ctx)
{
	for (int i = 0; i < EACH; i++)
		bmr_events_text(ctx, "notice", "text", "from one of several threads");
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[SENDERS];
	struct setup s;
	char last[600];

	(void)state;
	prepare(&s);
	for (int i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_many, s.events), 0);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	bmr_events_close(s.events);
	assert_int_equal(check_lines(&s, last, sizeof last), SENDERS * EACH);
	clear(&s);
}

/* --- reports --- */

static void test_refused_urls(void **state)
{
	static const char *const urls[] = {
		"",
		"http://",
		"https://",
		"ftp://host/",
		"file:///etc/passwd",
		"host",
		"syslog://",
		"syslog://:514",
		"syslog://host:",
		"syslog://host:12x",
		"syslog://[::1",
		"syslog://[::1]x",
		"SYSLOG:host",
	};
	struct setup s;

	(void)state;
	prepare(&s);
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		if (bmr_events_to_url(s.events, urls[i], NULL, &s.err) == 0)
			fail_msg("'%s' was taken", urls[i]);
		assert_int_equal(s.err.code, BMR_E_USAGE);
	}
	bmr_events_close(s.events);
	clear(&s);
}

/* A socket on this machine at a port of its own. */
static int socket_new(int type, unsigned *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval limit = {.tv_sec = 20};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static void test_syslog(void **state)
{
	struct setup s;
	char url[64];
	char got[600];
	unsigned port;
	ssize_t n;
	int fd = socket_new(SOCK_DGRAM, &port);

	(void)state;
	prepare(&s);
	snprintf(url, sizeof url, "syslog://127.0.0.1:%u", port);
	assert_int_equal(bmr_events_to_url(s.events, url, NULL, &s.err), 0);
	bmr_events_text(s.events, "phase", "phase", "write");
	bmr_events_close(s.events);
	n = recv(fd, got, sizeof got - 1, 0);
	assert_true(n > 0);
	got[n] = '\0';
	assert_int_equal(strncmp(got, "<14>1 - - bmr - - - {\"event\":\"phase\"", 36), 0);
	assert_true(is_json(got + 20));
	assert_int_equal(s.notices, 0);
	close(fd);
	clear(&s);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Queue more than waits, then close; returns how long that took.  Sending never waits. */
static double overfill_and_close(struct setup *s, unsigned port)
{
	char url[64];
	double begun;

	snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	assert_int_equal(bmr_events_to_url(s->events, url, NULL, &s->err), 0);
	begun = seconds();
	for (int i = 0; i < 2000; i++)
		bmr_events_text(s->events, "notice", "text", "a line");
	assert_true(seconds() - begun < 5);
	begun = seconds();
	bmr_events_close(s->events);
	return seconds() - begun;
}

/* A server that takes the connection and says nothing: the file has every line all the same, people
 * are told once, and it ends in time. */
static void test_frozen_server(void **state)
{
	struct setup s;
	char last[600];
	unsigned port;
	double took;
	int fd = socket_new(SOCK_STREAM, &port);

	(void)state;
	assert_int_equal(listen(fd, 8), 0);
	prepare(&s);
	took = overfill_and_close(&s, port);
	if (took < 9 || took > 13)
		fail_msg("closing took %.1f s", took);
	assert_int_equal(s.notices, 1);
	assert_int_equal(check_lines(&s, last, sizeof last), 2000);
	clear(&s);
	close(fd);
}

/* Nobody listens: refused at once, and tried again until time is up. */
static void test_no_server(void **state)
{
	struct bmr_report *r;
	struct setup s;
	char url[64];
	unsigned port;
	double begun;
	int fd = socket_new(SOCK_STREAM, &port);

	(void)state;
	prepare(&s);
	snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
	assert_int_equal(bmr_report_open(url, NULL, s.log, &r, &s.err), 0);
	bmr_report_send(r, "{}");
	begun = seconds();
	bmr_report_close(r, 1000);
	begun = seconds() - begun;
	if (begun < 0.9 || begun > 4)
		fail_msg("closing took %.1f s", begun);
	assert_int_equal(s.notices, 1);
	bmr_events_close(s.events);
	clear(&s);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_parser_itself),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_a_file_is_appended_to),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_refused_urls),
		cmocka_unit_test(test_syslog),
		cmocka_unit_test(test_no_server),
		cmocka_unit_test(test_frozen_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
