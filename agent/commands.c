/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/commands.h"

#include <stdio.h>

#include "agent/capture/capture.h"
#include "agent/credentials.h"
#include "agent/disks.h"
#include "agent/info.h"
#include "agent/job.h"
#include "agent/menu/menu.h"
#include "agent/merge.h"
#include "agent/session.h"
#include "agent/sign.h"
#include "agent/verify_report.h"
#include "base/err.h"
#include "imaging/disk/disk.h"

/* What a subcommand does once its options are read and its session runs.  Returns 0, or an exit code
 * whose reason it has said itself, or -1. */
typedef int run_fn(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e);

/* Before there is a session, errors go to standard error by themselves. */
static int fail_early(const struct bmr_err *err)
{
	fprintf(stderr, "bmr: failed: %s\n", err->msg);
	return bmr_err_exit_code(err->code);
}

/* URLs, wherever they stand: also one in the place of a disk is shown without its password. */
static int run_hiding(struct bmr_session *s, struct bmr_options *o, run_fn *run, struct bmr_err *e)
{
	for (int i = 0; i < o->argument_count; i++)
		if (bmr_credentials_hide(o->arguments[i], s->log, e) < 0)
			return -1;
	return run(s, o, e);
}

static int run_command_on(const struct bmr_option_rules *rules, bool on_stderr, int argc,
                          char **argv, run_fn *run)
{
	struct bmr_options o;
	struct bmr_session s;
	struct bmr_err err = {0};
	int code = 0;

	if (bmr_options_read(rules, argc, argv, &o, &err) < 0) {
		code = fail_early(&err);
	} else if (o.help) {
		bmr_options_usage(argv[0], rules, stdout);
	} else if (bmr_session_open(&o, on_stderr, &s, &err) < 0) {
		code = fail_early(&err);
	} else {
		code = run_hiding(&s, &o, run, &err);
		if (code < 0)
			code = bmr_session_failed(&s, &err);
		bmr_session_close(&s);
	}
	bmr_options_clear(&o);
	return code;
}

static int run_command(const struct bmr_option_rules *rules, int argc, char **argv, run_fn *run)
{
	return run_command_on(rules, true, argc, argv, run);
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
	if (job->session->options->plan)
		return bmr_job_plan(job, target, e);
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
	static const struct bmr_option_rules rules = {'R', "epst", "IMAGE DISK", 2, 2};

	return run_command(&rules, argc, argv, restore);
}

/* --- capture --- */

static int capture(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e)
{
	return bmr_capture_disk(s, o->arguments[0], o->arguments[1], e);
}

int bmr_command_capture(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'C', "eps", "DISK IMAGE", 2, 2};

	return run_command(&rules, argc, argv, capture);
}

/* --- merge --- */

static int merge(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e)
{
	return bmr_merge_image(s, o->arguments[0], o->arguments[1], e);
}

int bmr_command_merge(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'M', "est", "IMAGE OUT", 2, 2};

	return run_command(&rules, argc, argv, merge);
}

/* --- verify --- */

static int look_at_disk(const char *path, struct bmr_target_info *target, struct bmr_err *e)
{
	if (bmr_target_look(path, target, e) < 0)
		return -1;
	if (target->is_new)
		return bmr_err_set(e, BMR_E_TARGET, 0, "'%s' does not exist or is empty",
		                   target->path);
	return 0;
}

static int verify(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e)
{
	struct bmr_target_info target;
	bool has_target = o->argument_count == 2;
	struct bmr_job job = {.session = s};
	int rc;

	if ((has_target && look_at_disk(o->arguments[1], &target, e) < 0) ||
	    bmr_job_open(s, o->arguments[0], &job, e) < 0) {
		rc = -1;
		if (o->json)
			bmr_verify_report_failed(e, s->log, stdout);
	} else {
		rc = bmr_job_verify(&job, has_target ? &target : NULL, e);
	}
	bmr_job_close(&job);
	return rc;
}

int bmr_command_verify(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'V', "ejst", "IMAGE [DISK]", 1, 2};

	return run_command(&rules, argc, argv, verify);
}

/* --- info --- */

static int info(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e)
{
	return bmr_info_print(s, o->arguments[0], stdout, e);
}

int bmr_command_info(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'I', "jt", "IMAGE", 1, 1};

	return run_command(&rules, argc, argv, info);
}

/* --- sign --- */

static int sign(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e)
{
	return bmr_sign_image(s, o->arguments[0], e);
}

int bmr_command_sign(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'S', "kwrn", "IMAGE", 1, 1};

	return run_command(&rules, argc, argv, sign);
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

/* --- menu --- */

static int menu(struct bmr_session *s, struct bmr_options *o, struct bmr_err *e)
{
	static const struct bmr_menu_env env = {0};
	int code;

	(void)o;
	code = bmr_menu_run(s, &env, e);
	if (code < 0)
		fprintf(stderr, "bmr: failed: %s\n", e->msg);
	return code;
}

int bmr_command_menu(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'U', "e", "", 0, 0};

	/* Standard error would be drawn over. */
	return run_command_on(&rules, false, argc, argv, menu);
}
