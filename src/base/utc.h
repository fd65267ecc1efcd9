/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

enum { UTC_SIZE = sizeof("0000-00-00T00:00:00") };

/**
 * utc_print - date and time of day in UTC as in RFC 3339, without fraction and zone
 * @seconds: since 1970; before it, or behind the year 9999, is taken as the nearest that is not
 *
 * gmtime would read the zone of the host first, and brings scanf and its numbers into a static program.
 */
void utc_print(char ret[UTC_SIZE], int64_t seconds);
