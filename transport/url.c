/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/login.h"

/* Longer than any path a server takes; keeps every length below far from overflow. */
#define URL_MAX 8192

static const char *const scheme_names[] = {
	[BMR_URL_FILE] = "file", [BMR_URL_DISK] = "disk",   [BMR_URL_CDROM] = "cdrom",
	[BMR_URL_HTTP] = "http", [BMR_URL_HTTPS] = "https", [BMR_URL_FTP] = "ftp",
	[BMR_URL_NFS] = "nfs",   [BMR_URL_SMB] = "smb",
};

#define SCHEMES (sizeof scheme_names / sizeof *scheme_names)

const char *bmr_url_scheme_name(enum bmr_url_scheme scheme)
{
	return scheme_names[scheme];
}

static void free_secret(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void bmr_url_clear(struct bmr_url *url)
{
	free(url->user);
	free_secret(url->password);
	free(url->domain);
	free(url->host);
	free(url->path);
	free(url->raw_path);
	free(url->query);
	free(url->tag_name);
	free(url->tag_value);
	free(url->safe);
	memset(url, 0, sizeof *url);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%XX" at text stands for; -1: not two digits, or NUL. */
static int percent_byte(const char *text, size_t len)
{
	int high;
	int low;

	if (len < 3)
		return -1;
	high = hex_digit(text[1]);
	low = hex_digit(text[2]);
	if (high < 0 || low < 0 || (high | low) == 0)
		return -1;
	return high * 16 + low;
}

static int copy(const char *text, size_t len, char **out, struct bmr_err *e)
{
	*out = strndup(text, len);
	return *out ? 0 : bmr_err_nomem(e, "a URL");
}

/* Copy text with each %XX replaced.  `part` names it in the error, which must not show the text:
 * it may be a password. */
static int decode(const char *text, size_t len, const char *part, char **out, struct bmr_err *e)
{
	AUTO_FREE char *copied = malloc(len + 1);
	size_t n = 0;

	if (!copied)
		return bmr_err_nomem(e, "a URL");
	for (size_t i = 0; i < len; i++) {
		int byte;

		if (text[i] != '%') {
			copied[n++] = text[i];
			continue;
		}
		byte = percent_byte(text + i, len - i);
		if (byte < 0)
			return bmr_err_set(e, BMR_E_USAGE, 0,
			                   "the %s of the URL has a '%%' without two hexadecimal "
			                   "digits (or %%00); write %%25 for the sign itself",
			                   part);
		copied[n++] = (char)byte;
		i += 2;
	}
	copied[n] = '\0';
	*out = take_ptr(&copied);
	return 0;
}

static bool may_stand(unsigned char c)
{
	return c > 0x20 && c < 0x7f && !strchr("\"<>\\^`{|}", c);
}

/* Copy text and escape what RFC 3986 does not allow in a path: blanks, quotes, other alphabets. */
static int escape_illegal(const char *text, size_t len, char **out, struct bmr_err *e)
{
	char *to = malloc(3 * len + 1);

	*out = to;
	if (!to)
		return bmr_err_nomem(e, "a URL");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (may_stand(c))
			*to++ = (char)c;
		else
			to += sprintf(to, "%%%02X", c);
	}
	*to = '\0';
	return 0;
}

/* "DOMAIN;user" or "DOMAIN\user", as smb has it. */
static int split_domain(const char *text, size_t len, struct bmr_url *url, struct bmr_err *e)
{
	const char *semicolon = memchr(text, ';', len);
	size_t domain_len;
	char *backslash;

	if (semicolon) {
		domain_len = (size_t)(semicolon - text);
		if (decode(text, domain_len, "domain", &url->domain, e) < 0)
			return -1;
		return decode(semicolon + 1, len - domain_len - 1, "user name", &url->user, e);
	}
	if (decode(text, len, "user name", &url->user, e) < 0)
		return -1;
	backslash = strchr(url->user, '\\');
	if (!backslash)
		return 0;
	domain_len = (size_t)(backslash - url->user);
	if (copy(url->user, domain_len, &url->domain, e) < 0)
		return -1;
	memmove(url->user, backslash + 1, strlen(backslash + 1) + 1);
	return 0;
}

static int parse_userinfo(const char *text, size_t len, struct bmr_url *url, struct bmr_err *e)
{
	const char *colon = memchr(text, ':', len);
	size_t user_len = colon ? (size_t)(colon - text) : len;

	if (user_len == 0)
		return bmr_err_set(e, BMR_E_USAGE, 0, "the URL has an '@' without a user name");
	if (colon && decode(colon + 1, len - user_len - 1, "password", &url->password, e) < 0)
		return -1;
	if (url->scheme == BMR_URL_SMB)
		return split_domain(text, user_len, url, e);
	return decode(text, user_len, "user name", &url->user, e);
}

static int parse_number(const char *text, size_t len, const char *what, unsigned long max,
                        unsigned long *out, struct bmr_err *e)
{
	unsigned long value = 0;

	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return bmr_err_set(e, BMR_E_USAGE, 0,
			                   "the %s of the URL is not a number up to %lu", what,
			                   max);
		value = value * 10 + (unsigned long)(text[i] - '0');
		if (value > max)
			break;
	}
	if (len == 0 || value > max)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the %s of the URL must be a number up to %lu", what, max);
	*out = value;
	return 0;
}

