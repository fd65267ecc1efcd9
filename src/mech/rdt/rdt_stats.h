/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/json.h"

/**
 * rdt_stats - what resctrl tells of a group, as members of an open JSON object
 * @resctrl: where the file system is mounted
 * @group:   directory of the container's class
 *
 * The structure is that of "intel_rdt" in runc's events. What the CPU lacks is left out.
 */
void rdt_stats(const char *resctrl, const char *group, struct json_out *o);
