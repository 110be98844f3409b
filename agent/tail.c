/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/tail.h"

#include <stdlib.h>
#include <string.h>

void bmr_tail_open(struct bmr_tail *tail)
{
	pthread_mutex_init(&tail->lock, NULL);
	tail->text = NULL;
	tail->len = 0;
}

void bmr_tail_close(struct bmr_tail *tail)
{
	free(tail->text);
	pthread_mutex_destroy(&tail->lock);
}

/* Half of it goes at once: lines are not moved for each one that comes. */
static void make_room(struct bmr_tail *tail, size_t need)
{
	size_t gone = need > BMR_TAIL_SIZE / 2 ? need : BMR_TAIL_SIZE / 2;
	const char *newline;

	if (tail->len + need <= BMR_TAIL_SIZE)
		return;
	newline = gone < tail->len ? memchr(tail->text + gone, '\n', tail->len - gone) : NULL;
	gone = newline ? (size_t)(newline - tail->text) + 1 : tail->len;
	memmove(tail->text, tail->text + gone, tail->len - gone);
	tail->len -= gone;
}

void bmr_tail_add(struct bmr_tail *tail, const char *line)
{
	size_t len = strlen(line);

	if (len >= BMR_TAIL_SIZE)
		return;
	pthread_mutex_lock(&tail->lock);
	if (!tail->text)
		tail->text = malloc(BMR_TAIL_SIZE);
	if (tail->text) {
		make_room(tail, len + 1);
		memcpy(tail->text + tail->len, line, len);
		tail->text[tail->len + len] = '\n';
		tail->len += len + 1;
	}
	pthread_mutex_unlock(&tail->lock);
}

char *bmr_tail_copy(struct bmr_tail *tail)
{
	char *copy;

	pthread_mutex_lock(&tail->lock);
	copy = tail->len > 0 ? strndup(tail->text, tail->len) : NULL;
	pthread_mutex_unlock(&tail->lock);
	return copy;
}
