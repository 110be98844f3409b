/* SPDX-License-Identifier: GPL-3.0-or-later */
/* agent.c - `bmr agent`: from the kernel command line to a restored machine.
 *
 * In the live system (known by /etc/bmr/medium-id) it brings the network up, shows itself on every
 * console and ends with reboot, power off or hold.  Anywhere else it leaves network and power alone
 * and exits with the code, so that an order can be tried on any machine.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/capture/capture.h"
#include "agent/choose.h"
#include "agent/commands.h"
#include "agent/config.h"
#include "agent/console.h"
#include "agent/credentials.h"
#include "agent/finish.h"
#include "agent/job.h"
#include "agent/machine.h"
#include "agent/menu/menu.h"
#include "agent/network/network.h"
#include "agent/orders.h"
#include "agent/plan.h"
#include "agent/session.h"
#include "agent/version.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#define MEDIUM_ID "/etc/bmr/medium-id"
#define SHELL_MARK "/etc/bmr/shell" /* there if the medium was built with a shell */
#define RUN_DIR "/run/bmr"
#define LOG_FILE RUN_DIR "/bmr.log"
#define DISK_WAIT_S 60

struct agent {
	struct bmr_session session;
	struct bmr_consoles consoles;
	struct bmr_network_clients network;
	char *cmdline; /* owned */
};

/* --- network --- */

static int network_up(struct agent *a, struct bmr_err *e)
{
	struct bmr_session *s = &a->session;
	struct bmr_network_env env = {
		.busybox = "/usr/bin/busybox",
		.run_dir = RUN_DIR,
		.dhcp_script = "/usr/lib/bmr/udhcpc.script",
		.log = s->log,
		.stop = &s->stop,
		.clients = &a->network,
	};

	if (!a->session.live) {
		bmr_log_say(s->log, BMR_LOG_INFO,
		            "not the live system: the network is left as it is");
		return 0;
	}
	bmr_events_send(s->events, "network", NULL, NULL);
	return bmr_network_up(&s->options->params.net, &env, e);
}

/* A network that is asked for but not needed (ip= with an image from a disk) may fail. */
static int bring_network(struct agent *a, struct bmr_err *e)
{
	const struct bmr_params *p = &a->session.options->params;

	if (bmr_orders_need_network(p))
		return network_up(a, e);
	if (!bmr_net_wanted(&p->net) || network_up(a, e) == 0)
		return 0;
	if (e->code == BMR_E_STOPPED)
		return -1;
	bmr_log_say(a->session.log, BMR_LOG_NOTICE, "going on without a network: %s", e->msg);
	return 0;
}

/* --- reading the orders --- */

static void say_notices(struct bmr_session *s)
{
	const struct bmr_params *p = &s->options->params;

	for (size_t i = 0; i < p->notice_count; i++)
		bmr_log_say(s->log, BMR_LOG_NOTICE, "%s", p->notices[i]);
}

static int start_reports(struct agent *a, struct bmr_err *e)
{
	struct bmr_session *s = &a->session;
	struct bmr_params *p = &s->options->params;
	struct bmr_machine machine;

	bmr_machine_read(NULL, &p->net.bootif, &machine);
	bmr_events_host(s->events, bmr_machine_name(&machine));
	if (!p->report)
		return 0;
	if (bmr_config_expand(s, &p->report, e) < 0)
		return -1;
	return bmr_events_to_url(s->events, p->report, p->cafile, e);
}

static void add_start(void *ctx, struct bmr_json *j)
{
	struct agent *a = ctx;

	bmr_json_text(j, "version", bmr_version);
	bmr_json_bool(j, "live", a->session.live);
	bmr_json_text(j, "firmware", bmr_machine_firmware(NULL));
}

static int read_config(struct agent *a, struct bmr_err *e)
{
	if (bmr_config_fetch(&a->session, a->cmdline, e) < 0)
		return -1;
	return bmr_orders_check(&a->session.options->params, true, e);
}

/* Command line, then, if there is one, the file of parameters.  One that needs no network comes
 * first: it may say that the image does, and what the network is. */
static int read_orders(struct agent *a, struct bmr_err *e)
{
	struct bmr_session *s = &a->session;
	struct bmr_params *p = &s->options->params;
	bool config_first = bmr_orders_config_first(p);

	bmr_log_say(s->log, BMR_LOG_INFO, "bmr %s; firmware: %s", bmr_version,
	            bmr_machine_firmware(NULL));
	if (bmr_credentials_load(p, s->log, e) < 0)
		return -1;
	say_notices(s);
	if (bmr_orders_check(p, !p->config, e) < 0)
		return -1;
	if (config_first && read_config(a, e) < 0)
		return -1;
	/* What is wrong in the orders is not to wait for a network. */
	if (bmr_plan_check(s, e) < 0 || bring_network(a, e) < 0)
		return -1;
	if (p->config && !config_first && read_config(a, e) < 0)
		return -1;
	if (p->image && bmr_config_expand(s, &p->image, e) < 0)
		return -1;
	if (start_reports(a, e) < 0)
		return -1;
	bmr_events_send(s->events, "start", add_start, a);
	return 0;
}

