/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"
#include "plan/island.h"
#include "sys/host.h"

#include <sys/types.h>

/*
 * Control groups: v1, v2 and hybrid hosts, directly through the file system (the
 * "cgroupfs" driver). Planner only; the islander has no more than cg_enter of it.
 *
 * How the fields of struct step's cgroup are used:
 *   MAKE     dir: the container's cgroup; file: mount point above it; value: v2: controllers
 *            to hand down on the way, v1: "cpuset" where cpus and mems must be inherited
 *   SET      dir/file: each line of value is one write. "a|b" in file are alternatives, the
 *            first that exists gets the matching "x|y" of value
 *   DEVICES  value: BPF_PROG_TYPE_CGROUP_DEVICE program, struct bpf_insn
 *   OPEN     dir; slot gets the v1 tasks file or the v2 directory
 *   ENTER    slot: v1, the islander writes itself in
 */

/* Values of the step's "optional". */
enum cg_need {
	CG_MUST,      /* any failure is an error */
	CG_MAY_FAIL,  /* any refusal is only reported */
	CG_MAY_LACK,  /* a missing file or directory is only reported */
};

struct cg_options {
	const char *id;	 /* container id: the cgroup's name when cgroupsPath is absent */
	bool optional;	 /* rootless: where no limit was asked for, a refusal is no error */
	struct arena *arena; /* owns the result's strings and arrays */
};

struct cg_result {
	char **dirs; /* the container's cgroups, one a hierarchy: for the state file */
	size_t dirs_count;
	struct cgroup_view *views; /* for a mount of type "cgroup" */
	size_t views_count;
	uint32_t slot; /* v2 directory for STEP_CLONE; SLOT_NONE: none */
};

/**
 * cg_plan - the container's cgroups, limits and device rules as steps
 * @s, @h, @o: borrowed
 * @p:   gets MAKE, SET, DEVICES and OPEN in PHASE_HOST, ENTER in PHASE_INIT
 * @ret: set only on success
 * @e:   names the JSON path
 *
 * Pure. Only what was asked for is written. A limit whose controller the host lacks is an
 * error, also when @o->optional.
 * Return: 0; -EINVAL; -EOPNOTSUPP when the host can't enforce a value; -ENOMEM.
 */
int cg_plan(const struct oci_spec *s, const struct host_facts *h, const struct cg_options *o,
	    struct plan *p, struct cg_result *ret, struct err *e);

/**
 * cg_plan_join - steps that bring a process of exec into existing cgroups
 * @dirs: of the state file
 *
 * Return: slot of the v2 directory for STEP_CLONE; SLOT_NONE: there is none.
 */
uint32_t cg_plan_join(const struct host_cgroups *c, char *const *dirs, size_t count, struct plan *p);

/**
 * cg_apply - carry out one cgroup step
 * @v:       the planner's half
 * @ret_made: MAKE: how many directories were made; hand it to cg_undo
 * @ret_fd:  OPEN: caller closes; else, or when optional and refused, -EBADF
 *
 * On failure MAKE has taken back what it made.
 * Return: 0; 1 when an optional step was refused, @e says why; negative code on failure.
 */
int cg_apply(const struct plan_view *v, const struct step *s, uint32_t *ret_made, int *ret_fd,
	     struct err *e);

/**
 * cg_undo - take a MAKE back: the container's cgroup and the ancestors that were made for it
 * @made: from cg_apply; only so many directories are removed, and only empty ones
 *
 * Ancestors that another container uses by now stay. Harmless when repeated.
 */
void cg_undo(const struct plan_view *v, const struct step *s, uint32_t made);

/**
 * cg_enter - STEP_CGROUP_ENTER: the calling process enters a v1 cgroup
 *
 * Context: islander, single-threaded, any namespace: the right to do it is the opener's.
 * Return: 0; negative code unless the step is optional.
 */
int cg_enter(const struct island *in, const struct step *s, struct err *e);

/* ---- Operations on the cgroups of a state file -------------------------------------- */

/**
 * cg_pids - every process in the cgroups and below them
 * @ret: sorted, each once; set only on success, caller frees; NULL when there is none
 *
 * A missing cgroup holds no process.
 * Return: 0 or a negative code.
 */
int cg_pids(char *const *dirs, size_t count, pid_t **ret, size_t *ret_count, struct err *e);

/**
 * cg_kill_all - signal every process in the cgroups and below them
 *
 * SIGKILL: repeats until nothing is left (at most 2 s) and thaws what was frozen. Uses
 * cgroup.kill where there is one. Other signals are sent once, under a freeze, to the
 * processes found; a container that was frozen before stays so.
 * Return: 0; -EBUSY when processes survive; a negative code.
 */
int cg_kill_all(char *const *dirs, size_t count, int sig, struct err *e);

/**
 * cg_remove - remove the cgroups with those below them; missing ones are fine
 *
 * Retries while the kernel still takes processes apart, at most 2 s.
 * Return: 0; -EBUSY names the directory; -EINVAL for something that is not a cgroup.
 */
int cg_remove(char *const *dirs, size_t count, struct err *e);

/**
 * cg_remove_empty - the quick way when everything should be dead: one rmdir a cgroup
 *
 * The kernel refuses it for a cgroup that holds a process or a cgroup, so success shows that
 * nobody was left. After a failure some may be gone; cg_kill_all and cg_remove do the rest.
 * Return: 0; -EBUSY; a negative code.
 */
int cg_remove_empty(char *const *dirs, size_t count);

/**
 * cg_freeze - stop or continue every process of the container; waits until it is so
 *
 * Return: 0; -EOPNOTSUPP when no hierarchy can freeze; -ETIMEDOUT after 2 s.
 */
int cg_freeze(char *const *dirs, size_t count, bool frozen, struct err *e);

/** cg_is_frozen - Return: 1 frozen or on the way there; 0 not; no freezer is 0 too */
int cg_is_frozen(char *const *dirs, size_t count);
