/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/plan.h"

#include <string.h>

#include "agent/job.h"
#include "agent/ready/identity_text.h"
#include "agent/report.h"
#include "agent/session.h"
#include "base/err.h"
#include "imaging/codec/frame.h"
#include "transport/sink.h"
#include "transport/source.h"

static bool is_fixed(const char *value)
{
	return value && !strstr(value, "${");
}

static int check_capture(const struct bmr_params *p, const struct bmr_source_options *options,
                         struct bmr_err *e)
{
	enum bmr_codec_id pack;
	int level;

	if (bmr_pack_parse(p->compress, &pack, &level, e) < 0)
		return -1;
	return is_fixed(p->image) ? bmr_sink_check_url(p->image, options, e) : 0;
}

static int check_image(const struct bmr_params *p, const struct bmr_source_options *options,
                       struct bmr_err *e)
{
	if (is_fixed(p->image) && bmr_source_check_urls(p->image, options, e) < 0)
		return -1;
	if (is_fixed(p->base) && bmr_source_check_urls(p->base, options, e) < 0)
		return bmr_err_while(e, "opening the base");
	if (bmr_params_action(p) == BMR_ACTION_VERIFY || !is_fixed(p->hostname))
		return 0;
	return bmr_hostname_check(p->hostname, e);
}

static int check_action(const struct bmr_params *p, const struct bmr_source_options *options,
                        struct bmr_err *e)
{
	switch (bmr_params_action(p)) {
	case BMR_ACTION_CAPTURE:
		return check_capture(p, options, e);
	case BMR_ACTION_RESTORE:
	case BMR_ACTION_VERIFY:
	case BMR_ACTION_PLAN:
		return check_image(p, options, e);
	default:
		return 0;
	}
}

int bmr_plan_check(struct bmr_session *session, struct bmr_err *e)
{
	const struct bmr_params *p = &session->options->params;
	struct bmr_source_options options;

	bmr_job_source_options(session, &options);
	if (is_fixed(p->config) && bmr_source_check_urls(p->config, &options, e) < 0)
		return bmr_err_while(e, "reading bmr.config");
	if (is_fixed(p->report) && bmr_report_check(p->report, e) < 0)
		return -1;
	return check_action(p, &options, e);
}
