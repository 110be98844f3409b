/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernel's directory of a disk spells the way to it, one component for each thing it is plugged
 * into; each kind of thing has its own form of name:
 *
 *	/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda
 */
#include "imaging/disk/internal.h"

#include "imaging/disk/disk.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct component {
	char name[128];
	char path[PATH_MAX]; /* up to and with this name */
};

struct place { /* name "": not on the way */
	struct component pci, platform, usb_device, usb_interface, ata, sas, host, virtio, nvme,
		mmc, xen;
	bool scsi; /* the address is known */
	unsigned channel, target, lun;
};

static bool like(const struct component *c, const char *pattern)
{
	return fnmatch(pattern, c->name, 0) == 0;
}

static bool found(const struct component *c)
{
	return c->name[0] != '\0';
}

static void note_scsi(struct place *p, const struct component *c)
{
	unsigned host;
	char rest;

	if (sscanf(c->name, "%u:%u:%u:%u%c", &host, &p->channel, &p->target, &p->lun, &rest) == 4)
		p->scsi = true;
}

/* The last of a kind is the nearest to the disk: bridges and hubs come before it. */
static void note(struct place *p, const struct component *c)
{
	if (like(c, "????*:[0-9a-f][0-9a-f]:[0-9a-f][0-9a-f].[0-7]"))
		p->pci = *c;
	else if (like(c, "usb[0-9]*"))
		p->usb_device = *c;
	else if (found(&p->usb_device) && like(c, "[0-9]*-[0-9]*:*.*"))
		p->usb_interface = *c;
	else if (found(&p->usb_device) && like(c, "[0-9]*-[0-9]*"))
		p->usb_device = *c;
	else if (like(c, "ata[0-9]*"))
		p->ata = *c;
	else if (like(c, "end_device-*"))
		p->sas = *c;
	else if (like(c, "host[0-9]*"))
		p->host = *c;
	else if (like(c, "virtio[0-9]*"))
		p->virtio = *c;
	else if (like(c, "nvme[0-9]*"))
		p->nvme = *c;
	else if (like(c, "mmc[0-9]*"))
		p->mmc = *c;
	else if (like(c, "vbd-*"))
		p->xen = *c;
	else
		note_scsi(p, c);
}

static void walk(const char *dir, struct place *p)
{
	struct component c;
	bool platform = false;
	const char *start = dir;

	while (*(start += strspn(start, "/")) != '\0') {
		size_t len = strcspn(start, "/");

		snprintf(c.name, sizeof c.name, "%.*s", (int)len, start);
		snprintf(c.path, sizeof c.path, "%.*s", (int)(start + len - dir), dir);
		if (platform)
			p->platform = c;
		platform = strcmp(c.name, "platform") == 0;
		note(p, &c);
		start += len;
	}
}

static const char *bus_of(const struct place *p)
{
	if (found(&p->usb_device))
		return "usb";
	if (found(&p->nvme))
		return "nvme";
	if (found(&p->ata))
		return "sata";
	if (found(&p->sas))
		return "sas";
	if (found(&p->mmc))
		return "mmc";
	if (found(&p->xen))
		return "xen";
	if (found(&p->host))
		return "scsi";
	return found(&p->virtio) ? "virtio" : "";
}

/* Hosts are numbered as they are found; counted from the adapter's first, the number is stable. */
static unsigned host_index(const struct component *host)
{
	unsigned lowest = (unsigned)strtoul(host->name + 4, NULL, 10);
	unsigned number = lowest;
	char parent[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	if (!bmr_disk_attr_path(parent, host->path, "..") || !(dir = opendir(parent)))
		return 0;
	while ((entry = readdir(dir))) {
		unsigned other;

		if (sscanf(entry->d_name, "host%u", &other) == 1 && other < lowest)
			lowest = other;
	}
	closedir(dir);
	return number - lowest;
}

static void scsi_text(const struct place *p, char *text, size_t size)
{
	if (found(&p->host) && p->scsi)
		snprintf(text, size, "-scsi-%u:%u:%u:%u", host_index(&p->host), p->channel,
		         p->target, p->lun);
}

/* Ports count from 1 on each adapter; a second disk at the same port (parallel ATA) is told apart
 * by its target. */
static void ata_text(const struct place *p, char *text, size_t size)
{
	char name[300];
	char port[16];

	snprintf(name, sizeof name, "ata_port/%s/port_no", p->ata.name);
	if (!bmr_disk_attr_text(p->ata.path, name, port, sizeof port))
		return;
	if (p->target != 0)
		snprintf(text, size, "-ata-%s.%u", port, p->target);
	else
		snprintf(text, size, "-ata-%s", port);
}

static void sas_text(const struct place *p, char *text, size_t size)
{
	char name[300];
	char address[32];

	snprintf(name, sizeof name, "sas_device/%s/sas_address", p->sas.name);
	if (bmr_disk_attr_text(p->sas.path, name, address, sizeof address))
		snprintf(text, size, "-sas-%s-lun-%u", address, p->lun);
}

static void usb_text(const struct place *p, char *text, size_t size)
{
	const char *port = strchr(p->usb_interface.name, '-');
	char scsi[64] = "";

	if (!port)
		return;
	scsi_text(p, scsi, sizeof scsi);
	snprintf(text, size, "-usb-0:%s%s", port + 1, scsi);
}

static void nvme_text(const char *dir, char *text, size_t size)
{
	uint64_t name_space = bmr_disk_attr_number(dir, "nsid");

	if (name_space != 0)
		snprintf(text, size, "-nvme-%u", (unsigned)name_space);
}

/* What follows the adapter in the path; "" where the adapter has one disk only. */
static void tail_text(const char *dir, const struct place *p, const char *bus, char *text,
                      size_t size)
{
	if (strcmp(bus, "usb") == 0)
		usb_text(p, text, size);
	else if (strcmp(bus, "sata") == 0)
		ata_text(p, text, size);
	else if (strcmp(bus, "sas") == 0)
		sas_text(p, text, size);
	else if (strcmp(bus, "scsi") == 0)
		scsi_text(p, text, size);
	else if (strcmp(bus, "nvme") == 0)
		nvme_text(dir, text, size);
}

/* "" rather than a cut one, which might be another disk's too. */
static void read_by_path(const struct place *p, const char *tail, char *out, size_t size)
{
	int len = 0;

	*out = '\0';
	if (found(&p->xen))
		len = snprintf(out, size, "xen-%s", p->xen.name);
	else if (found(&p->pci))
		len = snprintf(out, size, "pci-%s%s", p->pci.name, tail);
	else if (found(&p->platform))
		len = snprintf(out, size, "platform-%s%s", p->platform.name, tail);
	if (len < 0 || (size_t)len >= size)
		*out = '\0';
}

void bmr_disk_place(const char *dir, struct bmr_disk *disk, char usb[PATH_MAX])
{
	struct place p = {0};
	char tail[160] = "";

	walk(dir, &p);
	snprintf(disk->bus, sizeof disk->bus, "%s", bus_of(&p));
	snprintf(usb, PATH_MAX, "%s", p.usb_device.path);
	tail_text(dir, &p, disk->bus, tail, sizeof tail);
	read_by_path(&p, tail, disk->by_path, sizeof disk->by_path);
}