static int parse_port(const char *text, size_t len, struct bmr_url *url, struct bmr_err *e)
{
	unsigned long port;

	if (parse_number(text, len, "port", 65535, &port, e) < 0)
		return -1;
	if (port == 0)
		return bmr_err_set(e, BMR_E_USAGE, 0, "the port of the URL is 0");
	url->port = (uint16_t)port;
	return 0;
}

static int check_name(const char *host, struct bmr_err *e)
{
	for (const char *c = host; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-._", *c))
			return bmr_err_set(e, BMR_E_USAGE, 0,
			                   "the host of the URL is not a host name: '%s'", host);
	return 0;
}

static int set_host(const char *text, size_t len, bool bracketed, struct bmr_url *url,
                    struct bmr_err *e)
{
	struct in6_addr address;

	if (len == 0)
		return bmr_err_set(e, BMR_E_USAGE, 0, "the URL names no host");
	if (copy(text, len, &url->host, e) < 0)
		return -1;
	for (char *c = url->host; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (!bracketed)
		return check_name(url->host, e);
	if (inet_pton(AF_INET6, url->host, &address) != 1)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the host of the URL is not an IPv6 address: '[%s]'", url->host);
	return 0;
}

static int parse_host_port(const char *text, size_t len, struct bmr_url *url, struct bmr_err *e)
{
	const char *end = text + len;
	bool bracketed = len > 0 && *text == '[';
	const char *host = bracketed ? text + 1 : text;
	const char *host_end = memchr(host, bracketed ? ']' : ':', (size_t)(end - host));
	const char *rest;

	if (bracketed && !host_end)
		return bmr_err_set(e, BMR_E_USAGE, 0, "the host of the URL has '[' without ']'");
	if (!host_end)
		host_end = end;
	rest = bracketed ? host_end + 1 : host_end;
	if (set_host(host, (size_t)(host_end - host), bracketed, url, e) < 0)
		return -1;
	if (rest == end)
		return 0;
	if (*rest != ':')
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the URL has something other than ':port' behind its host");
	return parse_port(rest + 1, (size_t)(end - rest - 1), url, e);
}

static const char *last_at(const char *text, size_t len)
{
	return memrchr(text, '@', len);
}

static int parse_authority(const char *text, size_t len, struct bmr_url *url, struct bmr_err *e)
{
	const char *at = last_at(text, len);

	if (at) {
		if (parse_userinfo(text, (size_t)(at - text), url, e) < 0)
			return -1;
		len -= (size_t)(at + 1 - text);
		text = at + 1;
	}
	return parse_host_port(text, len, url, e);
}

static bool has_query(enum bmr_url_scheme scheme)
{
	return scheme == BMR_URL_HTTP || scheme == BMR_URL_HTTPS || scheme == BMR_URL_NFS;
}

/* path[?query]; elsewhere than in http and nfs '?' is a character like others. */
static int parse_path(const char *text, struct bmr_url *url, struct bmr_err *e)
{
	const char *question = has_query(url->scheme) ? strchr(text, '?') : NULL;
	size_t len = question ? (size_t)(question - text) : strlen(text);

	if (strchr(text, '#'))
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the URL has a '#', which no server ever sees; write %%23");
	if (question && escape_illegal(question + 1, strlen(question + 1), &url->query, e) < 0)
		return -1;
	if (decode(text, len, "path", &url->path, e) < 0)
		return -1;
	return escape_illegal(text, len, &url->raw_path, e);
}

static int check_nfs_argument(const char *text, size_t len, struct bmr_err *e)
{
	static const struct {
		const char *name;
		unsigned long max;
	} known[] = {
		{"version", 4},      {"nfsport", 65535},  {"mountport", 65535},
		{"uid", 4294967294}, {"gid", 4294967294},
	};
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals ? (size_t)(equals - text) : len;
	unsigned long value = 0;

	for (size_t i = 0; equals && i < sizeof known / sizeof *known; i++) {
		if (strlen(known[i].name) != name_len || memcmp(known[i].name, text, name_len) != 0)
			continue;
		if (parse_number(equals + 1, len - name_len - 1, known[i].name, known[i].max,
		                 &value, e) < 0)
			return -1;
		if (i == 0 && value < 3)
			return bmr_err_set(e, BMR_E_USAGE, 0, "nfs knows version=3 and version=4");
		return 0;
	}
	return bmr_err_set(e, BMR_E_USAGE, 0,
	                   "nfs URLs take version= nfsport= mountport= uid= gid=, not '%.*s'",
	                   (int)len, text);
}

static int check_nfs_query(const struct bmr_url *url, struct bmr_err *e)
{
	const char *text = url->query;

	while (text && *text) {
		size_t len = strcspn(text, "&");

		if (check_nfs_argument(text, len, e) < 0)
			return -1;
		text += len + (text[len] == '&');
	}
	return 0;
}

/* Two names at least: /share/file. */
static int check_share(const struct bmr_url *url, struct bmr_err *e)
{
	const char *share = url->path + strspn(url->path, "/");
	const char *slash = strchr(share, '/');

	if (!slash || slash[strspn(slash, "/")] == '\0')
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the path of an smb URL is /share/file, here it is '%s'",
		                   url->path);
	return 0;
}

static int describe_server(struct bmr_url *url, struct bmr_err *e)
{
	bool v6 = strchr(url->host, ':') != NULL;
	bool show_query = url->scheme == BMR_URL_NFS && url->query && *url->query;
	char port[8] = "";

	if (url->port)
		snprintf(port, sizeof port, ":%u", url->port);
	if (asprintf(&url->safe, "%s://%s%s%s%s%s%s%s", scheme_names[url->scheme], v6 ? "[" : "",
	             url->host, v6 ? "]" : "", port, url->raw_path, show_query ? "?" : "",
	             show_query ? url->query : "") < 0) {
		url->safe = NULL;
		return bmr_err_nomem(e, "a URL");
	}
	return 0;
}

/* text: what follows "scheme:" */
static int parse_server(const char *text, struct bmr_url *url, struct bmr_err *e)
{
	size_t len;

	if (strncmp(text, "//", 2) != 0)
		return bmr_err_set(e, BMR_E_USAGE, 0, "the URL begins with '%s:' and not '%s://'",
		                   scheme_names[url->scheme], scheme_names[url->scheme]);
	text += 2;
	len = strcspn(text, "/?#");
	if (parse_authority(text, len, url, e) < 0)
		return -1;
	if (text[len] != '/')
		return bmr_err_set(e, BMR_E_USAGE, 0, "the URL names no file on '%s'", url->host);
	if (parse_path(text + len, url, e) < 0)
		return -1;
	if (url->scheme == BMR_URL_NFS && check_nfs_query(url, e) < 0)
		return -1;
	if (url->scheme == BMR_URL_SMB && check_share(url, e) < 0)
		return -1;
	return describe_server(url, e);
}

static int parse_file(const char *text, const char *whole, struct bmr_url *url, struct bmr_err *e)
{
	if (strncmp(text, "//", 2) == 0)
		text += 2;
	if (*text != '/')
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "a file URL is file:///path and has no host: '%s'", whole);
	if (parse_path(text, url, e) < 0)
		return -1;
	return copy(url->path, strlen(url->path), &url->safe, e);
}

