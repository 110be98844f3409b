/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/ipmi.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/ready/ipmi.h"
#include "base/cleanup.h"
#include "base/err.h"

#define ANSWER_WAIT_MS 10000

/* An answer that came too late for an earlier command is not this one's. */
static int receive(int fd, long id, uint8_t *answer, size_t *len, struct bmr_err *e)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	struct ipmi_addr addr;

	for (;;) {
		struct ipmi_recv got = {
			.addr = (unsigned char *)&addr,
			.addr_len = sizeof addr,
			.msg = {.data = answer, .data_len = (unsigned short)*len},
		};
		int n = poll(&ready, 1, ANSWER_WAIT_MS);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return bmr_err_set(e, BMR_E_TARGET, n < 0 ? errno : 0,
			                   "the BMC did not answer within %d s",
			                   ANSWER_WAIT_MS / 1000);
		if (ioctl(fd, IPMICTL_RECEIVE_MSG_TRUNC, &got) < 0 && errno != EMSGSIZE)
			return bmr_err_set(e, BMR_E_TARGET, errno, "cannot read the BMC's answer");
		if (got.recv_type != IPMI_RESPONSE_RECV_TYPE || got.msgid != id)
			continue;
		*len = got.msg.data_len;
		return 0;
	}
}

struct device {
	int fd;
	long id; /* of the last command */
};

static int call_device(void *ctx, uint8_t netfn, uint8_t command, const uint8_t *data, size_t len,
                       uint8_t *answer, size_t *answer_len, struct bmr_err *e)
{
	struct device *d = ctx;
	struct ipmi_system_interface_addr addr = {.addr_type = IPMI_SYSTEM_INTERFACE_ADDR_TYPE,
	                                          .channel = IPMI_BMC_CHANNEL};
	uint8_t copy[BMR_IPMI_ANSWER];
	struct ipmi_req request = {
		.addr = (unsigned char *)&addr,
		.addr_len = sizeof addr,
		.msgid = ++d->id,
		.msg = {.netfn = netfn,
	                .cmd = command,
	                .data = copy,
	                .data_len = (unsigned short)len},
	};

	if (len > sizeof copy)
		return bmr_err_set(e, BMR_E_BUG, 0, "an IPMI command of %zu bytes", len);
	memcpy(copy, data, len);
	if (ioctl(d->fd, IPMICTL_SEND_COMMAND, &request) < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot send to the BMC");
	return receive(d->fd, d->id, answer, answer_len, e);
}

int bmr_ipmi_boot_disk(bool efi, bool *valid, struct bmr_err *e)
{
	AUTO_FD int fd = open(BMR_IPMI_DEVICE, O_RDWR | O_CLOEXEC);
	struct device d = {fd, 0};

	if (fd < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno,
		                   "cannot open '%s': this machine has no BMC, or none that the "
		                   "drivers ipmi_si and ipmi_ssif know",
		                   BMR_IPMI_DEVICE);
	return bmr_ipmi_set_boot_disk(call_device, &d, efi, valid, e);
}
