/* SPDX-License-Identifier: GPL-3.0-or-later */
/* read.c - a kernel command line, or a file of parameters, into struct bmr_params. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/login.h"
#include "cmdline/params_internal.h"
#include "cmdline/words.h"

static const char prefix[] = "bmr.";
#define PREFIX_LEN (sizeof prefix - 1)

/* One text while it is read. */
struct reading {
	struct bmr_params *p;
	struct bmr_aliases aliases;
	bmr_params_seen seen;
	struct bmr_err *e;
};

static bool is_bmr(const char *name)
{
	return strncmp(name, prefix, PREFIX_LEN) == 0;
}

static int set_bmr(struct reading *r, const struct bmr_word *word)
{
	const char *name = word->name + PREFIX_LEN;
	int i = bmr_params_find(name);

	if (word->open)
		return bmr_err_set(r->e, BMR_E_USAGE, 0,
		                   "the quote of '%.*s' is not closed; was the line cut?",
		                   bmr_params_shown(word->name), word->name);
	if (bmr_params_set(r->p, name, word->value, r->e) < 0)
		return -1;
	r->seen |= (bmr_params_seen)1 << i;
	return 0;
}

/* 1: taken; 0: nobody's. */
static int set_word(struct reading *r, const struct bmr_word *word)
{
	int taken;

	if (is_bmr(word->name))
		return set_bmr(r, word) < 0 ? -1 : 1;
	taken = bmr_net_set(&r->p->net, word->name, word->value, r->e);
	if (taken != 0)
		return taken;
	return bmr_aliases_take(&r->aliases, word->name, word->value ? word->value : "", r->e);
}

static bool has_password(const char *urls)
{
	struct bmr_login login;

	return urls && bmr_login_find(urls, &login);
}

static int warn_of_passwords(struct reading *r)
{
	struct bmr_params *p = r->p;

	if (has_password(p->proxy) &&
	    bmr_params_notice(p, r->e,
	                      "the proxy's URL holds a password: /proc/cmdline and the boot "
	                      "server's files show it; in the file of bmr.config= it does not "
	                      "stand there") < 0)
		return -1;
	if (p->password && bmr_params_notice(p, r->e,
	                                     "a password was given in the open: /proc/cmdline and "
	                                     "the boot server's files show it; bmr.credentials= "
	                                     "does not") < 0)
		return -1;
	if (has_password(p->image) || has_password(p->config) || has_password(p->report) ||
	    has_password(p->base) || has_password(p->seed))
		return bmr_params_notice(p, r->e,
		                         "a URL holds a password: /proc/cmdline and the boot "
		                         "server's files show it; bmr.credentials= does not");
	return 0;
}

static int finish(struct reading *r)
{
	if (bmr_aliases_apply(&r->aliases, r->seen, r->p, r->e) < 0)
		return -1;
	if (r->p->restore_only && r->p->action == BMR_ACTION_CAPTURE)
		return bmr_err_set(r->e, BMR_E_USAGE, 0, "Restore_Only=Y forbids to capture");
	return warn_of_passwords(r);
}

/* The kernel keeps limit - 1 characters; a boot loader may have kept one less. */
static int warn_of_cut(struct reading *r, size_t len, const char *last)
{
	if (len < BMR_CMDLINE_LIMIT - 2)
		return 0;
	if (last && is_bmr(last))
		return bmr_params_notice(r->p, r->e,
		                         "the command line has %zu characters and may be cut in "
		                         "'%.*s'; the kernel keeps %d; use bmr.config=",
		                         len, bmr_params_shown(last), last, BMR_CMDLINE_LIMIT - 1);
	return bmr_params_notice(r->p, r->e,
	                         "the command line has %zu characters and may be cut: the kernel "
	                         "keeps %d; use bmr.config=",
	                         len, BMR_CMDLINE_LIMIT - 1);
}

static size_t length_without_newline(const char *line)
{
	size_t len = strnlen(line, BMR_PARAMS_TEXT_MAX + 1);

	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	return len;
}

static void wipe(char *text, size_t len)
{
	explicit_bzero(text, len);
}

