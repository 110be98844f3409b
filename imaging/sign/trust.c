/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/sign/trust.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "imaging/sign/lines.h"

#define SYSTEM_KEYS "/etc/bmr/trust.d"
#define SYSTEM_LISTS "/etc/bmr"
#define LIST_MOST 65536 /* bytes of the files of revoked keys and of serials */

struct key {
	struct bmr_minisign_key key;
	char name[sizeof((struct bmr_signer *)0)->name];
};

struct least {
	char series[BMR_SERIES_SIZE]; /* "*": all that have no line of their own */
	uint64_t serial;
};

struct bmr_trust {
	struct key keys[BMR_TRUST_KEYS_MOST];
	size_t key_count;
	uint8_t revoked[BMR_TRUST_LINES_MOST][BMR_MINISIGN_ID_SIZE];
	size_t revoked_count;
	struct least least[BMR_TRUST_LINES_MOST];
	size_t least_count;
};

/* --- words --- */

bool bmr_series_is_name(const char *text, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";

	if (len == 0 || len >= BMR_SERIES_SIZE)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!memchr(letters, text[i], sizeof letters - 1))
			return false;
	return true;
}

bool bmr_serial_parse(const char *text, size_t len, uint64_t *serial)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++)
		if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
			return false;
	*serial = value;
	return len > 0;
}

/* The next word of a line; blanks and tabs are between them. */
static bool next_word(struct bmr_sign_line *line, struct bmr_sign_line *word)
{
	while (line->len > 0 && (*line->text == ' ' || *line->text == '\t')) {
		line->text++;
		line->len--;
	}
	*word = (struct bmr_sign_line){line->text, 0};
	while (word->len < line->len && word->text[word->len] != ' ' &&
	       word->text[word->len] != '\t')
		word->len++;
	line->text += word->len;
	line->len -= word->len;
	return word->len > 0;
}

/* --- files --- */

/* After a failure to open: is there nothing of that name?  A link that leads nowhere is not nothing. */
static bool is_absent(const char *path)
{
	struct stat st;

	return errno == ENOENT && lstat(path, &st) < 0 && errno == ENOENT;
}

/* All of a small file; *len is most + 1 if it has more.  1: there is none. */
static int read_small(const char *path, size_t most, char **out, size_t *len, struct bmr_err *e)
{
	FILE *file = fopen(path, "re");
	AUTO_FREE char *data = NULL;
	int failed = errno;

	if (!file && is_absent(path))
		return 1;
	if (!file)
		return bmr_err_set(e, BMR_E_REFUSED, failed, "cannot open '%s'", path);
	data = malloc(most + 1);
	*len = data ? fread(data, 1, most + 1, file) : 0;
	failed = ferror(file) ? errno : 0;
	fclose(file);
	if (!data)
		return bmr_err_nomem(e, "a key");
	if (failed)
		return bmr_err_set(e, BMR_E_REFUSED, failed, "cannot read '%s'", path);
	*out = take_ptr(&data);
	return 0;
}

static int add_key(struct bmr_trust *t, const char *folder, const char *name, struct bmr_err *e)
{
	struct key *key = &t->keys[t->key_count];
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *text = NULL;
	size_t len;
	int rc;

	if (t->key_count == BMR_TRUST_KEYS_MOST)
		return bmr_err_set(e, BMR_E_REFUSED, 0, "'%s' has more than %d keys", folder,
		                   BMR_TRUST_KEYS_MOST);
	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return bmr_err_nomem(e, "a key");
	}
	rc = read_small(path, BMR_MINISIGN_KEY_MOST, &text, &len, e);
	if (rc > 0)
		return bmr_err_set(e, BMR_E_REFUSED, ENOENT, "cannot open '%s'", path);
	if (rc < 0 || bmr_minisign_key_parse(text, len, &key->key, e) < 0)
		return bmr_err_while(e, "reading the key '%s'", path);
	snprintf(key->name, sizeof key->name, "%.*s", (int)(strlen(name) - 4), name);
	t->key_count++;
	return 0;
}

static bool is_key_name(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && *name != '.' && strcmp(name + len - 4, ".pub") == 0;
}

/* Files and no key among them: one is misnamed, and to take that for "no keys" would be to trust all. */
static int add_keys(struct bmr_trust *t, const char *folder, struct bmr_err *e)
{
	DIR *dir = opendir(folder);
	int failed = errno;
	struct dirent *entry;
	bool others = false;
	int rc = 0;

	if (!dir && is_absent(folder))
		return 0;
	if (!dir)
		return bmr_err_set(e, BMR_E_REFUSED, failed, "cannot open '%s'", folder);
	while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
		if (is_key_name(entry->d_name))
			rc = add_key(t, folder, entry->d_name, e);
		else
			others |= strcmp(entry->d_name, ".") != 0 &&
			          strcmp(entry->d_name, "..") != 0;
	}
	if (rc == 0 && errno)
		rc = bmr_err_set(e, BMR_E_REFUSED, errno, "cannot read '%s'", folder);
	closedir(dir);
	if (rc == 0 && t->key_count == 0 && others)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' has files, but no key: a key's name must end in .pub",
		                   folder);
	return rc;
}

