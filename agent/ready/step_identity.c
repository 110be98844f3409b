/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The step "identity": the restored system's own name and keys.  Nothing of that system is executed. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/config.h"
#include "agent/ready/identity_files.h"
#include "agent/ready/identity_root.h"
#include "agent/ready/identity_seed.h"
#include "agent/ready/identity_text.h"
#include "agent/ready/internal.h"
#include "agent/session.h"
#include "agent/ready/volumes.h"
#include "base/cleanup.h"
#include "base/err.h"

/* What makes SSH host keys when they are missing, at start: Fedora and RHEL, Debian 13 and later,
 * Arch, SUSE, Raspberry Pi OS, and cloud-init anywhere. */
static const char *const key_makers[] = {
	"usr/lib/systemd/system/sshd-keygen.target",
	"usr/lib/systemd/system/sshd-keygen@.service",
	"usr/lib/systemd/system/sshd-keygen.service",
	"usr/lib/systemd/system/sshdgenkeys.service",
	"usr/sbin/sshd-gen-keys-start",
	"usr/lib/systemd/system/regenerate_ssh_host_keys.service",
	"etc/systemd/system/regenerate_ssh_host_keys.service",
	"usr/bin/cloud-init",
};

struct work {
	const struct bmr_params *params;
	struct bmr_seed seed;
	int root; /* "/" of the restored system */
	char *text;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct work *w, const char *fmt, ...)
{
	size_t used = strlen(w->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->text + used, w->len - used, fmt, ap);
	va_end(ap);
}

/* -1 with errno: there is none. */
static int open_folder(const struct work *w, const char *path)
{
	return bmr_files_open(w->root, path, O_RDONLY | O_DIRECTORY);
}

static int need_etc(const struct work *w, int *etc, struct bmr_err *e)
{
	*etc = open_folder(w, "etc");
	return *etc < 0 ? bmr_err_set(e, BMR_E_TARGET, errno, "cannot enter '/etc'") : 0;
}

static int set_hosts(const struct work *w, int etc, struct bmr_err *e)
{
	AUTO_FREE char *hosts = NULL;
	AUTO_FREE char *renamed = NULL;
	size_t len;

	if (bmr_files_read(etc, "hosts", &hosts, &len, e) < 0)
		return -1;
	if (!hosts)
		return 0;
	if (bmr_hosts_rename(hosts, w->params->hostname, &renamed, e) < 0)
		return -1;
	return renamed ? bmr_files_replace(etc, "hosts", renamed, strlen(renamed), 0644, e) : 0;
}

static int set_hostname(struct work *w, struct bmr_err *e)
{
	const char *name = w->params->hostname;
	AUTO_FD int etc = -1;
	char line[80];

	if (!name)
		return 0;
	snprintf(line, sizeof line, "%s\n", name);
	if (need_etc(w, &etc, e) < 0 ||
	    bmr_files_replace(etc, "hostname", line, strlen(line), 0644, e) < 0 ||
	    set_hosts(w, etc, e) < 0)
		return -1;
	say(w, ", host name '%s'", name);
	return 0;
}

/* Empty, and not missing: see "Initialization" in machine-id(5).  It must not count as the system's
 * first boot, which would ask questions. */
static int empty_machine_id(struct work *w, struct bmr_err *e)
{
	AUTO_FD int etc = -1;
	AUTO_FD int dbus = open_folder(w, "var/lib/dbus");
	unsigned gone;

	if (need_etc(w, &etc, e) < 0)
		return -1;
	if (bmr_files_exist(etc, "machine-id") &&
	    bmr_files_replace(etc, "machine-id", "", 0, 0444, e) < 0)
		return -1;
	if (dbus >= 0 && bmr_files_remove(dbus, "machine-id", &gone, e) < 0)
		return -1;
	say(w, ", no machine-id");
	return 0;
}

static bool makes_keys(const struct work *w)
{
	for (size_t i = 0; i < sizeof key_makers / sizeof *key_makers; i++)
		if (bmr_files_exist(w->root, key_makers[i]))
			return true;
	return false;
}

