/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "launch/launch.h"
#include "mech/cred/cred.h"

/* What the plans of create, run and exec have in common. */

/** compile_session - SESSION, and KEYRING unless declined */
void compile_session(bool no_new_keyring, const char *id, struct plan *p);

/**
 * compile_process - the end of every plan: credentials, filter, program
 * @sc: NULL: no filter
 */
int compile_process(const struct oci_process *pr, const struct oci_seccomp *sc,
		    const char *cache_dir, const struct host_facts *h,
		    const struct cred_context *cred, struct plan *p, struct err *e);
