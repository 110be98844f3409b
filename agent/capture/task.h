/* SPDX-License-Identifier: GPL-3.0-or-later */
/* task.h - what the files of agent/capture/ share; for nobody else.
 *
 * capture.c: from beginning to end, and the writing; prepare.c: what can be refused, the
 * base, the head of the manifest; check.c: verify=full; say.c: screen and events.
 */
#ifndef BMR_AGENT_CAPTURE_TASK_H
#define BMR_AGENT_CAPTURE_TASK_H

#include <stdbool.h>

#include "imaging/capture/capture.h"
#include "imaging/disk/disk.h"
#include "imaging/bmr/manifest.h"
#include "imaging/phase.h"
#include "imaging/disk/target.h"
#include "imaging/used/used.h"
#include "transport/source.h"

struct bmr_chain;
struct bmr_err;
struct bmr_params;
struct bmr_session;

#define BMR_CAPTURE_EXIT_BAD 74 /* there is an image, and in it sectors that could not be read */

struct bmr_capture_task {
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
	double start; /* bmr_clock_s */
};

void bmr_capture_enter(struct bmr_capture_task *t, enum bmr_phase phase);

/* All that can be refused is refused; the base is open, the manifest has its head, what is used is
 * known. */
int bmr_capture_prepare(struct bmr_capture_task *t, const char *disk, struct bmr_err *e);
void bmr_capture_close_base(struct bmr_capture_task *t);

/* Read the finished image and compare. */
int bmr_capture_read_back(struct bmr_capture_task *t, struct bmr_err *e);

void bmr_capture_announce(struct bmr_capture_task *t);
void bmr_capture_plan(struct bmr_capture_task *t);
/* The last event and the last words; image: where it is. */
void bmr_capture_say(struct bmr_capture_task *t, const char *image);

#endif
