/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cmdline/ip.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

bool bmr_ip_number(const char *text, unsigned low, unsigned high, unsigned *out)
{
	unsigned value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		if (__builtin_mul_overflow(value, 10U, &value) ||
		    __builtin_add_overflow(value, (unsigned)(*text - '0'), &value))
			return false;
	}
	if (value < low || value > high)
		return false;
	*out = value;
	return true;
}

bool bmr_ip_mtu(const char *text, unsigned *mtu)
{
	return bmr_ip_number(text, 68, 65535, mtu);
}

bool bmr_ip_address(const char *text, struct bmr_net_address *out)
{
	char bare[BMR_NET_ADDRESS_SIZE];
	struct in6_addr bytes; /* large enough for both families */
	size_t len = strlen(text);
	bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
	int family;

	if (bracketed) {
		text++;
		len -= 2;
	}
	if (len >= sizeof bare)
		return false;
	memcpy(bare, text, len);
	bare[len] = '\0';
	family = strchr(bare, ':') ? AF_INET6 : AF_INET;
	if ((bracketed && family != AF_INET6) || inet_pton(family, bare, &bytes) != 1)
		return false;
	out->family = family;
	inet_ntop(family, &bytes, out->text, sizeof out->text);
	return true;
}

bool bmr_ip_prefix(const char *text, int family, unsigned *prefix)
{
	struct in_addr mask;
	uint32_t bits;
	uint32_t holes;

	if (bmr_ip_number(text, 0, family == AF_INET6 ? 128 : 32, prefix))
		return true;
	if (family != AF_INET || inet_pton(AF_INET, text, &mask) != 1)
		return false;
	bits = ntohl(mask.s_addr);
	holes = ~bits;
	if (holes & (holes + 1))
		return false;
	*prefix = (unsigned)__builtin_popcount(bits);
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool bmr_ip_mac(const char *text, struct bmr_net_mac *mac)
{
	struct bmr_net_mac result = {.given = true};

	for (size_t i = 0; i < BMR_NET_MAC_SIZE; i++) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);
		bool last = i == BMR_NET_MAC_SIZE - 1;

		if (low < 0)
			return false;
		if (last ? text[2] != '\0' : text[2] != ':' && text[2] != '-')
			return false;
		result.bytes[i] = (uint8_t)(high << 4 | low);
		text += 3;
	}
	*mac = result;
	return true;
}

/* No interface has such an address (IEEE 802); a hardware type and five bytes look like one. */
#define MULTICAST 1

bool bmr_ip_bootif(const char *text, struct bmr_net_mac *mac)
{
	struct bmr_net_mac result;

	/* RFC 1700's hardware types: 1 Ethernet, 6 other IEEE 802 networks. */
	if (strlen(text) == 3 + BMR_NET_MAC_TEXT_SIZE - 1 && text[0] == '0' &&
	    (text[1] == '1' || text[1] == '6') && (text[2] == '-' || text[2] == ':'))
		text += 3;
	if (!bmr_ip_mac(text, &result) || (result.bytes[0] & MULTICAST))
		return false;
	*mac = result;
	return true;
}

bool bmr_ip_name(const char *text, char name[BMR_NET_NAME_SIZE])
{
	size_t len = strlen(text);

	if (len == 0 || len >= BMR_NET_NAME_SIZE || text[0] == '-' || strcmp(text, ".") == 0 ||
	    strcmp(text, "..") == 0)
		return false;
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("/:%,[]\"\\", *c))
			return false;
	memcpy(name, text, len + 1);
	return true;
}

bool bmr_ip_hostname(const char *text, char name[BMR_NET_HOSTNAME_SIZE])
{
	size_t len = strlen(text);

	if (len >= BMR_NET_HOSTNAME_SIZE || text[0] == '-')
		return false;
	for (const char *c = text; *c; c++)
		if (!isascii(*c) || (!isalnum((unsigned char)*c) && *c != '-' && *c != '.'))
			return false;
	memcpy(name, text, len + 1);
	return true;
}

char *bmr_net_mac_text(const struct bmr_net_mac *mac, char text[BMR_NET_MAC_TEXT_SIZE])
{
	const uint8_t *b = mac->bytes;

	snprintf(text, BMR_NET_MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2],
	         b[3], b[4], b[5]);
	return text;
}
