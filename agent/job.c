/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "agent/choose.h"
#include "agent/credentials.h"
#include "agent/finish.h"
#include "agent/job_internal.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/same_file.h"
#include "base/size.h"
#include "imaging/table/cut.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/select.h"
#include "imaging/bmr/sidecar.h"
#include "transport/url.h"

#define SOURCE_DISKS_MAX 16

char *bmr_job_bytes_text(uint64_t bytes, char *buf, size_t len)
{
	char size[16];
	char digits[24];
	char grouped[32];
	size_t n = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, bytes);
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			grouped[at++] = ',';
		grouped[at++] = digits[i];
	}
	grouped[at] = '\0';
	snprintf(buf, len, "%s bytes (%s)", grouped, bmr_size_text(bytes, size, sizeof size));
	return buf;
}

/* --- the image --- */

void bmr_job_source_options(struct bmr_session *session, struct bmr_source_options *options)
{
	const struct bmr_params *p = &session->options->params;

	*options = (struct bmr_source_options){
		.log = session->log,
		.credentials = {.user = p->user, .password = p->password, .domain = p->domain},
		.timeout_ms = p->timeout * 1000,
		.retries = p->retries > 0 ? p->retries : BMR_SOURCE_NO_RETRIES,
		.rate = p->rate,
		.ca_file = p->cafile,
		.netrc_file = p->netrc,
		.proxy = p->proxy,
		.stop_fd = session->stop_fd,
	};
}

static void add_image(void *ctx, struct bmr_json *j)
{
	const struct bmr_job *job = ctx;

	bmr_json_text(j, "url", bmr_source_name(job->source));
	bmr_json_text(j, "identity", bmr_source_identity(job->source));
	bmr_json_text(j, "format", bmr_format_name(job->image.format));
	if (job->image.file_size != BMR_SOURCE_SIZE_UNKNOWN)
		bmr_json_number(j, "file_bytes", job->image.file_size);
	if (job->image.at_least > 0)
		bmr_json_number(j, "disk_bytes_at_least", job->image.at_least);
	if (job->image.layout.uuid[0])
		bmr_json_text(j, "table_uuid", job->image.layout.uuid);
	if (job->trust)
		bmr_job_signer_json(&job->signer, j);
}

void bmr_job_signer_json(const struct bmr_signer *signer, struct bmr_json *j)
{
	bmr_json_open(j, "signed", '{');
	bmr_json_text(j, "key", signer->key);
	bmr_json_text(j, "name", signer->name);
	if (*signer->series)
		bmr_json_text(j, "series", signer->series);
	if (signer->has_serial)
		bmr_json_number(j, "serial", signer->serial);
	bmr_json_close(j, '}');
}

bool bmr_job_can_tell(const struct bmr_job *job)
{
	return job->image.has_checksum || job->image.manifest || job->has_sha256 || job->trust;
}

static void announce_image(struct bmr_job *job)
{
	char layout[80];
	char size[16] = "unknown size";
	char text[400];

	if (job->image.file_size != BMR_SOURCE_SIZE_UNKNOWN)
		bmr_size_text(job->image.file_size, size, sizeof size);
	snprintf(text, sizeof text, "%s", bmr_source_name(job->source));
	bmr_screen_fact(job->session->screen, "image", text);
	snprintf(text, sizeof text, "%s %s; %s", size, bmr_format_name(job->image.format),
	         bmr_layout_text(&job->image.layout, layout, sizeof layout));
	bmr_screen_fact(job->session->screen, "content", text);
	if (job->trust)
		bmr_screen_fact(job->session->screen, "signed by",
		                bmr_signer_text(&job->signer, text, sizeof text));
	bmr_events_send(job->session->events, "image", add_image, job);
	if (!bmr_job_can_tell(job))
		bmr_log_say(job->session->log, BMR_LOG_NOTICE,
		            "this %s image carries no checksum of its content: damage on its way "
		            "cannot be seen; give sha256=",
		            bmr_format_name(job->image.format));
}

/* What a seed says is done by the restored system, and nobody signed it. */
static int check_seed(const struct bmr_job *job, struct bmr_err *e)
{
	const char *seed = job->session->options->params.seed;

	if (!job->trust || !seed)
		return 0;
	return bmr_err_set(e, BMR_E_REFUSED, 0,
	                   "this system has keys, and a seed is not signed: seed= is refused");
}

int bmr_job_inspect(struct bmr_job *job, struct bmr_err *e)
{
	if (job->trust)
		return bmr_image_inspect_signed(job->source, job->trust, &job->source_options,
		                                &job->signer, &job->image, e);
	return bmr_image_inspect(job->source, &job->image, e);
}

/* The manifest beside an image that is signed as a whole would be another thing to sign. */
static int look(struct bmr_job *job, struct bmr_err *e)
{
	if (bmr_job_inspect(job, e) < 0)
		return -1;
	return job->trust ? 0 : bmr_sidecar_find(job->source, &job->source_options, &job->image, e);
}

int bmr_job_open(struct bmr_session *session, const char *urls, struct bmr_job *job,
                 struct bmr_err *e)
{
	struct bmr_params *p = &session->options->params;

