/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/compile.h"

#include "base/parse.h"
#include "mech/cgroup/cgroup.h"
#include "mech/hooks/hooks.h"
#include "mech/lsm/lsm.h"
#include "mech/mount/mount.h"
#include "mech/mount/mount_plan.h"
#include "mech/netdev/netdev.h"
#include "mech/ns/ns.h"
#include "mech/rdt/rdt.h"
#include "mech/sched/sched.h"
#include "mech/seccomp/seccomp.h"
#include "mech/tty/tty.h"
#include "oci/state.h"

#include <linux/sched.h>
#include <string.h>

void launch_info_done(struct launch_info *i)
{
	arena_done(&i->arena);
}

/* Everything the parts of one compilation share. */
struct compiler {
	const struct oci_spec *s;
	const struct host_facts *h;
	const struct launch_options *o;
	struct plan *p;
	struct launch_info *info;
	struct cg_result cg;
	struct cred_context cred;
	struct hooks_output hooks;
	uint32_t userns; /* slot of the one that is joined */
};

static void credentials(struct compiler *c)
{
	bool fresh = oci_namespace_is_new(c->s, OCI_NS_USER);

	c->cred = (struct cred_context){
		.userns = oci_namespace(c->s, OCI_NS_USER) != NULL,
		.setgroups_denied = fresh ? !c->h->admin && ns_maps_only_self(c->s, c->h)
					  : c->h->setgroups_denied,
		/* That of a container which maps nobody but its user denies it. */
		.setgroups_unsure = !fresh && !c->h->admin && oci_namespace(c->s, OCI_NS_USER),
		.keep_groups = c->s->ext.keep_groups,
		.make_cwd = true,
		.extra_env = c->o->extra_env,
	};
}

static int cgroups(struct compiler *c, struct err *e)
{
	struct cg_options o = { .id = c->o->id,
				.optional = c->o->cgroup_optional,
				.manager = c->o->cgroup_manager,
				.arena = &c->info->arena };
	int r = cg_plan(c->s, c->h, &o, c->p, &c->cg, e);

	if (r < 0)
		return r;
	c->info->unit = c->cg.unit;
	c->info->unit_user = c->cg.unit_user;
	c->info->cgroup_dirs = arena_array(&c->info->arena, c->cg.dirs_count + 1, sizeof(char *));
	if (!c->info->cgroup_dirs)
		return err_oom(e);
	for (size_t i = 0; i < c->cg.dirs_count; i++)
		c->info->cgroup_dirs[i] = c->cg.dirs[i];
	return 0;
}

/* HOOK steps of one kind, with the state they get on stdin. */
static int hooks(struct compiler *c, enum oci_hook_kind kind, enum phase phase, const char *status,
		 struct err *e)
{
	struct oci_state state = { .id = c->o->id,
				   .status = status,
				   .bundle = c->o->bundle,
				   .annotations = c->s->annotations,
				   .annotations_count = c->s->annotations_count };
	AUTO_CRED_ENV struct cred_env env = { 0 };
	AUTO_BUF struct buf head = { 0 };
	AUTO_BUF struct buf tail = { 0 };
	int r;

	if (!c->s->hooks[kind].hooks_count)
		return 0;
	r = oci_state_split(&state, &head, &tail, e);
	/* As in runc: the hooks that see the container as the program does have its environment. */
	if (r == 0 && kind == OCI_HOOK_START_CONTAINER)
		r = cred_env(c->s->process, &c->cred, &env, e);
	if (r == 0)
		hooks_plan(c->s, kind, phase, head.data, tail.data, c->hooks,
			   (char *const *)env.list, env.home, c->p);
	return r;
}

static void terminal(struct compiler *c)
{
	uint32_t slot = SLOT_NONE;

	if (!c->s->process || !c->s->process->terminal)
		return;
	if (c->o->console_socket) {
		slot = plan_slot(c->p);
		plan_add(c->p, &(struct step){
				       .kind = STEP_CONNECT,
				       .phase = PHASE_HOST,
				       .u.sock = { plan_str(c->p, PHASE_HOST, c->o->console_socket),
						   slot } });
	}
	c->info->terminal_to_planner = slot == SLOT_NONE;
	tty_plan(c->s->process, slot, oci_can_mount(c->s), c->p);
}

