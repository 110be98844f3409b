/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disks.h - `bmr disks`: every disk, and why it may or may not be written. */
#ifndef BMR_AGENT_DISKS_H
#define BMR_AGENT_DISKS_H

#include <stdbool.h>
#include <stdio.h>

struct bmr_disk_env;
struct bmr_disk_list;
struct bmr_err;
struct bmr_judgement;

/* Print the list: for people as a table of 80 columns with a second, indented line for each disk,
 * or as one JSON document, {"disks":[{...}]}, whose texts are ASCII and sizes bytes.
 * judgements[] has list->count members.  Returns 0, or -1 if out failed (errno says why). */
int bmr_disks_print(FILE *out, const struct bmr_disk_list *list,
                    const struct bmr_judgement *judgements, bool json);

/* `bmr disks [--target=HINTS] [--json]`: list, judge, print to out.  Each disk is asked for its
 * health.  Nothing is opened for writing.  env and target_hints may be NULL.
 * A table in which no disk is a candidate is a success.
 * Errors: BMR_E_USAGE (hints), BMR_E_NOMEM, BMR_E_TARGET (no sysfs, or out failed). */
int bmr_disks_command(const struct bmr_disk_env *env, const char *target_hints, bool json,
                      FILE *out, struct bmr_err *e);

#endif
