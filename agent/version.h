/* SPDX-License-Identifier: GPL-3.0-or-later */
/* version.h - which bmr this is: what `git describe` says of its source. */
#ifndef BMR_AGENT_VERSION_H
#define BMR_AGENT_VERSION_H

extern const char bmr_version[];

#endif
