/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/stats.h"

#include <inttypes.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "agent/json.h"
#include "agent/options.h"
#include "base/size.h"
#include "imaging/phase.h"

#define FIGURES_MOST 32
#define NS 1e-9

struct figure {
	const char *name;
	bool is_seconds; /* else a number */
	bool is_stage;   /* in JSON a member of "stages" */
	uint64_t number;
	double seconds;
};

struct figures {
	struct figure list[FIGURES_MOST];
	unsigned count;
};

static void add_number(struct figures *f, const char *name, uint64_t number)
{
	f->list[f->count++] = (struct figure){.name = name, .number = number};
}

static void add_seconds(struct figures *f, const char *name, double seconds)
{
	f->list[f->count++] = (struct figure){.name = name, .is_seconds = true, .seconds = seconds};
}

static double of_timeval(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

uint64_t bmr_stats_peak_memory(void)
{
	struct rusage used;

	return getrusage(RUSAGE_SELF, &used) == 0 ? (uint64_t)used.ru_maxrss * BMR_KIB : 0;
}

static void add_process(struct figures *f)
{
	struct rusage used = {0};

	getrusage(RUSAGE_SELF, &used);
	add_seconds(f, "cpu", of_timeval(&used.ru_utime) + of_timeval(&used.ru_stime));
	add_number(f, "peak_memory", bmr_stats_peak_memory());
}

static void add_bytes(struct figures *f, const struct bmr_restore_progress *p)
{
	add_number(f, "fetched", atomic_load(&p->pipe.fetched));
	add_number(f, "decoded", atomic_load(&p->pipe.decoded));
	add_number(f, "compared", atomic_load(&p->compared));
	add_number(f, "skipped", atomic_load(&p->skipped));
	add_number(f, "zeroed", atomic_load(&p->zeroed));
	add_number(f, "discarded", atomic_load(&p->discarded));
	add_number(f, "written", atomic_load(&p->written));
	add_number(f, "verified", atomic_load(&p->verified));
	add_number(f, "rewritten_bytes", atomic_load(&p->rewritten));
}

static void add_stages(struct figures *f, const struct bmr_restore_progress *p)
{
	add_number(f, "workers", atomic_load(&p->workers));
	for (unsigned i = 0; i < BMR_STAGES; i++) {
		add_seconds(f, bmr_stage_name((enum bmr_stage)i),
		            (double)atomic_load(&p->stages.ns[i]) * NS);
		f->list[f->count - 1].is_stage = true;
	}
}

static void collect(const struct bmr_stats *s, struct figures *f)
{
	f->count = 0;
	add_seconds(f, "duration", s->seconds);
	add_number(f, "rate", s->seconds > 0 ? (uint64_t)((double)s->bytes / s->seconds) : 0);
	add_process(f);
	add_bytes(f, s->progress);
	add_stages(f, s->progress);
}

static void put(const struct figure *figure, struct bmr_json *j)
{
	if (figure->is_seconds)
		bmr_json_seconds(j, figure->name, figure->seconds);
	else
		bmr_json_number(j, figure->name, figure->number);
}

void bmr_stats_add(const struct bmr_stats *s, struct bmr_json *j)
{
	struct figures f;

	collect(s, &f);
	for (unsigned i = 0; i < f.count; i++)
		if (!f.list[i].is_stage)
			put(&f.list[i], j);
	bmr_json_open(j, "stages", '{');
	for (unsigned i = 0; i < f.count; i++)
		if (f.list[i].is_stage)
			put(&f.list[i], j);
	bmr_json_close(j, '}');
}

static void print_json(const struct bmr_stats *s, FILE *out)
{
	struct bmr_json j = {.out = out};

	bmr_json_open(&j, NULL, '{');
	bmr_json_text(&j, "event", s->event);
	bmr_json_number(&j, "bytes", s->bytes);
	bmr_stats_add(s, &j);
	bmr_json_close(&j, '}');
	fputc('\n', out);
}

static void print_csv(const struct bmr_stats *s, FILE *out)
{
	struct figures f;

	collect(s, &f);
	fprintf(out, "event,bytes");
	for (unsigned i = 0; i < f.count; i++)
		fprintf(out, ",%s%s", f.list[i].is_stage ? "stage_" : "", f.list[i].name);
	fprintf(out, "\n%s,%" PRIu64, s->event, s->bytes);
	for (unsigned i = 0; i < f.count; i++) {
		if (f.list[i].is_seconds)
			fprintf(out, ",%.3f", f.list[i].seconds);
		else
			fprintf(out, ",%" PRIu64, f.list[i].number);
	}
	fputc('\n', out);
}

void bmr_stats_print(const struct bmr_stats *s, const struct bmr_options *options, FILE *out)
{
	switch (options->stats) {
	case BMR_STATS_NONE:
		break;
	case BMR_STATS_JSON:
		print_json(s, out);
		break;
	case BMR_STATS_CSV:
		print_csv(s, out);
		break;
	}
	fflush(out);
}