typedef bool take_line(struct bmr_trust *t, struct bmr_sign_line *line);

static bool take_revoked(struct bmr_trust *t, struct bmr_sign_line *line)
{
	struct bmr_sign_line word;
	struct bmr_sign_line more;
	char text[BMR_MINISIGN_ID_TEXT_SIZE];
	uint64_t value;
	char *end;

	if (t->revoked_count == BMR_TRUST_LINES_MOST || !next_word(line, &word) ||
	    word.len != sizeof text - 1 || next_word(line, &more))
		return false;
	snprintf(text, sizeof text, "%.*s", (int)word.len, word.text);
	if (strspn(text, "0123456789abcdefABCDEF") != sizeof text - 1)
		return false;
	value = strtoull(text, &end, 16);
	for (size_t i = 0; i < BMR_MINISIGN_ID_SIZE; i++)
		t->revoked[t->revoked_count][i] = (uint8_t)(value >> 8 * i);
	t->revoked_count++;
	return true;
}

static bool take_least(struct bmr_trust *t, struct bmr_sign_line *line)
{
	struct least *least = &t->least[t->least_count];
	struct bmr_sign_line series;
	struct bmr_sign_line serial;
	struct bmr_sign_line more;

	if (t->least_count == BMR_TRUST_LINES_MOST || !next_word(line, &series) ||
	    !next_word(line, &serial) || next_word(line, &more) ||
	    !(bmr_series_is_name(series.text, series.len) ||
	      (series.len == 1 && *series.text == '*')) ||
	    !bmr_serial_parse(serial.text, serial.len, &least->serial))
		return false;
	snprintf(least->series, sizeof least->series, "%.*s", (int)series.len, series.text);
	t->least_count++;
	return true;
}

/* Empty lines and those that begin with # are for people. */
static int read_list(struct bmr_trust *t, const char *folder, const char *name, take_line *take,
                     struct bmr_err *e)
{
	AUTO_FREE char *path = NULL;
	AUTO_FREE char *data = NULL;
	struct bmr_sign_text text;
	struct bmr_sign_line line;
	size_t len;
	int rc;

	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return bmr_err_nomem(e, "a list of keys");
	}
	rc = read_small(path, LIST_MOST, &data, &len, e);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (len > LIST_MOST)
		return bmr_err_set(e, BMR_E_REFUSED, 0, "'%s' has more than %d bytes", path,
		                   LIST_MOST);
	text = (struct bmr_sign_text){data, len};
	for (unsigned n = 1; bmr_sign_line_next(&text, &line); n++)
		if (line.len > 0 && *line.text != '#' && !take(t, &line))
			return bmr_err_set(e, BMR_E_REFUSED, 0,
			                   "'%s', line %u, is not as it should be: %s", path, n,
			                   take == take_least ? "SERIES NUMBER, or * NUMBER"
			                                      : "the 16 digits of a key's id");
	return 0;
}

static int load(struct bmr_trust *t, const char *keys, const char *lists, struct bmr_err *e)
{
	if (add_keys(t, keys, e) < 0)
		return -1;
	if (t->key_count == 0)
		return 0;
	return read_list(t, lists, "revoked", take_revoked, e) < 0
	               ? -1
	               : read_list(t, lists, "floor", take_least, e);
}

static int load_own(struct bmr_trust *t, const char *folder, struct bmr_err *e)
{
	if (t->key_count > 0)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "this system has keys in " SYSTEM_KEYS
		                   ": --trust=%s cannot take their place",
		                   folder);
	if (load(t, folder, folder, e) < 0)
		return -1;
	if (t->key_count == 0)
		return bmr_err_set(e, BMR_E_USAGE, 0, "--trust: there is no key (*.pub) in '%s'",
		                   folder);
	return 0;
}

int bmr_trust_load(const char *folder, struct bmr_trust **out, struct bmr_err *e)
{
	struct bmr_trust *t = calloc(1, sizeof *t);

	*out = NULL;
	if (!t)
		return bmr_err_nomem(e, "the keys");
	if (load(t, SYSTEM_KEYS, SYSTEM_LISTS, e) < 0 || (folder && load_own(t, folder, e) < 0)) {
		bmr_trust_free(t);
		return -1;
	}
	if (t->key_count == 0) {
		bmr_trust_free(t);
		return 0;
	}
	*out = t;
	return 0;
}

void bmr_trust_free(struct bmr_trust *t)
{
	free(t);
}

/* --- what a signature says --- */

static int comment_wrong(const struct bmr_sign_line *word, struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_REFUSED, 0,
	                   "its signature's trusted comment says '%.*s', which is wrong or said "
	                   "twice",
	                   (int)word->len, word->text);
}

