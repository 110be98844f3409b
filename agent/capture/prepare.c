/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/capture/task.h"

#include <inttypes.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/capture/facts.h"
#include "agent/credentials.h"
#include "agent/job.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/same_file.h"
#include "imaging/bmr/chain.h"
#include "imaging/codec/frame.h"
#include "imaging/bmr/load.h"
#include "imaging/disk/mounted.h"
#include "transport/source.h"
#include "transport/url.h"

/* --- what may be captured, and where to --- */

static int check_live(struct bmr_capture_task *t, struct bmr_err *e)
{
	char who[256];

	t->written = bmr_mounted_writable(NULL, t->info.dev, who, sizeof who);
	if (!t->written)
		return 0;
	if (t->params->live != BMR_SWITCH_YES)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' is written to while it would be read (%s): unmount it, or "
		                   "mount it read-only; with live=yes it is captured all the same, "
		                   "and the image is as after a power cut at best",
		                   t->info.path, who);
	bmr_log_say(t->session->log, BMR_LOG_NOTICE,
	            "live=yes: %s; the image is as after a power cut at best, and every block is "
	            "captured, because which are used changes meanwhile",
	            who);
	return 0;
}

struct lies_on {
	dev_t disk;
	bool yes;
};

static void compare_disk(void *ctx, dev_t whole_disk)
{
	struct lies_on *l = ctx;

	l->yes |= whole_disk == l->disk;
}

/* A file of this machine that would be written onto the disk (or the file) that is read. */
static bool overwrites_itself(const struct bmr_capture_task *t, const char *path)
{
	AUTO_FREE char *copy = strdup(path);
	struct lies_on l = {.disk = t->info.dev};
	struct bmr_err ignored; /* what lies on no disk lies not on this one */
	struct stat st;

	if (t->info.is_file)
		return bmr_same_file(t->info.path, path);
	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		return st.st_rdev == t->info.dev;
	if (!copy || stat(dirname(copy), &st) < 0)
		return false;
	bmr_disk_of(NULL, st.st_dev, compare_disk, &l, &ignored);
	return l.yes;
}

static int check_output(struct bmr_capture_task *t, struct bmr_err *e)
{
	struct bmr_url url;
	int rc = bmr_url_parse(t->url, &url, e);

	if (rc == 0 && url.scheme == BMR_URL_FILE && overwrites_itself(t, url.path))
		rc = bmr_err_set(e, BMR_E_REFUSED, 0,
		                 "'%s' lies on '%s', which is what would be captured", url.path,
		                 t->info.path);
	bmr_url_clear(&url);
	return rc;
}

static int check_disk(struct bmr_capture_task *t, const char *path, struct bmr_err *e)
{
	if (bmr_target_look(path, &t->info, e) < 0)
		return -1;
	if (t->info.is_new)
		return bmr_err_set(e, BMR_E_TARGET, 0, "'%s' does not exist or is empty", path);
	if (t->info.size == 0 || t->info.size % t->info.sector != 0)
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "'%s' is not a disk: it has %" PRIu64
		                   " bytes, which are no whole sectors",
		                   path, t->info.size);
	if (t->info.is_file)
		return 0;
	if (bmr_disk_read(NULL, t->info.dev, &t->disk, e) < 0)
		return -1;
	return check_live(t, e);
}

/* --- the base --- */

/* Is the URL that of an open source?  A file may have several names. */
static bool same_place(const char *text, const struct bmr_source *source)
{
	const char *name = bmr_source_name(source);
	struct bmr_err ignored; /* it is refused where it is opened */
	struct bmr_url url;
	bool same = bmr_url_parse(text, &url, &ignored) == 0 &&
	            (strcmp(url.safe, name) == 0 ||
	             (url.scheme == BMR_URL_FILE && bmr_same_file(url.path, name)));

	bmr_url_clear(&url);
	return same;
}

