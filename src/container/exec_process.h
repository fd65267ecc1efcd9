/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "container/container.h"
#include "sys/host.h"

/* What exec's options make of the container's own process. Private to container/. */

/**
 * exec_process - the process of config.json amended by options, by runc's rules
 * @base: of the container's config.json; borrowed, the result points into it
 * @a:    owns the rest of the result
 *
 * No terminal unless asked for; "--user UID" keeps the group of @base; capabilities are added
 * to ambient only where they are inheritable already.
 * Return: 0; -EINVAL names the option; -ENOMEM.
 */
int exec_process(const struct ctr_exec_options *o, const struct oci_process *base, struct arena *a,
		 struct oci_process **ret, struct err *e);

/**
 * exec_cgroups - the cgroups an exec'd process joins: the container's, or those below them
 * @subs: "[controller[,controller]:]path" each; NULL: the container's own
 * @ret:  NULL-terminated
 *
 * Return: 0; -EINVAL names the option; -ENOENT when there is no such cgroup.
 */
int exec_cgroups(const struct ctr *c, char *const *subs, const struct host_cgroups *h,
		 struct arena *a, char ***ret, struct err *e);
