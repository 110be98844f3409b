/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/size.h"
#include "transport/http_setup.h"
#include "transport/sink_ops.h"

static const struct bmr_sink_ops *const backends[] = {
	[BMR_URL_FILE] = &bmr_sink_local_ops,
	[BMR_URL_DISK] = NULL,
	[BMR_URL_CDROM] = NULL,
	[BMR_URL_HTTP] = &bmr_sink_curl_ops,
	[BMR_URL_HTTPS] = &bmr_sink_curl_ops,
	[BMR_URL_FTP] = &bmr_sink_curl_ops,
	[BMR_URL_NFS] = &bmr_sink_nfs_ops,
	[BMR_URL_SMB] = &bmr_sink_smb_ops,
};

struct bmr_sink {
	const struct bmr_sink_ops *ops;
	struct bmr_source_options options;
	struct bmr_url url;
	struct bmr_place place;
	struct bmr_drain *drain;
	uint64_t size; /* written so far */
};

int bmr_sink_part_name(const char *path, char **out, struct bmr_err *e)
{
	if (asprintf(out, "%s" BMR_SINK_PART, path) >= 0)
		return 0;
	*out = NULL;
	return bmr_err_nomem(e, "a path");
}

int bmr_sink_exists(const struct bmr_place *place, struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' is there already", place->url->safe);
}

int bmr_sink_wrong_length(const struct bmr_place *place, uint64_t is, uint64_t size,
                          struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_SOURCE, 0,
	                   "'%s' has %" PRIu64 " bytes after %" PRIu64 " were written",
	                   place->url->safe, is, size);
}

static int find_backend(const struct bmr_url *url, const struct bmr_sink_ops **ops,
                        struct bmr_err *e)
{
	*ops = backends[url->scheme];
	if (*ops)
		return 0;
	return bmr_err_set(e, BMR_E_USAGE, 0, "an image cannot be written to a '%s:' URL",
	                   bmr_url_scheme_name(url->scheme));
}

static int check_url(const struct bmr_url *url, const struct bmr_source_options *options,
                     struct bmr_err *e)
{
	const struct bmr_sink_ops *ops;

	if (find_backend(url, &ops, e) < 0)
		return -1;
	return bmr_http_check_proxy(url->scheme, options->proxy, e);
}

int bmr_sink_check_url(const char *text, const struct bmr_source_options *options,
                       struct bmr_err *e)
{
	struct bmr_url url;
	int rc = bmr_url_parse(text, &url, e);

	if (rc == 0)
		rc = check_url(&url, options, e);
	bmr_url_clear(&url);
	return rc;
}

int bmr_sink_check(const char *text, const struct bmr_source_options *options, bool replace,
                   struct bmr_err *e)
{
	struct bmr_url url;
	struct bmr_place place = {.url = &url};
	int rc = bmr_url_parse(text, &url, e);

	if (rc == 0)
		rc = check_url(&url, options, e);
	if (rc == 0 && backends[url.scheme]->check)
		rc = backends[url.scheme]->check(&place, replace, e);
	bmr_url_clear(&url);
	return rc;
}

static int open_sink(struct bmr_sink *s, const char *url, const struct bmr_source_options *options,
                     bool replace, struct bmr_err *e)
{
	if (bmr_url_parse(url, &s->url, e) < 0)
		return -1;
	bmr_place_fill(&s->place, &s->url, options, &s->options);
	if (find_backend(&s->url, &s->ops, e) < 0)
		return -1;
	return s->ops->open(&s->place, replace, &s->drain, e);
}

int bmr_sink_open(const char *url, const struct bmr_source_options *options, bool replace,
                  struct bmr_sink **out, struct bmr_err *e)
{
	struct bmr_sink *s = calloc(1, sizeof *s);

	if (!s)
		return bmr_err_nomem(e, "a sink");
	if (open_sink(s, url, options, replace, e) < 0) {
		bmr_sink_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

static int check_usable(const struct bmr_sink *s, struct bmr_err *e)
{
	if (s->drain->failed || s->drain->committed)
		return bmr_err_set(e, BMR_E_BUG, 0, "'%s' is written to after its end",
		                   s->url.safe);
	return 0;
}

int bmr_sink_write(struct bmr_sink *s, const void *data, size_t len, struct bmr_err *e)
{
	uint64_t end;

	if (check_usable(s, e) < 0)
		return -1;
	if (!bmr_size_add(s->size, len, &end))
		return bmr_err_set(e, BMR_E_BUG, 0, "an image over 2^64 bytes");
	if (s->ops->write(s->drain, data, len, s->size, e) < 0) {
		s->drain->failed = true;
		return bmr_err_while(e, "writing at byte %" PRIu64, s->size);
	}
	s->size = end;
	return 0;
}

int bmr_sink_commit(struct bmr_sink *s, struct bmr_err *e)
{
	if (check_usable(s, e) < 0)
		return -1;
	if (s->ops->commit(s->drain, s->size, e) < 0) {
		s->drain->failed = true;
		return bmr_err_while(e, "finishing '%s'", s->url.safe);
	}
	s->drain->committed = true;
	return 0;
}

const char *bmr_sink_name(const struct bmr_sink *s)
{
	return s->url.safe;
}

void bmr_sink_close(struct bmr_sink *s)
{
	if (!s)
		return;
	if (s->drain)
		s->ops->close(s->drain);
	bmr_url_clear(&s->url);
	free(s);
}
