/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready/identity_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"

#define NAME_MOST 64
#define LABEL_MOST 63
#define OWN_ADDRESS "127.0.1.1"

/* --- host names --- */

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static const char *wrong_label(const char *label, size_t len)
{
	if (len == 0)
		return "a part of it is empty";
	if (len > LABEL_MOST)
		return "a part of it has more than 63 characters";
	if (label[0] == '-' || label[len - 1] == '-')
		return "a part of it begins or ends with a hyphen";
	for (size_t i = 0; i < len; i++)
		if (!is_letter_or_digit(label[i]) && label[i] != '-')
			return "only letters, digits and hyphens are allowed between dots";
	return NULL;
}

int bmr_hostname_check(const char *name, struct bmr_err *e)
{
	const char *why = NULL;
	const char *at = name;

	if (strlen(name) > NAME_MOST)
		why = "it has more than 64 characters";
	while (!why) {
		size_t len = strcspn(at, ".");

		why = wrong_label(at, len);
		at += len;
		if (!*at++)
			break;
	}
	return why ? bmr_err_set(e, BMR_E_USAGE, 0, "hostname '%s': %s", name, why) : 0;
}

/* --- /etc/hosts --- */

/* The names of this machine's own line, or NULL if it is another one. */
static const char *own_names(const char *line)
{
	line += strspn(line, " \t");
	if (strncmp(line, OWN_ADDRESS, strlen(OWN_ADDRESS)) != 0)
		return NULL;
	line += strlen(OWN_ADDRESS);
	return *line == ' ' || *line == '\t' ? line + strspn(line, " \t") : NULL;
}

/* ".example.com" of the first of these names, or "" */
static void read_domain(const char *names, char *domain, size_t size)
{
	size_t len = strcspn(names, " \t\r\n#");
	const char *dot = memchr(names, '.', len);

	*domain = '\0';
	if (dot)
		snprintf(domain, size, "%.*s", (int)(len - (size_t)(dot - names)), dot);
}

static void write_own_line(FILE *f, const char *names, const char *name)
{
	char domain[256];
	size_t first = strcspn(name, ".");

	read_domain(names, domain, sizeof domain);
	if (name[first])
		fprintf(f, OWN_ADDRESS "\t%s %.*s\n", name, (int)first, name);
	else if (*domain)
		fprintf(f, OWN_ADDRESS "\t%s%s %s\n", name, domain, name);
	else
		fprintf(f, OWN_ADDRESS "\t%s\n", name);
}

int bmr_hosts_rename(const char *hosts, const char *name, char **out, struct bmr_err *e)
{
	AUTO_FREE char *text = NULL;
	size_t size = 0;
	bool found = false;
	FILE *f = open_memstream(&text, &size);

	*out = NULL;
	if (!f)
		return bmr_err_nomem(e, "/etc/hosts");
	while (*hosts) {
		size_t len = strcspn(hosts, "\n");
		const char *names = own_names(hosts);

		len += hosts[len] == '\n';
		if (names)
			write_own_line(f, names, name);
		else
			fwrite(hosts, 1, len, f);
		found |= names != NULL;
		hosts += len;
	}
	if (fclose(f) != 0)
		return bmr_err_nomem(e, "/etc/hosts");
	if (found)
		*out = take_ptr(&text);
	return 0;
}
