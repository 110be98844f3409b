/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_setup.h - the options that every libcurl transfer of ours has; private to transport/. */
#ifndef BMR_TRANSPORT_HTTP_SETUP_H
#define BMR_TRANSPORT_HTTP_SETUP_H

#include <curl/curl.h>

#include "transport/source_ops.h"

#define BMR_HTTP_BUFFER_SIZE (256L * 1024)

/* What there is to say of a transfer that failed. */
struct bmr_http_detail {
	char text[CURL_ERROR_SIZE]; /* libcurl's words */
	/* "'NAME' is valid from DATE to DATE", of a certificate that is not valid by this machine's
	   clock; "" none */
	char validity[160];
};

/* Is text, an order's proxy or NULL, one that a URL of this scheme can go through?
 * Errors: BMR_E_USAGE, without its password. */
int bmr_http_check_proxy(enum bmr_url_scheme scheme, const char *text, struct bmr_err *e);

/* Put a new handle, for one request, in the place of *easy, which is freed (NULL: there is none yet) and
 * in no multi handle: address (the place's URL with `suffix` behind its path), proxy, trust, login,
 * redirects and limits are set.  A handle is not used twice: libcurl before 8.1.1 reads a freed header
 * of the first answer if the second begins with a folded line (curl's pull request 11103).  Connections
 * are the multi handle's and stay.  *easy: to be freed by curl_easy_cleanup, on errors too; it may be
 * NULL then.  detail is emptied and lives as long as *easy.  Errors: BMR_E_USAGE (the proxy's address),
 * BMR_E_NOMEM. */
int bmr_http_prepare(CURL **easy, const struct bmr_place *place, const char *suffix,
                     struct bmr_http_detail *detail, struct bmr_err *e);

#endif
