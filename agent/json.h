/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json.h - writes one JSON object or array to a stream (RFC 8259), member by member.
 *
 *	struct bmr_json j = {.out = out};
 *	bmr_json_open(&j, NULL, '{');
 *	bmr_json_text(&j, "event", "start");
 *	bmr_json_number(&j, "bytes", 42);
 *	bmr_json_close(&j, '}');
 *
 * Inside an array names are NULL.  Bytes that are not UTF-8 text come out as '?'.  Secrets are taken
 * out of texts, and of nothing else: numbers and names stay what they are, and the line JSON.
 */
#ifndef BMR_AGENT_JSON_H
#define BMR_AGENT_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct bmr_log;

struct bmr_json {
	FILE *out;
	bool comma;          /* a member was written: the next one needs a comma */
	struct bmr_log *log; /* knows the secrets; may be NULL */
};

void bmr_json_open(struct bmr_json *j, const char *name, char bracket);
void bmr_json_close(struct bmr_json *j, char bracket);
void bmr_json_text(struct bmr_json *j, const char *name, const char *value);
void bmr_json_number(struct bmr_json *j, const char *name, uint64_t value);
void bmr_json_seconds(struct bmr_json *j, const char *name, double value); /* three decimals */
void bmr_json_bool(struct bmr_json *j, const char *name, bool value);

#endif
