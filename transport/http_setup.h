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

/* Set address (the place's URL with `suffix` behind its path), proxy, trust, login, redirects and
 * limits.  detail lives as long as easy.  Errors: BMR_E_USAGE (the proxy's address), BMR_E_NOMEM. */
int bmr_http_prepare(CURL *easy, const struct bmr_place *place, const char *suffix,
                     struct bmr_http_detail *detail, struct bmr_err *e);

#endif
