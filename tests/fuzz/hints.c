/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hints - any text as bmr.target=: refused with a reason, or hints that can be asked of a disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "imaging/disk/disk.h"
#include "imaging/disk/select.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bmr_disk some_disk(void)
{
	struct bmr_disk disk = {.size = 1 << 30, .logical_sector = 512};

	snprintf(disk.name, sizeof disk.name, "sda");
	strcpy(disk.path, "/dev/sda");
	strcpy(disk.serial, "S1[2]*?");
	strcpy(disk.model, "MODEL, with a comma");
	return disk;
}

static void judge(const struct bmr_hints *hints)
{
	struct bmr_disk disk = some_disk();
	struct bmr_disk_list list = {.disks = &disk, .count = 1};
	struct bmr_select_rules rules = {.hints = hints};
	struct bmr_judgement judgement;

	bmr_select_judge_all(&rules, &list, &judgement);
	if (judgement.verdict != BMR_VERDICT_OK && !*judgement.reason)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bmr_hints hints;
	struct bmr_err e = {0};
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	if (bmr_hints_parse(text, &hints, &e) == 0) {
		judge(&hints);
		bmr_hints_clear(&hints);
	} else if (e.code != BMR_E_USAGE || !*e.msg) {
		abort();
	}
	free(text);
	return 0;
}
