/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ping.c - the 36 names of PING ("Partimage Is Not Ghost"), so that its boot files can be kept. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "cmdline/params_internal.h"
#include "cmdline/refuse.h"

enum ping {
	P_IP,
	P_NETMASK,
	P_GATEWAY,
	P_DHCP_TIMEOUT,
	P_SERVER,
	P_SHARE,
	P_USER,
	P_PASSWD,
	P_DIRECTORY,
	P_IMAGE_TO_RESTORE,
	P_NEW_IMAGE_NAME,
	P_PARTS_TO_BACKUP,
	P_ALREADY_EXISTING_IMAGE,
	P_REPART,
	P_AFTER_COMPLETION,
	P_REPLACE_BIOS,
	P_CIFS_PREFERRED,
	P_NFS_PREFERRED,
	P_FTP_PREFERRED,
	P_ZSPLIT_PREFERRED,
	P_TARBALL_PREFERRED,
	P_MINIMIZE_BEFORE_STORING,
	P_NO_SHELL,
	P_AUTO,
	P_CMD_1,
	P_CMD_2,
	P_CMD_3,
	P_RESTORE_ONLY,
	P_COMPRESSION_TYPE,
	P_ITS_HDA_STUPID,
	P_FORCE_DIRTY_NTFS_MOUNT,
	P_EXTEND_PARTS_WHENEVER_POSSIBLE,
	P_DONT_WARN_ME,
	P_STORE_MD5,
	P_VERBOSITY,
	P_UNIQUE_MESSAGE,
};

enum use {
	USED,   /* mapped below */
	SWITCH, /* mapped below; Y or N */
	SILENT, /* what it asks for is what bmr does anyway */
	TEXT,   /* ignored with the reason, if not empty */
	YES,    /* ignored with the reason, if Y */
	REFUSED,
};

static const struct {
	const char *name;
	enum use use;
	const char *why;
} names[BMR_PING_NAMES] = {
	[P_IP] = {"IP", USED, NULL},
	[P_NETMASK] = {"Netmask", USED, NULL},
	[P_GATEWAY] = {"Gateway", USED, NULL},
	[P_DHCP_TIMEOUT] = {"DHCP_Timeout", USED, NULL},
	[P_SERVER] = {"Server", USED, NULL},
	[P_SHARE] = {"Share", USED, NULL},
	[P_USER] = {"User", USED, NULL},
	[P_PASSWD] = {"Passwd", USED, NULL},
	[P_DIRECTORY] = {"Directory", USED, NULL},
	[P_IMAGE_TO_RESTORE] = {"Image_To_Restore", USED, NULL},
	[P_NEW_IMAGE_NAME] = {"New_Image_Name", USED, NULL},
	[P_PARTS_TO_BACKUP] = {"Parts_To_Backup", TEXT, "whole disks are captured"},
	[P_ALREADY_EXISTING_IMAGE] = {"Already_Existing_Image", TEXT,
                                      "an image that exists is never replaced"},
	[P_REPART] = {"Repart", YES, "the image brings its own partition table"},
	[P_AFTER_COMPLETION] = {"After_Completion", USED, NULL},
	[P_REPLACE_BIOS] = {"Replace_BIOS", YES, "firmware settings are not touched"},
	[P_CIFS_PREFERRED] = {"CIFS_Preferred", SWITCH, NULL},
	[P_NFS_PREFERRED] = {"NFS_Preferred", SWITCH, NULL},
	[P_FTP_PREFERRED] = {"FTP_Preferred", SWITCH, NULL},
	[P_ZSPLIT_PREFERRED] = {"Zsplit_Preferred", YES, "images are told by their contents"},
	[P_TARBALL_PREFERRED] = {"Tarball_Preferred", YES, "images are told by their contents"},
	[P_MINIMIZE_BEFORE_STORING] = {"Minimize_Before_Storing", YES,
                                       "file systems are not changed"},
	[P_NO_SHELL] = {"No_Shell", SILENT, NULL},
	[P_AUTO] = {"AUTO", SWITCH, NULL},
	[P_CMD_1] = {"Cmd_1", REFUSED, NULL},
	[P_CMD_2] = {"Cmd_2", REFUSED, NULL},
	[P_CMD_3] = {"Cmd_3", REFUSED, NULL},
	[P_RESTORE_ONLY] = {"Restore_Only", SWITCH, NULL},
	[P_COMPRESSION_TYPE] = {"Compression_Type", TEXT, "bmr chooses the compressor"},
	[P_ITS_HDA_STUPID] = {"Its_HDA_Stupid", YES, "bmr.target= names the disk"},
	[P_FORCE_DIRTY_NTFS_MOUNT] = {"Force_Dirty_NTFS_Mount", YES,
                                      "no file system is mounted for writing"},
	[P_EXTEND_PARTS_WHENEVER_POSSIBLE] = {"Extend_Parts_Whenever_Possible", YES,
                                              "partitions keep their size"},
	[P_DONT_WARN_ME] = {"Dont_Warn_Me", YES, "warnings are always shown"},
	[P_STORE_MD5] = {"Store_MD5", YES, "every chunk has a SHA-256 anyway"},
	[P_VERBOSITY] = {"Verbosity", TEXT, "everything is logged, one line of progress is shown"},
	[P_UNIQUE_MESSAGE] = {"Unique_Message", TEXT, "the screen shows what happens"},
};

