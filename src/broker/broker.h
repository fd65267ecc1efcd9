/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct broker_options {
	const char *policy_dir, *listen; /* of an agent */
	const char *audit;		 /* file to append to; NULL: stderr */
	uint32_t rate;			 /* calls a second and container; 0: 5,000 */
};

/** broker_agent - serve until told to end; Return: 0 or a negative code */
int broker_agent(const struct broker_options *o, struct err *e);
