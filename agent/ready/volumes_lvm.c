/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Volume groups of a restored disk.  LVM's own program activates them; it is shown the loop devices of
 * this disk and nothing else, and no file of this machine counts or is written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ready/volumes.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/err.h"

#define LIMIT_MS 60000
#define OUTPUT_MOST 65536
#define LINE_FIELDS 3
#define ARGS_MOST 16
#define DEVICE_SIZE sizeof(((struct bmr_volume *)0)->device)

static const char config[] =
	"devices{use_devicesfile=0 hints=\"none\" external_device_info_source=\"none\" "
	"obtain_device_list_from_udev=0 scan=[\"/dev\"] filter=[\"a/.*/\"] "
	"global_filter=[\"a/.*/\"]} "
	"backup{backup=0 archive=0} global{use_lvmpolld=0} "
	"activation{udev_sync=0 udev_rules=0 monitoring=0 auto_activation_volume_list=[]}";

/* The devices for --devices; malloc'ed, "" if none is a physical volume. */
static char *list_devices(const struct bmr_volumes *v)
{
	char *text = calloc(BMR_VOLUMES_MOST, DEVICE_SIZE + 1);
	size_t used = 0;

	for (size_t i = 0; text && i < v->partitions; i++)
		if (strcmp(v->list[i].type, "LVM2_member") == 0)
			used += (size_t)sprintf(text + used, "%s%s", used ? "," : "",
			                        v->list[i].device);
	return text;
}

static int run_lvm(const char *const *args, const atomic_bool *stop,
                   struct bmr_child_result *result, struct bmr_err *e)
{
	static const char *const variables[] = {"LVM_SUPPRESS_FD_WARNINGS=1", "LC_ALL=C", NULL};
	const struct bmr_child_order order = {
		.args = args,
		.variables = variables,
		.limit_ms = LIMIT_MS,
		.output_most = OUTPUT_MOST,
		.stop = stop,
	};

	return bmr_child_run(&order, result, e);
}

int bmr_volumes_lvm(const struct bmr_volumes *v, const char *command, const char *const *args,
                    char **output, struct bmr_err *e)
{
	AUTO_FREE char *devices = list_devices(v);
	const char *all[ARGS_MOST] = {"lvm",      command, "--devices", devices,
	                              "--config", config,  "--quiet"};
	struct bmr_child_result result;
	size_t count = 7;
	int rc;

	if (!devices)
		return bmr_err_nomem(e, "a list of physical volumes");
	for (; *args && count < ARGS_MOST - 1; args++)
		all[count++] = *args;
	rc = run_lvm(all, v->stop, &result, e);
	if (rc == 0 && output)
		*output = take_ptr(&result.output);
	bmr_child_clear(&result);
	return rc;
}

static int vgchange(const char *devices, const char *how, const atomic_bool *stop,
                    struct bmr_err *e)
{
	const char *const args[] = {"lvm",  "vgchange", "--devices", devices, "--config",
	                            config, "--quiet",  how,         NULL};
	struct bmr_child_result result;
	int rc = run_lvm(args, stop, &result, e);

	bmr_child_clear(&result);
	return rc;
}

/* "/dev/mapper/vg-root|vg|root" */
static void add_volume(struct bmr_volumes *v, char *line)
{
	struct bmr_volume *volume = &v->list[v->count];
	char *fields[LINE_FIELDS] = {NULL};

	for (size_t i = 0; i < LINE_FIELDS; i++)
		fields[i] = strsep(&line, "|");
	if (!fields[2] || v->count == BMR_VOLUMES_MOST || strlen(fields[0]) >= DEVICE_SIZE)
		return;
	memset(volume, 0, sizeof *volume);
	volume->fd = -1;
	snprintf(volume->device, sizeof volume->device, "%s", fields[0]);
	snprintf(volume->name, sizeof volume->name, "volume '%s/%s'", fields[1], fields[2]);
	bmr_volume_probe(volume);
	v->count++;
}

static int list_volumes(struct bmr_volumes *v, const char *devices, struct bmr_err *e)
{
	const char *const args[] = {"lvm",
	                            "lvs",
	                            "--devices",
	                            devices,
	                            "--config",
	                            config,
	                            "--noheadings",
	                            "--separator",
	                            "|",
	                            "--select",
	                            "lv_active=active && lv_role=public",
	                            "--options",
	                            "lv_dm_path,vg_name,lv_name",
	                            NULL};
	struct bmr_child_result result;
	int rc = run_lvm(args, v->stop, &result, e);
	char *text = result.output;
	char *line;

	while (rc == 0 && (line = strsep(&text, "\n")) != NULL)
		add_volume(v, line + strspn(line, " "));
	bmr_child_clear(&result);
	return rc;
}

int bmr_volumes_activate(struct bmr_volumes *v, struct bmr_err *e)
{
	AUTO_FREE char *devices = list_devices(v);

	if (!devices)
		return bmr_err_nomem(e, "a list of physical volumes");
	if (!*devices)
		return 0;
	v->active = true; /* also if only some could be */
	if (vgchange(devices, "-ay", v->stop, e) < 0 || list_volumes(v, devices, e) < 0)
		return bmr_err_while(e, "activating the volume groups of the restored disk");
	return 0;
}

/* What was begun is ended even by those who are to stop. */
int bmr_volumes_deactivate(struct bmr_volumes *v, struct bmr_err *e)
{
	AUTO_FREE char *devices = NULL;

	if (!v->active)
		return 0;
	v->active = false;
	devices = list_devices(v);
	if (!devices)
		return bmr_err_nomem(e, "a list of physical volumes");
	if (vgchange(devices, "-an", NULL, e) < 0)
		return bmr_err_while(e, "deactivating the volume groups of the restored disk");
	return 0;
}