static int take_word(const struct bmr_sign_line *word, struct bmr_signer *signer, struct bmr_err *e)
{
	struct bmr_sign_line value = *word;

	if (bmr_sign_line_skip(&value, "image=")) {
		if (*signer->image || value.len != BMR_SIGNED_ID_SIZE - 1)
			return comment_wrong(word, e);
		snprintf(signer->image, sizeof signer->image, "%.*s", (int)value.len, value.text);
	} else if (bmr_sign_line_skip(&value, "series=")) {
		if (*signer->series || !bmr_series_is_name(value.text, value.len))
			return comment_wrong(word, e);
		snprintf(signer->series, sizeof signer->series, "%.*s", (int)value.len, value.text);
	} else if (bmr_sign_line_skip(&value, "serial=")) {
		if (signer->has_serial || !bmr_serial_parse(value.text, value.len, &signer->serial))
			return comment_wrong(word, e);
		signer->has_serial = true;
	}
	return 0;
}

static int take_comment(const char *comment, struct bmr_signer *signer, struct bmr_err *e)
{
	struct bmr_sign_line line = {comment, strlen(comment)};
	struct bmr_sign_line word;

	while (next_word(&line, &word))
		if (take_word(&word, signer, e) < 0)
			return -1;
	return 0;
}

/* --- judging --- */

int bmr_trust_knows(const struct bmr_trust *t, const struct bmr_minisign *sig, struct bmr_err *e)
{
	char id[BMR_MINISIGN_ID_TEXT_SIZE];

	bmr_minisign_id_text(sig->id, id);
	for (size_t i = 0; i < t->revoked_count; i++)
		if (memcmp(t->revoked[i], sig->id, sizeof sig->id) == 0)
			return bmr_err_set(e, BMR_E_REFUSED, 0,
			                   "it is signed by key %s, which is revoked", id);
	for (size_t i = 0; i < t->key_count; i++)
		if (memcmp(t->keys[i].key.id, sig->id, sizeof sig->id) == 0)
			return 0;
	return bmr_err_set(e, BMR_E_REFUSED, 0, "it is signed by key %s, which is not trusted here",
	                   id);
}

/* An id is a name and no proof: two keys may have the same, so each is tried. */
static int find_key(const struct bmr_trust *t, const struct bmr_minisign *sig, const uint8_t *hash,
                    struct bmr_signer *signer, struct bmr_err *e)
{
	bmr_minisign_id_text(sig->id, signer->key);
	for (size_t i = 0; i < t->key_count; i++) {
		if (memcmp(t->keys[i].key.id, sig->id, sizeof sig->id) != 0)
			continue;
		if (bmr_minisign_verify(&t->keys[i].key, sig, hash, e) == 0) {
			snprintf(signer->name, sizeof signer->name, "%s", t->keys[i].name);
			return 0;
		}
		if (e->code == BMR_E_NOMEM)
			return -1;
	}
	return -1;
}

/* The highest line of its series; else of "*". */
static const struct least *find_least(const struct bmr_trust *t, const char *series)
{
	const struct least *found = NULL;

	for (size_t i = 0; i < t->least_count; i++)
		if (strcmp(t->least[i].series, series) == 0 &&
		    (!found || t->least[i].serial > found->serial))
			found = &t->least[i];
	return found || strcmp(series, "*") == 0 ? found : find_least(t, "*");
}

/* Without series and serial nothing tells that the image is not an old one. */
static int check_floor(const struct bmr_trust *t, const struct bmr_signer *signer,
                       struct bmr_err *e)
{
	const struct least *least = find_least(t, signer->series);

	if (t->least_count == 0)
		return 0;
	if (!*signer->series || !signer->has_serial)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "its signature does not say series and serial, and this system "
		                   "has a floor against old images");
	if (least && signer->serial < least->serial)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "it is too old: its serial in series '%s' is %" PRIu64
		                   ", and the least allowed is %" PRIu64,
		                   signer->series, signer->serial, least->serial);
	return 0;
}

int bmr_trust_check(const struct bmr_trust *t, const struct bmr_minisign *sig,
                    const uint8_t hash[BMR_MINISIGN_HASH_SIZE], bool floor,
                    struct bmr_signer *signer, struct bmr_err *e)
{
	memset(signer, 0, sizeof *signer);
	if (bmr_trust_knows(t, sig, e) < 0 || find_key(t, sig, hash, signer, e) < 0 ||
	    take_comment(sig->comment, signer, e) < 0)
		return -1;
	return floor ? check_floor(t, signer, e) : 0;
}

char *bmr_signer_text(const struct bmr_signer *signer, char *buf, size_t len)
{
	struct bmr_text t = bmr_text_in(buf, len);

	bmr_text_add(&t, "key %s (%s)", signer->key, signer->name);
	if (*signer->series)
		bmr_text_add(&t, ", series %s", signer->series);
	if (signer->has_serial)
		bmr_text_add(&t, ", serial %" PRIu64, signer->serial);
	return buf;
}
