/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/compile.h"

#include "mech/cgroup/cgroup.h"
#include "mech/hooks/hooks.h"
#include "mech/mount/mount.h"
#include "mech/rdt/rdt.h"
#include "mech/sched/sched.h"
#include "mech/tty/tty.h"
#include "oci/state.h"
#include "sys/syscalls.h"

#include <linux/sched.h>
#include <unistd.h>

/* No namespace leads to the root of the container: it is that of its first process. */
static void stand_in_root(const struct launch_exec_options *o, struct plan *p)
{
	uint32_t slot = plan_slot(p);

	plan_add(p, &(struct step){ .kind = STEP_OPEN_ROOT,
				    .phase = PHASE_HOST,
				    .u.pidfd = { .start_time = o->init_start_time,
						 .pid = (uint32_t)o->init_pid,
						 .slot = slot } });
	plan_add(p, &(struct step){ .kind = STEP_ROOT,
				    .phase = PHASE_INIT,
				    .u.root = { .slot = slot, .no_pivot = MNT_ROOT_ONLY_OPEN } });
	plan_add_num(p, PHASE_INIT, STEP_PIVOT, MNT_PIVOT_CHROOT);
}

/*
 * exec: the islander is born among us, turns private there, and joins all namespaces of
 * the container at once by its init's pidfd. Nothing of ours is ever traceable from inside.
 */
void compile_join(const struct launch_exec_options *o, uint32_t cgroup_slot,
		  const struct compile_modesty *m, struct plan *p)
{
	uint32_t slot = plan_slot(p);

	plan_add(p, &(struct step){ .kind = STEP_OPEN_PIDFD,
				    .phase = PHASE_HOST,
				    .u.pidfd = { .start_time = o->init_start_time,
						 .pid = (uint32_t)o->init_pid,
						 .slot = slot } });
	plan_add(p, &(struct step){ .kind = STEP_CLONE,
				    .phase = PHASE_CLONE,
				    .u.clone = { .flags = 0, .cgroup_slot = cgroup_slot } });
	plan_add_none(p, PHASE_INIT, STEP_PRIVATE);
	if (o->unit)
		cg_plan_attach(o->unit, o->unit_user, p);
	if (!(o->namespaces & CLONE_NEWNS))
		stand_in_root(o, p);
	if (o->namespaces)
		plan_add(p, &(struct step){ .kind = STEP_SETNS,
					    .phase = PHASE_INIT,
					    .u.setns = { slot, (uint32_t)o->namespaces } });
	if (o->namespaces & CLONE_NEWUSER)
		plan_add_none(p, PHASE_INIT, STEP_BECOME_ROOT);
	if (m) {
		plan_add(p, &(struct step){ .kind = STEP_LET_GO,
					    .phase = PHASE_INIT,
					    .u.letgo = { m->console, m->labelled } });
		cred_plan_modest(m->pr, m->h, m->cred, m->filtered, p);
	}
	if (o->namespaces & (CLONE_NEWPID | CLONE_NEWTIME))
		plan_add_none(p, PHASE_INIT, STEP_FORK);
	plan_add_none(p, PHASE_INIT, STEP_CHDIR_ROOT);
}

int launch_compile_exec(const struct host_facts *h, const struct launch_exec_options *o,
			struct plan *p, struct launch_info *ret, struct err *e)
{
	struct cred_context cred = { .userns = o->namespaces & CLONE_NEWUSER,
				     .setgroups_denied = o->setgroups_denied,
				     .keep_groups = o->keep_groups,
				     .extra_env = o->extra_env };
	const struct oci_process *pr = o->process;
	const struct oci_state state = { .id = o->id,
					 .status = "running",
					 .bundle = o->bundle,
					 .pid = o->init_pid,
					 .annotations = o->annotations,
					 .annotations_count = o->annotations_count };
	const struct compile_end x = { .pr = pr,
				       .lin = o->lin,
				       .sc = o->lin ? o->lin->seccomp : NULL,
				       .state = &state,
				       .cache_dir = o->cache_dir,
				       .h = h,
				       .cred = &cred };
	struct compile_modesty modesty;
	uint32_t console = SLOT_NONE;
	size_t ndirs = 0;
	int r;

