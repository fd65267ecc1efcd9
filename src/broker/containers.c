/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/agent.h"
#include "broker/target.h"

#include "sys/syscalls.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

/* Who is served: containers, whose they are, and the pages that they have with their helpers. */

static int take_slot(struct agent *a, uint32_t *ret)
{
	for (uint32_t n = 0; n < AGENT_CONTAINERS; n++) {
		uint32_t i = (a->slot_hint + n) % AGENT_CONTAINERS;

		if (a->slot_users[i])
			continue;
		a->slot_users[i] = 1;
		a->slot_hint = i + 1;
		*ret = i;
		return 0;
	}
	return -ENOSPC;
}

static struct user *user_of(struct agent *a, uid_t uid)
{
	struct user *u = a->users;

	while (u && u->uid != uid)
		u = u->next;
	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	u->next = a->users;
	a->users = u;
	return u;
}

static void drop_user(struct agent *a, struct user *u)
{
	struct user **at = &a->users;

	if (u->containers)
		return;
	while (*at != u)
		at = &(*at)->next;
	*at = u->next;
	free(u);
}

static void leave_slot(struct agent *a, uint32_t slot)
{
	if (--a->slot_users[slot] == 0)
		(void)madvise(agent_page(a, slot), AGENT_PAGE, MADV_REMOVE);
}

/* A process that joined a container has a listener of its own; what was mounted is the container's. */
static void share_ledger(struct agent *a, struct container *c)
{
	c->ledger = c->slot;
	for (const struct container *o = a->containers; o && c->id[0]; o = o->next)
		if (o->owner == c->owner && strcmp(o->id, c->id) == 0 &&
		    a->slot_users[o->ledger] < UINT16_MAX) {
			c->ledger = o->ledger;
			break;
		}
	a->slot_users[c->ledger]++;
}

/*
 * What the first listener of a container was brought for counts: whoever joins later joins where
 * its first process stands by then.
 */
static void find_home(const struct agent *a, struct container *c)
{
	int r;

	if (a->confined) {
		c->home = a->home;
		return;
	}
	for (const struct container *o = a->containers; o && c->id[0]; o = o->next)
		if (o->owner == c->owner && strcmp(o->id, c->id) == 0 && o->home.known &&
		    kill(o->home.pid, 0) == 0) {
			c->home = o->home;
			return;
		}
	r = home_read(a->proc, c->pid, &c->home);
	if (r < 0)
		agent_log("container \"%s\" of user %u gets no loan: process %d: %s", c->id,
			  c->owner, c->pid, strerror(-r));
}

static int add(struct agent *a, int listener, struct user *u, const struct notice *n, struct err *e)
{
	AUTO_FD int fd = listener;
	const uid_t owner = u->uid;
	const struct policy *p;
	struct container *c;
	int r;

	if (!policy_name_ok(n->policy))
		return err_set(e, EINVAL,
			       "linux.seccomp.listenerMetadata \"%.64s\": no policy has "
			       "such a name",
			       n->policy);
	p = policies_find(&a->policies, owner, n->policy);
	if (!p)
		return err_set(e, ENOENT,
			       "linux.seccomp.listenerMetadata \"%s\": user %u may use no "
			       "policy of this name",
			       n->policy, owner);
	if (owner != 0 && u->containers >= a->containers_user)
		return err_set(e, ENOSPC, "user %u has %zu containers", owner, u->containers);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_oom(e);
	c->watch = (struct watch){ WATCH_CONTAINER, fd };
	c->owner = owner;
	c->user = u;
	c->pid = n->pid;
	c->policy = p;
	memcpy(c->id, n->id, sizeof(c->id));
	memcpy(c->policy_name, n->policy, sizeof(c->policy_name));
	r = take_slot(a, &c->slot);
	if (r == 0) {
		r = agent_watch(a, &c->watch, EPOLLIN);
		if (r < 0)
			leave_slot(a, c->slot);
	}
	if (r < 0) {
		free(c);
		return err_sys(e, r, "one more container beside %zu", a->containers_count);
	}
	fd = -EBADF;
	share_ledger(a, c);
	find_home(a, c);
	u->containers++;
	c->next = a->containers;
	a->containers = c;
	a->containers_count++;
	a->metrics.containers_total++;
	return 0;
}

int container_add(struct agent *a, int listener, uid_t owner, const struct notice *n, struct err *e)
{
	struct user *u = user_of(a, owner);
	int r;

	if (!u) {
		close(listener);
		return err_oom(e);
	}
	r = add(a, listener, u, n, e);
	drop_user(a, u);
	return r;
}

void container_release(struct agent *a, struct container *c)
{
	struct container **at = &a->containers;

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	if (a->serve_next == c)
		a->serve_next = c->next;
	leave_slot(a, c->ledger);
	leave_slot(a, c->slot);
	a->containers_count--;
	c->user->containers--;
	drop_user(a, c->user);
	agent_discard(a, &c->watch);
}
