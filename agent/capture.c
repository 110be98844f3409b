/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/capture.h"

#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/capture_facts.h"
#include "agent/credentials.h"
#include "agent/finish.h"
#include "agent/job.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "imaging/capture.h"
#include "imaging/chain.h"
#include "imaging/disk.h"
#include "imaging/frame.h"
#include "imaging/load.h"
#include "imaging/manifest.h"
#include "imaging/mounted.h"
#include "imaging/phase.h"
#include "imaging/target.h"
#include "imaging/used.h"
#include "imaging/verify_chunks.h"
#include "imaging/writer.h"
#include "transport/sink.h"
#include "transport/url.h"

#define EXIT_BAD_SECTORS 74
#define SIDECAR_SUFFIX ".manifest"
#define SHA256_ALWAYS (8 * BMR_GIB)

struct task {
	struct bmr_session *session;
	const struct bmr_params *params;
	struct bmr_source_options options;
	const char *url;
	struct bmr_target_info info;
	struct bmr_disk disk; /* empty if it is a file */
	bool written;         /* somebody writes to it, and --live=yes */
	enum bmr_codec_id pack;
	int level;

	struct bmr_source *base_source; /* NULL: no base */
	struct bmr_manifest *base_manifest;
	struct bmr_chain *base;

	struct bmr_manifest *manifest;
	struct bmr_used used;
	struct bmr_restore_progress progress;
	struct bmr_capture_result result;
	double start;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void enter(struct task *t, enum bmr_phase phase)
{
	atomic_store(&t->progress.phase, phase);
	bmr_events_text(t->session->events, "phase", "phase", bmr_phase_name(phase));
}

/* --- what may be captured, and where to --- */

static int check_live(struct task *t, struct bmr_err *e)
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
static bool overwrites_itself(const struct task *t, const char *path)
{
	AUTO_FREE char *copy = strdup(path);
	struct lies_on l = {.disk = t->info.dev};
	struct bmr_err ignored; /* what lies on no disk lies not on this one */
	struct stat st;
	struct stat source;

	if (t->info.is_file)
		return stat(t->info.path, &source) == 0 && stat(path, &st) == 0 &&
		       st.st_dev == source.st_dev && st.st_ino == source.st_ino;
	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		return st.st_rdev == t->info.dev;
	if (!copy || stat(dirname(copy), &st) < 0)
		return false;
	bmr_disk_of(NULL, st.st_dev, compare_disk, &l, &ignored);
	return l.yes;
}

static int check_output(struct task *t, struct bmr_err *e)
{
	struct bmr_url url;
	int rc = bmr_url_parse(t->url, &url, e);

	if (rc == 0 && url.password)
		rc = bmr_log_add_secret(t->session->log, url.password, e);
	if (rc == 0 && url.scheme == BMR_URL_FILE && overwrites_itself(t, url.path))
		rc = bmr_err_set(e, BMR_E_REFUSED, 0,
		                 "'%s' lies on '%s', which is what would be captured", url.path,
		                 t->info.path);
	bmr_url_clear(&url);
	return rc;
}

static int check_disk(struct task *t, const char *path, struct bmr_err *e)
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

static bool base_digest(const void *ctx, uint32_t chunk, struct bmr_digest_value *digest)
{
	const struct task *t = ctx;
	struct bmr_chain_place place;

	if (chunk >= bmr_manifest_chunks(t->base_manifest))
		return false;
	bmr_chain_find(t->base, chunk, &place);
	if (place.kind != BMR_CHUNK_DATA)
		return false;
	*digest = *place.digest;
	return true;
}

static int open_base(struct task *t, struct bmr_err *e)
{
	const char *url = t->params->base;

	if (!url)
		return 0;
	if (bmr_source_open(url, &t->options, &t->base_source, e) < 0 ||
	    bmr_load_manifest(t->base_source, &t->base_manifest, e) < 0 ||
	    bmr_chain_open(t->base_source, t->base_manifest, NULL, &t->options, &t->base, e) < 0)
		return bmr_err_while(e, "opening the base image");
	if (t->base_manifest->head.disk_size != t->info.size)
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' has %" PRIu64
		                   " bytes and the disk of the base image %" PRIu64
		                   ": make a full image",
		                   t->info.path, t->info.size, t->base_manifest->head.disk_size);
	return 0;
}

