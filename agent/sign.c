/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/sign.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/credentials.h"
#include "agent/job.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/bmr/load.h"
#include "imaging/sign/secret.h"
#include "imaging/sign/signed.h"
#include "transport/beside.h"
#include "transport/sink.h"

#define PASSWORD_SIZE 1024

/* --- the key --- */

static int read_text(const char *path, const char *what, char *buf, size_t size, size_t *len,
                     struct bmr_err *e)
{
	AUTO_FILE FILE *f = fopen(path, "re");

	if (f)
		setvbuf(f, NULL, _IONBF, 0); /* no copy of a secret stays behind */
	*len = f ? fread(buf, 1, size, f) : 0;
	if (!f || ferror(f))
		return bmr_err_set(e, BMR_E_USAGE, errno, "cannot read the %s '%s'", what, path);
	return 0;
}

static int read_password(const char *path, char password[PASSWORD_SIZE], struct bmr_err *e)
{
	size_t len;

	if (read_text(path, "password file", password, PASSWORD_SIZE - 1, &len, e) < 0)
		return -1;
	password[len] = '\0';
	password[strcspn(password, "\r\n")] = '\0';
	return 0;
}

static int read_key(const struct bmr_options *o, struct bmr_secret *secret, struct bmr_err *e)
{
	char text[BMR_MINISIGN_KEY_MOST + 1];
	char password[PASSWORD_SIZE];
	size_t len;
	int rc = 0;

	if (!o->key)
		return bmr_err_set(e, BMR_E_USAGE, 0, "--key=FILE is needed; see --help");
	if (o->password_file)
		rc = read_password(o->password_file, password, e);
	if (rc == 0)
		rc = read_text(o->key, "secret key", text, sizeof text, &len, e);
	if (rc == 0)
		rc = bmr_secret_parse(text, len, o->password_file ? password : NULL, secret, e);
	explicit_bzero(text, sizeof text);
	explicit_bzero(password, sizeof password);
	return rc < 0 ? bmr_err_while(e, "reading the key '%s'", o->key) : 0;
}

/* --- what is said of the image --- */

static int check_words(const struct bmr_options *o, struct bmr_err *e)
{
	uint64_t number;

	if (o->series && !bmr_series_is_name(o->series, strlen(o->series)))
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "--series is a word of letters, digits, '.', '_' and '-', 64 at "
		                   "most, not '%s'",
		                   o->series);
	if (o->serial && !bmr_serial_parse(o->serial, strlen(o->serial), &number))
		return bmr_err_set(e, BMR_E_USAGE, 0, "--serial is a whole number, not '%s'",
		                   o->serial);
	return 0;
}

static char *comment_of(const struct bmr_options *o, const char *id)
{
	char *text;
	int n = asprintf(&text, "bmr%s%s%s%s%s%s", *id ? " image=" : "", id,
	                 o->series ? " series=" : "", o->series ? o->series : "",
	                 o->serial ? " serial=" : "", o->serial ? o->serial : "");

	return n < 0 ? NULL : text;
}

/* --- signing --- */

struct image {
	bool is_bmr;
	uint8_t hash[BMR_MINISIGN_HASH_SIZE];
	char id[BMR_SIGNED_ID_SIZE];
};

static int look(struct bmr_source *source, struct image *image, struct bmr_err *e)
{
	uint8_t file[BMR_FORMAT_HEAD];
	size_t len;

	if (bmr_source_read(source, file, sizeof file, 0, &len, e) < 0)
		return -1;
	image->is_bmr = bmr_load_is_bmr(file, len);
	return bmr_signed_hash(source, image->is_bmr, image->hash, image->id, e);
}

static int hash_image(const char *url, const struct bmr_source_options *options,
                      struct image *image, struct bmr_err *e)
{
	struct bmr_source *source;
	int rc;

	if (bmr_source_open(url, options, &source, e) < 0)
		return -1;
	rc = look(source, image, e);
	bmr_source_close(source);
	return rc;
}

static int write_file(struct bmr_session *s, const char *url,
                      const struct bmr_source_options *options, const char *text, size_t len,
                      struct bmr_err *e)
{
	struct bmr_sink *sink;
	char words[400];
	int rc;

	if (bmr_sink_open(url, options, true, &sink, e) < 0)
		return -1;
	rc = bmr_sink_write(sink, text, len, e);
	if (rc == 0)
		rc = bmr_sink_commit(sink, e);
	if (rc == 0) {
		snprintf(words, sizeof words, "bmr: signed: %s", bmr_sink_name(sink));
		bmr_screen_result(s->screen, true, words, "");
	}
	bmr_sink_close(sink);
	return rc;
}

static int sign_hash(struct bmr_session *s, const char *url, const struct image *image,
                     const struct bmr_source_options *options, const struct bmr_secret *secret,
                     struct bmr_err *e)
{
	AUTO_FREE char *comment = comment_of(s->options, image->id);
	AUTO_FREE char *beside = NULL;
	AUTO_FREE char *text = NULL;
	size_t len;

	if (!comment)
		return bmr_err_nomem(e, "a comment");
	if (bmr_secret_sign(secret, image->hash, comment, &text, &len, e) < 0 ||
	    bmr_beside_suffix(url, image->is_bmr ? BMR_SIGNED_MANIFEST : BMR_SIGNED_FILE, &beside,
	                      e) < 0)
		return -1;
	return write_file(s, beside, options, text, len, e);
}

int bmr_sign_image(struct bmr_session *session, const char *url, struct bmr_err *e)
{
	struct bmr_source_options options;
	struct bmr_secret secret;
	struct image image;
	int rc;

	if (check_words(session->options, e) < 0 ||
	    bmr_credentials_hide(url, session->log, e) < 0 ||
	    bmr_credentials_load(&session->options->params, session->log, e) < 0 ||
	    read_key(session->options, &secret, e) < 0)
		return -1;
	bmr_job_source_options(session, &options);
	rc = hash_image(url, &options, &image, e);
	if (rc == 0)
		rc = sign_hash(session, url, &image, &options, &secret, e);
	bmr_secret_clear(&secret);
	return rc;
}