	while (o->cgroup_dirs && o->cgroup_dirs[ndirs])
		ndirs++;
	p->timing = o->timing;
	p->keep_fds = 3 + o->preserve_fds;
	ret->namespaces = o->namespaces;
	if (pr->terminal && o->console_socket) {
		console = plan_slot(p);
		plan_add(p, &(struct step){ .kind = STEP_CONNECT,
					    .phase = PHASE_HOST,
					    .u.sock = { plan_str(p, PHASE_HOST, o->console_socket),
							console } });
	}
	ret->terminal_to_planner = pr->terminal && console == SLOT_NONE;
	cred_missing(pr, h, &cred, &ret->warning);
	cred_plan_limits(pr, false, p);
	modesty = (struct compile_modesty){ .pr = pr,
					    .h = h,
					    .cred = &cred,
					    .filtered = x.sc != NULL,
					    .labelled = (pr->apparmor_profile &&
							 *pr->apparmor_profile) ||
							(pr->selinux_label && *pr->selinux_label),
					    .console = console };
	compile_join(o, cg_plan_join(o->cgroup_dirs, o->cgroup_v2, ndirs, p), &modesty, p);
	compile_session(pr, o->no_new_keyring, o->id, p);
	tty_plan(pr, console, false, p);
	r = sched_plan_affinity(pr, true, p, e);
	if (r == 0)
		r = rdt_plan_join(o->lin ? o->lin->intel_rdt : NULL, h, o->id, p, e);
	if (r == 0)
		r = compile_prepare(&x, p, e);
	if (r < 0)
		return r;
	compile_pidfd(o->pidfd_socket, "setns", p);
	plan_add_num(p, PHASE_INIT, STEP_SYNC, PHASE_COMMIT);
	r = compile_identity(&x, p, e);
	if (r == 0)
		r = cred_plan_exec(pr, &cred, p, e);
	return r < 0 ? r : plan_failed(p) ? err_oom(e) : 0;
}

static int run_step(const struct plan_view *v, const struct step *s, int32_t *slots, struct err *e)
{
	int fd;

	if (s->kind != STEP_OPEN_LOG)
		return hooks_apply(v, s, 0, e);
	fd = hooks_open_log(v, s, e);
	if (fd < 0)
		return fd;
	slots[s->u.sock.slot] = fd;
	return 0;
}

int launch_run_hooks(const struct oci_spec *s, enum oci_hook_kind kind, const char *id,
		     const char *bundle, const char *status, pid_t pid, struct err *e)
{
	struct oci_state state = { .id = id,
				   .status = status,
				   .bundle = bundle,
				   .pid = pid,
				   .annotations = s->annotations,
				   .annotations_count = s->annotations_count };
	AUTO_BUF struct buf text = { 0 };
	struct json_out o = { .b = &text };
	struct hooks_output logs;
	int32_t slots[2] = { -EBADF, -EBADF };
	AUTO_PLAN struct plan p;
	struct plan_view v;
	int r = 0;

	if (!s->hooks[kind].hooks_count)
		return 0;
	plan_init(&p);
	oci_state_write(&o, &state);
	logs = hooks_plan_output(s, &p);
	hooks_plan(s, kind, PHASE_HOST, text.data, "", logs, NULL, false, &p);
	if (text.failed || plan_failed(&p))
		return err_oom(e);
	r = plan_view_half(&p.host, slots, p.slots, &v, e);
	for (uint32_t i = 0; i < v.nsteps && (r == 0 || kind == OCI_HOOK_POSTSTOP); i++) {
		struct err own;
		int failed = run_step(&v, &v.steps[i], slots, &own);

		/* The first failure is the one to tell. */
		if (failed < 0 && r == 0) {
			r = failed;
			if (e)
				*e = own;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(slots); i++)
		if (slots[i] >= 0)
			close(slots[i]);
	return r;
}
