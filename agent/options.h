/* SPDX-License-Identifier: GPL-3.0-or-later */
/* options.h - the options of each subcommand, made from the table of parameters (params.def) and a
 * few of the program's own. */
#ifndef BMR_AGENT_OPTIONS_H
#define BMR_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "cmdline/params.h"

struct bmr_err;

enum bmr_stats_format {
	BMR_STATS_NONE,
	BMR_STATS_JSON,
	BMR_STATS_CSV,
};

struct bmr_options {
	struct bmr_params params;
	bool json; /* --json */
	bool plan; /* --plan */
	bool help; /* --help: usage is to be printed, arguments were not checked */
	enum bmr_stats_format stats; /* --stats */
	const char *events;          /* --events FILE, NULL none */
	const char *cmdline;         /* --cmdline TEXT, NULL none */
	const char *trust;           /* --trust DIR, NULL none */
	const char *key;             /* --key FILE, NULL none; and so on */
	const char *password_file;
	const char *series;
	const char *serial;
	char **arguments; /* what is not an option; belongs to argv */
	int argument_count;
	const struct bmr_option_rules *rules; /* for bmr_options_repeat; borrowed, as argv is */
	int argc;
	char **argv;
};

/* What a subcommand takes. */
struct bmr_option_rules {
	char scope;            /* its letter in params.def */
	const char *own;       /* its own options: letters of j(son) p(lan) e(vents) c(mdline)
	                          s(tats) t(rust), k(ey) w (password-file) r (series) n (serial) */
	const char *arguments; /* for the usage line: "IMAGE DISK" */
	int least, most;       /* how many arguments */
};

/* Read argv[1..] (argv[0] is the subcommand); rules and argv are used until the options are cleared.
 * *o is to be cleared by bmr_options_clear also after a failure.  Errors: BMR_E_USAGE. */
int bmr_options_read(const struct bmr_option_rules *rules, int argc, char **argv,
                     struct bmr_options *o, struct bmr_err *e);
void bmr_options_clear(struct bmr_options *o);

/* Set anew what the options say, over what was set since.  Errors: BMR_E_NOMEM. */
int bmr_options_repeat(struct bmr_options *o, struct bmr_err *e);

/* Print how the subcommand is used. */
void bmr_options_usage(const char *name, const struct bmr_option_rules *rules, FILE *out);

#endif
