/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ping.c - PING's 36 names: mapped, refused, or ignored with a notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "cmdline/params.h"

static void parse(struct bmr_params *p, const char *line)
{
	struct bmr_err e = {0};

	bmr_params_init(p);
	if (bmr_params_parse_line(p, line, &e) < 0)
		fail_msg("%s: %s", line, e.msg);
}

static void refused(const char *line, const char *says)
{
	struct bmr_params p;
	struct bmr_err e = {0};

	bmr_params_init(&p);
	if (bmr_params_parse_line(&p, line, &e) == 0)
		fail_msg("accepted: %s", line);
	assert_int_equal(e.code, BMR_E_USAGE);
	if (!strstr(e.msg, says))
		fail_msg("%s: '%s' does not say '%s'", line, e.msg, says);
	bmr_params_clear(&p);
}

static bool noticed(const struct bmr_params *p, const char *text)
{
	for (size_t i = 0; i < p->notice_count; i++)
		if (strstr(p->notices[i], text))
			return true;
	return false;
}

/* A line as a deployment server writes it. */
static void whole_restore(void **state)
{
	struct bmr_params p;

	(void)state;
	parse(&p,
	      "Server=\"10.1.1.1\" Share=\"img\" Directory=\"a b\" Image_To_Restore=\"w7.img\" "
	      "After_Completion=\"Reboot\" CIFS_Preferred=\"Y\" Zsplit_Preferred=\"Y\" AUTO=\"Y\" "
	      "User=\"DOM\\joe\" Passwd=\"hush\" Extend_Parts_Whenever_Possible=\"N\" "
	      "Replace_BIOS=\"N\" IP=\"10.1.1.9\" Netmask=\"255.255.0.0\" Gateway=\"10.1.0.1\"");
	assert_string_equal(p.image, "smb://10.1.1.1/img/a%20b/w7.img");
	assert_string_equal(p.domain, "DOM");
	assert_string_equal(p.user, "joe");
	assert_string_equal(p.password, "hush");
	assert_int_equal(p.finish, BMR_FINISH_REBOOT);
	assert_int_equal(bmr_params_action(&p), BMR_ACTION_RESTORE);
	assert_int_equal(p.net.config_count, 1);
	assert_string_equal(p.net.configs[0].address.text, "10.1.1.9");
	assert_int_equal(p.net.configs[0].prefix, 16);
	assert_string_equal(p.net.configs[0].gateway.text, "10.1.0.1");
	assert_true(noticed(&p, "'Zsplit_Preferred' is ignored"));
	assert_false(noticed(&p, "Replace_BIOS"));
	assert_true(noticed(&p, "password"));
	assert_false(noticed(&p, "hush"));
	bmr_params_clear(&p);
}

static void empty_values_say_nothing(void **state)
{
	struct bmr_params p;

	(void)state;
	parse(&p,
	      "Server=\"\" Share=\"\" Directory=\"\" Image_To_Restore=\"\" IP=\"\" Netmask=\"\" "
	      "Gateway=\"\" User=\"\" Passwd=\"\" Cmd_1=\"\" After_Completion=\"\" AUTO=\"\"");
	assert_null(p.image);
	assert_null(p.user);
	assert_int_equal(p.net.config_count, 0);
	assert_int_equal(p.notice_count, 0);
	bmr_params_clear(&p);
}

static void check_image(const char *line, const char *image)
{
	struct bmr_params p;

	parse(&p, line);
	assert_non_null(p.image);
	assert_string_equal(p.image, image);
	bmr_params_clear(&p);
}

static void urls(void **state)
{
	(void)state;
	check_image("Server=h Share=/home/y/share NFS_Preferred=Y Directory=d Image_To_Restore=i",
	            "nfs://h/home/y/share/d/i");
	check_image("Server=h Directory=d FTP_Preferred=Y Image_To_Restore=i", "ftp://h/d/i");
	check_image("Server=h Share=s Image_To_Restore=i", "smb://h/s/i");
	check_image("Server=h,k Share=s Image_To_Restore=i", "smb://h/s/i,smb://k/s/i");
	check_image("Server=h Share=s Directory=\\a\\b\\ Image_To_Restore=i,j",
	            "smb://h/s/a/b/i%2Cj");
	check_image("Server=h Share=s Image_To_Restore=i bmr.image=http://k/x", "http://k/x");
	check_image("bmr.image=http://k/x Image_To_Restore=i", "http://k/x");
}

static void capture(void **state)
{
	struct bmr_params p;

	(void)state;
	parse(&p, "Server=h Share=s Image_To_Restore=Create_New_Image New_Image_Name=n "
	          "Parts_To_Backup=sda1 Already_Existing_Image=Replace Compression_Type=gzip");
	assert_int_equal(p.action, BMR_ACTION_CAPTURE);
	assert_string_equal(p.image, "smb://h/s/n");
	assert_true(noticed(&p, "'Parts_To_Backup' is ignored"));
	assert_true(noticed(&p, "'Already_Existing_Image' is ignored"));
	assert_true(noticed(&p, "'Compression_Type' is ignored"));
	bmr_params_clear(&p);
	refused("Server=h Share=s Image_To_Restore=Create_New_Image", "New_Image_Name");
	refused("Server=h Share=s Image_To_Restore=Create_New_Image New_Image_Name=n "
	        "Restore_Only=Y",
	        "Restore_Only");
	refused("Restore_Only=Y bmr.action=capture", "Restore_Only");
}