	memset(job, 0, sizeof *job);
	job->session = session;
	if (bmr_credentials_hide(urls, session->log, e) < 0 ||
	    bmr_credentials_load(p, session->log, e) < 0)
		return -1;
	bmr_job_source_options(session, &job->source_options);
	if (bmr_trust_load(session->options->trust, &job->trust, e) < 0 || check_seed(job, e) < 0)
		return -1;
	job->has_sha256 = p->sha256 && bmr_digest_parse(p->sha256, &job->sha256);
	if (bmr_source_open_any(urls, &job->source_options, &job->source, e) < 0)
		return -1;
	if (look(job, e) < 0)
		return -1;
	announce_image(job);
	return 0;
}

void bmr_job_close(struct bmr_job *job)
{
	bmr_image_clear(&job->image);
	bmr_source_close(job->source);
	bmr_trust_free(job->trust);
}

/* --- the target --- */

/* The rules for disks know what disk an image comes from; a file could still be its own image. */
static int check_file(struct bmr_job *job, const struct bmr_target_info *target, struct bmr_err *e)
{
	struct bmr_url url;
	bool same = bmr_url_parse(bmr_source_name(job->source), &url, e) == 0 &&
	            url.scheme == BMR_URL_FILE && bmr_same_file(url.path, target->path);

	bmr_url_clear(&url);
	if (same)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' is the image itself; nothing was written", target->path);
	return bmr_restore_check(&job->image, target, e);
}

int bmr_job_check_target(struct bmr_job *job, const struct bmr_target_info *target,
                         struct bmr_disk *disk, struct bmr_err *e)
{
	const struct bmr_params *p = &job->session->options->params;
	dev_t sources[SOURCE_DISKS_MAX];
	struct bmr_judgement judgement;
	struct bmr_select_rules rules = {
		.named = true,
		.source_disks = sources,
		.image_size = bmr_cut_least(&job->image),
		.image_sector = job->image.layout.sector,
		.overwrite = p->overwrite,
		.confirm = p->confirm,
	};

	memset(disk, 0, sizeof *disk);
	if (target->is_file)
		return check_file(job, target, e);
	if (bmr_disk_read(NULL, target->dev, disk, e) < 0 ||
	    bmr_choose_source_disks(job, sources, SOURCE_DISKS_MAX, &rules.source_disk_count, e) <
	            0)
		return -1;
	bmr_select_judge(&rules, disk, &judgement);
	if (judgement.verdict != BMR_VERDICT_OK)
		return bmr_err_set(e, BMR_E_REFUSED, 0, "'%s' is not written: %s", target->path,
		                   judgement.reason);
	return bmr_restore_check(&job->image, target, e);
}

/* A disk that is failing is used all the same: it may be the only one. */
static void warn_if_failing(struct bmr_session *s, struct bmr_disk *disk)
{
	bmr_health_ask(disk);
	if (disk->health.verdict == BMR_HEALTH_FAILING)
		bmr_log_say(s->log, BMR_LOG_NOTICE,
		            "warning: '%s' (serial %s) says that it is failing: %s; what is on it "
		            "may not last",
		            disk->path, *disk->serial ? disk->serial : "none", disk->health.text);
}

/* A disk is known by its serial: names change from one start to the next. */
void bmr_job_show_target(struct bmr_job *job, const struct bmr_target_info *target)
{
	char size[BMR_BYTES_TEXT_SIZE];
	char text[400];
	struct bmr_disk disk = {0};
	struct bmr_err ignored; /* what cannot be looked at is not said */
	bool known = !target->is_file && bmr_disk_read(NULL, target->dev, &disk, &ignored) == 0;
	bool named = known && *disk.serial;

	snprintf(text, sizeof text, "%s%s%s  %s", target->path, named ? "  serial " : "",
	         named ? disk.serial : "",
	         target->is_new ? "a new file"
	                        : bmr_job_bytes_text(target->size, size, sizeof size));
	bmr_log_redact(job->session->log, text, sizeof text); /* a new file's name may be a URL */
	bmr_screen_fact(job->session->screen, "target", text);
	if (known)
		warn_if_failing(job->session, &disk);
	bmr_disk_clear(&disk);
}

/* --- what restore and verify share --- */

void bmr_job_watch(struct bmr_job *job)
{
	struct bmr_err ignored; /* a restore that nobody sees is still a restore */
	uint64_t disk = job->image.size ? job->image.size : job->image.at_least;

	/* Of an image with a manifest not all of the file is read: its progress is the disk's. */
	uint64_t file = job->image.manifest ? BMR_SOURCE_SIZE_UNKNOWN : job->image.file_size;

	bmr_screen_watch(job->session->screen, &job->progress, file, disk, &ignored);
}

const char *bmr_job_next_text(const struct bmr_session *s, bool good, char *buf, size_t len)
{
	const struct bmr_params *p = &s->options->params;

	if (!s->live)
		return "";
	snprintf(buf, len, "\nbmr: next: %s",
	         bmr_finish_text((enum bmr_finish)(good ? p->finish : p->onfail)));
	return buf;
}
