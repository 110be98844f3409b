/* SPDX-License-Identifier: GPL-3.0-or-later */
/* info.h - what an image is: the answer of `bmr info`. */
#ifndef BMR_AGENT_INFO_H
#define BMR_AGENT_INFO_H

#include <stdio.h>

struct bmr_err;
struct bmr_json;
struct bmr_manifest;
struct bmr_session;

/* Look at an image, or at the manifest that lies beside one, and print what it is: text of 80 columns,
 * or with --json one object.  Of a bmr image the manifest is read, of others their beginning.
 * Errors: those of opening and bmr_image_inspect. */
int bmr_info_print(struct bmr_session *session, const char *urls, FILE *out, struct bmr_err *e);

/* Member "kinds": chunks, bytes of the disk and bytes of the file for each kind of chunk. */
void bmr_info_kinds(const struct bmr_manifest *m, struct bmr_json *j);

#endif