/* Both the namespaces and the host are there: interfaces, and the hooks that look at them. */
static int before_pivot(struct compiler *c, struct err *e)
{
	int r;

	if (!c->s->hooks[OCI_HOOK_PRESTART].hooks_count &&
	    !c->s->hooks[OCI_HOOK_CREATE_RUNTIME].hooks_count &&
	    !(c->s->linux_ && c->s->linux_->net_devices_count))
		return 0;
	plan_add_num(c->p, PHASE_INIT, STEP_SYNC, PHASE_HOOKS);
	r = netdev_plan(c->s, c->h, c->p, e);
	if (r == 0)
		r = hooks(c, OCI_HOOK_PRESTART, PHASE_HOOKS, "creating", e);
	return r < 0 ? r : hooks(c, OCI_HOOK_CREATE_RUNTIME, PHASE_HOOKS, "creating", e);
}

/* All mounts are made: into the namespace that the container has, with them as the root but not in its tree. */
static void go_home(struct compiler *c)
{
	plan_add_num(c->p, PHASE_INIT, STEP_PIVOT, MNT_PIVOT_DETACH);
	ns_plan_home(c->p);
	plan_add_num(c->p, PHASE_INIT, STEP_PIVOT, MNT_PIVOT_CHROOT);
}

static int root_and_mounts(struct compiler *c, struct err *e)
{
	struct mnt_options o = { .bundle = c->o->bundle,
				 .state_dir = c->o->state_dir,
				 .no_pivot = c->o->no_pivot,
				 .userns = c->userns,
				 .kcore = c->h->kcore,
				 .cgroups = c->cg.views,
				 .cgroups_count = c->cg.views_count };
	int r = lsm_plan_mounts(c->s->linux_, c->h, e);

	if (r == 0)
		r = mnt_plan_root(c->s, c->h, &o, c->p, e);
	if (r == 0)
		r = mnt_plan_mounts(c->s, c->h, &o, c->p, e);
	if (r == 0)
		r = mnt_plan_devices(c->s, c->h, &o, c->p, e);
	if (r < 0)
		return r;
	terminal(c);
	r = before_pivot(c, e);
	if (r == 0)
		r = hooks(c, OCI_HOOK_CREATE_CONTAINER, PHASE_INIT, "creating", e);
	if (r < 0)
		return r;
	mnt_plan_pivot(c->s, c->h, &o, c->p);
	ns_plan_names(c->s, c->p);
	if (c->s->root->readonly && c->s->process && !str_eq(c->s->process->cwd, "/"))
		cred_plan_workdir(c->s->process, &c->cred, c->p);
	r = mnt_plan_late(c->s, c->h, &o, c->p, e);
	if (r == 0 && !oci_namespace(c->s, OCI_NS_MOUNT) && oci_can_mount(c->s))
		go_home(c);
	return r;
}

static void gate(struct compiler *c)
{
	uint32_t slot = plan_slot(c->p), leash = SLOT_NONE;

	plan_add(c->p, &(struct step){
			       .kind = STEP_LISTEN,
			       .phase = PHASE_HOST,
			       .u.sock = { plan_strf(c->p, PHASE_HOST, "%s/gate", c->o->state_dir),
					   slot } });
	if (c->o->leash_fd > 0) {
		leash = plan_slot(c->p);
		plan_add(c->p, &(struct step){ .kind = STEP_HOLD,
					       .phase = PHASE_HOST,
					       .u.hold = { (uint32_t)c->o->leash_fd, leash } });
	}
	plan_add(c->p, &(struct step){
			       .kind = STEP_GATE, .phase = PHASE_INIT, .u.gate = { slot, leash } });
}

int compile_prepare(const struct compile_end *x, struct plan *p, struct err *e)
{
	int r = cred_plan_prepare(x->pr, x->cred, p, e);

	if (r == 0)
		r = sched_plan_linux(x->lin, p, e);
	if (r == 0)
		r = lsm_plan_open(x->pr, x->h, p, e);
	return r < 0 ? r : sched_plan_process(x->pr, p, e);
}

int compile_identity(const struct compile_end *x, struct plan *p, struct err *e)
{
	int r;

	lsm_plan_label(x->pr, x->h, p);
	r = cred_plan_enter(x->pr, x->h, x->cred, x->sc != NULL, p, e);
	if (r == 0 && x->sc)
		r = sec_plan(x->sc, x->state, x->cache_dir, p, e);
	if (r == 0)
		cred_plan_drop(x->pr, x->h, x->cred, x->sc != NULL, p);
	return r;
}