int bmr_ping_take(struct bmr_aliases *a, const char *name, const char *value, struct bmr_err *e)
{
	for (size_t i = 0; i < BMR_PING_NAMES; i++) {
		if (strcmp(names[i].name, name) != 0)
			continue;
		if (names[i].use == REFUSED && *value)
			return bmr_err_set(e, BMR_E_USAGE, 0,
			                   "'%s' is refused: the command line is data, and no "
			                   "command on it is run",
			                   name);
		a->ping[i] = value;
		return 1;
	}
	return 0;
}

/* One text with its PING names, and what is made of them. */
struct mapping {
	const struct bmr_aliases *a;
	bmr_params_seen seen;
	struct bmr_params *p;
	struct bmr_err *e;
};

/* "" if it was not given: PING's own files write Server="". */
static const char *get(const struct mapping *m, enum ping name)
{
	return m->a->ping[name] ? m->a->ping[name] : "";
}

static bool is_on(const struct mapping *m, enum ping name)
{
	return strcasecmp(get(m, name), "Y") == 0;
}

static int refuse(const struct mapping *m, enum ping name, const char *expected)
{
	return bmr_param_refuse(m->e, names[name].name, get(m, name), "it is %s", expected);
}

static int fill(const struct mapping *m, const char *name, const char *value)
{
	return bmr_params_fill(m->p, m->seen, name, value, m->e);
}

static int check_switches(const struct mapping *m)
{
	for (enum ping i = 0; i < BMR_PING_NAMES; i++) {
		const char *value = get(m, i);

		if ((names[i].use == SWITCH || names[i].use == YES) && *value &&
		    strcasecmp(value, "Y") != 0 && strcasecmp(value, "N") != 0)
			return refuse(m, i, "Y or N");
	}
	return 0;
}

static int tell_ignored(const struct mapping *m)
{
	for (enum ping i = 0; i < BMR_PING_NAMES; i++) {
		bool said = names[i].use == TEXT ? *get(m, i) != '\0'
		                                 : names[i].use == YES && is_on(m, i);

		if (said && bmr_params_notice(m->p, m->e, "PING's '%s' is ignored: %s",
		                              names[i].name, names[i].why) < 0)
			return -1;
	}
	return 0;
}

static int map_network(const struct mapping *m)
{
	const char *ip = get(m, P_IP);
	char value[256];

	if (*get(m, P_DHCP_TIMEOUT) &&
	    bmr_net_set(&m->p->net, "rd.net.timeout.dhcp", get(m, P_DHCP_TIMEOUT), m->e) < 0)
		return bmr_err_while(m->e, "reading DHCP_Timeout");
	if (!*ip || m->p->net.config_count)
		return 0;
	if ((size_t)snprintf(value, sizeof value, "%s::%s:%s:::none", ip, get(m, P_GATEWAY),
	                     get(m, P_NETMASK)) >= sizeof value)
		return refuse(m, P_IP, "an address");
	if (bmr_net_set(&m->p->net, "ip", value, m->e) < 0)
		return bmr_err_while(m->e, "reading IP, Netmask and Gateway");
	return 0;
}

/* User may be DOMAIN\user. */
static int map_user(const struct mapping *m)
{
	const char *user = get(m, P_USER);
	const char *backslash = strchr(user, '\\');
	AUTO_FREE char *domain = NULL;

	if (*get(m, P_PASSWD) && fill(m, "password", get(m, P_PASSWD)) < 0)
		return -1;
	if (!*user)
		return 0;
	if (!backslash)
		return fill(m, "user", user);
	domain = strndup(user, (size_t)(backslash - user));
	if (!domain)
		return bmr_err_nomem(m->e, "a domain");
	/* GRUB doubles the backslashes that it passes on. */
	while (*backslash == '\\')
		backslash++;
	if (fill(m, "domain", domain) < 0)
		return -1;
	return fill(m, "user", backslash);
}

struct url {
	FILE *text;
	bool slash; /* the path ends in a slash: another one would be empty */
};

/* RFC 3986: escape what is not unreserved, and the comma that separates mirrors.  Backslashes were
 * typed by people who think of \\server\share. */
