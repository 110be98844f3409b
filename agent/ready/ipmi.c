/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready/ipmi.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

#define NETFN_CHASSIS 0x00
#define SET_BOOT_OPTIONS 0x08
#define GET_BOOT_OPTIONS 0x09

/* IPMI 2.0, table 28-14. */
#define OPTION_PROGRESS 0
#define OPTION_CLEARING 3
#define OPTION_INFO_ACK 4
#define OPTION_FLAGS 5

#define FLAGS_VALID 0x80
#define FLAGS_EFI 0x20
#define DEVICE_MASK 0x3c
#define DEVICE_DISK (2 << 2)

/* Otherwise a BMC forgets the flags 60 s after they were set, when it is not itself the one that
 * restarts the machine (8), at a soft reset (2), and when somebody presses the power button (1):
 * our restart is one of these, and large servers need longer than that to look at the flags. */
#define KEEP_FLAGS (0x08 | 0x02 | 0x01)

static const char *code_text(uint8_t code)
{
	switch (code) {
	case 0x80:
		return "parameter not supported";
	case 0x81:
		return "somebody else is setting it";
	case 0x82:
		return "read-only parameter";
	case 0xc0:
		return "busy";
	case 0xc1:
		return "unknown command";
	case 0xcc:
		return "invalid data";
	case 0xd4:
		return "not allowed on this interface";
	default:
		return "error";
	}
}

struct bmc {
	bmr_ipmi_call *call;
	void *ctx;
};

/* answer: without the completion code; *len is its room, then what came. */
static int ask(const struct bmc *b, uint8_t command, const uint8_t *data, size_t len,
               uint8_t *answer, size_t *answer_len, struct bmr_err *e)
{
	size_t got = *answer_len;

	if (b->call(b->ctx, NETFN_CHASSIS, command, data, len, answer, &got, e) < 0)
		return -1;
	if (got < 1)
		return bmr_err_set(e, BMR_E_TARGET, 0, "the BMC's answer is empty");
	if (answer[0] != 0)
		return bmr_err_set(e, BMR_E_TARGET, 0, "the BMC answers 0x%02x (%s)", answer[0],
		                   code_text(answer[0]));
	memmove(answer, answer + 1, got - 1);
	*answer_len = got - 1;
	return 0;
}

static int set(const struct bmc *b, const uint8_t *data, size_t len, struct bmr_err *e)
{
	uint8_t answer[BMR_IPMI_ANSWER];
	size_t answer_len = sizeof answer;

	return ask(b, SET_BOOT_OPTIONS, data, len, answer, &answer_len, e);
}

/* What not every BMC has, and what works without. */
static void try_set(const struct bmc *b, const uint8_t *data, size_t len)
{
	struct bmr_err ignored = {0};

	(void)set(b, data, len, &ignored);
}

static int read_back(const struct bmc *b, bool *valid, struct bmr_err *e)
{
	const uint8_t which[] = {OPTION_FLAGS, 0, 0};
	uint8_t answer[BMR_IPMI_ANSWER] = {0};
	size_t len = sizeof answer;

	if (ask(b, GET_BOOT_OPTIONS, which, sizeof which, answer, &len, e) < 0)
		return -1;
	/* Version, number, then the five bytes as they were set. */
	if (len < 4 || (answer[1] & 0x7f) != OPTION_FLAGS)
		return bmr_err_set(e, BMR_E_TARGET, 0, "the BMC's answer is not about boot flags");
	*valid = answer[2] & FLAGS_VALID;
	if ((answer[3] & DEVICE_MASK) != DEVICE_DISK)
		return bmr_err_set(e, BMR_E_TARGET, 0,
		                   "the BMC did not keep it: its boot flags are 0x%02x 0x%02x when "
		                   "read back",
		                   answer[2], answer[3]);
	return 0;
}

int bmr_ipmi_set_boot_disk(bmr_ipmi_call *call, void *ctx, bool efi, bool *valid, struct bmr_err *e)
{
	static const uint8_t begin[] = {OPTION_PROGRESS, 1};
	static const uint8_t keep[] = {OPTION_CLEARING, KEEP_FLAGS};
	static const uint8_t unseen[] = {OPTION_INFO_ACK, 1, 1}; /* by the BIOS */
	static const uint8_t end[] = {OPTION_PROGRESS, 0};
	const uint8_t flags[] = {
		OPTION_FLAGS, (uint8_t)(FLAGS_VALID | (efi ? FLAGS_EFI : 0)), DEVICE_DISK, 0, 0, 0};
	const struct bmc b = {call, ctx};
	int rc;

	try_set(&b, begin, sizeof begin);
	try_set(&b, keep, sizeof keep);
	try_set(&b, unseen, sizeof unseen);
	rc = set(&b, flags, sizeof flags, e);
	try_set(&b, end, sizeof end);
	if (rc < 0 || read_back(&b, valid, e) < 0)
		return bmr_err_while(e, "telling the BMC to start from the disk");
	return 0;
}
