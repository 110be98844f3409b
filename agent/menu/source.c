/* SPDX-License-Identifier: GPL-3.0-or-later */
/* source.c - where the image is, or goes to: kinds of places, addresses, logins. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/credentials.h"
#include "agent/config.h"
#include "agent/job.h"
#include "agent/menu/internal.h"
#include "agent/session.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "transport/list.h"
#include "transport/url.h"

#define VOLUMES_MAX 32
#define NAME_SIZE 256

/* --- the session's parameters --- */

static void set_text(char **text, const char *value)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = value && *value ? strdup(value) : NULL;
}

static void set_login(struct bmr_menu *m, const char *user, const char *password,
                      const char *domain)
{
	struct bmr_params *p = &m->session->options->params;

	set_text(&p->user, user);
	set_text(&p->password, password);
	set_text(&p->domain, domain);
	m->password = p->password != NULL;
}

/* A folder's address ends with a slash: a name that stands for a file, and of smb a share, is added
 * to read it. */
static bool is_address(const char *text, struct bmr_err *e)
{
	size_t len = strcspn(text, "?");
	char probe[BMR_MENU_URL_SIZE + 4];
	struct bmr_url url;
	bool ok;

	snprintf(probe, sizeof probe, "%.*s%s%s", (int)len, text,
	         len > 0 && text[len - 1] == '/' ? "_/_" : "", text + len);
	ok = bmr_url_parse(probe, &url, e) == 0;
	bmr_url_clear(&url);
	return ok;
}

/* Secrets in it are known to the log from here on. */
static bool set_image(struct bmr_menu *m, const char *url)
{
	struct bmr_params *p = &m->session->options->params;
	struct bmr_err err = {0};

	set_text(&p->image, url);
	if (p->image && bmr_config_expand(m->session, &p->image, &err) == 0 &&
	    is_address(p->image, &err) && bmr_credentials_load(p, m->session->log, &err) == 0)
		return true;
	bmr_menu_error(m, "Not an address", &err);
	return false;
}