static int parse_cdrom(const char *text, const char *whole, struct bmr_url *url, struct bmr_err *e)
{
	if (*text != '/')
		return bmr_err_set(e, BMR_E_USAGE, 0, "a medium's URL is cdrom:/path, not '%s'",
		                   whole);
	if (parse_path(text, url, e) < 0)
		return -1;
	return copy(whole, strlen(whole), &url->safe, e);
}

static int parse_disk(const char *text, const char *whole, struct bmr_url *url, struct bmr_err *e)
{
	static const char *const tags[] = {"UUID", "LABEL", "PARTUUID", "PARTLABEL"};
	const char *equals = strchr(text, '=');
	const char *slash = strchr(text, '/');
	size_t name_len = equals ? (size_t)(equals - text) : 0;

	if (!equals || !slash || slash <= equals + 1)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "a disk's URL is disk:UUID=value/path, not '%s'", whole);
	for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
		if (strlen(tags[i]) != name_len || memcmp(tags[i], text, name_len) != 0)
			continue;
		if (copy(text, name_len, &url->tag_name, e) < 0 ||
		    decode(equals + 1, (size_t)(slash - equals - 1), tags[i], &url->tag_value, e) <
		            0 ||
		    parse_path(slash, url, e) < 0)
			return -1;
		return copy(whole, strlen(whole), &url->safe, e);
	}
	return bmr_err_set(e, BMR_E_USAGE, 0,
	                   "disk: URLs know UUID= LABEL= PARTUUID= PARTLABEL=, not '%.*s='",
	                   (int)name_len, text);
}

