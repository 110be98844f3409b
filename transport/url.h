/* SPDX-License-Identifier: GPL-3.0-or-later */
/* url.h - the one grammar of image URLs (RFC 3986, the parts that we use).
 *
 *	/path  ./path  path			a local file or block device
 *	file:///path
 *	http:// https:// ftp:// nfs:// smb://  [user[:password]@]host[:port]/path[?query]
 *	disk:UUID=x/path			a file system of a local disk: also LABEL= PARTUUID=
 *						PARTLABEL=
 *	cdrom:/path				the medium that was booted
 *
 * host: a name, an IPv4 address, or an IPv6 address in brackets.  %XX stands for a byte in user,
 * password and path; %00 is refused, and a password's '/', '?', '#' or ',' that is not escaped.
 * smb's user may be DOMAIN;user (RFC draft) or DOMAIN\user.
 * nfs takes ?version=3|4, nfsport=N, mountport=N, uid=N, gid=N; other schemes' query is part of
 * what is asked for.
 */
#ifndef BMR_TRANSPORT_URL_H
#define BMR_TRANSPORT_URL_H

#include <stddef.h>
#include <stdint.h>

struct bmr_err;

enum bmr_url_scheme {
	BMR_URL_FILE,
	BMR_URL_DISK,
	BMR_URL_CDROM,
	BMR_URL_HTTP,
	BMR_URL_HTTPS,
	BMR_URL_FTP,
	BMR_URL_NFS,
	BMR_URL_SMB,
};

/* All texts belong to the struct and are decoded (no %XX left) but for raw_path and query; those
 * that are absent are NULL. */
struct bmr_url {
	enum bmr_url_scheme scheme;
	char *user;
	char *password;
	char *domain;   /* smb */
	char *host;     /* without brackets; lower case */
	uint16_t port;  /* 0: the scheme's own */
	char *path;     /* with its leading slash; for FILE what open(2) takes */
	char *raw_path; /* as written, for protocols that want it escaped */
	char *query;    /* without '?' */
	char *tag_name; /* disk: "UUID", "LABEL", ... */
	char *tag_value;
	char *safe; /* the whole URL for people: no user, no password, no query of http */
};

/* Read text into *url, to be freed by bmr_url_clear also after a failure.
 * Errors: BMR_E_USAGE, naming the part that is wrong and never a password; BMR_E_NOMEM. */
int bmr_url_parse(const char *text, struct bmr_url *url, struct bmr_err *e);
void bmr_url_clear(struct bmr_url *url);

/* Refuse a text of URLs, one or several with commas, of which a password holds a '/', '?', '#' or ','
 * that is not escaped: it would be taken apart, and shown as a host, port or path.
 * Errors: BMR_E_USAGE, which shows nothing of the text. */
int bmr_url_check_login(const char *urls, struct bmr_err *e);

/* "http", "smb", ... */
const char *bmr_url_scheme_name(enum bmr_url_scheme scheme);

/* What ${name} in a URL stands for; a NULL value is unknown. */
struct bmr_url_variable {
	const char *name; /* "mac", "serial", "uuid", "hostname" */
	const char *value;
};

/* Replace each ${name} in text; values are %-escaped.  *out is malloc'ed.
 * Errors: BMR_E_USAGE for an unknown name, one without a value, or a missing brace. */
int bmr_url_expand(const char *text, const struct bmr_url_variable *variables, size_t count,
                   char **out, struct bmr_err *e);

#endif
