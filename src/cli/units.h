/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Values with units, in the forms that runc's options take. */

/**
 * unit_bytes - "64M", "1.5 GiB", "1024": powers of 1024, upper or lower case
 *
 * Return: 0; -EINVAL; -ERANGE. @ret set only on success
 */
int unit_bytes(const char *s, int64_t *ret);

/** unit_duration_ms - "5s", "100ms", "1m30s", "1.5h"; below 1 ms becomes 1; see unit_bytes */
int unit_duration_ms(const char *s, uint64_t *ret);
