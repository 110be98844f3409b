/* SPDX-License-Identifier: GPL-3.0-or-later */
/* list_smb.c - shares and folders of an SMB server, asked for by the worker. */
#include <string.h>

#include "base/err.h"
#include "transport/list_ops.h"
#include "transport/smb_link.h"

/* What the worker wrote: see smb_wire.h.  It has read a server's answers, so it is not trusted. */
static int take(const char *memory, size_t len, struct bmr_list *list, struct bmr_err *e)
{
	while (len > 0) {
		struct smb_wire_entry entry;
		size_t name;

		if (len <= sizeof entry)
			break;
		memcpy(&entry, memory, sizeof entry);
		memory += sizeof entry;
		len -= sizeof entry;
		name = strnlen(memory, len);
		if (name == len)
			break;
		if (!bmr_list_add(list, memory, entry.folder, entry.size, entry.seconds))
			return 0;
		memory += name + 1;
		len -= name + 1;
	}
	return len == 0 ? 0 : bmr_err_set(e, BMR_E_BUG, 0, "the smb worker's list is damaged");
}

int bmr_list_smb(const struct bmr_place *place, struct bmr_list *list, struct bmr_err *e)
{
	struct smb_link link = {.worker = {.socket = -1}};
	int rc = bmr_smb_link_open(&link, place, e);

	if (rc == 0) {
		link.request.op = SMB_WIRE_LIST;
		link.request.len = 0;
		rc = bmr_smb_link_url(&link, place->url->path, link.request.url, e);
	}
	if (rc == 0)
		rc = bmr_smb_link_call(&link, place->stall_ms, e);
	if (rc == 0)
		rc = take(link.memory, link.reply.len, list, e);
	if (rc == 0 && link.reply.cut)
		list->cut = true;
	bmr_smb_link_close(&link);
	return rc;
}
