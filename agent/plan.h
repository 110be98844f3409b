/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan.h - what can be said of the agent's orders without asking a network or a disk. */
#ifndef BMR_AGENT_PLAN_H
#define BMR_AGENT_PLAN_H

struct bmr_err;
struct bmr_session;

/* Would the values of the session's parameters be refused when they are used?  In the words of
 * those who would refuse them.  A value with ${name} is another on another machine, and is
 * let through.  Errors: BMR_E_USAGE. */
int bmr_plan_check(struct bmr_session *session, struct bmr_err *e);

#endif
