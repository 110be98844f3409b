/* SPDX-License-Identifier: GPL-3.0-or-later */
/* coreos.c - coreos-installer's names, and where all aliases meet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmdline/params_internal.h"
#include "cmdline/refuse.h"

int bmr_aliases_take(struct bmr_aliases *a, const char *name, const char *value, struct bmr_err *e)
{
	if (strcmp(name, "coreos.inst.install_dev") == 0)
		a->install_dev = value;
	else if (strcmp(name, "coreos.inst.image_url") == 0)
		a->image_url = value;
	else if (strcmp(name, "coreos.inst.skip_reboot") == 0)
		a->skip_reboot = true;
	else
		return bmr_ping_take(a, name, value, e);
	return 1;
}

static int apply_install_dev(const struct bmr_aliases *a, bmr_params_seen seen,
                             struct bmr_params *p, struct bmr_err *e)
{
	AUTO_FREE char *hint = NULL;

	if (!a->install_dev || !*a->install_dev)
		return 0;
	/* coreos-installer takes "sda" too. */
	if (strpbrk(a->install_dev, ", "))
		return bmr_param_refuse(e, "coreos.inst.install_dev", a->install_dev,
		                        "it is one device");
	if (asprintf(&hint, "dev=%s", a->install_dev) < 0) {
		hint = NULL; /* asprintf(3) leaves it undefined */
		return bmr_err_nomem(e, "a hint");
	}
	if (bmr_params_fill(p, seen, "target", hint, e) < 0)
		return -1;
	return bmr_params_notice(p, e,
	                         "coreos.inst.install_dev= names a disk by its place in the order "
	                         "of discovery; bmr.target=serial=... is safe");
}

int bmr_aliases_apply(const struct bmr_aliases *a, bmr_params_seen seen, struct bmr_params *p,
                      struct bmr_err *e)
{
	if (bmr_ping_apply(a, seen, p, e) < 0 || apply_install_dev(a, seen, p, e) < 0)
		return -1;
	if (a->image_url && *a->image_url && bmr_params_fill(p, seen, "image", a->image_url, e) < 0)
		return -1;
	if (a->skip_reboot)
		return bmr_params_fill(p, seen, "finish", "hold", e);
	return 0;
}
