/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/beside.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "transport/url.h"

bool bmr_beside_is_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* A path is not decoded when it is opened, so it is not escaped either; "a:b" alone could be taken
 * for a URL. */
static int beside_file(const char *path, const char *name, char **out, struct bmr_err *e)
{
	const char *slash = strrchr(path, '/');
	int len = slash ? (int)(slash + 1 - path) : 2;

	if (asprintf(out, "%.*s%s", len, slash ? path : "./", name) < 0)
		return bmr_err_nomem(e, "a URL");
	return 0;
}

/* Where its path ends: of other schemes '?' is a character of a name. */
static size_t path_end_of(const char *url, enum bmr_url_scheme scheme)
{
	bool has_query = scheme == BMR_URL_HTTP || scheme == BMR_URL_HTTPS || scheme == BMR_URL_NFS;

	return has_query ? strcspn(url, "?#") : strlen(url);
}

static int beside_url(const char *url, enum bmr_url_scheme scheme, const char *name, char **out,
                      struct bmr_err *e)
{
	const struct bmr_url_variable variable = {"name", name};
	AUTO_FREE char *escaped = NULL;
	size_t path_end = path_end_of(url, scheme);
	size_t len = path_end;

	while (len > 0 && url[len - 1] != '/')
		len--;
	if (bmr_url_expand("${name}", &variable, 1, &escaped, e) < 0)
		return -1;
	if (asprintf(out, "%.*s%s%s", (int)len, url, escaped, url + path_end) < 0)
		return bmr_err_nomem(e, "a URL");
	return 0;
}

int bmr_beside_url(const char *url, const char *name, char **out, struct bmr_err *e)
{
	struct bmr_url parsed;
	AUTO_FREE char *made = NULL;
	int rc;

	if (!bmr_beside_is_name(name))
		return bmr_err_set(e, BMR_E_DATA, 0, "'%s' is not the name of a file", name);
	rc = bmr_url_parse(url, &parsed, e);
	if (rc == 0 && parsed.scheme == BMR_URL_FILE)
		rc = beside_file(parsed.path, name, &made, e);
	else if (rc == 0)
		rc = beside_url(url, parsed.scheme, name, &made, e);
	bmr_url_clear(&parsed);
	if (rc < 0)
		return -1;
	*out = take_ptr(&made);
	return 0;
}

int bmr_beside_suffix(const char *url, const char *suffix, char **out, struct bmr_err *e)
{
	struct bmr_url parsed;
	size_t len;

	if (bmr_url_parse(url, &parsed, e) < 0)
		return -1;
	len = path_end_of(url, parsed.scheme);
	bmr_url_clear(&parsed);
	if (asprintf(out, "%.*s%s%s", (int)len, url, suffix, url + len) < 0)
		return bmr_err_nomem(e, "a URL");
	return 0;
}

int bmr_beside_sidecar(const char *url, char **out, struct bmr_err *e)
{
	return bmr_beside_suffix(url, ".manifest", out, e);
}