static void close_base(struct task *t)
{
	bmr_chain_close(t->base);
	bmr_manifest_free(t->base_manifest);
	bmr_source_close(t->base_source);
}

/* --- head and facts --- */

/* RFC 9562, version 4. */
static int make_id(uint8_t id[BMR_ID_SIZE], struct bmr_err *e)
{
	if (getrandom(id, BMR_ID_SIZE, 0) != BMR_ID_SIZE)
		return bmr_err_set(e, BMR_E_NOMEM, 0, "the kernel gives no random bytes");
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	return 0;
}

static int make_manifest(struct task *t, struct bmr_err *e)
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
	if (make_id(head.id, e) < 0 || bmr_manifest_new(&head, &t->manifest, e) < 0)
		return -1;
	return bmr_capture_facts(t->manifest, t->info.is_file ? NULL : &t->disk, t->params->base,
	                         e);
}

static int find_used(struct task *t, struct bmr_err *e)
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

	enter(t, BMR_PHASE_MAP);
	if (bmr_used_find(&options, &t->used, e) < 0)
		return -1;
	/* Nothing in the manifest depends on it yet, and a base has the last word. */
	if (!t->base)
		t->manifest->head.chunk_size = bmr_capture_chunk_size(t->used.bytes);
	return 0;
}

/* --- saying it --- */

static void add_source(void *ctx, struct bmr_json *j)
{
	const struct task *t = ctx;

	bmr_json_text(j, "disk", t->info.path);
	bmr_json_number(j, "disk_bytes", t->info.size);
	bmr_json_number(j, "used_bytes", t->used.bytes);
	bmr_json_number(j, "sector", t->info.sector);
	if (!t->info.is_file) {
		bmr_json_text(j, "model", t->disk.model);
		bmr_json_text(j, "serial", t->disk.serial);
	}
	bmr_json_text(j, "compress", t->params->compress);
	bmr_json_bool(j, "live", t->written);
}

static void announce(struct task *t)
{
	char used[16];
	char size[16];
	char text[400];

	snprintf(text, sizeof text, "%s  %s, %s of it used", t->info.path,
	         bmr_size_text(t->info.size, size, sizeof size),
	         bmr_size_text(t->used.bytes, used, sizeof used));
	bmr_screen_fact(t->session->screen, "disk", text);
	bmr_events_send(t->session->events, "source", add_source, t);
}

static void add_plan(void *ctx, struct bmr_json *j)
{
	const struct task *t = ctx;

	bmr_json_text(j, "target", t->info.path);
	bmr_json_number(j, "target_bytes", t->info.size);
	bmr_json_number(j, "sector", t->info.sector);
}

static void plan(struct task *t)
{
	char text[400];

	snprintf(text, sizeof text, "plan: read %" PRIu64 " of %" PRIu64 " bytes, write %s image%s",
	         t->used.bytes, t->info.size, bmr_pack_name(t->pack),
	         t->base ? ", only what differs from the base" : "");
	bmr_screen_say(t->session->screen, text);
	bmr_screen_say(t->session->screen, "plan: nothing was written");
	bmr_events_send(t->session->events, "planned", add_plan, t);
}

static uint64_t peak_memory(void)
{
	struct rusage used;

	return getrusage(RUSAGE_SELF, &used) == 0 ? (uint64_t)used.ru_maxrss * BMR_KIB : 0;
}

static uint64_t bad_sectors(const struct task *t)
{
	return t->result.bad / t->info.sector;
}