/* An image that took the place of one that it is based on would be no image any more. */
static int check_bases(const struct bmr_capture_task *t, struct bmr_err *e)
{
	struct bmr_source *source;

	for (uint32_t i = 0; i < bmr_chain_count(t->base); i++) {
		bmr_chain_image(t->base, i, &source);
		if (same_place(t->url, source))
			return bmr_err_set(e, BMR_E_REFUSED, 0,
			                   "'%s' is an image that the new one would be based on; "
			                   "choose another name",
			                   bmr_source_name(source));
	}
	return 0;
}

static int open_base(struct bmr_capture_task *t, struct bmr_err *e)
{
	const char *url = t->params->base;

	if (!url)
		return 0;
	if (bmr_source_open(url, &t->options, &t->base_source, e) < 0 ||
	    bmr_load_manifest(t->base_source, &t->base_manifest, e) < 0 ||
	    bmr_chain_open(t->base_source, t->base_manifest, NULL, &t->options, NULL, &t->base, e) <
	            0)
		return bmr_err_while(e, "opening the base image");
	if (check_bases(t, e) < 0)
		return -1;
	if (t->base_manifest->head.disk_size != t->info.size)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' has %" PRIu64
		                   " bytes and the disk of the base image %" PRIu64
		                   ": make a full image",
		                   t->info.path, t->info.size, t->base_manifest->head.disk_size);
	return 0;
}

void bmr_capture_close_base(struct bmr_capture_task *t)
{
	bmr_chain_close(t->base);
	bmr_manifest_free(t->base_manifest);
	bmr_source_close(t->base_source);
}

/* --- head and facts --- */

static int make_manifest(struct bmr_capture_task *t, struct bmr_err *e)
{
	const struct bmr_manifest *base = t->base_manifest;
	struct bmr_head head = {
		.disk_size = t->info.size,
		.sector = t->info.sector,
		.physical = t->disk.physical_sector > t->info.sector ? t->disk.physical_sector
	                                                             : t->info.sector,
		.chunk_size = base ? base->head.chunk_size : BMR_CHUNK_SIZE_LEAST,
		.pack = t->pack,
		.created = time(NULL),
		.has_base = base != NULL,
	};

	if (base) {
		memcpy(head.base_id, base->head.id, BMR_ID_SIZE);
		head.base_root = base->root;
	}
	if (bmr_id_new(head.id, e) < 0 || bmr_manifest_new(&head, &t->manifest, e) < 0)
		return -1;
	return bmr_capture_facts(t->manifest, t->info.is_file ? NULL : &t->disk, t->params->base,
	                         e);
}

static int find_used(struct bmr_capture_task *t, struct bmr_err *e)
{
	struct bmr_used_options options = {
		.path = t->info.path,
		.size = t->info.size,
		.sector = t->info.sector,
		.all = t->written || t->params->blocks == BMR_BLOCKS_ALL,
		.facts = t->manifest,
		.log = t->session->log,
		.stop = &t->session->stop,
	};

	bmr_capture_enter(t, BMR_PHASE_MAP);
	if (bmr_used_find(&options, &t->used, e) < 0)
		return -1;
	/* Nothing in the manifest depends on it yet, and a base has the last word. */
	if (!t->base)
		t->manifest->head.chunk_size = bmr_capture_chunk_size(t->used.bytes);
	return 0;
}

/* --- all of it --- */

int bmr_capture_prepare(struct bmr_capture_task *t, const char *disk, struct bmr_err *e)
{
	struct bmr_params *p = &t->session->options->params;

	if (bmr_pack_parse(p->compress, &t->pack, &t->level, e) < 0 ||
	    bmr_credentials_hide(t->url, t->session->log, e) < 0 ||
	    bmr_credentials_load(p, t->session->log, e) < 0)
		return -1;
	bmr_job_source_options(t->session, &t->options);
	t->options.rate = 0; /* that of reading the disk */
	if (check_disk(t, disk, e) < 0 || check_output(t, e) < 0 || open_base(t, e) < 0 ||
	    make_manifest(t, e) < 0 || find_used(t, e) < 0)
		return -1;
	bmr_capture_announce(t);
	return 0;
}
