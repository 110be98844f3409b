/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/capture.h"
#include "agent/credentials.h"
#include "agent/disks.h"
#include "agent/job.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "imaging/disk.h"

/* What a subcommand does once its options are read and its session runs.  Returns 0, or an exit code
 * whose reason it has said itself, or -1. */
typedef int run_fn(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e);

/* Before there is a session, errors go to standard error by themselves. */
static int fail_early(const struct bmr_err *err)
{
	fprintf(stderr, "bmr: failed: %s\n", err->msg);
	return bmr_err_exit_code(err->code);
}

static int run_command(const struct bmr_option_rules *rules, int argc, char **argv, run_fn *run)
{
	struct bmr_options o;
	struct bmr_session s;
	struct bmr_err err = {0};
	int code = 0;

	if (bmr_options_read(rules, argc, argv, &o, &err) < 0) {
		code = fail_early(&err);
	} else if (o.help) {
		bmr_options_usage(argv[0], rules, stdout);
	} else if (bmr_session_open(&o, true, &s, &err) < 0) {
		code = fail_early(&err);
	} else {
		code = run(&s, &o, &err);
		if (code < 0)
			code = bmr_session_failed(&s, &err);
		bmr_session_close(&s);
	}
	bmr_options_clear(&o);
	return code;
}

/* --- restore --- */

static int restore_checked(struct bmr_job *job, const struct bmr_target_info *target,
                           struct bmr_err *e)
{
	struct bmr_disk disk;
	int rc = bmr_job_check_target(job, target, &disk, e);

	bmr_disk_clear(&disk);
	if (rc < 0)
		return -1;
	if (job->session->options->plan) {
		bmr_job_plan(job, target);
		return 0;
	}
	return bmr_job_restore(job, target, e);
}

static int restore(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e)
{
	struct bmr_target_info target;
	struct bmr_job job;
	int rc;

	if (bmr_target_look(o->arguments[1], &target, e) < 0)
		return -1;
	rc = bmr_job_open(s, o->arguments[0], &job, e);
	if (rc == 0)
		rc = restore_checked(&job, &target, e);
	bmr_job_close(&job);
	return rc;
}

int bmr_command_restore(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'R', "ep", "IMAGE DISK", 2, 2};

	return run_command(&rules, argc, argv, restore);
}

/* --- capture --- */

static int capture(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e)
{
	return bmr_capture_disk(s, o->arguments[0], o->arguments[1], e);
}

int bmr_command_capture(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'C', "ep", "DISK IMAGE", 2, 2};

	return run_command(&rules, argc, argv, capture);
}

/* --- verify --- */

static int verify(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e)
{
	struct bmr_target_info target;
	bool has_target = o->argument_count == 2;
	struct bmr_job job;
	int rc;

	if (has_target && bmr_target_look(o->arguments[1], &target, e) < 0)
		return -1;
	if (has_target && target.is_new)
		return bmr_err_set(e, BMR_E_TARGET, 0, "'%s' does not exist or is empty",
		                   target.path);
	rc = bmr_job_open(s, o->arguments[0], &job, e);
	if (rc == 0)
		rc = bmr_job_verify(&job, has_target ? &target : NULL, e);
	bmr_job_close(&job);
	return rc;
}

int bmr_command_verify(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'V', "e", "IMAGE [DISK]", 1, 2};

	return run_command(&rules, argc, argv, verify);
}

/* --- info --- */

static const char *const table_names[] = {
	[BMR_TABLE_NONE] = "none",
	[BMR_TABLE_DOS] = "dos",
	[BMR_TABLE_GPT] = "gpt",
};

static void print_info_json(const struct bmr_job *job)
{
	const struct bmr_image *i = &job->image;
	struct bmr_json j = {.out = stdout};

	bmr_json_open(&j, NULL, '{');
	bmr_json_text(&j, "url", bmr_source_name(job->source));
	bmr_json_text(&j, "identity", bmr_source_identity(job->source));
	bmr_json_text(&j, "format", bmr_format_name(i->format));
	bmr_json_bool(&j, "checksum", i->has_checksum);
	if (i->file_size != BMR_SOURCE_SIZE_UNKNOWN)
		bmr_json_number(&j, "file_bytes", i->file_size);
	if (i->size > 0)
		bmr_json_number(&j, "disk_bytes", i->size);
	if (i->at_least > 0)
		bmr_json_number(&j, "disk_bytes_at_least", i->at_least);
	bmr_json_text(&j, "table", table_names[i->layout.table]);
	bmr_json_text(&j, "table_uuid", i->layout.uuid);
	bmr_json_number(&j, "sector", i->layout.sector);
	bmr_json_number(&j, "partitions", i->layout.partitions);
	bmr_json_close(&j, '}');
	putchar('\n');
}

static void print_info_text(const struct bmr_job *job)
{
	const struct bmr_image *i = &job->image;
	char layout[80];
	char size[16];

	printf("image      %s\n", bmr_source_name(job->source));
	printf("identity   %s\n", bmr_source_identity(job->source));
	printf("format     %s, %s\n", bmr_format_name(i->format),
	       i->has_checksum ? "with a checksum of its content" : "without a checksum");
	if (i->file_size != BMR_SOURCE_SIZE_UNKNOWN)
		printf("file       %" PRIu64 " bytes (%s)\n", i->file_size,
		       bmr_size_text(i->file_size, size, sizeof size));
	if (i->at_least > 0)
		printf("disk       %s%" PRIu64 " bytes (%s)\n", i->size ? "" : "at least ",
		       i->at_least, bmr_size_text(i->at_least, size, sizeof size));
	printf("table      %s%s%s\n", bmr_layout_text(&i->layout, layout, sizeof layout),
	       i->layout.uuid[0] ? ", UUID " : "", i->layout.uuid);
}

static int info(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e)
{
	struct bmr_params *p = &o->params;
	struct bmr_job job = {.session = s};
	int rc = -1;

	/* Not bmr_job_open: the answer goes to standard output, and nothing else is to be said. */
	bmr_job_source_options(s, &job.source_options);
	if (bmr_credentials_load(p, s->log, e) == 0 &&
	    bmr_source_open_any(o->arguments[0], &job.source_options, &job.source, e) == 0 &&
	    bmr_image_inspect(job.source, &job.image, e) == 0)
		rc = 0;
	if (rc == 0)
		o->json ? print_info_json(&job) : print_info_text(&job);
	bmr_job_close(&job);
	return rc;
}

int bmr_command_info(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'I', "j", "IMAGE", 1, 1};

	return run_command(&rules, argc, argv, info);
}

/* --- disks --- */

static int disks(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e)
{
	(void)s;
	return bmr_disks_command(NULL, o->params.target, o->json, stdout, e);
}

int bmr_command_disks(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'D', "j", "", 0, 0};

	return run_command(&rules, argc, argv, disks);
}
