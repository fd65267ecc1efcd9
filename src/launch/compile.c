/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/compile.h"

#include "mech/cgroup/cgroup.h"
#include "mech/hooks/hooks.h"
#include "mech/mount/mount_plan.h"
#include "mech/ns/ns.h"
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
};

static void credentials(struct compiler *c)
{
	bool fresh = oci_namespace_is_new(c->s, OCI_NS_USER);

	c->cred = (struct cred_context){
		.userns = oci_namespace(c->s, OCI_NS_USER) != NULL,
		.setgroups_denied = fresh ? !c->h->admin && ns_maps_only_self(c->s, c->h)
					  : c->h->setgroups_denied,
		.make_cwd = true,
		.extra_env = c->o->extra_env,
	};
}

static int cgroups(struct compiler *c, struct err *e)
{
	struct cg_options o = { .id = c->o->id, .optional = c->o->cgroup_optional,
				.arena = &c->info->arena };
	int r = cg_plan(c->s, c->h, &o, c->p, &c->cg, e);

	if (r < 0)
		return r;
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
	struct oci_state state = { .id = c->o->id, .status = status, .bundle = c->o->bundle,
				   .annotations = c->s->annotations,
				   .annotations_count = c->s->annotations_count };
	AUTO_BUF struct buf head = { 0 };
	AUTO_BUF struct buf tail = { 0 };
	int r;

	if (!c->s->hooks[kind].hooks_count)
		return 0;
	r = oci_state_split(&state, &head, &tail, e);
	if (r == 0)
		hooks_plan(c->s, kind, phase, head.data, tail.data, c->p);
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
				       .kind = STEP_CONNECT, .phase = PHASE_HOST,
				       .u.sock = { plan_str(c->p, PHASE_HOST, c->o->console_socket), slot } });
	}
	c->info->terminal_to_planner = slot == SLOT_NONE;
	tty_plan(c->s->process, slot, oci_namespace(c->s, OCI_NS_MOUNT) != NULL, c->p);
}

static int root_and_mounts(struct compiler *c, struct err *e)
{
	struct mnt_options o = { .bundle = c->o->bundle, .no_pivot = c->o->no_pivot,
				 .kcore = c->h->kcore,
				 .cgroups = c->cg.views, .cgroups_count = c->cg.views_count };
	int r = mnt_plan_root(c->s, c->h, &o, c->p, e);

	if (r == 0)
		r = mnt_plan_mounts(c->s, c->h, &o, c->p, e);
	if (r == 0)
		r = mnt_plan_devices(c->s, c->h, &o, c->p, e);
	if (r < 0)
		return r;
	terminal(c);
	/* The hooks that see both the namespaces and the host run just before the pivot. */
	if (c->s->hooks[OCI_HOOK_PRESTART].hooks_count ||
	    c->s->hooks[OCI_HOOK_CREATE_RUNTIME].hooks_count) {
		plan_add_num(c->p, PHASE_INIT, STEP_SYNC, PHASE_HOOKS);
		r = hooks(c, OCI_HOOK_PRESTART, PHASE_HOOKS, "creating", e);
		if (r == 0)
			r = hooks(c, OCI_HOOK_CREATE_RUNTIME, PHASE_HOOKS, "creating", e);
	}
	if (r == 0)
		r = hooks(c, OCI_HOOK_CREATE_CONTAINER, PHASE_INIT, "creating", e);
	if (r < 0)
		return r;
	mnt_plan_pivot(c->s, &o, c->p);
	ns_plan_names(c->s, c->p);
	return mnt_plan_late(c->s, c->h, &o, c->p, e);
}

static void gate(struct compiler *c)
{
	uint32_t slot = plan_slot(c->p);

	plan_add(c->p, &(struct step){
			       .kind = STEP_LISTEN, .phase = PHASE_HOST,
			       .u.sock = { plan_strf(c->p, PHASE_HOST, "%s/gate", c->o->state_dir), slot } });
	plan_add_num(c->p, PHASE_INIT, STEP_GATE, slot);
}

int compile_process(const struct oci_process *pr, const struct oci_seccomp *sc,
		    const char *cache_dir, const struct host_facts *h,
		    const struct cred_context *cred, struct plan *p, struct err *e)
{
	int r = cred_plan_enter(pr, h, cred, sc != NULL, p, e);

	if (r == 0 && sc)
		r = sec_plan(sc, cache_dir, p, e);
	return r < 0 ? r : cred_plan_drop(pr, h, cred, sc != NULL, p, e);
}

static int process(struct compiler *c, struct err *e)
{
	const struct oci_process *pr = c->s->process;
	int r;

	if (!pr)
		return err_set(e, EINVAL, "process: missing, there is nothing to run");
	r = cred_plan_prepare(pr, &c->cred, c->p, e);
	if (r < 0)
		return r;
	plan_add_num(c->p, PHASE_INIT, STEP_SYNC, PHASE_COMMIT);
	if (c->o->gate)
		gate(c);
	r = hooks(c, OCI_HOOK_START_CONTAINER, PHASE_ENTER, "created", e);
	if (r < 0)
		return r;
	return compile_process(pr, c->s->linux_ ? c->s->linux_->seccomp : NULL, c->o->cache_dir, c->h,
			       &c->cred, c->p, e);
}

static int rootfs_path(struct compiler *c, struct err *e)
{
	const char *path = c->s->root->path;

	c->info->rootfs = *path == '/' ? arena_strdup(&c->info->arena, path)
				       : arena_printf(&c->info->arena, "%s/%s", c->o->bundle, path);
	return c->info->rootfs ? 0 : err_oom(e);
}

void compile_session(bool no_new_keyring, const char *id, struct plan *p)
{
	char name[160];

	plan_add_none(p, PHASE_INIT, STEP_SESSION);
	(void)snprintf(name, sizeof(name), "_ses.%s", id);
	if (!no_new_keyring)
		plan_add_str(p, PHASE_INIT, STEP_KEYRING, name);
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
	r = rootfs_path(&c, e);
	if (r == 0)
		r = cgroups(&c, e);
	if (r == 0 && s->process)
		cred_plan_limits(s->process, p);
	if (r == 0)
		r = ns_plan(s, h, c.cg.slot, p, e);
	if (r < 0)
		return r;
	compile_session(o->no_new_keyring, o->id, p);
	r = root_and_mounts(&c, e);
	if (r == 0)
		r = process(&c, e);
	if (r < 0)
		return r;
	return plan_failed(p) ? err_oom(e) : 0;
}
