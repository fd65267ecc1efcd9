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

/**
 * sec_watch - put what a policy wants of calls in front of a filter
 * @sc:     watched and refused; neither: nothing happens
 * @filter: struct sock_filter, replaced on success
 *
 * For no call is the new filter's word milder than the old one's: it is the stricter of the two, by the
 * kernel's own order of actions. A process of another architecture is killed.
 * Return: 0; -E2BIG over SEC_MAX_INSNS; -EINVAL for a filter that computes what it returns; -ENOMEM.
 */
int sec_watch(const struct oci_seccomp *sc, struct buf *filter, struct err *e);
