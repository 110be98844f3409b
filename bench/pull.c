/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pull - read an image through transport/ as fast as it goes and throw it away: the rate of a
 * source without anything that a restore does with the bytes.
 *
 *	pull [--one SIZE] [--user NAME --password TEXT] URL
 *
 * As a restore reads it (imaging/restore/fetch.h), or with --one so many bytes a request and one request at
 * a time.  Prints the bytes read.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/restore/fetch.h"
#include "transport/smb_worker.h"
#include "transport/source.h"

static int pull(struct bmr_source *source, uint64_t *bytes, struct bmr_err *e)
{
	struct bmr_fetch *fetch;
	const uint8_t *data;
	size_t len = 1;
	int rc;

	if (bmr_fetch_open(source, NULL, &fetch, e) < 0)
		return -1;
	while ((rc = bmr_fetch_next(fetch, &data, &len, e)) == 0 && len > 0)
		*bytes += len;
	bmr_fetch_close(fetch);
	return rc;
}

static int pull_one_by_one(struct bmr_source *source, size_t size, uint64_t *bytes,
                           struct bmr_err *e)
{
	AUTO_FREE char *buf = malloc(size);
	size_t got = size;

	if (!buf)
		return bmr_err_set(e, BMR_E_NOMEM, 0, "no memory for a request");
	while (got == size && *bytes < bmr_source_size(source)) {
		if (bmr_source_read(source, buf, size, *bytes, &got, e) < 0)
			return -1;
		*bytes += got;
	}
	return 0;
}

static int run(const char *url, const struct bmr_source_options *options, size_t one,
               struct bmr_err *e)
{
	struct bmr_source *source;
	uint64_t bytes = 0;
	int rc;

	if (bmr_source_open(url, options, &source, e) < 0)
		return -1;
	rc = one ? pull_one_by_one(source, one, &bytes, e) : pull(source, &bytes, e);
	bmr_source_close(source);
	printf("%" PRIu64 "\n", bytes);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct option table[] = {{"one", 1, NULL, 'o'},
	                                      {"user", 1, NULL, 'u'},
	                                      {"password", 1, NULL, 'p'},
	                                      {NULL, 0, NULL, 0}};
	struct bmr_source_options options = {0};
	struct bmr_err err = {0};
	uint64_t one = 0;
	bool right = true;
	int id;

	/* libsmbclient runs in processes of its own: this program again. */
	if (argc > 1 && strcmp(argv[1], BMR_SMB_WORKER_ARGUMENT) == 0)
		return bmr_smb_worker_main(argc, argv);
	while ((id = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (id == 'o')
			right = right && bmr_size_parse(optarg, &one);
		else if (id == 'u')
			options.credentials.user = optarg;
		else if (id == 'p')
			options.credentials.password = optarg;
		else
			right = false;
	}
	if (!right || optind + 1 != argc) {
		fprintf(stderr, "usage: pull [--one SIZE] [--user NAME --password TEXT] URL\n");
		return 64;
	}
	if (run(argv[optind], &options, (size_t)one, &err) == 0)
		return 0;
	fprintf(stderr, "pull: %s\n", err.msg);
	return bmr_err_exit_code(err.code);
}
