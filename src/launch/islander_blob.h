/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* The bytes of cay-init; the build writes islander_blob.c from the finished program. */
extern const unsigned char islander_blob[];
extern const size_t islander_blob_size;
