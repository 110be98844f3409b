/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/http_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "transport/http_setup.h"

/* So libcurl's texts about an address of a proxy begin that it does not understand.  What follows is the
 * address, with a password where there is one. */
#define NO_PROXY_OF_CURL "Unsupported proxy"

static const char *header(CURL *easy, const char *name)
{
	struct curl_header *h;

	/* -1: of the last answer, behind all redirects. */
	if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return NULL;
	return h->value;
}

/* A strong ETag stands for these very bytes; all else is taken together. */
static void describe(CURL *easy, struct http_answer *a)
{
	const char *etag = header(easy, "ETag");
	const char *modified = header(easy, "Last-Modified");
	char size[40] = "size unknown";

	if (a->total != BMR_SOURCE_SIZE_UNKNOWN)
		snprintf(size, sizeof size, "%" PRIu64 " bytes", a->total);
	if (etag && strncmp(etag, "W/", 2) != 0)
		snprintf(a->identity, sizeof a->identity, "%s, ETag %s", size, etag);
	else
		snprintf(a->identity, sizeof a->identity, "%s%s%s%s%s", size,
		         modified ? ", modified " : "", modified ? modified : "",
		         etag ? ", ETag " : "", etag ? etag : "");
}

static int read_partial(CURL *easy, const char *name, uint64_t off, struct http_answer *a,
                        struct bmr_err *e)
{
	const char *range = header(easy, "Content-Range");
	uint64_t last;

	if (!range || sscanf(range, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64, &a->first, &last,
	                     &a->total) != 3)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "'%s' answers 206 without saying which bytes (Content-Range "
		                   "'%s')",
		                   name, range ? range : "");
	if (a->first != off || last < a->first || last >= a->total)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "'%s' was asked for the bytes from %" PRIu64 " on and answers "
		                   "with others: '%s'",
		                   name, off, range);
	a->partial = true;
	a->end = last + 1;
	return 0;
}

static int read_whole(CURL *easy, const char *name, struct http_answer *a, struct bmr_err *e)
{
	const char *coding = header(easy, "Transfer-Encoding");
	const char *ranges = header(easy, "Accept-Ranges");
	curl_off_t length = -1;

	curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	a->ranges = ranges && strcasecmp(ranges, "bytes") == 0;
	if (length >= 0) {
		a->total = (uint64_t)length;
		return 0;
	}
	a->total = BMR_SOURCE_SIZE_UNKNOWN;
	if (coding && strcasestr(coding, "chunked"))
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "'%s' comes without a length and not in chunks: a complete answer "
	                   "could not be told from a cut one",
	                   name);
}

int bmr_http_answer_read(CURL *easy, const char *name, uint64_t off, struct http_answer *answer,
                         struct bmr_err *e)
{
	long status = 0;
	int rc;

	*answer = (struct http_answer){.end = UINT64_MAX};
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 206)
		rc = read_partial(easy, name, off, answer, e);
	else if (status == 200)
		rc = read_whole(easy, name, answer, e);
	else
		return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' answers with HTTP status %ld", name,
		                   status);
	if (rc == 0)
		describe(easy, answer);
	return rc;
}

static int status_fault(long status, const struct bmr_place *place, struct bmr_err *e)
{
	const char *name = place->url->safe;
	bool known = place->credentials.user || place->options->netrc_file;

	switch (status) {
	case 401:
		return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s': %s (HTTP 401)", name,
		                   known ? "the user name or the password is wrong"
		                         : "the server wants a user name and a password");
	case 403:
		return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s': access denied (HTTP 403)", name);
	case 404:
	case 410:
		return bmr_err_set(e, BMR_E_SOURCE, 0,
		                   "'%s': no such file on the server (HTTP %ld)", name, status);
	case 407:
		return bmr_err_set(e, BMR_E_SOURCE, 0,
		                   "'%s': the proxy wants a user name and a password, or others "
		                   "(HTTP 407); see bmr.proxy",
		                   name);
	case 416:
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "'%s' no longer has the bytes asked for (HTTP 416): the image "
		                   "changed on the server",
		                   name);
	default:
		/* RFC 9110: these pass, as 5xx do; other 4xx do not. */
		if (status == 408 || status == 425 || status == 429 || status >= 500)
			return bmr_err_set(e, BMR_E_NET, 0,
			                   "'%s': the server has a problem (HTTP %ld)", name,
			                   status);
		return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' answers with HTTP status %ld", name,
		                   status);
	}
}

/* A machine without a battery believes it is 1970: then every certificate is not yet valid. */
static int certificate_fault(const char *name, const char *text, const char *validity,
                             struct bmr_err *e)
{
	char today[32] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (!*validity)
		return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s': the server is not trusted: %s", name,
		                   text);
	if (gmtime_r(&now, &tm))
		strftime(today, sizeof today, "%Y-%m-%d %H:%M", &tm);
	return bmr_err_set(
		e, BMR_E_SOURCE, 0,
		"'%s': the server is not trusted: %s; the certificate %s, and the clock "
		"of this machine says %s UTC: if that is wrong, set it in the firmware's "
		"set-up, else the server needs another certificate",
		name, text, validity, today);
}