static void add_outcome(void *ctx, struct bmr_json *j)
{
	const struct task *t = ctx;
	const struct bmr_capture_result *r = &t->result;
	char digest[BMR_DIGEST_TEXT_SIZE];
	char id[BMR_ID_TEXT_SIZE];

	bmr_json_text(j, "disk", t->info.path);
	bmr_json_text(j, "id", bmr_id_text(t->manifest->head.id, id));
	bmr_json_number(j, "bytes", t->info.size);
	bmr_json_number(j, "used", r->used);
	bmr_json_number(j, "data", r->data);
	bmr_json_number(j, "base", r->base);
	bmr_json_number(j, "zero", r->zero);
	bmr_json_number(j, "unused", r->unused);
	bmr_json_number(j, "stored", r->stored);
	bmr_json_number(j, "bad_sectors", bad_sectors(t));
	bmr_json_text(j, "root", bmr_digest_text(&t->manifest->root, digest));
	if (t->manifest->has_sha256)
		bmr_json_text(j, "sha256", bmr_digest_text(&t->manifest->sha256, digest));
	bmr_json_bool(j, "verified", t->params->verify == BMR_VERIFY_FULL);
	bmr_json_seconds(j, "duration", now_s() - t->start);
	bmr_json_number(j, "peak_memory", peak_memory());
	bmr_json_number(j, "exit", r->bad > 0 ? EXIT_BAD_SECTORS : 0);
}

static void say_outcome(struct task *t, const char *image)
{
	const struct bmr_capture_result *r = &t->result;
	char digest[BMR_DIGEST_TEXT_SIZE];
	char memory[16];
	char stored[16];
	char used[16];
	char next[64] = "";
	char bad[120] = "";
	char lines[600];
	char title[400];

	snprintf(title, sizeof title, "bmr: captured %s", t->info.path);
	if (r->bad > 0)
		snprintf(bad, sizeof bad,
		         "\nbmr: captured, but %" PRIu64
		         " sectors could not be read; see 'bmr info'",
		         bad_sectors(t));
	if (t->session->live)
		snprintf(next, sizeof next, "\nbmr: next: %s",
		         bmr_finish_text((enum bmr_finish)(r->bad > 0 ? t->params->onfail
		                                                      : t->params->finish)));
	snprintf(
		lines, sizeof lines,
		"bmr: %s\nbmr: %s used, %s stored, %.1f s, memory %s\nbmr: %s %s%s%s", image,
		bmr_size_text(r->used, used, sizeof used),
		bmr_size_text(r->stored, stored, sizeof stored), now_s() - t->start,
		bmr_size_text(peak_memory(), memory, sizeof memory),
		t->manifest->has_sha256 ? "sha256" : "root",
		bmr_digest_text(t->manifest->has_sha256 ? &t->manifest->sha256 : &t->manifest->root,
	                        digest),
		bad, next);
	bmr_screen_result(t->session->screen, r->bad == 0, title, lines);
}

/* --- doing it --- */

/* The SHA-256 of a whole disk cannot skip what is empty: of a large disk with little on it, it would
 * take many times as long as all the rest. */
static bool worth_sha256(struct task *t)
{
	/* Nothing else could prove what is read back of gzip and none. */
	bool needed = t->params->verify == BMR_VERIFY_FULL && t->manifest->data_start == 0;

	if (needed || t->info.size <= SHA256_ALWAYS || t->info.size / 4 <= t->used.bytes)
		return true;
	bmr_log_say(t->session->log, BMR_LOG_INFO,
	            "the disk is mostly empty: the image says the SHA-256 of every chunk, not "
	            "that of the whole disk");
	return false;
}

static int capture_to(struct task *t, struct bmr_target *disk, struct bmr_sink *sink,
                      struct bmr_err *e)
{
	struct bmr_capture capture = {
		.disk = disk,
		.used = &t->used,
		.manifest = t->manifest,
		.sink = sink,
		.level = t->level,
		.sha256 = worth_sha256(t),
		.rate = t->params->rate,
		.base = t->base ? base_digest : NULL,
		.ctx = t,
		.progress = &t->progress,
		.stop = &t->session->stop,
		.log = t->session->log,
	};

	return bmr_capture_run(&capture, &t->result, e);
}

/* *sink stays open, its file without its name. */
static int write_image(struct task *t, struct bmr_target *disk, struct bmr_sink **sink,
                       struct bmr_err *e)
{
	struct bmr_err ignored; /* a capture that nobody sees is still a capture */
	int rc;

