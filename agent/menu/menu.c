/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/menu/menu.h"

#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/console.h"
#include "agent/disks.h"
#include "agent/finish.h"
#include "agent/menu/internal.h"
#include "agent/session.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"

#define SHELL_MARK "/etc/bmr/shell"
#define WORDS_MAX 16

bool bmr_menu_ok(struct bmr_menu *m, enum bmr_menu_answer answer)
{
	if (answer == BMR_MENU_LOST)
		m->lost = true;
	return answer == BMR_MENU_OK;
}

void bmr_menu_error(struct bmr_menu *m, const char *title, const struct bmr_err *err)
{
	struct bmr_err copy = *err;

	bmr_log_redact(m->session->log, copy.msg, sizeof copy.msg);
	bmr_menu_ok(m, bmr_menu_ui_page(title, copy.msg));
}

/* --- small screens --- */

static void show_disks(struct bmr_menu *m)
{
	struct bmr_err err = {0};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int rc;

	if (!out)
		return;
	bmr_menu_ui_busy("Looking at the disks...");
	rc = bmr_disks_command(NULL, NULL, false, out, &err);
	bmr_menu_ui_busy_end();
	if (fclose(out) == 0 && rc == 0)
		bmr_menu_ok(m, bmr_menu_ui_page("Disks", text));
	else
		bmr_menu_error(m, "Disks", &err);
	free(text);
}

static void tell_shell(struct bmr_menu *m)
{
	bool has = access(SHELL_MARK, F_OK) == 0;

	bmr_menu_ok(m,
	            bmr_menu_ui_page(
			    "Shell",
			    has ? "The shell is on tty2: press Alt-F2 at the machine's own "
				  "keyboard, and type its password."
				: "This medium was built without a shell: build one with 'make "
				  "iso SHELL_ON_TTY2=FILE', with the hash of a password in it."));
}

/* --- leaving --- */

static bool choose_finish(struct bmr_menu *m)
{
	static const char *const items[] = {"Stay", "Reboot", "Power off"};
	static const enum bmr_finish finish[] = {0, BMR_FINISH_REBOOT, BMR_FINISH_POWEROFF};
	size_t chosen = 0;

	if (!bmr_menu_ok(m, bmr_menu_ui_list("Leave", "What is to happen?", items, 3, &chosen)) ||
	    chosen == 0)
		return false;
	m->session->options->params.finish = finish[chosen];
	return true;
}

static bool leave(struct bmr_menu *m)
{
	return !m->session->live || choose_finish(m);
}

/* --- main menu --- */

static const struct {
	const char *text;
	void (*act)(struct bmr_menu *m);
	bool live; /* in the live system only */
} entries[] = {
	{"Restore   write an image onto a disk of this machine", bmr_menu_restore, false},
	{"Capture   make an image of a disk of this machine", bmr_menu_capture, false},
	{"Verify    is an image whole? does a disk hold it?", bmr_menu_verify, false},
	{"Disks     what is there, and what may be written", show_disks, false},
	{"Network   addresses; bring it up", bmr_menu_network, false},
	{"Shell     how to get one", tell_shell, true},
};

#define ENTRIES (sizeof entries / sizeof *entries)

/* false: leave. */
static bool main_menu(struct bmr_menu *m, size_t *at)
{
	const char *items[ENTRIES + 1];
	size_t count = 0;
	size_t chosen = *at;

	for (size_t i = 0; i < ENTRIES; i++)
		if (!entries[i].live || m->session->live)
			items[count++] = entries[i].text;
	items[count] = m->session->live ? "Leave     reboot or power off" : "Leave";
	if (!bmr_menu_ok(m, bmr_menu_ui_list("Main menu",
	                                     "No disk is overwritten before you have "
	                                     "typed the end of its serial.",
	                                     items, count + 1, &chosen)))
		return m->session->live && !m->lost; /* Esc: nowhere to go back to */
	*at = chosen;
	if (chosen == count)
		return !leave(m);
	entries[chosen].act(m);
	return true;
}

static void show_menu(struct bmr_menu *m)
{
	size_t at = 0;

	while (!m->lost && !atomic_load(&m->session->stop) && main_menu(m, &at))
		;
}

/* --- which terminal --- */

static bool is_network_word(const char *word)
{
	static const char *const names[] = {"ip=",     "nameserver=", "vlan=",     "bond=",
	                                    "bridge=", "ifname=",     "rd.route=", "bootdev="};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strncmp(word, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* The network as it was ordered, for the line that does the same again. */
static void keep_network_words(struct bmr_menu *m, const char *cmdline)
{
	AUTO_FREE char *copy = strdup(cmdline ? cmdline : "");
	char *rest = NULL;
	struct bmr_text network = bmr_text_in(m->network, sizeof m->network);

	for (char *word = copy ? strtok_r(copy, " \t\n", &rest) : NULL; word;
	     word = strtok_r(NULL, " \t\n", &rest))
		if (is_network_word(word) && network.used + strlen(word) + 2 < network.size)
			bmr_text_add(&network, "%s%s", network.used ? " " : "", word);
	if (network.used == 0)
		bmr_text_add(&network, "ip=dhcp");
}

/* Outside the live system the terminal is the user's, and so is its locale. */
static bool own_utf8(void)
{
	return setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static int show_here(struct bmr_menu *m, bool utf8, struct bmr_err *e)
{
	setlocale(LC_CTYPE, utf8 ? "C.UTF-8" : "C");
	if (bmr_menu_ui_open(utf8, &m->session->stop, e) < 0)
		return -1;
	show_menu(m);
	bmr_menu_ui_close();
	return 0;
}

/* Until a person has left: a console that is unplugged gives the menu back to the others. */
static int show_on_consoles(struct bmr_menu *m, struct bmr_err *e)
{
	const struct bmr_consoles *c = m->env->consoles;

	do {
		int which;
		int rc;

		m->lost = false;
		bmr_screen_say(m->session->screen, "");
		bmr_screen_say(m->session->screen, "Press Enter here for the menu.");
		which = bmr_consoles_wait(c);
		if (which < 0 || bmr_consoles_take(c, which) < 0)
			return bmr_err_set(e, BMR_E_USAGE, 0, "there is no console to ask at");
		m->terminal = c->fds[which];
		bmr_screen_remove(m->session->screen, m->terminal);
		rc = show_here(m, which == 0 && c->first_is_vga, e);
		bmr_screen_add(m->session->screen, m->terminal, BMR_SCREEN_LINES);
		if (rc < 0)
			return -1;
	} while (m->lost && !atomic_load(&m->session->stop));
	return 0;
}

int bmr_menu_run(struct bmr_session *session, const struct bmr_menu_env *env, struct bmr_err *e)
{
	struct bmr_menu m = {
		.session = session,
		.env = env,
		.terminal = STDOUT_FILENO,
		.network_up = !session->live,
	};
	int rc;

	keep_network_words(&m, env->cmdline);
	rc = env->consoles ? show_on_consoles(&m, e) : show_here(&m, own_utf8(), e);
	if (rc == 0 && m.code == 0 && atomic_load(&session->stop))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	return rc < 0 ? -1 : m.code;
}