/* What a proxy says instead of opening a tunnel (RFC 9110, 9.3.6). */
static int tunnel_fault(long status, const struct bmr_place *place, struct bmr_err *e)
{
	const char *name = place->url->safe;

	if (status == 407)
		return status_fault(status, place, e);
	return bmr_err_set(e, status >= 500 ? BMR_E_NET : BMR_E_SOURCE, 0,
	                   "'%s': the proxy opens no way there (HTTP %ld)", name, status);
}

/* The handshake fails for good if the other side says so or is no TLS server; else it was cut. */
static int handshake_fault(const char *name, const char *detail, struct bmr_err *e)
{
	bool final = strstr(detail, "alert") || strstr(detail, "wrong version number") ||
	             strstr(detail, "unsupported protocol");

	return bmr_err_set(e, final ? BMR_E_SOURCE : BMR_E_NET, 0, "'%s': TLS failed: %s", name,
	                   detail);
}

static int ftp_fault(long code, const char *name, const char *detail, struct bmr_err *e)
{
	if (code >= 400 && code < 500)
		return bmr_err_set(e, BMR_E_NET, 0, "'%s': the server has a problem: %s", name,
		                   detail);
	return bmr_err_set(e, BMR_E_SOURCE, 0,
	                   "'%s': no such file on the server, or not for us: %s", name, detail);
}

static unsigned usual_port(enum bmr_url_scheme scheme)
{
	return scheme == BMR_URL_HTTPS ? 443 : scheme == BMR_URL_FTP ? 21 : 80;
}

static int network_fault(CURL *easy, const struct bmr_place *place, const char *detail,
                         struct bmr_err *e)
{
	char connecting[300]; /* so libcurl begins */
	long sys = 0;

	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &sys);
	/* A proxy, or the server that we were sent to, is named in the detail alone. */
	snprintf(connecting, sizeof connecting, "to %s port %u ", place->url->host,
	         place->url->port ? place->url->port : usual_port(place->url->scheme));
	if (sys && strstr(detail, connecting))
		return bmr_err_set(e, BMR_E_NET, (int)sys, "'%s' does not answer",
		                   place->url->safe);
	return bmr_err_set(e, BMR_E_NET, 0, "'%s' does not answer: %s", place->url->safe, detail);
}

int bmr_http_fault(CURL *easy, CURLcode result, const struct bmr_place *place,
                   const struct bmr_http_detail *detail, struct bmr_err *e)
{
	const char *name = place->url->safe;
	const char *text = *detail->text ? detail->text : curl_easy_strerror(result);
	long code = 0;
	long tunnel = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &tunnel);
	if (tunnel >= 300)
		return tunnel_fault(tunnel, place, e);
	if (strncmp(text, NO_PROXY_OF_CURL, strlen(NO_PROXY_OF_CURL)) == 0)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "'%s': the proxy that the environment names (http_proxy, ...) "
		                   "cannot be used; see bmr.proxy",
		                   name);
	switch (result) {
	case CURLE_HTTP_RETURNED_ERROR:
		return status_fault(code, place, e);
	case CURLE_PEER_FAILED_VERIFICATION:
		return certificate_fault(name, text, detail->validity, e);
	case CURLE_SSL_CONNECT_ERROR:
		return handshake_fault(name, text, e);
	case CURLE_SSL_CACERT_BADFILE:
		return bmr_err_set(e, BMR_E_SOURCE, 0, "cannot use the CA file '%s': %s",
		                   place->options->ca_file ? place->options->ca_file : "(default)",
		                   text);
	case CURLE_TOO_MANY_REDIRECTS:
		return bmr_err_set(e, BMR_E_SOURCE, 0, "'%s' redirects more than 5 times", name);
	case CURLE_UNSUPPORTED_PROTOCOL:
		return bmr_err_set(e, BMR_E_SOURCE, 0,
		                   "'%s' redirects to where we must not follow: %s", name, text);
	case CURLE_LOGIN_DENIED:
		return bmr_err_set(e, BMR_E_SOURCE, 0,
		                   "'%s': the user name or the password is wrong", name);
	case CURLE_REMOTE_FILE_NOT_FOUND:
	case CURLE_REMOTE_ACCESS_DENIED:
	case CURLE_FTP_COULDNT_RETR_FILE:
		return ftp_fault(code, name, text, e);
	case CURLE_COULDNT_RESOLVE_PROXY: /* the name may be a part of a password with a raw @ */
		return bmr_err_set(e, BMR_E_NET, 0,
		                   "'%s': its proxy's name is not known, or its address is wrong",
		                   name);
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
		return bmr_err_set(e, BMR_E_NET, 0, "'%s' was cut off: %s", name, text);
	case CURLE_OUT_OF_MEMORY: /* what libcurl 7.88 says of a head over its limit of 100 kB */
		return bmr_err_set(e, BMR_E_SOURCE, 0,
		                   "'%s': the head of the answer is too long, or memory is out",
		                   name);
	case CURLE_BAD_FUNCTION_ARGUMENT: /* so libcurl 7.88 about a header line without a name */
	case CURLE_WEIRD_SERVER_REPLY:
		return bmr_err_set(e, BMR_E_NET, 0, "'%s' answers what makes no sense: %s", name,
		                   text);
	default:
		return network_fault(easy, place, text, e);
	}
}
