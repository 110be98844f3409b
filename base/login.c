/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/login.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define ENDS_AUTHORITY "/,?#"
#define PORT_DIGITS_MOST 5
#define PORT_MOST 65535

/* Behind a comma: the next URL of a list, or, if paths says so, a path. */
static bool starts_url(const char *text, bool paths)
{
	static const char *const local[] = {"file:", "disk:", "cdrom:"};
	size_t scheme = 0;

	while (isalnum((unsigned char)text[scheme]))
		scheme++;
	if (scheme > 0 && strncmp(text + scheme, "://", 3) == 0)
		return true;
	for (size_t i = 0; i < sizeof local / sizeof *local; i++)
		if (strncmp(text, local[i], strlen(local[i])) == 0)
			return true;
	return paths && (*text == '/' || strncmp(text, "./", 2) == 0);
}

/* Where a URL of a list ends; from: behind what is known to be of it. */
static const char *end_of_url(const char *from, bool paths)
{
	const char *comma = strchr(from, ',');

	while (comma && !starts_url(comma + 1, paths))
		comma = strchr(comma + 1, ',');
	return comma ? comma : from + strlen(from);
}

/* The first ':' of an authority that is not one of an IPv6 address in brackets. */
static const char *find_colon(const char *text, size_t len)
{
	size_t at = strcspn(text, ":[");

	if (at < len && text[at] == '[') {
		size_t address = strspn(text + at + 1, "0123456789abcdefABCDEF:.");

		if (text[at + 1 + address] == ']')
			at += 1 + address;
	}
	return at < len ? memchr(text + at, ':', len - at) : NULL;
}

/* "?name=value": what else stands behind a '?' is as likely of a password. */
static bool is_query(const char *text)
{
	return *text == '?' && text[strcspn(text, "=@")] == '=';
}

/* ":8080/", or ":8080?name=value" where no path is needed. */
static bool is_port(const char *digits)
{
	size_t len = strspn(digits, "0123456789");

	return len > 0 && len <= PORT_DIGITS_MOST &&
	       (digits[len] == '/' || is_query(digits + len)) && atol(digits) <= PORT_MOST;
}

/* text: an authority and what follows it */
static bool find_in_url(const char *text, struct bmr_login *login)
{
	size_t len = strcspn(text, ENDS_AUTHORITY);
	const char *colon = find_colon(text, len);
	const char *end;
	const char *at;

	if (!colon || is_port(colon + 1))
		return false;
	at = memrchr(colon, '@', len - (size_t)(colon - text));
	end = end_of_url(text + len, at != NULL);
	login->password = colon + 1;
	login->end = memrchr(text + len, '@', (size_t)(end - text) - len);
	login->raw = login->end != NULL;
	if (!login->end)
		login->end = at;
	return login->end != NULL;
}

/* Does the name of a server's scheme end here? */
static bool ends_scheme(const char *text, const char *end)
{
	static const char *const servers[] = {"http", "https", "ftp", "nfs", "smb", "syslog"};
	size_t len = 0;

	while (len < (size_t)(end - text) && isalnum((unsigned char)end[-1 - (ptrdiff_t)len]))
		len++;
	for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
		if (strlen(servers[i]) == len && strncasecmp(servers[i], end - len, len) == 0)
			return true;
	return false;
}

/* Behind the next "://", or behind a ":/" that was meant as one. */
static const char *find_authority(const char *text)
{
	for (const char *at = strstr(text, ":/"); at; at = strstr(at + 1, ":/")) {
		if (at[2] == '/')
			return at + 3;
		if (ends_scheme(text, at))
			return at + 2;
	}
	return NULL;
}

bool bmr_login_find(const char *text, struct bmr_login *login)
{
	while ((text = find_authority(text)) != NULL) {
		if (find_in_url(text, login))
			return true;
	}
	return false;
}

void bmr_login_hide(const char *text, char *out, size_t size)
{
	struct bmr_text copy = bmr_text_in(out, size);
	struct bmr_login login;

	while (bmr_login_find(text, &login)) {
		bmr_text_add(&copy, "%.*s***", (int)(login.password - text), text);
		text = login.end;
	}
	bmr_text_add(&copy, "%s", text);
}
