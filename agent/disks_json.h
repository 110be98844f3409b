/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disks_json.h - the disks as one JSON document (RFC 8259), for agent/disks.c. */
#ifndef BMR_AGENT_DISKS_JSON_H
#define BMR_AGENT_DISKS_JSON_H

#include <stdio.h>

struct bmr_disk_list;
struct bmr_judgement;

/* The caller looks at ferror(out) afterwards. */
void bmr_disks_json(FILE *out, const struct bmr_disk_list *list,
                    const struct bmr_judgement *judgements);

#endif
