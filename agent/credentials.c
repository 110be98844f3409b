/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/login.h"
#include "base/log.h"
#include "cmdline/params.h"
#include "transport/url.h"

#define LINE_SIZE 1024

static FILE *open_private(const char *what, const char *path, struct bmr_err *e)
{
	FILE *f = fopen(path, "re");
	struct stat st;

	if (!f) {
		bmr_err_set(e, BMR_E_USAGE, errno, "cannot read the %s file '%s'", what, path);
		return NULL;
	}
	if (fstat(fileno(f), &st) < 0 || (st.st_mode & 077) != 0) {
		bmr_err_set(e, BMR_E_USAGE, 0,
		            "the %s file '%s' can be read by others: chmod 600 it", what, path);
		fclose(f);
		return NULL;
	}
	return f;
}

static int check_netrc(const char *path, struct bmr_err *e)
{
	AUTO_FILE FILE *f = open_private("netrc", path, e);

	return f ? 0 : -1;
}

/* One line "name=value"; what a parameter said already stays. */
static int take_line(struct bmr_params *p, char *line, struct bmr_err *e)
{
	static const char *const known[] = {"user", "username", "password", "domain"};
	char *value = strchr(line, '=');
	const char *present[] = {p->user, p->user, p->password, p->domain};

	line[strcspn(line, "\r\n")] = '\0';
	if (*line == '\0' || *line == '#')
		return 0;
	if (!value)
		return bmr_err_set(e, BMR_E_USAGE, 0, "a line has no '='");
	*value++ = '\0';
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(line, known[i]) == 0)
			return present[i] ? 0
			                  : bmr_params_set(p, i == 1 ? "user" : known[i], value, e);
	/* The name is not shown: a password that stands there alone may hold a '='. */
	return bmr_err_set(e, BMR_E_USAGE, 0,
	                   "what stands before the '=' is not user, password or domain");
}

static int read_file(struct bmr_params *p, struct bmr_err *e)
{
	AUTO_FILE FILE *f = open_private("credentials", p->credentials, e);
	char line[LINE_SIZE];
	unsigned number = 0;
	int rc = 0;

	if (!f)
		return -1;
	for (; rc == 0 && fgets(line, sizeof line, f); number++)
		rc = take_line(p, line, e);
	explicit_bzero(line, sizeof line);
	return rc < 0 ? bmr_err_while(e, "reading line %u of '%s'", number, p->credentials) : 0;
}

static int hide_text(const char *text, size_t len, struct bmr_log *log, struct bmr_err *e)
{
	AUTO_FREE char *copy = strndup(text, len);
	int rc;

	if (!copy)
		return bmr_err_nomem(e, "a password");
	rc = bmr_log_add_secret(log, copy, e);
	explicit_bzero(copy, len);
	return rc;
}

/* What a server is told of one URL of a list: its password without escapes. */
static int hide_decoded(const char *text, size_t len, struct bmr_log *log, struct bmr_err *e)
{
	AUTO_FREE char *copy = strndup(text, len);
	struct bmr_url url;
	struct bmr_err ignored; /* whoever opens the URL says what is wrong with it */
	int rc = 0;

	if (!copy)
		return bmr_err_nomem(e, "a URL");
	if (bmr_url_parse(copy, &url, &ignored) == 0 && url.password)
		rc = bmr_log_add_secret(log, url.password, e);
	bmr_url_clear(&url);
	explicit_bzero(copy, len);
	return rc;
}

int bmr_credentials_hide(const char *urls, struct bmr_log *log, struct bmr_err *e)
{
	struct bmr_login login;

	for (const char *at = urls; at && bmr_login_find(at, &login); at = login.end)
		if (hide_text(login.password, (size_t)(login.end - login.password), log, e) < 0)
			return -1;
	while (urls && *urls) {
		size_t len = strcspn(urls, ",");

		if (hide_decoded(urls, len, log, e) < 0)
			return -1;
		urls += len + (urls[len] == ',');
	}
	return 0;
}

int bmr_credentials_hide_all(const struct bmr_params *p, struct bmr_log *log, struct bmr_err *e)
{
	const char *const urls[] = {p->image, p->config, p->base, p->seed, p->report, p->proxy};

	if (p->password && bmr_log_add_secret(log, p->password, e) < 0)
		return -1;
	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
		if (bmr_credentials_hide(urls[i], log, e) < 0)
			return -1;
	return 0;
}

int bmr_credentials_load(struct bmr_params *p, struct bmr_log *log, struct bmr_err *e)
{
	if (bmr_credentials_hide_all(p, log, e) < 0)
		return -1;
	if ((p->netrc && check_netrc(p->netrc, e) < 0) || (p->credentials && read_file(p, e) < 0))
		return -1;
	return p->password ? bmr_log_add_secret(log, p->password, e) : 0;
}
