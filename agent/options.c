/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/options.h"

#include <getopt.h>
#include <string.h>

#include "base/err.h"
#include "base/login.h"

#define OPTIONS_MAX 64
#define WORD_SIZE 200  /* of a word that is shown */
#define OWN_FIRST 1000 /* getopt values of our own options; parameters use their table index */

static const struct {
	char letter;
	const char *name;
	const char *argument; /* NULL: takes none */
	const char *help;
} own_options[] = {
	{'c', "cmdline", "TEXT", "use this instead of /proc/cmdline"},
	{'e', "events", "FILE", "append NDJSON events to FILE; '-' is standard output"},
	{'j', "json", NULL, "answer in JSON"},
	{'p', "plan", NULL, "say what would be done, and write nothing"},
	{'s', "stats", "json|csv", "print the figures of the run at its end"},
	{'t', "trust", "DIR", "the image must be signed by one of the keys DIR/*.pub"},
	{'k', "key", "FILE", "secret key of minisign to sign with"},
	{'w', "password-file", "FILE", "its first line is the secret key's password"},
	{'r', "series", "NAME", "which series of images this one belongs to"},
	{'n', "serial", "N", "its number in the series; higher is newer"},
	{'h', "help", NULL, "show this"},
};

#define OWN_COUNT (sizeof own_options / sizeof *own_options)

static bool offers(const struct bmr_option_rules *rules, size_t own)
{
	return own_options[own].letter == 'h' || strchr(rules->own, own_options[own].letter);
}

static void build_table(const struct bmr_option_rules *rules, struct option *table)
{
	size_t count;
	const struct bmr_param_info *params = bmr_params_table(&count);
	size_t n = 0;

	for (size_t i = 0; i < count && n < OPTIONS_MAX - OWN_COUNT - 1; i++)
		if (strchr(params[i].scope, rules->scope))
			table[n++] =
				(struct option){params[i].name, required_argument, NULL, (int)i};
	for (size_t i = 0; i < OWN_COUNT; i++)
		if (offers(rules, i))
			table[n++] = (struct option){own_options[i].name,
			                             own_options[i].argument ? required_argument
			                                                     : no_argument,
			                             NULL, OWN_FIRST + (int)i};
	table[n] = (struct option){0};
}

static int take_stats(struct bmr_options *o, const char *value, struct bmr_err *e)
{
	if (strcmp(value, "json") == 0)
		o->stats = BMR_STATS_JSON;
	else if (strcmp(value, "csv") == 0)
		o->stats = BMR_STATS_CSV;
	else
		return bmr_err_set(e, BMR_E_USAGE, 0, "--stats is json or csv, not '%s'", value);
	return 0;
}

static int take_own(struct bmr_options *o, char letter, const char *value, struct bmr_err *e)
{
	switch (letter) {
	case 'c':
		o->cmdline = value;
		break;
	case 'e':
		o->events = value;
		break;
	case 'j':
		o->json = true;
		break;
	case 'p':
		o->plan = true;
		break;
	case 's':
		return take_stats(o, value, e);
	case 't':
		o->trust = value;
		break;
	case 'k':
		o->key = value;
		break;
	case 'w':
		o->password_file = value;
		break;
	case 'r':
		o->series = value;
		break;
	case 'n':
		o->serial = value;
		break;
	default:
		o->help = true;
	}
	return 0;
}

/* What getopt_long has just complained of; it moves words, so their place before does not tell. */
static const char *culprit(char **argv, int found, char letter[3])
{
	if (found != '?' || optopt <= 0 || optopt >= OWN_FIRST)
		return argv[optind - 1];
	snprintf(letter, 3, "-%c", optopt);
	return letter;
}

static int take(struct bmr_options *o, int found, const char *word, const char *value,
                struct bmr_err *e)
{
	size_t count;
	const struct bmr_param_info *params = bmr_params_table(&count);

