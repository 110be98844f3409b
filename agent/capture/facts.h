/* SPDX-License-Identifier: GPL-3.0-or-later */
/* facts.h - what an image remembers of the disk and the machine that it was made from, for
 * people: docs/image-format.md lists the names. */
#ifndef BMR_AGENT_CAPTURE_FACTS_H
#define BMR_AGENT_CAPTURE_FACTS_H

struct bmr_disk;
struct bmr_err;
struct bmr_manifest;

/* Add "bmr.version", "disk.*" (disk: NULL for a file), "machine.*" and, if base, the URL of the base
 * image, is not NULL, "base.name" to the facts of m.  Errors: BMR_E_NOMEM. */
int bmr_capture_facts(struct bmr_manifest *m, const struct bmr_disk *disk, const char *base,
                      struct bmr_err *e);

#endif
