/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utc.h"

#include <stdio.h>

static const int64_t last_second = 253402300799; /* of 9999 */

/* The date is civil_from_days of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms". */
void utc_print(char ret[UTC_SIZE], int64_t seconds)
{
	uint64_t s = (uint64_t)(seconds < 0 ? 0 : seconds > last_second ? last_second : seconds);
	unsigned int days = (unsigned int)(s / 86400) + 719468, secs = (unsigned int)(s % 86400);
	unsigned int era = days / 146097, doe = days % 146097;
	unsigned int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned int mp = (5 * doy + 2) / 153;
	unsigned int year = yoe + era * 400 + (mp >= 10), month = mp < 10 ? mp + 3 : mp - 9;
	unsigned int day = doy - (153 * mp + 2) / 5 + 1;

	/* The remainders tell the compiler how long it gets. */
	(void)snprintf(ret, UTC_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u", year % 10000, month % 100,
		       day % 100, secs / 3600, secs / 60 % 60, secs % 60);
}
