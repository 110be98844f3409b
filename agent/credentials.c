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
#include "base/log.h"
#include "cmdline/params.h"
#include "transport/url.h"

#define LINE_SIZE 1024

static FILE *open_private(const char *path, struct bmr_err *e)
{
	FILE *f = fopen(path, "re");
	struct stat st;

	if (!f) {
		bmr_err_set(e, BMR_E_USAGE, errno, "cannot read the credentials file '%s'", path);
		return NULL;
	}
	if (fstat(fileno(f), &st) < 0 || (st.st_mode & 077) != 0) {
		bmr_err_set(e, BMR_E_USAGE, 0,
		            "the credentials file '%s' can be read by others: chmod 600 it", path);
		fclose(f);
		return NULL;
	}
	return f;
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
	return bmr_err_set(e, BMR_E_USAGE, 0, "unknown name '%s'; known: user password domain",
	                   line);
}

static int read_file(struct bmr_params *p, struct bmr_err *e)
{
	AUTO_FILE FILE *f = open_private(p->credentials, e);
	char line[LINE_SIZE];
	int rc = 0;

	if (!f)
		return -1;
	while (rc == 0 && fgets(line, sizeof line, f))
		rc = take_line(p, line, e);
	explicit_bzero(line, sizeof line);
	return rc < 0 ? bmr_err_while(e, "reading '%s'", p->credentials) : 0;
}

/* A password inside one URL of a list. */
static int add_url_secret(const char *text, size_t len, struct bmr_log *log, struct bmr_err *e)
{
	AUTO_FREE char *copy = strndup(text, len);
	struct bmr_url url;
	struct bmr_err ignored; /* whoever opens the URL says what is wrong with it */
	int rc = 0;

	if (!copy)
		return bmr_err_nomem(e, "an image URL");
	if (bmr_url_parse(copy, &url, &ignored) == 0 && url.password)
		rc = bmr_log_add_secret(log, url.password, e);
	bmr_url_clear(&url);
	return rc;
}

int bmr_credentials_load(struct bmr_params *p, struct bmr_log *log, struct bmr_err *e)
{
	if (p->credentials && read_file(p, e) < 0)
		return -1;
	if (p->password && bmr_log_add_secret(log, p->password, e) < 0)
		return -1;
	for (const char *url = p->image; url && *url;) {
		size_t len = strcspn(url, ",");

		if (add_url_secret(url, len, log, e) < 0)
			return -1;
		url += len + (url[len] == ',');
	}
	return 0;
}
