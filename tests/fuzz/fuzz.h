/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "plan/plan.h"
#include "sys/host.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The entry libFuzzer and the replay driver call; one target a program. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** fuzz_host - the facts of a hybrid cgroup host with all rights, the same on every machine */
void fuzz_host(struct host_facts *f);

/** fuzz_check_plan - check the bytes as the islander does and read all that it could read
 *
 * On a copy of exactly that size, so that the sanitizer sees the first byte too far.
 */
void fuzz_check_plan(const uint8_t *data, size_t size);

/** fuzz_walk - read every byte that a checked plan refers to, and print it */
void fuzz_walk(const struct plan_view *v);
