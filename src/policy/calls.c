/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_private.h"

#include "policy/calls.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

/* Which system calls a policy is about. */

enum { LAST_CALL = 1023, MAX_NAMES = 1200 };

/*
 * docs/access-control.md has the same calls; broker/table.c is held to this list by a test. Those that do the
 * same by another road are among them, to be answered ENOSYS: a ring (io_uring) makes sockets,
 * connects, binds and sets attributes past every filter.
 */
static const char *const of_kind[POLICY_KINDS][POLICY_CALLS_KIND] = {
	[POLICY_CONNECT] = { "connect", "io_uring_setup" },
	[POLICY_BIND] = { "bind", "io_uring_setup" },
	[POLICY_UNIX] = { "connect", "bind", "io_uring_setup" },
	[POLICY_SOCKET] = { "socket", "io_uring_setup" },
	[POLICY_MOUNT] = { "mount", "umount2", "open_tree", "move_mount", "fsopen", "fsconfig",
			   "fsmount", "fspick", "mount_setattr", "open_tree_attr" },
	[POLICY_MKNOD] = { "mknod", "mknodat" },
	[POLICY_CHOWN] = { "chown", "lchown", "fchown", "fchownat", "chmod", "fchmod", "fchmodat",
			   "fchmodat2" },
	[POLICY_VIEW] = { "sysinfo", "open", "openat", "openat2" },
	[POLICY_XATTR] = { "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "io_uring_setup" },
	[POLICY_BPF] = { "bpf" },
	[POLICY_SCHED] = { "sched_setscheduler", "sched_setparam", "sched_setattr",
			   "sched_setaffinity" },
};

const char *const *policy_calls_of(enum policy_kind kind)
{
	return of_kind[kind];
}

static bool is_there(const struct policy *p, enum policy_kind kind)
{
	return p->by[kind][POLICY_ALLOW][0] || p->by[kind][POLICY_DENY][0] ||
	       p->by[kind][POLICY_LOG][0];
}

static bool allows(const struct policy *p, enum policy_kind kind)
{
	return p->by[kind][POLICY_ALLOW][0] != NULL;
}

/* Is there a call of this kind that a line could allow? */
static bool may(const struct policy *p, enum policy_kind kind)
{
	/* They share connect(2) and bind(2), which a line for sockets of another family allows, too. */
	if (kind == POLICY_CONNECT || kind == POLICY_BIND || kind == POLICY_UNIX)
		return allows(p, POLICY_CONNECT) || allows(p, POLICY_BIND) ||
		       allows(p, POLICY_UNIX) || allows(p, POLICY_SOCKET);
	return allows(p, kind);
}

/*
 * No default is about them: a view only shows, and a line for chown has owners written down. Who may really give a
 * file away is the kernel's to say, by the ids that the container has.
 */
static bool is_by_line(enum policy_kind kind)
{
	return kind == POLICY_VIEW || kind == POLICY_CHOWN;
}

enum policy_holder policy_holder(const struct policy *p, enum policy_kind kind, bool logged)
{
	if (!of_kind[kind][0])
		return POLICY_HELD_KERNEL;
	if (p->allow || is_by_line(kind))
		return is_there(p, kind) ? POLICY_HELD_BROKER : POLICY_HELD_KERNEL;
	return logged || may(p, kind) || p->by[kind][POLICY_LOG][0] ? POLICY_HELD_BROKER
								    : POLICY_HELD_FILTER;
}

static bool lists(char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

static int add(struct policy_calls *c, char **list, size_t *count, const char *name)
{
	if (lists(list, *count, name))
		return 0;
	if (*count == MAX_NAMES)
		return -E2BIG;
	list[*count] = arena_strdup(&c->arena, name);
	return list[(*count)++] ? 0 : -ENOMEM;
}

static int add_denied(const struct policy *p, struct policy_calls *c)
{
	int r = 0;

	for (int nr = 0; r == 0 && nr <= LAST_CALL; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), nr);
		const struct policy_ask ask = { .kind = POLICY_SYSCALL, .u.syscall = name };
		struct policy_verdict v = { 0 };

		if (name)
			policy_decide(p, &ask, &v);
		if (v.line && !v.allow)
			r = add(c, c->refused, &c->refused_count, name);
		free(name);
	}
	return r;
}

/* Those of one holder. What does the same by another road may be of several kinds: then the broker answers it. */
static int add_held(const struct policy *p, enum policy_holder by, bool logged,
		    struct policy_calls *c)
{
	const bool watched = by == POLICY_HELD_BROKER;
	int r = 0;

	for (int k = 0; k < POLICY_KINDS; k++) {
		if (policy_holder(p, (enum policy_kind)k, logged) != by)
			continue;
		for (size_t i = 0; r == 0 && i < POLICY_CALLS_KIND && of_kind[k][i]; i++) {
			const char *name = of_kind[k][i];

			if (watched)
				r = add(c, c->watched, &c->watched_count, name);
			else if (!lists(c->watched, c->watched_count, name))
				r = add(c, c->refused, &c->refused_count, name);
		}
	}
	return r;
}

int policy_calls(const struct policy *p, bool logged, struct policy_calls *ret, struct err *e)
{
	struct policy_calls c = { 0 };
	int r = 0;

	c.watched = arena_array(&c.arena, MAX_NAMES + 1, sizeof(char *));
	c.refused = arena_array(&c.arena, MAX_NAMES + 1, sizeof(char *));
	if (!c.watched || !c.refused)
		r = -ENOMEM;
	if (r == 0)
		r = add_held(p, POLICY_HELD_BROKER, logged, &c);
	if (r == 0)
		r = add_held(p, POLICY_HELD_FILTER, logged, &c);
	if (r == 0)
		r = add_denied(p, &c);
	if (r < 0) {
		arena_done(&c.arena);
		return err_sys(e, r, "the system calls of a policy");
	}
	*ret = c;
	return 0;
}

void policy_calls_done(struct policy_calls *c)
{
	arena_done(&c->arena);
}