/* --- the actions --- */

static int with_target(struct agent *a, struct bmr_job *job,
                       int (*act)(struct bmr_job *, const struct bmr_target_info *,
                                  struct bmr_err *),
                       struct bmr_err *e)
{
	struct bmr_target_info target;

	if (bmr_choose_target(job, a->session.live ? DISK_WAIT_S : 0, &target, e) < 0)
		return -1;
	return act(job, &target, e);
}

static int plan_target(struct bmr_job *job, const struct bmr_target_info *target, struct bmr_err *e)
{
	if (bmr_restore_check(&job->image, target, e) < 0 || bmr_job_plan(job, target, e) < 0)
		return -1;
	job->session->options->params.finish = BMR_FINISH_HOLD; /* to be read */
	return 0;
}

static int restore_target(struct bmr_job *job, const struct bmr_target_info *target,
                          struct bmr_err *e)
{
	return bmr_job_restore(job, target, e);
}

static int run_image_action(struct agent *a, enum bmr_action action, struct bmr_err *e)
{
	struct bmr_params *p = &a->session.options->params;
	struct bmr_job job;
	int rc = bmr_job_open(&a->session, p->image, &job, e);

	if (rc == 0 && action == BMR_ACTION_VERIFY && !p->target)
		rc = bmr_job_verify(&job, NULL, e);
	else if (rc == 0)
		rc = with_target(a, &job,
		                 action == BMR_ACTION_VERIFY ? bmr_job_verify
		                 : action == BMR_ACTION_PLAN ? plan_target
		                                             : restore_target,
		                 e);
	bmr_job_close(&job);
	return rc;
}

static int run_capture(struct agent *a, struct bmr_err *e)
{
	struct bmr_session *s = &a->session;
	struct bmr_target_info disk;

	if (bmr_choose_source(s, s->live ? DISK_WAIT_S : 0, &disk, e) < 0)
		return -1;
	return bmr_capture_disk(s, disk.path, s->options->params.image, e);
}

static int run_shell(struct agent *a, struct bmr_err *e)
{
	if (access(SHELL_MARK, F_OK) != 0)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "this medium was built without a shell: build one with "
		                   "'make iso SHELL_ON_TTY2=FILE', with the hash of a "
		                   "password in it");
	bmr_screen_say(a->session.screen,
	               "the shell is on tty2: press Alt-F2 and type its password");
	a->session.options->params.finish = BMR_FINISH_HOLD;
	return 0;
}

static int network_for_menu(void *ctx, struct bmr_err *e)
{
	return network_up(ctx, e);
}

static int run_menu(struct agent *a, struct bmr_err *e)
{
	struct bmr_menu_env env = {
		.consoles = &a->consoles,
		.cmdline = a->cmdline,
		.network = network_for_menu,
		.ctx = a,
	};
	int rc;

	if (!a->session.live)
		return bmr_err_set(
			e, BMR_E_USAGE, 0,
			"nothing to do: give bmr.image= and bmr.target= (outside the live "
			"system 'bmr menu' shows the menu)");
	rc = bmr_menu_run(&a->session, &env, e);
	/* What failed was seen; how the machine ends was chosen. */
	return rc < 0 ? -1 : 0;
}

static int run_action(struct agent *a, struct bmr_err *e)
{
	enum bmr_action action = bmr_params_action(&a->session.options->params);

	switch (action) {
	case BMR_ACTION_SHELL:
		return run_shell(a, e);
	case BMR_ACTION_CAPTURE:
		return run_capture(a, e);
	case BMR_ACTION_MENU:
		return run_menu(a, e);
	default:
		return run_image_action(a, action, e);
	}
}

/* --- --plan: the orders alone, without touching network or disks --- */

static void say_text(void *ctx, const char *text)
{
	bmr_screen_say(ctx, text);
}

static int plan_orders(struct agent *a, struct bmr_err *e)
{
	struct bmr_session *s = &a->session;
	struct bmr_params *p = &s->options->params;

	say_notices(s);
	if (bmr_orders_check(p, !p->config, e) < 0)
		return -1;
	if (p->image && bmr_config_expand(s, &p->image, e) < 0)
		return -1;
	if (bmr_plan_check(s, e) < 0)
		return -1;
	bmr_screen_say(s->screen, "orders:");
	bmr_params_each(p, say_text, s->screen);
	if (bmr_orders_need_network(p) || bmr_net_wanted(&p->net)) {
		bmr_screen_say(s->screen, "network:");
		bmr_network_describe(&p->net, say_text, s->screen);
	} else if (p->config) {
		bmr_screen_say(s->screen, "network: if the file of bmr.config= needs it");
	} else {
		bmr_screen_say(s->screen, "network: not needed");
	}
	bmr_screen_say(s->screen, "plan: nothing was fetched, nothing was written");
	return 0;
}

