/* SPDX-License-Identifier: GPL-3.0-or-later */
/* info_bmr.h - the part of `bmr info` that a manifest tells. */
#ifndef BMR_AGENT_INFO_BMR_H
#define BMR_AGENT_INFO_BMR_H

#include <stdio.h>

struct bmr_json;
struct bmr_manifest;

/* Lines for people, of 80 columns where the texts in the image allow it. */
void bmr_info_bmr_text(const struct bmr_manifest *m, FILE *out);

/* Members of the object that is open: all that the manifest knows, but for the single chunks. */
void bmr_info_bmr_json(const struct bmr_manifest *m, struct bmr_json *j);

#endif
