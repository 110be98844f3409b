/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/orders.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmdline/params.h"
#include "imaging/disk/select.h"
#include "transport/url.h"

#define CMDLINE_MAX 65536

int bmr_orders_read(const char *given, char **text, struct bmr_err *e)
{
	AUTO_FD int fd = -1;
	AUTO_FREE char *buf = NULL;
	ssize_t n;

	*text = given ? strdup(given) : NULL;
	if (*text)
		return 0;
	buf = calloc(1, CMDLINE_MAX);
	if (given || !buf)
		return bmr_err_nomem(e, "the command line");
	fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, CMDLINE_MAX - 1);
	if (n < 0)
		return bmr_err_set(e, BMR_E_USAGE, 0, "cannot read /proc/cmdline");
	buf[strcspn(buf, "\n")] = '\0';
	*text = take_ptr(&buf);
	return 0;
}

static bool is_remote(const char *url)
{
	static const char *const remote[] = {"http:", "https:", "ftp:", "nfs:", "smb:", "syslog:"};

	for (size_t i = 0; i < sizeof remote / sizeof *remote; i++)
		if (strncasecmp(url, remote[i], strlen(remote[i])) == 0)
			return true;
	return false;
}

/* Of URLs that commas separate. */
static bool any_remote(const char *urls)
{
	for (const char *url = urls; url; url = strchr(url, ',')) {
		url += *url == ',';
		if (is_remote(url))
			return true;
	}
	return false;
}

bool bmr_orders_need_network(const struct bmr_params *p)
{
	return any_remote(p->image) || any_remote(p->config) || any_remote(p->report) ||
	       any_remote(p->base) || any_remote(p->seed);
}

bool bmr_orders_config_first(const struct bmr_params *p)
{
	return p->config && !is_remote(p->config);
}

static bool has_image(enum bmr_action action)
{
	return action == BMR_ACTION_RESTORE || action == BMR_ACTION_VERIFY ||
	       action == BMR_ACTION_PLAN || action == BMR_ACTION_CAPTURE;
}

static int check_target(const struct bmr_params *p, struct bmr_err *e)
{
	struct bmr_hints hints;
	int rc;

	if (!p->target && bmr_params_action(p) == BMR_ACTION_VERIFY)
		return 0;
	if (!p->target)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "bmr.target= is missing: name the disk (serial=, wwn=, path=, "
		                   "model=, size=, bus=, dev=), or say auto for the only one");
	rc = bmr_hints_parse(p->target, &hints, e);
	bmr_hints_clear(&hints);
	return rc;
}

/* Before anything of a URL is shown. */
static int check_logins(const struct bmr_params *p, struct bmr_err *e)
{
	const char *const urls[] = {p->image, p->config, p->base, p->seed, p->report};

	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
		if (urls[i] && bmr_url_check_login(urls[i], e) < 0)
			return -1;
	return 0;
}

int bmr_orders_check(const struct bmr_params *p, bool complete, struct bmr_err *e)
{
	enum bmr_action action = bmr_params_action(p);

	if (p->finish == BMR_FINISH_KEXEC || p->onfail == BMR_FINISH_KEXEC)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "kexec is not in this version: use reboot, poweroff, halt or "
		                   "hold");
	if (action == BMR_ACTION_CAPTURE && p->restore_only)
		return bmr_err_set(e, BMR_E_USAGE, 0, "Restore_Only=Y forbids to capture");
	if (check_logins(p, e) < 0)
		return -1;
	if (!complete || !has_image(action))
		return 0;
	if (!p->image)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "bmr.image= is missing: say where the image is");
	return check_target(p, e);
}
