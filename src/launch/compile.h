/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "launch/launch.h"
#include "mech/cred/cred.h"
#include "oci/state.h"

/* What the plans of create, run and exec have in common. */

/**
 * compile_session - SESSION, and KEYRING unless declined
 * @pr: whose SELinux label the keyring gets; NULL: none
 */
void compile_session(const struct oci_process *pr, bool no_new_keyring, const char *id,
		     struct plan *p);

/** compile_rootfs_path - set @ret->rootfs; Return: 0 or -ENOMEM */
int compile_rootfs_path(const struct oci_spec *s, const char *bundle, struct launch_info *ret,
			struct err *e);

/* What the end of every plan depends on. All borrowed. */
struct compile_end {
	const struct oci_process *pr;
	const struct oci_linux *lin;   /* of the container's configuration; may be NULL */
	const struct oci_seccomp *sc;  /* NULL: no filter */
	const struct oci_state *state; /* for a seccomp agent */
	const char *cache_dir;
	const struct host_facts *h;
	const struct cred_context *cred;
};

/**
 * compile_prepare - the end of PHASE_INIT and what PHASE_COMMIT does to the process
 *
 * Working directory and look-up, execution domain, memory policy, labels; scheduler and I/O
 * priority.
 */
int compile_prepare(const struct compile_end *x, struct plan *p, struct err *e);

/** compile_identity - PHASE_ENTER up to the program: label, credentials, filter */
int compile_identity(const struct compile_end *x, struct plan *p, struct err *e);

/** compile_pidfd - PIDFD_SEND in PHASE_COMMIT; @socket NULL: nothing. @name: as runc calls it */
void compile_pidfd(const char *socket, const char *name, struct plan *p);

/*
 * What a joining islander needs once a process inside can see it. One with CAP_SYS_PTRACE may
 * take all it holds, so it lets go of the rest first.
 */
struct compile_modesty {
	const struct oci_process *pr;
	const struct host_facts *h;
	const struct cred_context *cred;
	bool filtered;	  /* a seccomp filter will be loaded */
	bool labelled;	  /* an LSM label will be written */
	uint32_t console; /* slot of the console socket; SLOT_NONE: none */
};

/**
 * compile_join - the islander is born and enters the container of @o
 * @cgroup_slot: v2 cgroup it is born in; SLOT_NONE: ours
 * @m:           NULL: it needs everything (mounts)
 */
void compile_join(const struct launch_exec_options *o, uint32_t cgroup_slot,
		  const struct compile_modesty *m, struct plan *p);
