/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The "domain" that partclone writes for ddrescue:
 *
 *	# comments
 *	0x04100000     ?
 *	#      pos        size  status
 *	0x00000000  0x00448400  +
 *	0x00448400  0x003B8000  ?
 *
 * The first line is where it ended; '+' is in use; the lines follow each other without a gap. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "imaging/used/internal.h"

#define LINE_SIZE 256
#define FOLDER_SIZE 256
#define LIMIT_LEAST_MS (10 * 60 * 1000u)
#define LIMIT_MS_PER_GIB 1000u
#define LIMIT_MOST_MS (24 * 60 * 60 * 1000u)
#define OUTPUT_MOST ((size_t)64 << 20)

struct bmr_child_order bmr_used_order(const struct bmr_used_look *look, uint64_t size,
                                      const char *const *args)
{
	/* The latter are for those of LVM: they do not wait for a udev that may not be there. */
	static const char *const variables[] = {"LC_ALL=C", "LVM_SUPPRESS_FD_WARNINGS=1",
	                                        "DM_DISABLE_UDEV=1", NULL};
	uint64_t limit = LIMIT_LEAST_MS + size / BMR_GIB * LIMIT_MS_PER_GIB;
	struct bmr_child_order order = {
		.args = args,
		.variables = variables,
		.limit_ms = (unsigned)bmr_size_min(limit, LIMIT_MOST_MS),
		.output_most = OUTPUT_MOST,
		.stop = look->options->stop,
	};

	if (look->options->limit_ms)
		order.limit_ms = look->options->limit_ms;
	return order;
}

static int senseless(struct bmr_err *e, const char *what)
{
	return bmr_err_set(e, BMR_E_DATA, 0, "the map of its blocks %s", what);
}

/* "0x1F": nothing else that strtoull takes. */
static bool read_number(const char **text, uint64_t *number)
{
	const char *s = *text + strspn(*text, " ");
	char *end;

	if (strncmp(s, "0x", 2) != 0 || strspn(s + 2, "0123456789abcdefABCDEF") == 0)
		return false;
	errno = 0;
	*number = strtoull(s, &end, 16);
	*text = end;
	return errno == 0;
}

static bool read_status(const char *text, char *status)
{
	text += strspn(text, " ");
	*status = *text;
	return (*text == '+' || *text == '?') && strcmp(text + 1, "\n") == 0;
}

struct reading {
	uint64_t size; /* of the device */
	bool begun;
	uint64_t stated_end;
	uint64_t end;
	struct bmr_used_list *map;
};

static int read_line(struct reading *r, const char *line, struct bmr_err *e)
{
	uint64_t offset;
	uint64_t length;
	char status;

	if (*line == '#')
		return strchr(line, '\n') ? 0 : senseless(e, "is cut off");
	if (!r->begun) {
		r->begun = read_number(&line, &r->stated_end) && read_status(line, &status);
		return r->begun ? 0 : senseless(e, "has no head");
	}
	if (!read_number(&line, &offset) || !read_number(&line, &length) ||
	    !read_status(line, &status) || length == 0)
		return senseless(e, "cannot be read");
	if (offset != r->end)
		return senseless(e, "has a gap");
	if (!bmr_size_inside(offset, length, r->size))
		return senseless(e, "goes past its end");
	r->end += length;
	return status == '+' ? bmr_used_list_add(r->map, offset, length, e) : 0;
}

static int read_map(FILE *file, struct reading *r, struct bmr_err *e)
{
	size_t before = r->map->count;
	char line[LINE_SIZE];

	while (fgets(line, sizeof line, file))
		if (read_line(r, line, e) < 0)
			return -1;
	if (ferror(file))
		return bmr_err_set(e, BMR_E_DATA, errno, "cannot read the map of its blocks");
	if (r->map->count == before)
		return senseless(e, "is empty");
	return r->end == r->stated_end ? 0 : senseless(e, "is cut off");
}

