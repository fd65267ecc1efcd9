/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "mech/seccomp/seccomp.h"

/* Between the files of mech/seccomp/ only: values of the names, host side. */

/** sec_*_value - Return: 0 and @ret; -EINVAL for a name that is not in the list */
int sec_action_value(const char *name, uint32_t *ret);
int sec_operator_value(const char *name, uint32_t *ret);
int sec_arch_value(const char *name, uint32_t *ret);

/**
 * sec_raw - a filter given in base64
 * @ret: gets struct sock_filter; untouched on failure
 *
 * Whether it is a valid program is for the kernel to say.
 * Return: 0; -EINVAL; -E2BIG over SEC_MAX_INSNS; -ENOMEM.
 */
int sec_raw(const char *text, struct buf *ret, struct err *e);
