/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/info.h"

#include <inttypes.h>
#include <stdbool.h>

#include "agent/credentials.h"
#include "agent/info_bmr.h"
#include "agent/job.h"
#include "agent/job_internal.h"
#include "agent/json.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/size.h"
#include "base/text.h"
#include "imaging/bmr/load.h"

static const char *const table_names[] = {
	[BMR_TABLE_NONE] = "none",
	[BMR_TABLE_DOS] = "dos",
	[BMR_TABLE_GPT] = "gpt",
};

/* What a manifest alone cannot tell. */
static void add_content(const struct bmr_image *i, struct bmr_json *j)
{
	bmr_json_bool(j, "checksum", i->has_checksum);
	if (i->file_size != BMR_SOURCE_SIZE_UNKNOWN)
		bmr_json_number(j, "file_bytes", i->file_size);
	if (i->size > 0)
		bmr_json_number(j, "disk_bytes", i->size);
	if (i->at_least > 0)
		bmr_json_number(j, "disk_bytes_at_least", i->at_least);
	bmr_json_text(j, "table", table_names[i->layout.table]);
	bmr_json_text(j, "table_uuid", i->layout.uuid);
	bmr_json_number(j, "sector", i->layout.sector);
	bmr_json_number(j, "partitions", i->layout.partitions);
}

/* With keys the signature comes first; what it is found to be is said, and what the image is, too: but
 * not in the live system, where nothing is unpacked that nobody signed. */
static int inspect(struct bmr_job *job, char *refusal, size_t len, struct bmr_err *e)
{
	if (!job->trust)
		return bmr_image_inspect(job->source, &job->image, e);
	if (bmr_job_inspect(job, e) == 0)
		return 0;
	if (e->code != BMR_E_REFUSED || job->session->live)
		return -1;
	snprintf(refusal, len, "%s", e->msg);
	return bmr_image_inspect(job->source, &job->image, e);
}

static void print_json(const struct bmr_job *job, const struct bmr_manifest *alone,
                       const char *refusal, FILE *out)
{
	const struct bmr_image *i = &job->image;
	const struct bmr_manifest *m = alone ? alone : i->manifest;
	struct bmr_json j = {.out = out};

	bmr_json_open(&j, NULL, '{');
	bmr_json_text(&j, "url", bmr_source_name(job->source));
	bmr_json_text(&j, "identity", bmr_source_identity(job->source));
	bmr_json_text(&j, "format",
	              alone       ? "bmr manifest"
	              : i->is_bmr ? "bmr"
	                          : bmr_format_name(i->format));
	if (*refusal)
		bmr_json_text(&j, "signature_refused", refusal);
	else if (job->trust && !alone)
		bmr_job_signer_json(&job->signer, &j);
	if (!alone)
		add_content(i, &j);
	if (m)
		bmr_info_bmr_json(m, &j);
	bmr_json_close(&j, '}');
	fputc('\n', out);
}

static void print_text(const struct bmr_job *job, const struct bmr_manifest *alone,
                       const char *refusal, FILE *out)
{
	const struct bmr_image *i = &job->image;
	const struct bmr_manifest *m = alone ? alone : i->manifest;
	char layout[80];
	char text[400];
	char size[16];

	fprintf(out, "image      %s\n", bmr_source_name(job->source));
	snprintf(text, sizeof text, "%s", bmr_source_identity(job->source));
	bmr_text_clean(text);
	fprintf(out, "identity   %s\n", text);
	if (*refusal)
		fprintf(out, "signature  NOT accepted: %s\n", refusal);
	else if (job->trust && !alone)
		fprintf(out, "signed by  %s\n", bmr_signer_text(&job->signer, text, sizeof text));
	if (alone)
		fprintf(out, "format     the manifest of a bmr image\n");
	else
		fprintf(out, "format     %s%s, %s\n", i->is_bmr ? "bmr image, " : "",
		        bmr_format_name(i->format),
		        i->has_checksum ? "with a checksum of its content" : "without a checksum");
	if (!alone && i->file_size != BMR_SOURCE_SIZE_UNKNOWN)
		fprintf(out, "file       %" PRIu64 " bytes (%s)\n", i->file_size,
		        bmr_size_text(i->file_size, size, sizeof size));
	if (!alone && i->at_least > 0)
		fprintf(out, "disk       %s%" PRIu64 " bytes (%s)\n", i->size ? "" : "at least ",
		        i->at_least, bmr_size_text(i->at_least, size, sizeof size));
	if (!alone)
		fprintf(out, "table      %s\n", bmr_layout_text(&i->layout, layout, sizeof layout));
	if (!alone && i->layout.uuid[0])
		fprintf(out, "           UUID %s\n", i->layout.uuid);
	if (m)
		bmr_info_bmr_text(m, out);
}

static bool is_manifest_alone(struct bmr_source *source, struct bmr_manifest **alone)
{
	uint8_t head[BMR_FORMAT_HEAD];
	struct bmr_err ignored; /* what is wrong with it as an image was said already */
	size_t got;

	return bmr_source_read(source, head, sizeof head, 0, &got, &ignored) == 0 &&
	       bmr_load_is_bmr(head, got) &&
	       bmr_load_sidecar(source, BMR_SOURCE_SIZE_UNKNOWN, alone, &ignored) == 0;
}

int bmr_info_print(struct bmr_session *s, const char *urls, FILE *out, struct bmr_err *e)
{
	struct bmr_job job = {.session = s};
	struct bmr_manifest *alone = NULL;
	char refusal[sizeof e->msg] = "";
	int rc = -1;

	/* Not bmr_job_open: the answer goes to standard output, and nothing else is to be said. */
	bmr_job_source_options(s, &job.source_options);
	if (bmr_trust_load(s->options->trust, &job.trust, e) == 0 &&
	    bmr_credentials_hide(urls, s->log, e) == 0 &&
	    bmr_credentials_load(&s->options->params, s->log, e) == 0 &&
	    bmr_source_open_any(urls, &job.source_options, &job.source, e) == 0 &&
	    (inspect(&job, refusal, sizeof refusal, e) == 0 ||
	     (!(job.trust && s->live) && is_manifest_alone(job.source, &alone))))
		rc = 0;
	if (rc == 0 && s->options->json)
		print_json(&job, alone, refusal, out);
	else if (rc == 0)
		print_text(&job, alone, refusal, out);
	bmr_manifest_free(alone);
	bmr_job_close(&job);
	return rc;
}
