/* SPDX-License-Identifier: GPL-3.0-or-later */
/* url: any text, as an image's URL.  What is accepted must be whole, and its form for people must
 * not hold the password. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "transport/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition)
{
	if (!condition)
		abort();
}

static int holds(const char *text, const char *part)
{
	return text && strstr(text, part) != NULL;
}

/* Only a password that is no part of anything else that people may see, nor runs over the border
 * of two such parts, can be missed. */
static int is_telling(const struct bmr_url *u)
{
	const char *password = u->password;

	return strlen(password) >= 6 && !strpbrk(password, "/:[]?") && !holds(u->host, password) &&
	       !holds(u->raw_path, password) && !holds(u->query, password);
}

static void check_parsed(const struct bmr_url *u)
{
	check(u->safe && u->path && u->raw_path);
	check((u->host != NULL) == (u->scheme >= BMR_URL_HTTP));
	check(!u->host || *u->host);
	check(u->scheme == BMR_URL_FILE || *u->path == '/');
	for (const char *c = u->raw_path; u->scheme != BMR_URL_FILE && *c; c++)
		check((unsigned char)*c > 0x20 && (unsigned char)*c < 0x7f);
	if (u->password && is_telling(u))
		check(!strstr(u->safe, u->password));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bmr_url_variable variables[] = {{"mac", "52:54:00:00:00:01"}, {"uuid", NULL}};
	AUTO_FREE char *text = malloc(size + 1);
	AUTO_FREE char *expanded = NULL;
	struct bmr_err e = {0};
	struct bmr_url u;

	check(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (bmr_url_parse(text, &u, &e) == 0)
		check_parsed(&u);
	else
		check(e.code == BMR_E_USAGE && e.msg[0]);
	bmr_url_clear(&u);
	if (bmr_url_expand(text, variables, 2, &expanded, &e) == 0)
		check(expanded != NULL);
	return 0;
}