static void put_path(struct url *u, const char *path)
{
	for (; *path; path++) {
		char c = *path == '\\' ? '/' : *path;

		if (c == '/' && u->slash)
			continue;
		u->slash = c == '/';
		if (c == '/' || isalnum((unsigned char)c) || strchr("-._~$+@!()", c))
			fputc(c, u->text);
		else
			fprintf(u->text, "%%%02X", (unsigned char)c);
	}
}

static void put_part(struct url *u, const char *path)
{
	if (*path && !u->slash)
		put_path(u, "/");
	put_path(u, path);
}

static const char *scheme(const struct mapping *m)
{
	if (is_on(m, P_NFS_PREFERRED))
		return "nfs";
	return is_on(m, P_FTP_PREFERRED) ? "ftp" : "smb";
}

static void put_url(const struct mapping *m, FILE *text, const char *server, size_t len,
                    const char *image)
{
	struct url u = {.text = text};

	fprintf(text, "%s://%.*s", scheme(m), (int)len, server);
	if (!is_on(m, P_FTP_PREFERRED) || is_on(m, P_NFS_PREFERRED))
		put_part(&u, get(m, P_SHARE));
	put_part(&u, get(m, P_DIRECTORY));
	put_part(&u, image);
}

/* Server may be a list: the same image is looked for at each. */
static int put_urls(const struct mapping *m, FILE *text, const char *image)
{
	const char *server = get(m, P_SERVER);

	while (true) {
		size_t len = strcspn(server, ",");

		if (strchr(server, '@')) /* what stands before it may be a password */
			return bmr_err_set(m->e, BMR_E_USAGE, 0,
			                   "'Server' holds an '@': it is one or more hosts; the "
			                   "login is User= and Passwd=");
		if (len == 0 || strcspn(server, "/@\\ ?#%") < len)
			return refuse(m, P_SERVER,
			              "one or more hosts; a local disk is written "
			              "bmr.image=disk:UUID=.../path");
		put_url(m, text, server, len, image);
		server += len;
		if (!*server)
			return 0;
		fputc(',', text);
		server++;
	}
}

static int map_url(const struct mapping *m, const char *image)
{
	AUTO_FREE char *urls = NULL;
	size_t size = 0;
	FILE *text;
	int rc;

	if (!*get(m, P_SERVER) || (!*get(m, P_SHARE) && !is_on(m, P_FTP_PREFERRED)))
		return bmr_err_set(m->e, BMR_E_USAGE, 0,
		                   "Image_To_Restore needs Server%s: where is the image?",
		                   is_on(m, P_FTP_PREFERRED) ? "" : " and Share");
	text = open_memstream(&urls, &size);
	if (!text)
		return bmr_err_nomem(m->e, "a URL");
	rc = put_urls(m, text, image);
	if (fclose(text) != 0)
		return bmr_err_nomem(m->e, "a URL");
	return rc < 0 ? -1 : fill(m, "image", urls);
}

static int map_image(const struct mapping *m)
{
	const char *image = get(m, P_IMAGE_TO_RESTORE);

	if (strcmp(image, "Create_New_Image") == 0) {
		if (!*get(m, P_NEW_IMAGE_NAME))
			return bmr_err_set(m->e, BMR_E_USAGE, 0,
			                   "Image_To_Restore=Create_New_Image needs "
			                   "New_Image_Name");
		if (fill(m, "action", "capture") < 0)
			return -1;
		image = get(m, P_NEW_IMAGE_NAME);
	}
	/* bmr.image= is complete; PING's names then have nothing to say. */
	if (!*image || m->seen >> bmr_params_find("image") & 1)
		return 0;
	return map_url(m, image);
}

static int map_end(const struct mapping *m)
{
	static const struct {
		const char *ping;
		const char *bmr;
	} ends[] = {{"Shell", "hold"}, {"Reboot", "reboot"}, {"Shutdown", "poweroff"}};
	const char *value = get(m, P_AFTER_COMPLETION);

	if (!*value)
		return 0;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (strcasecmp(ends[i].ping, value) == 0)
			return fill(m, "finish", ends[i].bmr);
	return refuse(m, P_AFTER_COMPLETION, "Shell, Reboot or Shutdown");
}

int bmr_ping_apply(const struct bmr_aliases *a, bmr_params_seen seen, struct bmr_params *p,
                   struct bmr_err *e)
{
	struct mapping m = {.a = a, .seen = seen, .p = p, .e = e};

	if (check_switches(&m) < 0 || map_network(&m) < 0 || map_user(&m) < 0 ||
	    map_image(&m) < 0 || map_end(&m) < 0)
		return -1;
	/* PING asks before it starts unless AUTO=Y; bmr never asks, unless it is told to. */
	if (strcasecmp(get(&m, P_AUTO), "N") == 0 && fill(&m, "action", "menu") < 0)
		return -1;
	if (is_on(&m, P_RESTORE_ONLY))
		p->restore_only = true;
	return tell_ignored(&m);
}