static int read_line(struct reading *r, char *copy, size_t len)
{
	const char *last = NULL;
	struct bmr_word word;

	while (bmr_words_next(&copy, &word)) {
		if (set_word(r, &word) < 0)
			return len < BMR_CMDLINE_LIMIT - 2
			               ? -1
			               : bmr_err_while(r->e,
			                               "reading a command line of %zu characters, "
			                               "which may be cut",
			                               len);
		last = word.name;
	}
	if (warn_of_cut(r, len, last) < 0)
		return -1;
	return finish(r);
}

int bmr_params_parse_line(struct bmr_params *p, const char *line, struct bmr_err *e)
{
	struct reading r = {.p = p, .e = e};
	size_t len = length_without_newline(line);
	AUTO_FREE char *copy = NULL;
	int rc;

	if (len > BMR_PARAMS_TEXT_MAX)
		return bmr_err_set(e, BMR_E_USAGE, 0, "a command line of more than %d characters",
		                   BMR_PARAMS_TEXT_MAX);
	copy = strndup(line, len);
	if (!copy)
		return bmr_err_nomem(e, "the command line");
	rc = read_line(&r, copy, len);
	wipe(copy, len);
	return rc;
}

static char *trim(char *line)
{
	static const char blanks[] = " \t\r\v\f";
	char *end;

	line += strspn(line, blanks);
	end = line + strlen(line);
	while (end > line && strchr(blanks, end[-1]))
		end--;
	*end = '\0';
	return line;
}

/* A value that starts with a quote ends with it; any other is the rest of the line. */
static int split_line(char *line, struct bmr_word *word, struct bmr_err *e)
{
	char *equals = strchr(line, '=');
	char *rest = line;

	if (line[0] == '"' ||
	    (equals && (equals[1] == '"' || strncmp(equals + 1, "\\\"", 2) == 0))) {
		bmr_words_next(&rest, word);
		if (word->open || *trim(rest))
			return bmr_err_set(e, BMR_E_USAGE, 0,
			                   "'%.*s': the closing quote must end the line",
			                   bmr_params_shown(word->name), word->name);
		return 0;
	}
	*word = (struct bmr_word){.name = line};
	if (equals) {
		*equals = '\0';
		word->value = equals + 1;
	}
	if (line[strcspn(line, " \t")])
		return bmr_err_set(e, BMR_E_USAGE, 0, "'%.*s' and a blank: it is not NAME=VALUE",
		                   bmr_params_shown(line), line); /* the rest may be secret */
	return 0;
}

static int set_line(struct reading *r, char *line)
{
	struct bmr_word word = {0};
	const char *bare;
	int i;
	int taken;

	if (split_line(line, &word, r->e) < 0)
		return -1;
	bare = is_bmr(word.name) ? word.name + PREFIX_LEN : word.name;
	if (strcmp(bare, "config") == 0)
		return bmr_err_set(r->e, BMR_E_USAGE, 0,
		                   "'config' has no place in a file that it fetched");
	taken = set_word(r, &word);
	if (taken != 0)
		return taken < 0 ? -1 : 0;
	i = bmr_params_find(bare);
	if (bmr_params_set(r->p, bare, word.value, r->e) < 0)
		return -1;
	r->seen |= (bmr_params_seen)1 << i;
	return 0;
}

static int read_file(struct reading *r, char *text)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	size_t number = 0;

	if (strncmp(text, byte_order_mark, strlen(byte_order_mark)) == 0)
		text += strlen(byte_order_mark);
	while (text) {
		char *line = trim(strsep(&text, "\n"));

		number++;
		if (!*line || *line == '#')
			continue;
		if (set_line(r, line) < 0)
			return bmr_err_while(r->e, "reading line %zu of the parameter file",
			                     number);
	}
	if (finish(r) < 0)
		return bmr_err_while(r->e, "reading the parameter file");
	return 0;
}

int bmr_params_parse_file(struct bmr_params *p, const char *text, size_t len, struct bmr_err *e)
{
	struct reading r = {.p = p, .e = e};
	AUTO_FREE char *copy = NULL;
	int rc;

	if (len > BMR_PARAMS_TEXT_MAX)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the parameter file has %zu bytes; %d are allowed", len,
		                   BMR_PARAMS_TEXT_MAX);
	if (memchr(text, '\0', len))
		return bmr_err_set(e, BMR_E_USAGE, 0, "the parameter file holds a NUL byte");
	copy = strndup(text, len);
	if (!copy)
		return bmr_err_nomem(e, "the parameter file");
	rc = read_file(&r, copy);
	wipe(copy, len);
	return rc;
}