static bool is_local(const char *url)
{
	static const char *const kinds[] = {"/", "file:", "disk:", "cdrom:", "./"};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strncmp(url, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return !strstr(url, "://");
}

/* --- what each kind asks --- */

struct place {
	char url[BMR_MENU_URL_SIZE]; /* a folder's, or a file's that was typed whole */
	bool whole;
};

/* A host, or for what has no field of its own a whole URL. */
static void host_url(const char *scheme, const char *host, struct place *p)
{
	size_t len;

	if (strstr(host, "://"))
		snprintf(p->url, sizeof p->url, "%s", host);
	else
		snprintf(p->url, sizeof p->url, "%s://%s", scheme, host);
	len = strcspn(p->url, "?");
	if (strchr(p->url, '?') || (len > 0 && p->url[len - 1] == '/'))
		return;
	if (len + 1 < sizeof p->url)
		strcpy(p->url + len, "/");
}

static bool ask_nfs(struct bmr_menu *m, struct place *p)
{
	char host[BMR_MENU_URL_SIZE - 16] = "";
	struct bmr_menu_field field = {"Server", host, sizeof host, false};

	if (!bmr_menu_ok(m, bmr_menu_ui_fields("NFS server",
	                                       "Name or address of the server; also "
	                                       "HOST/EXPORT, or a whole nfs:// URL.",
	                                       &field, 1)) ||
	    !*host)
		return false;
	set_login(m, NULL, NULL, NULL);
	host_url("nfs", host, p);
	return true;
}

static bool ask_smb(struct bmr_menu *m, struct place *p)
{
	char host[BMR_MENU_URL_SIZE - 16] = "";
	char user[NAME_SIZE] = "";
	char password[NAME_SIZE] = "";
	char domain[NAME_SIZE] = "";
	struct bmr_menu_field fields[] = {
		{"Server", host, sizeof host, false},
		{"User", user, sizeof user, false},
		{"Password", password, sizeof password, true},
		{"Domain", domain, sizeof domain, false},
	};
	bool ok =
		bmr_menu_ok(m, bmr_menu_ui_fields(
				       "SMB server",
				       "Name or address of the server (also HOST/SHARE). The user "
				       "'guest' needs no password, and has no protection.",
				       fields, 4)) &&
		*host;

	if (ok) {
		set_login(m, user, password, domain);
		host_url("smb", host, p);
	}
	explicit_bzero(password, sizeof password);
	return ok;
}

static void volume_text(const struct bmr_volume *v, char *text, size_t len)
{
	char size[16];

	snprintf(text, len, "%-16s %10s  %-8s %s", v->device,
	         bmr_size_text(v->size, size, sizeof size), v->type, v->label);
}

static bool ask_volume(struct bmr_menu *m, struct place *p)
{
	struct bmr_volume volumes[VOLUMES_MAX];
	struct bmr_source_options options;
	struct bmr_err err = {0};
	char texts[VOLUMES_MAX][160];
	const char *items[VOLUMES_MAX];
	size_t count = 0;
	size_t chosen = 0;
	int rc;

	bmr_job_source_options(m->session, &options);
	bmr_menu_ui_busy("Looking at the disks...");
	rc = bmr_list_volumes(&options, volumes, VOLUMES_MAX, &count, &err);
	bmr_menu_ui_busy_end();
	if (rc == 0 && count == 0)
		rc = bmr_err_set(&err, BMR_E_SOURCE, 0,
		                 "no disk of this machine holds a file system that can be read");
	if (rc < 0) {
		bmr_menu_error(m, "Local disks", &err);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		volume_text(&volumes[i], texts[i], sizeof texts[i]);
		items[i] = texts[i];
	}
	if (!bmr_menu_ok(m, bmr_menu_ui_list("Local disks", "File systems; they are only read.",
	                                     items, count, &chosen)))
		return false;
	set_login(m, NULL, NULL, NULL);
	snprintf(p->url, sizeof p->url, "%s", volumes[chosen].url);
	return true;
}

static bool ask_medium(struct bmr_menu *m, struct place *p)
{
	set_login(m, NULL, NULL, NULL);
	snprintf(p->url, sizeof p->url, "cdrom:/");
	return true;
}

static bool ask_files(struct bmr_menu *m, struct place *p)
{
	char here[BMR_MENU_URL_SIZE - 16];

	set_login(m, NULL, NULL, NULL);
	if (getcwd(here, sizeof here) && strcmp(here, "/") != 0) {
		char *url;
		struct bmr_err err;

		if (bmr_list_join("file://", here, true, &url, &err) == 0) {
			snprintf(p->url, sizeof p->url, "%s", url);
			free(url);
			return true;
		}
	}
	snprintf(p->url, sizeof p->url, "file:///");
	return true;
}

/* What ends with a slash is a folder to look into. */
static bool ask_url(struct bmr_menu *m, struct place *p)
{
	char user[NAME_SIZE] = "";
	char password[NAME_SIZE] = "";
	struct bmr_menu_field fields[] = {
		{"Address", p->url, sizeof p->url, false},
		{"User", user, sizeof user, false},
		{"Password", password, sizeof password, true},
	};
	bool ok =
		bmr_menu_ok(
			m,
			bmr_menu_ui_fields(
				"Address",
				"http://host/path  https://  ftp://  nfs://host/export/path  "
				"smb://host/share/path  disk:LABEL=name/path  cdrom:/path  /path\n"
				"What ends with a slash is a folder to look into.",
				fields, 3)) &&
		*p->url;
	size_t len = strcspn(p->url, "?");

	if (ok) {
		set_login(m, user, password, NULL);
		p->whole = p->url[len ? len - 1 : 0] != '/';
	}
	explicit_bzero(password, sizeof password);
	return ok;
}

static const struct kind {
	const char *text;
	bool (*ask)(struct bmr_menu *m, struct place *p);
	bool only_live;
	bool only_elsewhere;
	bool writable;
} kinds[] = {
	{"NFS server", ask_nfs, false, false, true},
	{"SMB server  (Windows, Samba)", ask_smb, false, false, true},
	{"Local disk  (also a USB stick)", ask_volume, false, false, false},
	{"The medium that was booted", ask_medium, true, false, false},
	{"Files of this machine", ask_files, false, true, true},
	{"Type the address  (http, https, ftp, or any other)", ask_url, false, false, true},
};

#define KINDS (sizeof kinds / sizeof *kinds)

static const struct kind *choose_kind(struct bmr_menu *m, const char *title, const char *intro,
                                      bool writable, size_t *chosen)
{
	const struct kind *offered[KINDS];
	const char *items[KINDS];
	size_t count = 0;

	for (size_t i = 0; i < KINDS; i++) {
		bool live = m->session->live;

		if ((kinds[i].only_live && !live) || (kinds[i].only_elsewhere && live) ||
		    (writable && !kinds[i].writable))
			continue;
		offered[count] = &kinds[i];
		items[count++] = kinds[i].text;
	}
	if (!bmr_menu_ok(m, bmr_menu_ui_list(title, intro, items, count, chosen)))
		return NULL;
	return offered[*chosen];
}

/* Ask for a place, and bring the network up if it takes one. */
static bool ask_place(struct bmr_menu *m, const struct kind *kind, struct place *p)
{
	memset(p, 0, sizeof *p);
	if (!kind->ask(m, p))
		return false;
	m->network_needed = !is_local(p->url);
	return !m->network_needed || bmr_menu_need_network(m);
}

/* --- an image --- */

static bool find_image(struct bmr_menu *m, const struct kind *kind)
{
	struct place p;

	/* set_image before browsing: it tells the log the secrets. */
	return ask_place(m, kind, &p) && set_image(m, p.url) &&
	       (p.whole || (bmr_menu_browse(m, p.url, false) && set_image(m, p.url)));
}

bool bmr_menu_choose_image(struct bmr_menu *m)
{
	const struct kind *kind;
	size_t chosen = 0;

	while ((kind = choose_kind(m, "Image", "Where is the image?", false, &chosen)))
		if (find_image(m, kind))
			return true;
	return false;
}

/* --- a new image --- */

static bool ask_name(struct bmr_menu *m, const char *folder)
{
	char name[NAME_SIZE] = "disk.img.zst";
	struct bmr_menu_field field = {"File name", name, sizeof name, false};
	struct bmr_err err;
	char *url = NULL;
	bool ok;

	if (!bmr_menu_ok(m, bmr_menu_ui_fields("New image",
	                                       "What is it to be called? A file of that name must "
	                                       "not be there yet.",
	                                       &field, 1)) ||
	    !*name || bmr_list_join(folder, name, false, &url, &err) < 0)
		return false;
	ok = set_image(m, url);
	free(url);
	return ok;
}

static bool find_place(struct bmr_menu *m, const struct kind *kind)
{
	struct place p;

	if (!ask_place(m, kind, &p) || !set_image(m, p.url))
		return false;
	return p.whole || (bmr_menu_browse(m, p.url, true) && ask_name(m, p.url));
}

bool bmr_menu_choose_place(struct bmr_menu *m)
{
	const struct kind *kind;
	size_t chosen = 0;

	while ((kind = choose_kind(m, "New image", "Where is the image to go?", true, &chosen)))
		if (find_place(m, kind))
			return true;
	return false;
}
