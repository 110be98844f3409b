/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/version.h"

const char bmr_version[] = BMR_VERSION;
