/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"
#include "plan/island.h"
#include "sys/host.h"

/*
 * Who the program is: user, groups, umask, capabilities, no_new_privs, limits, and the
 * last look at the program before it is started.
 */

/** What of a process's credentials depends on more than the process object. */
struct cred_context {
	bool userns;	       /* runs in a user namespace other than ours */
	bool setgroups_denied; /* there setgroups(2) is not to be had */
	bool setgroups_unsure; /* there it may not be; an ordinary user's own groups may then stay */
	bool keep_groups;      /* the caller's additional groups stay, none are set */
	bool make_cwd;	       /* create: a missing working directory is made */
	bool partial; /* start: what the process object doesn't give stays as it was created */
	char *const *extra_env; /* NULL-terminated or NULL */
};

/** The environment of a program: pointers into the process object; the list is cred_env_done's. */
struct cred_env {
	const char **list; /* NULL behind the last */
	size_t count;
	const char *path; /* of PATH, or NULL */
	bool home;	  /* the last entry is "HOME=" and keeps the place for what passwd says */
};

/**
 * cred_env - one entry a name, the last that is given; a HOME in any case
 * @ret: to be freed in any case
 */
int cred_env(const struct oci_process *pr, const struct cred_context *c, struct cred_env *ret,
	     struct err *e);

static inline void cred_env_done(struct cred_env *env)
{
	free((void *)env->list);
}
#define AUTO_CRED_ENV AUTO(cred_env_done)

/** cred_put_home - put what the look-up found into the last of @list, if that is kept for it */
void cred_put_home(const struct island *in, bool home, char *const *list, uint32_t count);

/**
 * cred_plan_limits - RLIMIT for the planner, OOM_SCORE for the islander
 * @lower: refuse, when it comes to it, a limit above the process's hard limit of then
 *
 * To be called before anything that turns the islander private: its own oom_score_adj is
 * closed to it then.
 */
void cred_plan_limits(const struct oci_process *pr, bool lower, struct plan *p);

/**
 * cred_plan_workdir - WORKDIR: make the working directory and enter it
 *
 * cred_plan_prepare does it for good; before a root that is read-only turns so, it is made.
 */
void cred_plan_workdir(const struct oci_process *pr, const struct cred_context *c, struct plan *p);

/** cred_plan_prepare - WORKDIR and LOOKUP, last of PHASE_INIT */
int cred_plan_prepare(const struct oci_process *pr, const struct cred_context *c, struct plan *p,
		      struct err *e);

/**
 * cred_plan_enter - GROUPS, BOUNDING, USER, CAPS, NO_NEW_PRIVS; the caller adds SECCOMP
 * @filtered: a seccomp filter will follow
 *
 * A filter may only be loaded with CAP_SYS_ADMIN or under no_new_privs: without the latter
 * that one capability stays until cred_plan_drop.
 * Return: 0; -EINVAL when additional groups are asked for and can't be had.
 */
int cred_plan_enter(const struct oci_process *pr, const struct host_facts *h,
		    const struct cred_context *c, bool filtered, struct plan *p, struct err *e);

/**
 * cred_plan_modest - what a joining process keeps once it can be seen inside
 *
 * In PHASE_INIT: its final capabilities and those that the steps up to there need. All of
 * these but CAP_SYS_ADMIN, for a filter without no_new_privs, are in the usual default sets.
 */
void cred_plan_modest(const struct oci_process *pr, const struct host_facts *h,
		      const struct cred_context *c, bool filtered, struct plan *p);

/** cred_plan_drop - the final capability sets, if cred_plan_enter left one more */
void cred_plan_drop(const struct oci_process *pr, const struct host_facts *h,
		    const struct cred_context *c, bool filtered, struct plan *p);

/** cred_plan_exec - EXEC, the last step of all */
int cred_plan_exec(const struct oci_process *pr, const struct cred_context *c, struct plan *p,
		   struct err *e);

/**
 * cred_missing - capabilities that are asked for and can't be granted
 *
 * config.md: such values are left out, and must be told of in a warning.
 * @w: untouched when there are none
 */
void cred_missing(const struct oci_process *pr, const struct host_facts *h,
		  const struct cred_context *c, struct err *w);

/** cred_names - all capability names the kernel of this host and libcap know, NULL-terminated */
char **cred_names(struct arena *a, uint32_t cap_last);

/** cred_host_apply - RLIMIT on the waiting islander */
int cred_host_apply(struct island *in, const struct step *s, struct err *e);

/**
 * cred_apply - OOM_SCORE, WORKDIR, LOOKUP, GROUPS, BOUNDING, USER, CAPS, NO_NEW_PRIVS, EXEC
 *
 * EXEC returns only on failure.
 * Context: islander.
 */
int cred_apply(struct island *in, const struct step *s, struct err *e);