	if (bmr_sink_open(t->url, &t->options, t->params->replace == BMR_SWITCH_YES, sink, e) < 0)
		return -1;
	bmr_session_set_sink(t->session, *sink);
	bmr_screen_fact(t->session->screen, "image", bmr_sink_name(*sink));
	enter(t, BMR_PHASE_CAPTURE);
	bmr_screen_watch(t->session->screen, &t->progress, UINT64_MAX, t->used.bytes, &ignored);
	rc = capture_to(t, disk, *sink, e);
	bmr_screen_unwatch(t->session->screen);
	return rc < 0 ? -1 : bmr_sink_commit(*sink, e);
}

/* A query belongs to the server, not to the name. */
static char *sidecar_url(const char *url)
{
	size_t len = strstr(url, "://") ? strcspn(url, "?#") : strlen(url);
	char *out;

	return asprintf(&out, "%.*s" SIDECAR_SUFFIX "%s", (int)len, url, url + len) < 0 ? NULL
	                                                                                : out;
}

static int write_sidecar(struct task *t, struct bmr_err *e)
{
	bool wanted = t->params->sidecar == BMR_SWITCH_YES ||
	              (t->params->sidecar == BMR_SWITCH_AUTO && t->manifest->data_start == 0);
	AUTO_FREE char *url = NULL;
	struct bmr_sink *sink;
	int rc = -1;

	if (!wanted)
		return 0;
	url = sidecar_url(t->url);
	if (!url)
		return bmr_err_nomem(e, "a URL");
	if (bmr_sink_open(url, &t->options, t->params->replace == BMR_SWITCH_YES, &sink, e) < 0)
		return -1;
	bmr_session_set_sink(t->session, sink);
	if (bmr_writer_sidecar(sink, t->manifest, e) == 0)
		rc = bmr_sink_commit(sink, e);
	bmr_session_set_sink(t->session, NULL);
	bmr_sink_close(sink);
	return rc;
}

/* --- verify=full --- */

static int count_work(void *ctx, const struct bmr_chunk *chunk, unsigned worker, struct bmr_err *e)
{
	struct task *t = ctx;

	(void)worker;
	(void)e;
	atomic_fetch_add(&t->progress.verified, chunk->len);
	return 0;
}

/* As any tool would unpack it: every byte, in order. */
static int unpack_all(struct task *t, struct bmr_source *source, struct bmr_err *e)
{
	static const enum bmr_format formats[] = {
		[BMR_PACK_ZSTD] = BMR_FORMAT_ZSTD,
		[BMR_PACK_GZIP] = BMR_FORMAT_GZIP,
		[BMR_PACK_LZ4] = BMR_FORMAT_LZ4,
		[BMR_PACK_NONE] = BMR_FORMAT_RAW,
	};
	struct bmr_pipe pipe = {
		.source = source,
		.format = formats[t->pack],
		.workers = 1,
		.work = count_work,
		.ctx = t,
		.stop = &t->session->stop,
	};
	struct bmr_pipe_result out;

	atomic_store(&t->progress.to_verify, t->info.size);
	if (bmr_pipe_run(&pipe, &out, e) < 0)
		return -1;
	if (out.size != t->info.size ||
	    (t->manifest->has_sha256 && !bmr_digest_equal(&out.sha256, &t->manifest->sha256)))
		return bmr_err_set(e, BMR_E_DATA, 0, "the image does not unpack to what was read");
	return 0;
}

/* Each chunk by its own digest; also those of the images it is based on. */
static int check_chunks(struct task *t, struct bmr_source *source,
                        const struct bmr_manifest *manifest, struct bmr_err *e)
{
	struct bmr_verify_chunks verify = {
		.progress = &t->progress,
		.stop = &t->session->stop,
	};
	struct bmr_verify_chunks_result found;
	int rc;

	if (bmr_chain_open(source, manifest, t->params->base, &t->options, &verify.chain, e) < 0)
		return -1;
	rc = bmr_verify_chunks_run(&verify, &found, e);
	bmr_chain_close(verify.chain);
	if (rc == 0 && found.bad.count > 0)
		rc = bmr_err_set(e, BMR_E_DATA, 0, "%" PRIu64 " chunks are damaged: %s",
		                 found.bad.count, found.bad.chunks[0].reason);
	return rc;
}

