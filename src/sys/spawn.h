/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

#include <stdint.h>

/**
 * spawn_helper - run a trusted host program found in PATH and wait for it
 * @argv: NULL-terminated; its output on stderr goes into the error message
 *
 * Return: 0 on exit status 0; -ENOENT when it is not installed; -EPERM when it refuses.
 */
int spawn_helper(const char *program, char *const argv[], struct err *e);