/* --- beginning and end --- */

static int obey(struct agent *a, struct bmr_err *e)
{
	struct bmr_options *o = a->session.options;
	int rc = bmr_orders_read(o->cmdline, &a->cmdline, e);

	if (rc == 0)
		rc = bmr_params_parse_line(&o->params, a->cmdline, e);
	if (rc == 0)
		rc = bmr_credentials_hide_all(&o->params, a->session.log, e);
	if (a->session.live) {
		enum bmr_action action = bmr_params_action(&o->params);
		bool restores = action == BMR_ACTION_RESTORE || action == BMR_ACTION_VERIFY ||
		                action == BMR_ACTION_CAPTURE ||
		                (o->params.config && action == BMR_ACTION_MENU);

		/* Tables and questions scroll; a restore has the panel. */
		bmr_consoles_show(&a->consoles, a->session.screen, rc == 0 && restores);
	}
	if (rc < 0)
		return -1;
	if (o->plan)
		return plan_orders(a, e);
	if (read_orders(a, e) < 0)
		return -1;
	return run_action(a, e);
}

/* What to do is a person's to know: the last lines of a failed run. */
static void explain_failure(struct agent *a, const struct bmr_err *err)
{
	const struct bmr_params *p = &a->session.options->params;
	enum bmr_action action = bmr_params_action(p);
	struct bmr_err copy = *err;
	char title[64];
	char lines[1400];

	bmr_log_redact(a->session.log, copy.msg, sizeof copy.msg);
	snprintf(title, sizeof title, "bmr: NOT %s, exit code %d",
	         action == BMR_ACTION_CAPTURE  ? "CAPTURED"
	         : action == BMR_ACTION_VERIFY ? "VERIFIED"
	                                       : "RESTORED",
	         bmr_err_exit_code(copy.code));
	snprintf(lines, sizeof lines,
	         "bmr: why: %s\n"
	         "bmr: the log is %s; what the exit codes mean is in bmr(8)\n"
	         "bmr: next: %s",
	         copy.msg, LOG_FILE,
	         p->onfail == BMR_FINISH_HOLD
	                 ? "mend what is named above, then restart the machine to try again"
	                 : bmr_finish_text((enum bmr_finish)p->onfail));
	bmr_screen_result(a->session.screen, false, title, lines);
}

/* Ends the live system; reports have gone out, the consoles keep what they show. */
static _Noreturn void end_live(struct agent *a, bool good)
{
	const struct bmr_params *p = &a->session.options->params;
	enum bmr_finish what = (enum bmr_finish)(good ? p->finish : p->onfail);

	bmr_events_close(a->session.events);
	a->session.events = NULL;
	sleep(good ? 1 : 3); /* a serial line needs it to show the last words */
	bmr_finish(what);
}

static int run_agent(struct bmr_options *o, struct bmr_err *e)
{
	bool live = access(MEDIUM_ID, F_OK) == 0;
	struct agent a = {0};
	int code = 0;
	int rc;

	if (bmr_session_open(o, !live, &a.session, e) < 0)
		return -1;
	a.session.live = live;
	if (a.session.live) {
		bmr_session_log_to(&a.session, LOG_FILE);
		bmr_consoles_open(NULL, &a.consoles);
	}
	rc = obey(&a, e);
	/* Over 0: it has said itself what came out of it. */
	code = rc < 0 ? bmr_session_failed(&a.session, e) : rc;
	if (rc < 0 && a.session.live)
		explain_failure(&a, e);
	if (a.session.live)
		end_live(&a, rc == 0);
	bmr_session_close(&a.session);
	free(take_ptr(&a.cmdline));
	return code;
}

int bmr_command_agent(int argc, char **argv)
{
	static const struct bmr_option_rules rules = {'A', "cep", "", 0, 0};
	struct bmr_options o;
	struct bmr_err err = {0};
	int code = -1;

	if (bmr_options_read(&rules, argc, argv, &o, &err) == 0 && o.help) {
		bmr_options_usage(argv[0], &rules, stdout);
		code = 0;
	} else if (err.code == BMR_E_NONE) {
		code = run_agent(&o, &err);
	}
	if (code < 0) {
		fprintf(stderr, "bmr: failed: %s\n", err.msg);
		code = bmr_err_exit_code(err.code);
	}
	bmr_options_clear(&o);
	return code;
}
