/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/codec/format.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"

struct magic {
	size_t offset;
	size_t len;
	const char *bytes;
};

static const struct {
	struct magic magic;
	enum bmr_format format;
} readable[] = {
	{{0, 3, "\x1f\x8b\x08"}, BMR_FORMAT_GZIP},
	{{0, 4, "\x28\xb5\x2f\xfd"}, BMR_FORMAT_ZSTD},
	{{0, 6,
          "\xfd"
          "7zXZ\0"},
         BMR_FORMAT_XZ},
	{{0, 4, "\x04\x22\x4d\x18"}, BMR_FORMAT_LZ4},
	{{0, 3, "BZh"}, BMR_FORMAT_BZIP2},
};

/* Files that people hand to a restore by mistake.  Written raw, each gives a dead machine. */
static const struct {
	struct magic magic;
	const char *what;
} foreign[] = {
	{{0, 4, "QFI\xfb"}, "a qcow2 image: convert it with 'qemu-img convert -O raw'"},
	{{0, 4, "KDMV"}, "a VMDK image: convert it with 'qemu-img convert -O raw'"},
	{{0, 21, "# Disk DescriptorFile"},
         "a VMDK description: convert it with 'qemu-img convert -O raw'"},
	{{0, 8, "vhdxfile"}, "a VHDX image: convert it with 'qemu-img convert -O raw'"},
	{{0, 8, "conectix"}, "a VHD image: convert it with 'qemu-img convert -O raw'"},
	{{64, 4, "\x7f\x10\xda\xbe"}, "a VDI image: convert it with 'qemu-img convert -O raw'"},
	{{0, 16, "partclone-image\0"}, "a partclone image of one partition, not of a disk"},
	{{0, 4, "PK\x03\x04"}, "a zip archive: unpack it first"},
	{{0, 6, "7z\xbc\xaf\x27\x1c"}, "a 7z archive: unpack it first"},
	{{0, 6, "Rar!\x1a\x07"}, "a rar archive: unpack it first"},
	{{257, 5, "ustar"}, "a tar archive, not a disk image"},
	{{0, 4, "LZIP"}, "lzip data: recompress it with gzip, zstd, xz, lz4 or bzip2"},
	{{0, 2, "\x1f\x9d"}, "compress (.Z) data: recompress it with gzip, zstd, xz, lz4 or bzip2"},
	{{0, 4, "\x02\x21\x4c\x18"}, "lz4 data of the legacy format: recompress it with 'lz4'"},
	{{0, 5, "\x5d\0\0\x80\0"}, "lzma (alone) data: recompress it with 'xz'"},
	{{0, 9, "\x89LZO\0\r\n\x1a\n"},
         "lzop data: recompress it with gzip, zstd, xz, lz4 or bzip2"},
	{{0, 4, "hsqs"}, "a squashfs file system, not a disk image"},
	{{0, 4,
          "\x7f"
          "ELF"},
         "a program, not a disk image"},
	{{0, 5, "%PDF-"}, "a PDF document"},
};

static bool matches(const uint8_t *head, size_t len, const struct magic *m)
{
	return m->offset + m->len <= len && memcmp(head + m->offset, m->bytes, m->len) == 0;
}

/* zstd and lz4 have the same skippable frames (184D2A50 to 5F, little-endian), which may stand before
 * the first data.  Returns the bytes of the one that head begins with (UINT64_MAX: not in sight); 0:
 * none. */
static uint64_t skippable(const uint8_t *head, size_t len)
{
	uint64_t payload;

	if (len < 4 || (head[0] & 0xf0) != 0x50 || head[1] != 0x2a || head[2] != 0x4d ||
	    head[3] != 0x18)
		return 0;
	if (len < 8)
		return UINT64_MAX;
	payload = head[4] | (uint64_t)head[5] << 8 | (uint64_t)head[6] << 16 |
	          (uint64_t)head[7] << 24;
	return 8 + payload;
}

/* Whose skippable frames are these?  zstd's, if what follows them is not in sight. */
static enum bmr_format behind_skippable(const uint8_t *head, size_t len)
{
	uint64_t frame;

	while ((frame = skippable(head, len)) > 0) {
		if (frame > len)
			return BMR_FORMAT_ZSTD;
		head += frame;
		len -= (size_t)frame;
	}
	return len >= 4 && memcmp(head, "\x04\x22\x4d\x18", 4) == 0 ? BMR_FORMAT_LZ4
	                                                            : BMR_FORMAT_ZSTD;
}

/* No boot sector is 512 bytes of text; error pages and checksum files are. */
static bool is_text(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (head[i] < 0x20 && !strchr("\t\n\r\f\x1b", head[i]))
			return false;
		else if (head[i] == 0 || head[i] == 0x7f)
			return false;
	return len > 0;
}

static int refuse(const char *what, struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_DATA, 0, "this is not an image bmr can restore: it is %s",
	                   what);
}

int bmr_format_detect(const uint8_t *head, size_t len, enum bmr_format *format, struct bmr_err *e)
{
	if (len == 0)
		return bmr_err_set(e, BMR_E_DATA, 0, "the image is empty (0 bytes)");
	for (size_t i = 0; i < sizeof readable / sizeof *readable; i++)
		if (matches(head, len, &readable[i].magic)) {
			*format = readable[i].format;
			return 0;
		}
	if (skippable(head, len) > 0) {
		*format = behind_skippable(head, len);
		return 0;
	}
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		if (matches(head, len, &foreign[i].magic))
			return refuse(foreign[i].what, e);
	if (is_text(head, len < BMR_FORMAT_HEAD ? len : BMR_FORMAT_HEAD))
		return refuse("text, perhaps an error page of the server", e);
	*format = BMR_FORMAT_RAW;
	return 0;
}

const char *bmr_format_name(enum bmr_format format)
{
	static const char *const names[] = {
		[BMR_FORMAT_RAW] = "raw", [BMR_FORMAT_GZIP] = "gzip", [BMR_FORMAT_ZSTD] = "zstd",
		[BMR_FORMAT_XZ] = "xz",   [BMR_FORMAT_LZ4] = "lz4",   [BMR_FORMAT_BZIP2] = "bzip2",
	};

	return names[format];
}
