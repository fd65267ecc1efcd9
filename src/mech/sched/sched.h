/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"
#include "plan/island.h"

/*
 * How the program is run: scheduler, I/O priority and CPU affinity, which the planner sets on
 * the waiting islander with its own rights (a user namespace has none to give), and execution
 * domain and memory policy, which a process can only set for itself.
 *
 * Order, as in runc: affinity once the cgroup is entered, then the scheduler (a deadline
 * program may not have a narrowed affinity), all before the user changes.
 */

enum { SCHED_MAX_CPUS = 8192, SCHED_MAX_NODES = 1024 };

/* For the features document; each ends with NULL. */
extern const char *const sched_mempolicy_modes[];
extern const char *const sched_mempolicy_flags[];

/**
 * sched_plan_process - SCHEDULER and IO_PRIORITY of a process object, in PHASE_COMMIT
 *
 * Return: 0; -EINVAL, naming the field.
 */
int sched_plan_process(const struct oci_process *pr, struct plan *p, struct err *e);

/**
 * sched_plan_affinity - AFFINITY of the planner before the clone, and of the islander once it
 * has entered the container's cgroups
 * @exec: execCPUAffinity counts
 *
 * Where no final list is given, the islander ends up on all CPUs that the cgroup has, whatever
 * its caller was bound to.
 * Return: 0; -EINVAL, naming the field.
 */
int sched_plan_affinity(const struct oci_process *pr, bool exec, struct plan *p, struct err *e);

/**
 * sched_plan_cpus - AFFINITY of a process that waits, to exactly these CPUs
 *
 * Return: 0; -EINVAL for what is no list.
 */
int sched_plan_cpus(const char *cpus, struct plan *p, struct err *e);

/**
 * sched_plan_linux - PERSONALITY and MEMORY_POLICY, at the end of PHASE_INIT
 * @l: NULL: nothing
 *
 * Return: 0; -EINVAL, naming the field.
 */
int sched_plan_linux(const struct oci_linux *l, struct plan *p, struct err *e);

/**
 * sched_host_apply - AFFINITY, SCHEDULER, IO_PRIORITY on process @in->pid; 0: on ourselves
 *
 * Return: 0; a negative code whose message says what the kernel is known to refuse and why.
 */
int sched_host_apply(const struct island *in, const struct step *s, struct err *e);

/** sched_apply - PERSONALITY, MEMORY_POLICY; Context: islander */
int sched_apply(const struct island *in, const struct step *s, struct err *e);
