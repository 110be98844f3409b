/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmdline.c - any text as a command line and as a parameter file.  What was read must be the same
 * after it was written and read again. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cmdline/params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
	FILE *stream;
	char *all;
	size_t size;
};

static void collect(void *ctx, const char *line)
{
	struct text *t = ctx;

	fprintf(t->stream, "%s\n", line);
}

static struct text written(const struct bmr_params *p)
{
	struct text t = {0};

	t.stream = open_memstream(&t.all, &t.size);
	if (!t.stream)
		abort();
	bmr_params_each(p, collect, &t);
	fclose(t.stream);
	return t;
}

static void check_round_trip(const struct bmr_params *p)
{
	struct bmr_params again;
	struct bmr_err e = {0};
	struct text one = written(p);
	struct text two;

	bmr_params_init(&again);
	if (bmr_params_parse_line(&again, one.all, &e) < 0) {
		fprintf(stderr, "%s\nis refused: %s\n", one.all, e.msg);
		abort();
	}
	two = written(&again);
	if (strcmp(one.all, two.all) != 0) {
		fprintf(stderr, "%s\nbecame\n%s\n", one.all, two.all);
		abort();
	}
	bmr_params_clear(&again);
	free(one.all);
	free(two.all);
}

static void check(int rc, const struct bmr_params *p, const struct bmr_err *e)
{
	if (rc == 0)
		check_round_trip(p);
	else if (e->code != BMR_E_USAGE || !*e->msg)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bmr_params p;
	struct bmr_err e = {0};
	char *line = malloc(size + 1);

	if (!line)
		abort();
	if (size)
		memcpy(line, data, size);
	line[size] = '\0';
	bmr_params_init(&p);
	check(bmr_params_parse_line(&p, line, &e), &p, &e);
	bmr_params_clear(&p);
	bmr_params_init(&p);
	check(bmr_params_parse_file(&p, line, size, &e), &p, &e);
	bmr_params_clear(&p);
	free(line);
	return 0;
}