static int check_image(struct task *t, struct bmr_source *source, struct bmr_err *e)
{
	struct bmr_manifest *manifest = NULL;
	int rc = 0;

	if (t->manifest->data_start > 0 && bmr_source_seekable(source)) {
		rc = bmr_load_manifest(source, &manifest, e);
		if (rc == 0 && !bmr_digest_equal(&manifest->root, &t->manifest->root))
			rc = bmr_err_set(e, BMR_E_DATA, 0, "it is another image");
	}
	if (rc == 0)
		rc = manifest && (t->base || !t->manifest->has_sha256)
		             ? check_chunks(t, source, manifest, e)
		             : unpack_all(t, source, e);
	bmr_manifest_free(manifest);
	return rc;
}

static int read_back(struct task *t, struct bmr_err *e)
{
	struct bmr_source *source;
	struct bmr_err ignored; /* as above */
	int rc;

	enter(t, BMR_PHASE_READBACK);
	if (bmr_source_open(t->url, &t->options, &source, e) < 0)
		return bmr_err_while(e, "reading back the image, which is there");
	bmr_session_set_source(t->session, source);
	bmr_screen_watch(t->session->screen, &t->progress, UINT64_MAX, t->info.size, &ignored);
	rc = check_image(t, source, e);
	bmr_screen_unwatch(t->session->screen);
	bmr_session_set_source(t->session, NULL);
	bmr_source_close(source);
	return rc < 0 ? bmr_err_while(e, "reading back the image, which is there: do not trust it")
	              : 0;
}

/* --- from beginning to end --- */

static int run_opened(struct task *t, struct bmr_target *disk, char *image, size_t len,
                      struct bmr_err *e)
{
	struct bmr_sink *sink = NULL;
	int rc = write_image(t, disk, &sink, e);

	if (rc == 0)
		snprintf(image, len, "%s", bmr_sink_name(sink));
	bmr_session_set_sink(t->session, NULL);
	bmr_sink_close(sink);
	if (rc == 0 && write_sidecar(t, e) < 0)
		rc = bmr_err_while(e, "writing the manifest beside the image, which is there");
	return rc;
}

static int run(struct task *t, struct bmr_err *e)
{
	struct bmr_target *disk = NULL;
	struct bmr_err ignored; /* it was only read */
	char image[400] = "";
	int rc;

	if (bmr_target_open_readonly(&t->info, &disk, e) < 0)
		return -1;
	rc = run_opened(t, disk, image, sizeof image, e);
	bmr_target_close(disk, &ignored);
	if (rc < 0 || (t->params->verify == BMR_VERIFY_FULL && read_back(t, e) < 0))
		return -1;
	bmr_events_send(t->session->events, "captured", add_outcome, t);
	say_outcome(t, image);
	return t->result.bad > 0 ? EXIT_BAD_SECTORS : 0;
}

static int prepare(struct task *t, const char *disk, struct bmr_err *e)
{
	struct bmr_params *p = &t->session->options->params;

	if (bmr_pack_parse(p->compress, &t->pack, &t->level, e) < 0 ||
	    bmr_credentials_load(p, t->session->log, e) < 0)
		return -1;
	bmr_job_source_options(t->session, &t->options);
	t->options.rate = 0; /* that of reading the disk */
	if (check_disk(t, disk, e) < 0 || check_output(t, e) < 0 || open_base(t, e) < 0 ||
	    make_manifest(t, e) < 0 || find_used(t, e) < 0)
		return -1;
	announce(t);
	return 0;
}

int bmr_capture_disk(struct bmr_session *session, const char *disk, const char *url,
                     struct bmr_err *e)
{
	struct task t = {
		.session = session,
		.params = &session->options->params,
		.url = url,
		.start = now_s(),
	};
	int rc = prepare(&t, disk, e);

	if (rc == 0 && session->options->plan)
		plan(&t);
	else if (rc == 0)
		rc = run(&t, e);
	bmr_used_clear(&t.used);
	bmr_manifest_free(t.manifest);
	close_base(&t);
	bmr_disk_clear(&t.disk);
	return rc;
}
