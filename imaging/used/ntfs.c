/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NTFS says in three places that its map is not to be believed: a flag of the volume, the journal, and
 * a sleeping Windows.  partclone looks at none of them, and the programs that do look want to write. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "imaging/used/internal.h"

#define START_SIZE 16 /* of a file, to see what it is */
#define RESTART_SIZE 4096
#define RESTART_AREA 24 /* where a restart page says its area is, 16 bits */
#define RESTART_AREA_MOST 256
#define RESTART_LSN 0      /* in the area: age, 64 bits */
#define RESTART_CLIENTS 12 /* first client that has it open, 16 bits */
#define RESTART_FLAGS 14   /* 16 bits */
#define NO_CLIENT 0xffff
#define FLAG_CLEAN 2

static int unclean(struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_DATA, 0, "it is not clean");
}

static int judge_flags(const char *text, void *ctx, struct bmr_err *e)
{
	const char *flags = bmr_used_after(text, "\tVolume Flags:");

	(void)ctx;
	return flags && bmr_used_line_is(flags, "0x0000") ? 0 : unclean(e);
}

/* The first bytes of a file.  0 with *got = 0: there is no such file. */
static int read_start(const struct bmr_used_look *look, uint64_t size, const char *const *args,
                      size_t most, unsigned char *start, size_t *got, struct bmr_err *e)
{
	struct bmr_child_order order = bmr_used_order(look, size, args);
	struct bmr_child_result result;
	int rc;

	order.output_most = most;
	rc = bmr_child_run(&order, &result, e);
	if (rc < 0 && (result.output_len == most || /* it goes on */
	               strstr(result.errors, "No such file")))
		rc = 0;
	if (rc == 0 && result.output_len > 0)
		memcpy(start, result.output, result.output_len);
	*got = result.output_len;
	bmr_child_clear(&result);
	return rc;
}

/* Windows that sleeps goes on from the memory saved in this file, which knows what was in use better
 * than the disk does.  A file of that name whose start is something else was woken from. */
static int judge_sleep(const struct bmr_used_look *look, const struct bmr_used_device *device,
                       uint64_t size, struct bmr_err *e)
{
	const char *const args[] = {"ntfscat", device->path, "hiberfil.sys", NULL};
	unsigned char start[START_SIZE] = {0};
	size_t got;

	if (read_start(look, size, args, sizeof start, start, &got, e) < 0)
		return -1;
	if (strncasecmp((const char *)start, "hibr", 4) == 0)
		return bmr_err_set(e, BMR_E_DATA, 0, "Windows sleeps in it");
	return 0;
}

static uint64_t number(const unsigned char *p, unsigned bytes)
{
	uint64_t n = 0;

	while (bytes-- > 0)
		n = n << 8 | p[bytes];
	return n;
}

/* The area of a restart page; NULL if there is none. */
static const unsigned char *area_of(const unsigned char *page)
{
	uint64_t at = number(page + RESTART_AREA, 2);

	return memcmp(page, "RSTR", 4) == 0 && at <= RESTART_AREA_MOST ? page + at : NULL;
}

/* One that was emptied is all ones.  Else the younger of two pages says whether somebody had it open
 * who did not close it. */
static int judge_pages(const unsigned char *pages, struct bmr_err *e)
{
	const unsigned char *area = area_of(pages);
	const unsigned char *other = area_of(pages + RESTART_SIZE);

	if (memcmp(pages, "\xff\xff\xff\xff", 4) == 0)
		return 0;
	if (!area || (other && number(other + RESTART_LSN, 8) > number(area + RESTART_LSN, 8)))
		area = other;
	if (area && (number(area + RESTART_CLIENTS, 2) == NO_CLIENT ||
	             (number(area + RESTART_FLAGS, 2) & FLAG_CLEAN)))
		return 0;
	return unclean(e);
}

static int judge_journal(const struct bmr_used_look *look, const struct bmr_used_device *device,
                         uint64_t size, struct bmr_err *e)
{
	const char *const args[] = {"ntfscat", "-i", "2", device->path, NULL};
	unsigned char pages[2 * RESTART_SIZE];
	size_t got;

	if (read_start(look, size, args, sizeof pages, pages, &got, e) < 0)
		return -1;
	return got == sizeof pages ? judge_pages(pages, e) : unclean(e);
}

int bmr_used_doubt_ntfs(const struct bmr_used_look *look, const struct bmr_used_device *device,
                        uint64_t size, struct bmr_used_list *map, struct bmr_err *e)
{
	(void)map;
	if (BMR_USED_ASK(look, size, judge_flags, 0, NULL, e, "ntfsinfo", "-m", device->path) < 0 ||
	    judge_journal(look, device, size, e) < 0)
		return -1;
	return judge_sleep(look, device, size, e);
}
