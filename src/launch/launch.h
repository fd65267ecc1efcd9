/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"
#include "mech/cgroup/cgroup.h"
#include "oci/spec.h"
#include "plan/plan.h"
#include "sys/host.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * From a specification to a process. compile is pure; run performs a plan.
 *
 *	compile ─→ struct plan ─→ launch_begin ─→ [caller commits its state] ─→ launch_release
 *
 * Between begin and release the islander waits, fully prepared, and dies by itself
 * when the planner dies or calls launch_abort: a container exists only once released.
 */

/* What create and run take beyond config.json. Strings borrowed, all may be NULL unless said. */
struct launch_options {
	const char *id;	       /* never NULL */
	const char *bundle;    /* absolute, never NULL */
	const char *state_dir; /* the container's own directory: gate socket; NULL: only printing */
	const char *cache_dir; /* compiled seccomp filters; NULL: no cache */
	const char *console_socket; /* path of the listener that gets the terminal's outer end */
	const char *pidfd_socket;   /* path of the listener that gets the first process's pidfd */
	bool gate;		    /* stop at the gate (create), or go straight on (run) */
	int leash_fd; /* whoever waits at the gate ends when the other side of this closes; 0: none */
	bool no_pivot, no_new_keyring;
	bool timing;
	enum cg_manager cgroup_manager;
	bool cgroup_optional;	/* rootless: having no cgroup is no error when nothing was asked */
	uint32_t preserve_fds;	/* fds 3 … 3+n-1 go through */
	char *const *extra_env; /* LISTEN_FDS and the like, appended; NULL-terminated */
};

/* What exec takes. The process is complete (merged from options or --process by the caller). */
struct launch_exec_options {
	const char *id; /* never NULL */
	const struct oci_process *process;
	const struct oci_linux *lin; /* of the container's config: filter, personality…; NULL: none */
	const char *bundle;	     /* this and the annotations: for a seccomp agent */
	const struct oci_pair *annotations;
	size_t annotations_count;
	const char *cache_dir;
	pid_t init_pid;
	uint64_t init_start_time;
	uint64_t namespaces;	  /* CLONE_NEW* that the container doesn't share with us */
	char *const *cgroup_dirs; /* NULL-terminated host paths to join */
	const bool *cgroup_v2;	  /* of each of them */
	const char *unit;	  /* of systemd; NULL: none */
	bool unit_user;
	const char *console_socket;
	const char *pidfd_socket;
	bool no_new_keyring, timing;
	bool setgroups_denied; /* in the container's user namespace */
	bool keep_groups;      /* as cred_context */
	uint32_t preserve_fds;
	char *const *extra_env;
};

/* What compile found out that the state file must remember. Lives in @arena. */
struct launch_info {
	struct arena arena;
	char **cgroup_dirs; /* NULL-terminated host paths, made by this container */
	char *unit;	    /* of systemd, NULL: none */
	bool unit_user;
	char **rdt_dirs;	  /* resctrl groups to remove with it, inner first; NULL: none */
	char *rootfs;		  /* absolute host path */
	uint64_t namespaces;	  /* CLONE_NEW* new or joined */
	bool terminal_to_planner; /* launch.console_fd will be set */
	struct err warning;	  /* code 0: none; what could not be granted and need not be */
};
void launch_info_done(struct launch_info *i);
#define AUTO_INFO AUTO(launch_info_done)

/**
 * launch_compile - the plan of create and run
 * @s: validated
 * @p: initialised by plan_init
 *
 * Pure, except that a compiled filter may come from and go to @o->cache_dir.
 * Return: 0; -EINVAL for what this host or version can't do; -ENOMEM.
 */
int launch_compile(const struct oci_spec *s, const struct host_facts *h,
		   const struct launch_options *o, struct plan *p, struct launch_info *ret,
		   struct err *e);

/** launch_compile_exec - the plan of exec: another process in a running container */
int launch_compile_exec(const struct host_facts *h, const struct launch_exec_options *o,
			struct plan *p, struct launch_info *ret, struct err *e);

/**
 * launch_compile_mounts - mounts[] of @s come into a running container, or go from it
 * @s:      the container's configuration with other mounts
 * @o:      who the container is, and its bundle
 * @remove: take what lies at each destination away, the last first
 *
 * The plan runs no program: launch_release returns when all is done and the islander leaves.
 * Return: 0; -EINVAL naming mounts[i]; -EOPNOTSUPP; -ENOMEM.
 */
int launch_compile_mounts(const struct oci_spec *s, const struct host_facts *h,
			  const struct launch_exec_options *o, bool remove, struct plan *p,
			  struct err *e);

/**
 * launch_compile_restore - what surrounds a container that CRIU brings back: cgroups, resctrl
 *
 * The plan starts no process: perform it with launch_place.
 * Return: as launch_compile.
 */
int launch_compile_restore(const struct oci_spec *s, const struct host_facts *h,
			   const struct launch_options *o, struct plan *p, struct launch_info *ret,
			   struct err *e);

/**
 * launch_compile_root - do to the root what create does, in a mount namespace nobody keeps
 *
 * What stays are the directories and files that mounts lie on. The plan runs no program, as that
 * of launch_compile_mounts.
 * Return: as launch_compile.
 */
int launch_compile_root(const struct oci_spec *s, const struct host_facts *h,
			const struct launch_options *o, struct plan *p, struct err *e);

/**
 * launch_outside_mounts - the mounts of a plan that show something of the host
 * @p:   not yet run
 * @ret: key: path in the container; value: path on the host. @a owns them
 *
 * Return: 0 or -ENOMEM.
 */
