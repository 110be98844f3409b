/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "transport/http_setup.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"

#define REDIRECTS_MAX 5L

static int set_url(CURL *easy, const struct bmr_url *u, const char *suffix, struct bmr_err *e)
{
	AUTO_FREE char *text = NULL;
	bool v6 = strchr(u->host, ':') != NULL;
	char port[8] = "";

	if (u->port)
		snprintf(port, sizeof port, ":%u", u->port);
	if (asprintf(&text, "%s://%s%s%s%s%s%s%s%s", bmr_url_scheme_name(u->scheme), v6 ? "[" : "",
	             u->host, v6 ? "]" : "", port, u->raw_path, suffix, u->query ? "?" : "",
	             u->query ? u->query : "") < 0) {
		text = NULL;
		return bmr_err_nomem(e, "a URL");
	}
	if (curl_easy_setopt(easy, CURLOPT_URL, text) != CURLE_OK) /* copies it */
		return bmr_err_nomem(e, "a URL");
	return 0;
}

static void day_text(const ASN1_TIME *when, char buf[32])
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(when, &tm) || strftime(buf, 32, "%Y-%m-%d %H:%M", &tm) == 0)
		snprintf(buf, 32, "an unreadable date");
}

/* OpenSSL asks this of each certificate of the chain.  Its verdict stays; libcurl says no more than
 * that something has expired or is not yet valid, and not when. */
static int note_validity(int good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct bmr_http_detail *detail = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	int why = X509_STORE_CTX_get_error(store);
	char name[65];
	char from[32];
	char to[32];

	if (good || !certificate ||
	    (why != X509_V_ERR_CERT_HAS_EXPIRED && why != X509_V_ERR_CERT_NOT_YET_VALID))
		return good;
	if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
	                              sizeof name) <= 0)
		snprintf(name, sizeof name, "without a name");
	day_text(X509_get0_notBefore(certificate), from);
	day_text(X509_get0_notAfter(certificate), to);
	snprintf(detail->validity, sizeof detail->validity, "'%s' is valid from %s to %s", name,
	         from, to);
	return good;
}

/* CURLOPT_SSL_CTX_FUNCTION */
static CURLcode watch_validity(CURL *easy, void *context, void *detail)
{
	(void)easy;
	SSL_CTX_set_app_data((SSL_CTX *)context, detail);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_validity);
	return CURLE_OK;
}

static void set_trust(CURL *easy, const struct bmr_source_options *o,
                      struct bmr_http_detail *detail)
{
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, watch_validity);
	curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, detail);
	if (!o->ca_file)
		return;
	curl_easy_setopt(easy, CURLOPT_CAINFO, o->ca_file);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
}

/* libcurl gives user and password to the first host only, never to one it is redirected to; of a
 * netrc file each host gets its own. */
static void set_login(CURL *easy, const struct bmr_place *place)
{
	if (place->options->netrc_file) {
		curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
		curl_easy_setopt(easy, CURLOPT_NETRC_FILE, place->options->netrc_file);
	}
	if (!place->credentials.user)
		return;
	curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(easy, CURLOPT_USERNAME, place->credentials.user);
	curl_easy_setopt(easy, CURLOPT_PASSWORD,
	                 place->credentials.password ? place->credentials.password : "");
}

/* libcurl would take one without a port to have 1080, and one without a scheme for http.  One that
 * speaks TLS itself would need authorities of its own. */
static bool is_proxy(const char *text)
{
	static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT,
	                                  CURLUPART_PATH};
	static const size_t count = sizeof parts / sizeof *parts;
	char *part[sizeof parts / sizeof *parts] = {NULL};
	CURLU *url = curl_url();
	bool good = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK;

	for (size_t i = 0; good && i < count; i++)
		good = curl_url_get(url, parts[i], &part[i], 0) == CURLUE_OK;
	good = good && strcmp(part[0], "http") == 0 && strcmp(part[3], "/") == 0 &&
	       !strpbrk(text, "?#");
	for (size_t i = 0; i < count; i++)
		curl_free(part[i]);
	curl_url_cleanup(url);
	return good;
}

static bool wants_proxy(enum bmr_url_scheme scheme, const char *text)
{
	return (scheme == BMR_URL_HTTP || scheme == BMR_URL_HTTPS) && text &&
	       strcmp(text, "none") != 0;
}

int bmr_http_check_proxy(enum bmr_url_scheme scheme, const char *text, struct bmr_err *e)
{
	const char *at = text ? strrchr(text, '@') : NULL;

	if (!wants_proxy(scheme, text) || is_proxy(text))
		return 0;
	return bmr_err_set(e, BMR_E_USAGE, 0,
	                   "the proxy '%s%s' is not of the form http://host:port", at ? "..." : "",
	                   at ? at : text); /* before it: a password */
}

/* ftp has none: what an HTTP proxy makes of it has neither size nor offset. */
static int set_proxy(CURL *easy, const struct bmr_place *place, struct bmr_err *e)
{
	const char *text = place->options->proxy;

	if (bmr_http_check_proxy(place->url->scheme, text, e) < 0)
		return -1;
	if (place->url->scheme == BMR_URL_FTP || (text && strcmp(text, "none") == 0))
		text = "";
	if (text && curl_easy_setopt(easy, CURLOPT_PROXY, text) != CURLE_OK) /* copies it */
		return bmr_err_nomem(e, "a proxy's address");
	return 0;
}

static void set_protocols(CURL *easy, enum bmr_url_scheme scheme)
{
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, scheme == BMR_URL_FTP ? "ftp" : "http,https");
	/* From https nobody is sent to http, where the answer could be anybody's. */
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR,
	                 scheme == BMR_URL_HTTPS ? "https" : "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(easy, CURLOPT_FILETIME, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "bmr");
}

int bmr_http_prepare(CURL **handle, const struct bmr_place *place, const char *suffix,
                     struct bmr_http_detail *detail, struct bmr_err *e)
{
	CURL *easy = curl_easy_init();

	curl_easy_cleanup(*handle);
	*handle = easy;
	*detail = (struct bmr_http_detail){"", ""};
	if (!easy)
		return bmr_err_nomem(e, "a request");
	if (set_url(easy, place->url, suffix, e) < 0 || set_proxy(easy, place, e) < 0)
		return -1;
	set_protocols(easy, place->url->scheme);
	set_trust(easy, place->options, detail);
	set_login(easy, place);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BMR_HTTP_BUFFER_SIZE);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, BMR_HTTP_BUFFER_SIZE);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)place->stall_ms);
	/* No SIGALRM in a program with threads; and no waiting for a name server at the end. */
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail->text);
	return 0;
}