static int parse_plain_path(const char *text, struct bmr_url *url, struct bmr_err *e)
{
	url->scheme = BMR_URL_FILE;
	if (copy(text, strlen(text), &url->path, e) < 0 ||
	    copy(text, strlen(text), &url->raw_path, e) < 0)
		return -1;
	return copy(text, strlen(text), &url->safe, e);
}

/* The letters before the first ':', if they can be a scheme (RFC 3986, 3.1); 0: it is a path. */
static size_t scheme_length(const char *text)
{
	size_t len = 0;

	if (!isalpha((unsigned char)*text))
		return 0;
	while (isalnum((unsigned char)text[len]) || (text[len] && strchr("+-.", text[len])))
		len++;
	return text[len] == ':' ? len : 0;
}

static bool find_scheme(const char *text, size_t len, enum bmr_url_scheme *scheme)
{
	for (unsigned i = 0; i < SCHEMES; i++) {
		if (strlen(scheme_names[i]) != len || strncasecmp(scheme_names[i], text, len) != 0)
			continue;
		*scheme = (enum bmr_url_scheme)i;
		return true;
	}
	return false;
}

static int parse_scheme(const char *text, struct bmr_url *url, struct bmr_err *e)
{
	size_t len = scheme_length(text);
	const char *rest = text + len + 1;

	if (len == 0)
		return parse_plain_path(text, url, e);
	if (!find_scheme(text, len, &url->scheme)) {
		if (strncmp(rest, "//", 2) != 0)
			return parse_plain_path(text, url, e);
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "unknown kind of URL '%.*s://'; known: file disk cdrom http "
		                   "https ftp nfs smb",
		                   (int)len, text);
	}
	switch (url->scheme) {
	case BMR_URL_FILE:
		return parse_file(rest, text, url, e);
	case BMR_URL_DISK:
		return parse_disk(rest, text, url, e);
	case BMR_URL_CDROM:
		return parse_cdrom(rest, text, url, e);
	case BMR_URL_HTTP:
	case BMR_URL_HTTPS:
	case BMR_URL_FTP:
	case BMR_URL_NFS:
	case BMR_URL_SMB:
		return parse_server(rest, url, e);
	}
	return bmr_err_set(e, BMR_E_BUG, 0, "a kind of URL without a parser");
}

