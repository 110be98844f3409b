/* SPDX-License-Identifier: GPL-3.0-or-later */
/* login.h - where the passwords stand in a text that holds URLs: nothing of them may be shown.
 *
 * RFC 3986, 3.2.1 has "scheme://user:password@host".  A password with a '/', '?' or '#' as it is, or
 * with a ',' in a list of URLs, seems to end before its '@'; it is found here all the same: what stands
 * behind the first ':' is no port, and an '@' comes later.  A path may hold an '@' where there is no
 * password.  "http:/user:password@host", with a slash too few, is found as well.
 */
#ifndef BMR_BASE_LOGIN_H
#define BMR_BASE_LOGIN_H

#include <stdbool.h>
#include <stddef.h>

struct bmr_login {
	const char *password; /* into the text */
	const char *end;      /* its '@' */
	bool raw;             /* a '/', '?', '#' or ',' stands between them */
};

/* The first password in text: a URL, several with commas, or anything else.  Any thread. */
bool bmr_login_find(const char *text, struct bmr_login *login);

/* Copy text with each password as "***"; what does not fit in size bytes is cut.  Any thread. */
void bmr_login_hide(const char *text, char *out, size_t size);

#endif
