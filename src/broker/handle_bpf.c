/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/handle.h"

#include "broker/cgroup.h"
#include "sys/syscalls.h"

#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/*
 * bpf(2): programs that say which devices may be used in a cgroup. A container that has cgroups of
 * its own (a systemd, an engine) may narrow there what it may use itself. The program is loaded by
 * us, so that the verifier sees it without any right beyond that, and its descriptor injected; it is
 * attached to cgroups below the container's own alone, and only where all those above hold, too.
 */
enum { DEADLINE_MS = 5000, DEPTH_MAX = 64 };

#ifndef CAP_BPF
#define CAP_BPF 39
#endif

static const char program_name[BPF_OBJ_NAME_LEN] = "cay_device";

static int call_bpf(enum bpf_cmd cmd, union bpf_attr *a)
{
	const long r = syscall(SYS_bpf, cmd, a, sizeof(*a));

	return r < 0 ? -errno : (int)r;
}

static const union bpf_attr *attr_of(const struct call *c)
{
	_Static_assert(sizeof(union bpf_attr) <= CALL_BPF_MAX, "all of it is copied");
	return (const union bpf_attr *)(const void *)c->arg[1].bytes;
}

static int rule(const struct helper *h, const struct call *c, struct outcome *o)
{
	const struct policy_ask ask = { .kind = POLICY_BPF,
					.u.bpf = { .type = BPF_PROG_TYPE_CGROUP_DEVICE,
						   .cmd = (uint32_t)c->arg[0].value } };

	return effect_ruling(h, c, &ask, true, o);
}

/* Return: what a program is remembered by; 0 when it is none for devices. */
static uint32_t id_of(int program)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr a = { .info = { .bpf_fd = (uint32_t)program,
				       .info_len = sizeof(info),
				       .info = (uintptr_t)&info } };

	if (call_bpf(BPF_OBJ_GET_INFO_BY_FD, &a) < 0 || info.type != BPF_PROG_TYPE_CGROUP_DEVICE)
		return 0;
	return info.id;
}

/* ---- load -------------------------------------------------------------------------------------- */

/* Numbers of programs that are gone; the kernel gives none of them twice for a long time. */
static void forget_programs(struct shared *s)
{
	for (size_t i = 0; i < SHARED_PROGRAMS; i++) {
		uint32_t id = atomic_load(&s->program[i]);
		union bpf_attr a = { .prog_id = id };
		int fd = id ? call_bpf(BPF_PROG_GET_FD_BY_ID, &a) : -EBADF;

		if (id && fd == -ENOENT)
			(void)atomic_compare_exchange_strong(&s->program[i], &id, 0);
		if (fd >= 0)
			close(fd);
	}
}

/* With the two rights that it takes: with more the verifier would let it see more. */
static int load(const struct call *c)
{
	const uint64_t rights = 1ULL << CAP_BPF | 1ULL << CAP_NET_ADMIN;
	union bpf_attr a = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
			     .insn_cnt = attr_of(c)->insn_cnt,
			     .insns = (uintptr_t)c->arg[3].bytes,
			     .license = (uintptr_t) "",
			     .expected_attach_type = attr_of(c)->expected_attach_type };
	int r = target_raise_caps(rights, rights);

	memcpy(a.prog_name, program_name, sizeof(a.prog_name));
	return r < 0 ? r : call_bpf(BPF_PROG_LOAD, &a);
}

static void act_load(struct helper *h, struct call *c, struct outcome *o)
{
	AUTO_TARGET struct target t = TARGET_INIT;
	int r = target_open(&t, h, c, NEED_USER);

	if (r == 0 && !target_is_root(&t))
		r = -EPERM;
	if (r == 0)
		r = rule(h, c, o);
	if (r == 0) {
		forget_programs(h->ledger);
		o->fd = call_alive(h, c) ? load(c) : -ESRCH;
		r = o->fd < 0 ? o->fd : 0;
	}
	if (r == 0 && !shared_add_program(h->ledger, id_of(o->fd)))
		r = -ENOSPC;
	o->cloexec = true;
	o->error = -r;
}

/* ---- attach and detach ------------------------------------------------------------------------- */

/* What is attached to it holds for those below as well. Return: 0; -EPERM. */
static int check_holds(int cgroup)
{
	union bpf_attr a = { .query = { .target_fd = (uint32_t)cgroup,
					.attach_type = BPF_CGROUP_DEVICE } };

	if (call_bpf(BPF_PROG_QUERY, &a) < 0)
		return -EPERM;
	return a.query.prog_cnt == 0 || a.query.attach_flags & BPF_F_ALLOW_MULTI ? 0 : -EPERM;
}