int bmr_url_check_login(const char *urls, struct bmr_err *e)
{
	struct bmr_login login;

	while (bmr_login_find(urls, &login)) {
		if (login.raw)
			return bmr_err_set(
				e, BMR_E_USAGE, 0,
				"a password in a URL holds a '/', '#', '?' or ',' as it "
				"is: write %%2F, %%23, %%3F, %%2C there (and %%40 for an "
				"'@' behind the host)");
		urls = login.end;
	}
	return 0;
}

int bmr_url_parse(const char *text, struct bmr_url *url, struct bmr_err *e)
{
	size_t len = strnlen(text, URL_MAX + 1);

	memset(url, 0, sizeof *url);
	if (len == 0)
		return bmr_err_set(e, BMR_E_USAGE, 0, "the URL is empty");
	if (len > URL_MAX)
		return bmr_err_set(e, BMR_E_USAGE, 0, "the URL is longer than %d characters",
		                   URL_MAX);
	if (scheme_length(text) > 0 && bmr_url_check_login(text, e) < 0)
		return -1;
	return parse_scheme(text, url, e);
}

static const struct bmr_url_variable *find_variable(const struct bmr_url_variable *variables,
                                                    size_t count, const char *name, size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(variables[i].name) == len && memcmp(variables[i].name, name, len) == 0)
			return &variables[i];
	return NULL;
}

/* ':' may stand in a path and MAC addresses are full of it; a slash in a value must not lead to
 * another directory. */
static void put_value(FILE *out, const char *value)
{
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (isalnum(c) || strchr("-._~:", c))
			fputc(c, out);
		else
			fprintf(out, "%%%02X", c);
	}
}

/* text: behind "${".  *used: how much of it was the name and the brace. */
static int expand_one(const char *text, const struct bmr_url_variable *variables, size_t count,
                      FILE *out, size_t *used, struct bmr_err *e)
{
	const char *end = strchr(text, '}');
	const struct bmr_url_variable *v;
	size_t len;

	if (!end)
		return bmr_err_set(e, BMR_E_USAGE, 0, "the URL has '${' without '}'");
	len = (size_t)(end - text);
	v = find_variable(variables, count, text, len);
	if (!v)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the URL asks for '${%.*s}', which is unknown", (int)len, text);
	if (!v->value || !*v->value)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "the URL asks for '${%s}', which this machine does not have",
		                   v->name);
	put_value(out, v->value);
	*used = len + 1;
	return 0;
}

static int expand_all(const char *text, const struct bmr_url_variable *variables, size_t count,
                      FILE *out, struct bmr_err *e)
{
	while (*text) {
		size_t used = 0;

		if (text[0] != '$' || text[1] != '{') {
			fputc(*text++, out);
			continue;
		}
		if (expand_one(text + 2, variables, count, out, &used, e) < 0)
			return -1;
		text += 2 + used;
	}
	return 0;
}

int bmr_url_expand(const char *text, const struct bmr_url_variable *variables, size_t count,
                   char **out, struct bmr_err *e)
{
	AUTO_FREE char *expanded = NULL;
	size_t size;
	FILE *stream = open_memstream(&expanded, &size);
	int rc;

	if (!stream)
		return bmr_err_nomem(e, "a URL");
	rc = expand_all(text, variables, count, stream, e);
	if (fclose(stream) != 0)
		return bmr_err_nomem(e, "a URL");
	if (rc < 0)
		return -1;
	*out = take_ptr(&expanded);
	return 0;
}