	/* A value may be a password, or a URL with one. */
	if (found == '?')
		return bmr_err_set(e, BMR_E_USAGE, 0,
		                   "unknown or incomplete option '%.*s%s'; see --help",
		                   (int)strcspn(word, "="), word, strchr(word, '=') ? "=..." : "");
	if (found == ':')
		return bmr_err_set(e, BMR_E_USAGE, 0, "option '%s' needs a value; see --help",
		                   word);
	if (found >= OWN_FIRST)
		return take_own(o, own_options[found - OWN_FIRST].letter, value, e);
	return bmr_params_set(&o->params, params[found].name, value, e);
}

static int check_arguments(const struct bmr_option_rules *rules, const struct bmr_options *o,
                           struct bmr_err *e)
{
	if (o->argument_count < rules->least)
		return bmr_err_set(e, BMR_E_USAGE, 0, "%s needed; see --help",
		                   rules->scope == 'C'   ? "DISK and IMAGE are"
		                   : rules->scope == 'M' ? "IMAGE and OUT are"
		                   : rules->least == 2   ? "IMAGE and DISK are"
		                                         : "IMAGE is");
	if (o->argument_count > rules->most) {
		char shown[WORD_SIZE];

		bmr_login_hide(o->arguments[rules->most], shown, sizeof shown);
		return bmr_err_set(e, BMR_E_USAGE, 0, "'%s' is one argument too many; see --help",
		                   shown);
	}
	for (int i = 0; i < o->argument_count; i++)
		if (strcmp(o->arguments[i], "-") == 0)
			return bmr_err_set(
				e, BMR_E_USAGE, 0,
				"'-' is no file: an image is read twice, and written under "
				"another name first, so it cannot come or go by a pipe; "
				"'./-' is a file of that name");
	return 0;
}

int bmr_options_repeat(struct bmr_options *o, struct bmr_err *e)
{
	struct option table[OPTIONS_MAX];
	int found;

	build_table(o->rules, table);
	optind = 0; /* glibc: start anew, with argv[0] as the program's name */
	opterr = 0;
	for (;;) {
		char letter[3];

		/* ':' first: a missing value is told from an unknown option. */
		found = getopt_long(o->argc, o->argv, ":", table, NULL);
		if (found == -1)
			return 0;
		if (take(o, found, culprit(o->argv, found, letter), optarg, e) < 0)
			return -1;
	}
}

int bmr_options_read(const struct bmr_option_rules *rules, int argc, char **argv,
                     struct bmr_options *o, struct bmr_err *e)
{
	*o = (struct bmr_options){.rules = rules, .argc = argc, .argv = argv};
	bmr_params_init(&o->params);
	if (bmr_options_repeat(o, e) < 0)
		return -1;
	o->arguments = argv + optind;
	o->argument_count = argc - optind;
	return o->help ? 0 : check_arguments(rules, o, e);
}

void bmr_options_clear(struct bmr_options *o)
{
	bmr_params_clear(&o->params);
}

static void print_option(FILE *out, const char *name, const char *argument, const char *help)
{
	char left[64];

	snprintf(left, sizeof left, "--%s%s%s", name, argument ? "=" : "",
	         argument ? argument : "");
	fprintf(out, "  %-24s %s\n", left, help);
}

void bmr_options_usage(const char *name, const struct bmr_option_rules *rules, FILE *out)
{
	size_t count;
	const struct bmr_param_info *params = bmr_params_table(&count);

	fprintf(out, "usage: bmr %s [options]%s%s\n", name, *rules->arguments ? " " : "",
	        rules->arguments);
	for (size_t i = 0; i < OWN_COUNT; i++)
		if (offers(rules, i))
			print_option(out, own_options[i].name, own_options[i].argument,
			             own_options[i].help);
	for (size_t i = 0; i < count; i++) {
		if (!strchr(params[i].scope, rules->scope))
			continue;
		if (rules->scope == 'A' && i == 0)
			fprintf(out,
			        "\nparameters of the kernel command line, each as bmr.NAME=:\n");
		print_option(out, params[i].name,
		             params[i].choices ? params[i].choices : params[i].argument,
		             params[i].help);
	}
}