/* From the target up to the container's own cgroup, by directories and not by mounts. */
static int check_below(const struct helper *h, int cgroup)
{
	AUTO_FD int at = fcntl(cgroup, F_DUPFD_CLOEXEC, 0);

	for (int i = 0; i < DEPTH_MAX && at >= 0; i++) {
		int up = sys_openat2(at, "..", O_RDONLY | O_DIRECTORY, RESOLVE_NO_XDEV);

		if (up < 0)
			return -EPERM;
		close(at);
		at = up;
		if (!sys_is_fs(at, CGROUP2_SUPER_MAGIC) || check_holds(at) < 0)
			return -EPERM;
		if (cgroup_is(at, h->home.cgroup))
			return 0;
	}
	return -EPERM;
}

/* From the root down to it: 1 when it was found. */
static int check_above(int cgroup, void *ctx)
{
	const struct helper *h = ctx;

	if (cgroup_is(cgroup, h->home.cgroup))
		return 1;
	return check_holds(cgroup);
}

struct attachment {
	int program;
};

static int attach(const struct keeper *k, int fd, const void *bytes UNUSED, size_t len UNUSED,
		  int *ret_fd UNUSED)
{
	const struct attachment *what = k->order;
	const bool attaches = (int)k->c->arg[0].value == BPF_PROG_ATTACH;
	union bpf_attr a = { .target_fd = (uint32_t)fd,
			     .attach_bpf_fd = (uint32_t)what->program,
			     .attach_type = BPF_CGROUP_DEVICE,
			     .attach_flags = attaches ? BPF_F_ALLOW_MULTI : 0 };
	int r;

	if (!sys_is_fs(fd, CGROUP2_SUPER_MAGIC))
		return -EBADF;
	r = check_below(k->h, fd);
	if (r == 0 && cgroup_walk(k->t->proc, check_above, (void *)(uintptr_t)k->h) != 1)
		r = -EPERM;
	/* Where only one may be attached the kernel detaches that one, whichever is asked for. */
	if (r == 0 && !attaches)
		r = check_holds(fd);
	return r < 0 ? r : call_bpf(attaches ? BPF_PROG_ATTACH : BPF_PROG_DETACH, &a);
}

static void act_attach(struct helper *h, struct call *c, struct outcome *o)
{
	AUTO_TARGET struct target t = TARGET_INIT;
	AUTO_FD int cgroup = -EBADF, program = -EBADF, owned = -EBADF;
	struct attachment what;
	struct keeper k = {
		.h = h, .c = c, .t = &t, .serve = attach, .order = &what, .where = BERTH_CALLER
	};
	int r = target_open(&t, h, c, NEED_USER);

	if (r == 0)
		r = rule(h, c, o);
	if (r == 0)
		r = cgroup = target_fd(&t, h, c, (int)attr_of(c)->target_fd);
	if (r >= 0)
		r = program = target_fd(&t, h, c, (int)attr_of(c)->attach_bpf_fd);
	if (r >= 0)
		r = shared_has_program(h->ledger, id_of(program)) ? 0 : -EPERM;
	what.program = program;
	if (r == 0)
		r = effect_keep(&k);
	if (r == 0)
		r = target_become(&t, NEED_USER, 0);
	if (r == 0 && geteuid() != 0)
		r = -EPERM;
	if (r == 0)
		r = owned = place_open_owned(h->proc, cgroup);
	if (r >= 0)
		r = effect_ask(&k, owned, "", 1, NULL);
	o->error = r < 0 ? -r : 0;
}

void handle_bpf(struct helper *h, struct call *c)
{
	const int cmd = (int)c->arg[0].value;
	const bool attaches = cmd == BPF_PROG_ATTACH || cmd == BPF_PROG_DETACH;
	bool may = false;

	if (!h->confined && cmd == BPF_PROG_LOAD)
		may = decide_bpf_load(attr_of(c)) &&
		      decide_bpf_program((const struct bpf_insn *)(const void *)c->arg[3].bytes,
					 attr_of(c)->insn_cnt);
	else if (!h->confined && attaches)
		may = decide_bpf_attach(attr_of(c), cmd == BPF_PROG_ATTACH);
	if (may)
		effect_fork(h, c, BERTH_CALLER, DEADLINE_MS, attaches ? act_attach : act_load);
	else
		outcome_refuse(h, c, EPERM);
}