static int remove_ssh_keys(struct work *w, struct bmr_err *e)
{
	AUTO_FD int ssh = open_folder(w, "etc/ssh");
	unsigned gone = 0;

	if (ssh >= 0 && bmr_files_remove(ssh, "ssh_host_*_key*", &gone, e) < 0)
		return -1;
	say(w, ", %u files of SSH host keys removed", gone);
	if (gone > 0 && !makes_keys(w))
		say(w, " (nothing found that makes new ones: run 'ssh-keygen -A' there)");
	return 0;
}

static int set_identity(struct work *w, struct bmr_err *e)
{
	if (w->params->identity != BMR_IDENTITY_NEW)
		return 0;
	return empty_machine_id(w, e) < 0 ? -1 : remove_ssh_keys(w, e);
}

static int set_seed(struct work *w, struct bmr_err *e)
{
	if (w->seed.count == 0)
		return 0;
	if (bmr_seed_write(&w->seed, w->root, e) < 0)
		return -1;
	say(w, ", seed of %u files%s", w->seed.count,
	    bmr_files_exist(w->root, "usr/bin/cloud-init") ? "" : " (no cloud-init there)");
	return 0;
}

/* --- the step --- */

/* Unmounted in any case; the first failure is the one that counts. */
static int change(struct work *w, const struct bmr_root *root, struct bmr_err *e)
{
	struct bmr_err leaving;
	int rc;

	if (bmr_root_enter(root, &w->root, e) < 0)
		return -1;
	say(w, "%s", root->name);
	rc = set_hostname(w, e);
	if (rc == 0)
		rc = set_identity(w, e);
	if (rc == 0)
		rc = set_seed(w, e);
	if (bmr_root_leave(root, &w->root, &leaving) < 0 && rc == 0) {
		*e = leaving;
		rc = -1;
	}
	return rc;
}

static int find_and_change(struct work *w, const struct bmr_ready *r, struct bmr_err *e)
{
	AUTO_FREE struct bmr_volumes *v = calloc(1, sizeof *v);
	struct bmr_err closing;
	struct bmr_root root;
	int rc;

	if (!v)
		return bmr_err_nomem(e, "a list of volumes");
	rc = bmr_volumes_open(r->target, &r->session->stop, v, e);
	if (rc == 0)
		rc = bmr_root_find(v, &root, e);
	if (rc == 0)
		rc = change(w, &root, e);
	if (bmr_volumes_close(v, &closing) < 0 && rc == 0) {
		*e = closing;
		rc = -1;
	}
	return rc;
}

static int read_orders(struct bmr_session *s, struct bmr_seed *seed, struct bmr_err *e)
{
	struct bmr_params *p = &s->options->params;

	if (p->hostname && bmr_config_expand(s, &p->hostname, e) < 0)
		return bmr_err_while(e, "reading hostname=");
	if (p->hostname && bmr_hostname_check(p->hostname, e) < 0)
		return -1;
	if (p->seed && bmr_config_expand(s, &p->seed, e) < 0)
		return bmr_err_while(e, "reading seed=");
	return p->seed ? bmr_seed_fetch(s, p->seed, seed, e) : 0;
}

/* The seed is fetched again when it is wanted: a restore of hours need not hold it. */
int bmr_ready_check_identity(struct bmr_session *s, struct bmr_err *e)
{
	struct bmr_seed seed = {0};
	int rc = read_orders(s, &seed, e);

	bmr_seed_clear(&seed);
	return rc;
}

int bmr_ready_identity(const struct bmr_ready *r, bool *did, char *text, size_t len,
                       struct bmr_err *e)
{
	struct bmr_session *s = r->session;
	struct work w = {.params = &s->options->params, .root = -1, .text = text, .len = len};
	int rc;

	if (!w.params->hostname && !w.params->seed && w.params->identity == BMR_IDENTITY_KEEP)
		return 0;
	*did = true;
	rc = read_orders(s, &w.seed, e);
	if (rc == 0)
		rc = find_and_change(&w, r, e);
	bmr_seed_clear(&w.seed);
	return rc;
}