/* Its progress stands before what it says, on the same line. */
static const char *behind_progress(const char *line)
{
	const char *percent = strstr(line, "Elapsed:") ? strrchr(line, '%') : NULL;

	return percent ? percent + 1 : line;
}

/* What partclone says before it gives up; its very last line is always the same. */
static void find_reason(const struct bmr_child_result *result, const char *fs, struct bmr_err *e)
{
	char line[200] = "";
	const char *s = result->output;

	if (result->status <= 0)
		return;
	while (*s) {
		size_t len = strcspn(s, "\n\r");

		if (len > 0 && strncmp(s, "Partclone ", 10) != 0 && *s != ' ')
			snprintf(line, sizeof line, "%.*s", (int)len, s);
		s += len + (s[len] != '\0');
	}
	bmr_err_set(e, BMR_E_SOURCE, 0, "partclone.%s ended with status %d%s%s", fs, result->status,
	            line[0] ? ": " : "", behind_progress(line));
}

/* Of some file systems it says that they are not clean, and goes on. */
static int judge_words(const struct bmr_child_result *result, struct bmr_err *e)
{
	static const char *const words[] = {"WARN", "unclean", "not unmounted cleanly",
	                                    "hibernated"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcasestr(result->output, words[i]))
			return bmr_err_set(e, BMR_E_DATA, 0, "it is not clean");
	return 0;
}

static int make_map(const struct bmr_used_look *look, const char *fs, const char *device,
                    uint64_t size, const char *path, struct bmr_err *e)
{
	char program[32];
	/* -f 0: its thread for the progress, silenced by -q, sleeps for two seconds otherwise. */
	const char *const args[] = {program,     "-D", "-q",   "-f", "0",  "-L",
	                            "/dev/null", "-s", device, "-o", path, NULL};
	struct bmr_child_order order = bmr_used_order(look, size, args);
	struct bmr_child_result result;
	int rc;

	order.joined = true;
	snprintf(program, sizeof program, "partclone.%s", fs);
	rc = bmr_child_run(&order, &result, e);
	if (rc < 0 && e->code == BMR_E_SOURCE)
		find_reason(&result, fs, e);
	if (rc == 0)
		rc = judge_words(&result, e);
	bmr_child_clear(&result);
	return rc;
}

static int load_map(const char *path, uint64_t size, struct bmr_used_list *map, uint64_t *end,
                    struct bmr_err *e)
{
	struct reading r = {.size = size, .map = map};
	AUTO_FILE FILE *file = fopen(path, "re");

	if (!file)
		return senseless(e, "was not written");
	if (read_map(file, &r, e) < 0)
		return -1;
	*end = r.end;
	return 0;
}

/* partclone leaves a file alone that is there already, and reports success: so always in a folder
 * that is new. */
static int make_folder(char folder[FOLDER_SIZE], struct bmr_err *e)
{
	const char *parent = getenv("TMPDIR");
	int len = snprintf(folder, FOLDER_SIZE, "%s/bmr-map.XXXXXX", parent ? parent : "/tmp");

	if (len >= FOLDER_SIZE || !mkdtemp(folder))
		return bmr_err_set(e, BMR_E_SOURCE, len >= FOLDER_SIZE ? ENAMETOOLONG : errno,
		                   "no place for the map of its blocks");
	return 0;
}

int bmr_used_partclone(const struct bmr_used_look *look, const char *fs,
                       const struct bmr_used_device *device, uint64_t size,
                       struct bmr_used_list *map, uint64_t *end, struct bmr_err *e)
{
	char folder[FOLDER_SIZE];
	char path[FOLDER_SIZE + 8];
	int rc;

	if (make_folder(folder, e) < 0)
		return -1;
	snprintf(path, sizeof path, "%s/map", folder);
	rc = make_map(look, fs, device->path, size, path, e);
	if (rc == 0)
		rc = load_map(path, size, map, end, e);
	unlink(path);
	rmdir(folder);
	return rc;
}