static void other_names(void **state)
{
	struct bmr_params p;

	(void)state;
	parse(&p, "DHCP_Timeout=7 After_Completion=shutdown AUTO=N Restore_Only=Y No_Shell=Y");
	assert_int_equal(p.net.timeouts.dhcp, 7);
	assert_int_equal(p.finish, BMR_FINISH_POWEROFF);
	assert_int_equal(p.action, BMR_ACTION_MENU);
	assert_true(p.restore_only);
	assert_int_equal(p.notice_count, 0);
	bmr_params_clear(&p);
	parse(&p, "After_Completion=Shell bmr.finish=halt AUTO=N bmr.action=plan ip=eth0:dhcp "
	          "IP=10.1.1.9 Netmask=24");
	assert_int_equal(p.finish, BMR_FINISH_HALT);
	assert_int_equal(p.action, BMR_ACTION_PLAN);
	assert_int_equal(p.net.config_count, 1);
	assert_string_equal(p.net.configs[0].name, "eth0");
	bmr_params_clear(&p);
}

static void case_is_exact(void **state)
{
	struct bmr_params p;

	(void)state;
	parse(&p, "server=h share=s image_to_restore=i auto=N cmd_1=x USER=joe");
	assert_null(p.image);
	assert_null(p.user);
	assert_int_equal(p.action, BMR_ACTION_NONE);
	bmr_params_clear(&p);
}

static void refusals(void **state)
{
	(void)state;
	refused("Cmd_1=\"rm -rf /; $(x)\"", "'Cmd_1' is refused");
	refused("Cmd_3=x", "no command on it is run");
	refused("AUTO=maybe", "Y or N");
	refused("Repart=1", "Y or N");
	refused("After_Completion=Explode", "Shell, Reboot or Shutdown");
	refused("Image_To_Restore=i", "needs Server and Share");
	refused("Image_To_Restore=i Server=h", "needs Server and Share");
	refused("Image_To_Restore=i FTP_Preferred=Y", "needs Server:");
	refused("Image_To_Restore=i Share=s Server=/dev/hda1", "disk:UUID=");
	refused("Image_To_Restore=i Share=s Server=h,", "hosts");
	refused("Image_To_Restore=i Share=s Server=u:p@h", "hosts");
	refused("IP=10.1.1.9", "Netmask");
	refused("IP=10.1.1.900 Netmask=24", "10.1.1.900");
	refused("DHCP_Timeout=x", "DHCP_Timeout");
}

/* All 36 are known: none is taken for the kernel's. */
static void all_names(void **state)
{
	static const char *const names[] = {"IP",
	                                    "Netmask",
	                                    "Gateway",
	                                    "DHCP_Timeout",
	                                    "Server",
	                                    "Share",
	                                    "User",
	                                    "Passwd",
	                                    "Directory",
	                                    "Image_To_Restore",
	                                    "New_Image_Name",
	                                    "Parts_To_Backup",
	                                    "Already_Existing_Image",
	                                    "Repart",
	                                    "After_Completion",
	                                    "Replace_BIOS",
	                                    "CIFS_Preferred",
	                                    "NFS_Preferred",
	                                    "FTP_Preferred",
	                                    "Zsplit_Preferred",
	                                    "Tarball_Preferred",
	                                    "Minimize_Before_Storing",
	                                    "No_Shell",
	                                    "AUTO",
	                                    "Cmd_1",
	                                    "Cmd_2",
	                                    "Cmd_3",
	                                    "Restore_Only",
	                                    "Compression_Type",
	                                    "Its_HDA_Stupid",
	                                    "Force_Dirty_NTFS_Mount",
	                                    "Extend_Parts_Whenever_Possible",
	                                    "Dont_Warn_Me",
	                                    "Store_MD5",
	                                    "Verbosity",
	                                    "Unique_Message"};

	(void)state;
	assert_int_equal(sizeof names / sizeof names[0], 36);
	for (size_t i = 0; i < 36; i++) {
		struct bmr_params p;
		struct bmr_err e = {0};

		/* A file refuses what nobody knows. */
		bmr_params_init(&p);
		assert_int_equal(bmr_params_parse_file(&p, names[i], strlen(names[i]), &e), 0);
		bmr_params_clear(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_restore), cmocka_unit_test(empty_values_say_nothing),
		cmocka_unit_test(urls),          cmocka_unit_test(capture),
		cmocka_unit_test(other_names),   cmocka_unit_test(case_is_exact),
		cmocka_unit_test(refusals),      cmocka_unit_test(all_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
