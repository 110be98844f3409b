/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/progress.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/text.h"

const char *bmr_progress_phase_text(enum bmr_phase phase)
{
	static const char *const texts[] = {
		[BMR_PHASE_PREPARE] = "checking",
		[BMR_PHASE_MEASURE] = "measuring",
		[BMR_PHASE_COMPARE] = "comparing",
		[BMR_PHASE_WRITE] = "writing",
		[BMR_PHASE_READBACK] = "reading back",
		[BMR_PHASE_REPAIR] = "repairing",
		[BMR_PHASE_BOOTABLE] = "making bootable",
		[BMR_PHASE_DONE] = "done",
		[BMR_PHASE_MAP] = "looking",
		[BMR_PHASE_CAPTURE] = "capturing",
	};

	return texts[phase];
}

static void sample(struct bmr_meter *m, double now, uint64_t bytes)
{
	if (m->count == 0)
		m->start = now;
	m->samples[m->count % BMR_METER_WINDOW].at = now;
	m->samples[m->count % BMR_METER_WINDOW].bytes = bytes;
	m->count++;
}

static double rate(uint64_t from, uint64_t to, double seconds)
{
	return seconds > 0.001 && to > from ? (double)(to - from) / seconds : 0;
}

static void measure(struct bmr_meter *m, double now, struct bmr_progress_view *v)
{
	unsigned oldest = m->count > BMR_METER_WINDOW ? m->count % BMR_METER_WINDOW : 0;

	v->rate_now = rate(m->samples[oldest].bytes, v->done, now - m->samples[oldest].at);
	v->rate_mean = rate(0, v->done, now - m->start);
}

static double fraction(uint64_t done, uint64_t total)
{
	if (total == 0 || total == UINT64_MAX)
		return -1;
	return done >= total ? 1 : (double)done / (double)total;
}

/* The end of an image is often free space, which packs to nothing: the file is read long before the
 * disk is written.  A disk that begins with free space is the other way round. */
static double smaller(double file, double disk)
{
	if (file < 0 || disk < 0)
		return file < 0 ? disk : file;
	return file < disk ? file : disk;
}

void bmr_progress_look(const struct bmr_restore_progress *p, uint64_t file_size, uint64_t disk_size,
                       double now, struct bmr_meter *meter, struct bmr_progress_view *view)
{
	enum bmr_phase phase = (enum bmr_phase)atomic_load(&p->phase);
	bool readback = phase == BMR_PHASE_READBACK;

	memset(view, 0, sizeof *view);
	view->phase = phase;
	view->done = atomic_load(readback ? &p->verified : &p->pipe.decoded);
	view->total = readback ? atomic_load(&p->to_verify) : disk_size;
	view->fraction = fraction(view->done, view->total);
	if (!readback)
		view->fraction =
			smaller(fraction(atomic_load(&p->pipe.fetched), file_size), view->fraction);
	if (meter->phase != phase)
		*meter = (struct bmr_meter){.phase = phase};
	sample(meter, now, view->done);
	measure(meter, now, view);
	view->seconds_left = -1;
	if (view->fraction > 0.001 && now - meter->start > 0.5)
		view->seconds_left = (now - meter->start) * (1 / view->fraction - 1);
}

static char *time_text(double seconds, char *buf, size_t len)
{
	unsigned s = (unsigned)(seconds + 0.5);

	if (s >= 3600)
		snprintf(buf, len, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(buf, len, "%u:%02u", s / 60, s % 60);
	return buf;
}

char *bmr_progress_text(const struct bmr_progress_view *v, char *buf, size_t len)
{
	char done[16];
	char total[16];
	char now[16];
	char mean[16];
	char left[24];
	struct bmr_text t = bmr_text_in(buf, len);

	bmr_text_add(&t, "%-12s ", bmr_progress_phase_text(v->phase));
	if (v->fraction >= 0)
		bmr_text_add(&t, "%3d %%  ", (int)(v->fraction * 100));
	bmr_text_add(&t, "%s", bmr_size_text(v->done, done, sizeof done));
	if (v->total > 0)
		bmr_text_add(&t, " of %s", bmr_size_text(v->total, total, sizeof total));
	bmr_text_add(&t, "  %s/s, mean %s/s", bmr_size_text((uint64_t)v->rate_now, now, sizeof now),
	             bmr_size_text((uint64_t)v->rate_mean, mean, sizeof mean));
	if (v->seconds_left >= 0)
		bmr_text_add(&t, ", %s left", time_text(v->seconds_left, left, sizeof left));
	return buf;
}