static int process(struct compiler *c, struct err *e)
{
	const struct oci_state state = { .id = c->o->id,
					 .bundle = c->o->bundle,
					 .status = c->o->gate ? "created" : "creating",
					 .annotations = c->s->annotations,
					 .annotations_count = c->s->annotations_count };
	const struct compile_end x = { .pr = c->s->process,
				       .lin = c->s->linux_,
				       .sc = c->s->linux_ ? c->s->linux_->seccomp : NULL,
				       .state = &state,
				       .cache_dir = c->o->cache_dir,
				       .h = c->h,
				       .cred = &c->cred };
	int r;

	if (!x.pr)
		return err_set(e, EINVAL, "process: missing, there is nothing to run");
	r = sched_plan_affinity(x.pr, false, c->p, e);
	if (r == 0)
		r = compile_prepare(&x, c->p, e);
	if (r < 0)
		return r;
	compile_pidfd(c->o->pidfd_socket, "standard", c->p);
	compile_pidfd(c->s->ext.pidfd_receiver, "standard", c->p);
	plan_add_num(c->p, PHASE_INIT, STEP_SYNC, PHASE_COMMIT);
	if (c->o->gate)
		gate(c);
	r = compile_identity(&x, c->p, e);
	/* Files of the container: they must not have more rights than its program. */
	if (r == 0)
		r = hooks(c, OCI_HOOK_START_CONTAINER, PHASE_ENTER, "created", e);
	return r < 0 ? r : cred_plan_exec(x.pr, x.cred, c->p, e);
}

int compile_rootfs_path(const struct oci_spec *s, const char *bundle, struct launch_info *ret,
			struct err *e)
{
	const char *path = s->root->path;

	ret->rootfs = *path == '/' ? arena_strdup(&ret->arena, path)
				   : arena_printf(&ret->arena, "%s/%s", bundle, path);
	return ret->rootfs ? 0 : err_oom(e);
}

void compile_session(const struct oci_process *pr, bool no_new_keyring, const char *id,
		     struct plan *p)
{
	char name[160];

	plan_add_none(p, PHASE_INIT, STEP_SESSION);
	(void)snprintf(name, sizeof(name), "_ses.%s", id);
	if (no_new_keyring)
		return;
	if (pr)
		lsm_plan_keys(pr, true, p);
	plan_add_str(p, PHASE_INIT, STEP_KEYRING, name);
	if (pr)
		lsm_plan_keys(pr, false, p);
}

void compile_pidfd(const char *socket, const char *name, struct plan *p)
{
	struct step s = { .kind = STEP_PIDFD_SEND, .phase = PHASE_COMMIT };

	if (!socket)
		return;
	s.u.pair.key = plan_str(p, PHASE_COMMIT, name);
	s.u.pair.value = plan_str(p, PHASE_COMMIT, socket);
	plan_add(p, &s);
}

int launch_compile(const struct oci_spec *s, const struct host_facts *h,
		   const struct launch_options *o, struct plan *p, struct launch_info *ret,
		   struct err *e)
{
	struct compiler c = { .s = s, .h = h, .o = o, .p = p, .info = ret };
	int r;

	p->timing = o->timing;
	p->keep_fds = 3 + o->preserve_fds;
	credentials(&c);
	ret->namespaces = ns_flags(s);
	c.hooks = hooks_plan_output(s, p);
	r = compile_rootfs_path(s, o->bundle, ret, e);
	if (r == 0)
		r = cgroups(&c, e);
	if (r == 0)
		r = rdt_plan(s->linux_ ? s->linux_->intel_rdt : NULL, h, o->id, &ret->arena, p,
			     &ret->rdt_dirs, e);
	if (r == 0 && s->process) {
		cred_missing(s->process, h, &c.cred, &ret->warning);
		cred_plan_limits(s->process, false, p);
	}
	if (r == 0)
		r = ns_plan(s, h, c.cg.slot, p, &c.userns, e);
	if (r < 0)
		return r;
	compile_session(s->process, o->no_new_keyring, o->id, p);
	r = root_and_mounts(&c, e);
	if (r == 0)
		r = process(&c, e);
	if (r < 0)
		return r;
	return plan_failed(p) ? err_oom(e) : 0;
}
