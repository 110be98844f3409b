/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/config.h"

#include <stdlib.h>

#include "agent/credentials.h"
#include "agent/job.h"
#include "agent/machine.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

int bmr_config_expand(struct bmr_session *session, char **url, struct bmr_err *e)
{
	struct bmr_url_variable variables[BMR_MACHINE_VARIABLES];
	struct bmr_machine machine;
	char *expanded;

	bmr_machine_read(NULL, &session->options->params.net.bootif, &machine);
	bmr_machine_variables(&machine, variables);
	if (bmr_url_expand(*url, variables, BMR_MACHINE_VARIABLES, &expanded, e) < 0)
		return -1;
	free(*url);
	*url = expanded;
	return 0;
}

/* Read a whole small file. */
static int read_text(struct bmr_source *source, char *text, size_t *len, struct bmr_err *e)
{
	size_t got;

	if (bmr_source_read(source, text, BMR_PARAMS_TEXT_MAX + 1, 0, &got, e) < 0)
		return -1;
	if (got > BMR_PARAMS_TEXT_MAX)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "'%s' is no file of parameters: it has more than %d bytes",
		                   bmr_source_name(source), BMR_PARAMS_TEXT_MAX);
	*len = got;
	return 0;
}

static int parse_both(struct bmr_session *session, const char *file, size_t len,
                      const char *cmdline, struct bmr_err *e)
{
	struct bmr_params *p = &session->options->params;

	bmr_params_clear(p);
	bmr_params_init(p);
	if (bmr_params_parse_file(p, file, len, e) < 0 ||
	    bmr_options_repeat(session->options, e) < 0 || bmr_params_parse_line(p, cmdline, e) < 0)
		return -1;
	return bmr_credentials_load(p, session->log, e);
}

int bmr_config_fetch(struct bmr_session *session, const char *cmdline, struct bmr_err *e)
{
	struct bmr_params *p = &session->options->params;
	AUTO_FREE char *text = malloc(BMR_PARAMS_TEXT_MAX + 1);
	struct bmr_source_options options;
	struct bmr_source *source = NULL;
	size_t len = 0;
	int rc;

	if (!text)
		return bmr_err_nomem(e, "the parameters");
	if (bmr_config_expand(session, &p->config, e) < 0 ||
	    bmr_credentials_load(p, session->log, e) < 0)
		return -1;
	bmr_job_source_options(session, &options);
	bmr_log_say(session->log, BMR_LOG_INFO, "fetching parameters");
	rc = bmr_source_open(p->config, &options, &source, e);
	if (rc == 0)
		rc = read_text(source, text, &len, e);
	bmr_source_close(source);
	if (rc == 0)
		rc = parse_both(session, text, len, cmdline, e);
	return rc < 0 ? bmr_err_while(e, "reading bmr.config") : 0;
}
