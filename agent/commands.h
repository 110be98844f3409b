/* SPDX-License-Identifier: GPL-3.0-or-later */
/* commands.h - the subcommands of bmr.  Each gets its own argv (argv[0] is its name), prints what
 * it has to say, and returns the exit code of bmr(8). */
#ifndef BMR_AGENT_COMMANDS_H
#define BMR_AGENT_COMMANDS_H

int bmr_command_restore(int argc, char **argv);
int bmr_command_capture(int argc, char **argv);
int bmr_command_merge(int argc, char **argv);
int bmr_command_verify(int argc, char **argv);
int bmr_command_info(int argc, char **argv);
int bmr_command_sign(int argc, char **argv);
int bmr_command_disks(int argc, char **argv);
int bmr_command_menu(int argc, char **argv);
int bmr_command_agent(int argc, char **argv);

#endif