int launch_outside_mounts(const struct plan *p, struct arena *a, struct oci_pair **ret,
			  size_t *ret_count, struct err *e);

/**
 * launch_compile_fast - another program for a container that waits at its gate
 *
 * Two halves for launch_open_gate: COMMIT, what start sets from outside; INIT and ENTER, what
 * the islander looks at and at last executes in place of the EXEC it was created with. No step
 * that gives anything: who the program is and what it may was decided at the creation.
 * Return: 0; -EINVAL; -ENOMEM.
 */
int launch_compile_fast(const struct oci_fast *f, struct plan *p, struct err *e);

/**
 * launch_run_hooks - run the hooks of one kind on the host (poststart, poststop)
 * @status: "running", "stopped"
 * @pid:    for the state on stdin; 0: left out
 *
 * Return: 0; the error of the first hook that failed. Then later poststart hooks are not run;
 * poststop hooks all are (runtime.md, Lifecycle).
 */
int launch_run_hooks(const struct oci_spec *s, enum oci_hook_kind kind, const char *id,
		     const char *bundle, const char *status, pid_t pid, struct err *e);

/* What one step cost. */
struct step_price {
	uint32_t index; /* of the step within its half */
	uint8_t island; /* which half */
	uint16_t kind;
	uint64_t ns;
};

struct netdev_moves;

/* A launch under way. */
struct launch {
	pid_t pid; /* host pid of what becomes the container's process; our child */
	int pidfd;
	uint64_t start_time;
	int console_fd;	       /* outer end of the terminal, or -EBADF; the caller may TAKE_FD it */
	int sock;	       /* channel to the islander */
	struct plan *plan;     /* borrowed */
	struct plan_view host; /* the planner's half, checked */
	int proc_fd;	       /* the host's verified procfs */
	int32_t *slots;	       /* fd of each slot */
	uint32_t *made;	       /* what each step of PHASE_HOST left behind: see cg_undo */
	uint32_t done;	       /* steps of PHASE_HOST to undo */
	size_t heard;	       /* steps of the islander that it can't ask for any more */
	bool outside; /* the islander could not be born in the cgroup: STEP_SCOPE_ATTACH moves it */
	bool gate;    /* the plan ends with READY: at a gate, or without a program */
	struct netdev_moves *moves; /* interfaces to give back, NULL: none */
	struct buf prices;	    /* array of struct step_price, with plan->timing */
};

/**
 * launch_begin - run HOST, CLONE, MAP, INIT, HOOKS and COMMIT; stop before the gate or ENTER
 * @p:   borrowed until launch_done; must not be built on any further
 * @ret: set only on success; launch_done
 *
 * On failure everything done is undone and the islander is dead and reaped.
 * Context: single-threaded planner; blocks signals around the clone.
 * Return: 0, or the error of the step that failed, wrapped with what it was about.
 */
int launch_begin(struct plan *p, struct launch *ret, struct err *e);

/**
 * launch_place - perform HOST, PLACE and COMMIT round a process that is there already
 *
 * On failure everything done is undone.
 * Return: 0, or the error of the step that failed.
 */
int launch_place(struct plan *p, pid_t pid, struct err *e);

/**
 * launch_release - let the islander go on: to the gate, or through ENTER to the program
 *
 * With a gate: returns once the islander waits there. Without: returns when the program
 * runs, or with the error that kept it from running; call launch_abort then.
 */
int launch_release(struct launch *l, struct err *e);

/** launch_abort - kill and reap the islander, undo the HOST steps; after any failure behind begin */
void launch_abort(struct launch *l);

/** launch_done - free memory and close fds; kills nothing, undoes nothing */
void launch_done(struct launch *l);
#define AUTO_LAUNCH AUTO(launch_done)

/* What start may bring along. */
struct launch_fast {
	struct plan *plan; /* of launch_compile_fast; not to be built on any further */
	pid_t pid;	   /* who waits at the gate */
	bool stdio;	   /* our own 0, 1 and 2 become the program's */
};

/**
 * launch_open_gate - what `start` does: tell a waiting islander to go
 * @gate_path: socket in the state directory
 * @agent:     socket of the seccomp agent that the container may be connected to; NULL: none
 * @f:         NULL: with the program it was created with
 *
 * Return: 0 once the program runs; -ENOENT or -ECONNREFUSED when nobody waits there; -EAGAIN
 * when @f can't be had as it is: the container waits on, unharmed; else the error from inside
 * (the container is dead then).
 */
int launch_open_gate(const char *gate_path, const char *agent, const struct launch_fast *f,
		     struct err *e);

/**
 * launch_prepare_fast - run COMMIT of a fast plan on @pid; the rest goes into a memfd
 *
 * Return: the memfd, for the caller to close; a negative code.
 */
int launch_prepare_fast(struct plan *p, pid_t pid, struct err *e);

/** launch_gate_waits - is an islander waiting behind @gate_path? */
bool launch_gate_waits(const char *gate_path);

/** launch_print_prices - one line a step: microseconds, phase, name */
void launch_print_prices(const struct launch *l, struct buf *out);

/**
 * launch_print_phases - one line a phase: name, steps, microseconds, and runc's debug message for it
 *
 * And the processors the islander was bound to, if it was, and the flags of its filter. For a debug log: scripts look for the words that
 * runc has there.
 */
void launch_print_phases(const struct launch *l, bool exec, struct buf *out);
