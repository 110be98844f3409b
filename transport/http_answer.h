/* SPDX-License-Identifier: GPL-3.0-or-later */
/* http_answer.h - what a server's answer says about the image, and what libcurl's failures mean;
 * private to transport/.
 */
#ifndef BMR_TRANSPORT_HTTP_ANSWER_H
#define BMR_TRANSPORT_HTTP_ANSWER_H

#include <stdbool.h>
#include <stdint.h>
#include <curl/curl.h>

#include "transport/source_ops.h"

struct bmr_http_detail;

struct http_answer {
	uint64_t first; /* offset of the first byte of the body */
	uint64_t end;   /* offset behind its last byte; UINT64_MAX: it reaches to the end */
	uint64_t total; /* of the image, or BMR_SOURCE_SIZE_UNKNOWN */
	bool partial;   /* 206: the server can do ranges */
	bool ranges;    /* it says that it can, though this was no 206 */
	char identity[BMR_IDENTITY_SIZE];
};

/* Read the headers of a good answer to a request for the bytes from `off` on (RFC 9110, 9112).
 * Errors: BMR_E_DATA where the end of the body could not be told from a cut, or the answer is
 * about other bytes than those asked for. */
int bmr_http_answer_read(CURL *easy, const char *name, uint64_t off, struct http_answer *answer,
                         struct bmr_err *e);

/* Fill *e for a transfer that ended with `result`.  Returns -1. */
int bmr_http_fault(CURL *easy, CURLcode result, const struct bmr_place *place,
                   const struct bmr_http_detail *detail, struct bmr_err *e);

#endif
