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
 *   CHECK    dir/file tells a number below value, or can't be read
 *   OPEN     dir; slot gets the v1 tasks file or the v2 directory
 *   ENTER    slot: v1, the islander writes itself in; in PHASE_PLACE it is moved
 *
 * With systemd as manager all of it happens in PHASE_PLACE, around the waiting islander: a
 * scope can't be without a process. systemd gets told every limit that it would write itself,
 * so that it never overwrites ours with its default; the files are written all the same.
 */

/* Who makes the cgroups. */
enum cg_manager {
	CG_CGROUPFS, /* we */
	CG_SYSTEMD,  /* a transient unit, through the helper program cay-systemd */
	CG_DISABLED, /* nobody: the container stays where its creator is */
};

/* Values of the step's "optional". */
enum cg_need {
	CG_MUST,     /* any failure is an error */
	CG_MAY_FAIL, /* any refusal is only reported */
	CG_MAY_LACK, /* a missing file or directory is only reported */
	CG_TRY,	     /* a value that is invalid now is only reported: it is written again */
};

struct cg_options {
	const char *id; /* container id: the cgroup's name when cgroupsPath is absent */
	bool optional;	/* rootless: where no limit was asked for, a refusal is no error */
	enum cg_manager manager;
	struct arena *arena; /* owns the result's strings and arrays */
};

struct cg_result {
	char **dirs; /* the container's cgroups, one a hierarchy: for the state file */
	size_t dirs_count;
	struct cgroup_view *views; /* for a mount of type "cgroup" */
	size_t views_count;
	uint32_t slot;	/* v2 directory for STEP_CLONE; SLOT_NONE: none */
	char *unit;	/* systemd: name of the scope or slice; NULL: none */
	bool unit_user; /* of the user's service manager */
};

/**
 * cg_plan - the container's cgroups, limits and device rules as steps
 * @s, @h, @o: borrowed
 * @p:   gets MAKE, SET, DEVICES and OPEN in PHASE_HOST, ENTER in PHASE_INIT; systemd: SYNC in
 *       PHASE_INIT and the rest, with SCOPE_START, in PHASE_PLACE
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
 * cg_plan_update - the steps that change the limits of an existing container
 * @res:  what is given is changed, the rest stays; devices are not looked at
 * @dirs: of the state file
 * @p:    gets CHECK (memory.checkBeforeUpdate on v2) and SET in PHASE_HOST
 *
 * Pure. The order is right whether a limit grows or shrinks.
 * Return: 0; -EINVAL; -EOPNOTSUPP when the host can't enforce a value; -ENOMEM.
 */
int cg_plan_update(const struct oci_resources *res, const struct host_facts *h, char *const *dirs,
		   size_t count, struct plan *p, struct err *e);

/**
 * cg_update - plan an update and perform it
 *
 * Stops at the first step that fails; those before it stay done.
 * Return: as cg_plan_update and cg_apply; -EBUSY when a limit is reached already.
 */
int cg_update(const struct oci_resources *res, const struct host_facts *h, char *const *dirs,
	      size_t count, struct err *e);

/**
 * cg_plan_join - steps that bring a process of exec into existing cgroups
 * @dirs: of the state file
 * @v2:   of each: is it cgroup v2?
 *
 * Return: slot of the v2 directory for STEP_CLONE; SLOT_NONE: there is none.
 */
uint32_t cg_plan_join(char *const *dirs, const bool *v2, size_t count, struct plan *p);

/** cg_is_v2 - by the file system it is on; what isn't there is not */
bool cg_is_v2(const char *dir);

/**
 * cg_apply - carry out one cgroup step
 * @v:       the planner's half
 * @ret_made: MAKE: how many directories were made; hand it to cg_undo
 * @ret_fd:  OPEN, and MAKE with a slot: caller closes; else, or when optional and refused, -EBADF
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

/** cg_move - STEP_CGROUP_ENTER in PHASE_PLACE: move @pid into dir; Return: 0 or a negative code */
int cg_move(const struct plan_view *v, const struct step *s, pid_t pid, struct err *e);

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

/* ---- systemd ------------------------------------------------------------------------ */

/**
 * cg_unit_apply - STEP_SCOPE_START, STEP_SCOPE_ATTACH
 * @pid: the islander; it is in the unit on success
 *
 * Return: 0; -ENOENT when cay-systemd is not installed; -ETIMEDOUT; -EPERM with what systemd said.
 */
int cg_unit_apply(const struct plan_view *v, const struct step *s, pid_t pid, struct err *e);

/**
 * cg_unit_stop - stop a unit whose processes are dead, forget its failure
 *
 * Return: 0, also when there is no such unit (any more); a negative code as cg_unit_apply.
 */
int cg_unit_stop(const char *unit, bool user, struct err *e);

/**
 * cg_unit_update - tell systemd the limits that cg_update is about to write
 *
 * Call it first: else the next thing systemd does to the unit brings the old limits back.
 * Return: 0; a negative code as cg_plan_update and cg_unit_apply.
 */
int cg_unit_update(const struct oci_resources *res, const struct host_facts *h, char *const *dirs,
		   size_t count, const char *unit, bool user, struct err *e);

/** cg_unit_name_check - a name that may stand in a state file: Return: true if it is a scope or slice */
bool cg_unit_name_check(const char *unit);

/** cg_plan_attach - exec: SYNC, and ATTACH for whoever can't be born in the unit's cgroup */
void cg_plan_attach(const char *unit, bool user, struct plan *p);

/** cg_is_frozen - Return: 1 frozen or on the way there; 0 not; no freezer is 0 too */
int cg_is_frozen(char *const *dirs, size_t count);
