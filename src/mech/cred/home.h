/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

enum { HOME_BYTES = 240 };

/**
 * home_find - home directory of a user by the container's own /etc/passwd
 * @root_fd: the container's root
 * @ret:     the directory; "/" when the file is missing or odd, or has no absolute one
 *
 * The file is the container's and may hold anything: at most 1 MiB of it is scanned, byte by
 * byte, and nothing but the number and the directory of one line is ever kept.
 */
void home_find(int root_fd, uint32_t uid, char ret[HOME_BYTES]);
