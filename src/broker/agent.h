/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "broker/audit.h"
#include "broker/helper.h"
#include "broker/metrics.h"

/*
 * The agent: one single-threaded process that holds listeners and policies, and never touches a
 * guest. Whatever can block on one is done by helpers (pool.c).
 */
enum {
	AGENT_CONTAINERS = 16384,
	AGENT_CONTAINERS_USER = 4096, /* of one user other than root */
	AGENT_POLICIES = 1024,
	AGENT_CONNECTIONS = 4096,
	AGENT_CONNECTIONS_USER = 256, /* of one user other than root; the oldest goes */
	AGENT_HELPERS = 256,
	AGENT_HELPERS_USER = 64, /* of the containers of one user other than root; see pool.c */
	AGENT_NAME_MAX = 64,
	AGENT_PAGE = 4096,	    /* of a container, see struct shared */
	AGENT_STATE_MAX = 64 << 10, /* bytes of container process state */
};

/* What an fd in the loop belongs to. First member of each of the structs. */
enum watch_kind {
	WATCH_LISTEN,
	WATCH_CONTROL,
	WATCH_SIGNALS,
	WATCH_TICK,
	WATCH_CONNECTION,
	WATCH_CONTROL_CLIENT,
	WATCH_CONTAINER,
	WATCH_HELPER,
	WATCH_FIRST, /* a private broker: the container's first process */
	WATCH_GONE   /* freed at the end of this turn */
};
struct watch {
	enum watch_kind kind;
	int fd;
};

/* A policy file. @uid: for this user alone; UINT32_MAX: for everybody */
struct policy_file {
	uid_t uid;
	char name[AGENT_NAME_MAX + 1];
	struct policy *policy;
};
struct policy_set {
	struct policy_file *files;
	size_t count;
};

/* Who has containers, and how much of what there is for all. */
struct user {
	struct user *next;
	uid_t uid;
	size_t containers, helpers;
};

struct worker {
	struct watch watch; /* WATCH_HELPER: where its events come from */
	struct container *container;
	pid_t pid; /* 0: none */
	unsigned int index;
	bool leaving;	/* told so */
	bool retired;	/* takes no more calls */
	uint64_t calls; /* of its container, when it began */
};

struct container {
	struct watch watch; /* WATCH_CONTAINER: the listener */
	struct container *next;
	uint32_t slot;	 /* its page among agent.pages */
	uint32_t ledger; /* the page with its mounts: that of the container's first listener */
	uid_t owner;	 /* who brought it */
	struct user *user;
	pid_t pid; /* as told by him */
	struct home home;
	char id[AGENT_NAME_MAX * 2 + 1];
	char policy_name[AGENT_NAME_MAX + 1];
	const struct policy *policy; /* NULL: the file is gone, all is refused */
	bool waiting;		     /* for a helper, when there are too many */
	bool gone;		     /* the listener has hung up */
	bool resting;		     /* no helper came to work: until the next tick */
	unsigned int rests;	     /* in a row */
	struct worker worker[SHARED_HELPERS];
	struct audit_gate gate;
	uint64_t calls, refused;
};

struct agent {
	int epoll, listen, control, signals, tick, proc, lock, devices, userns;
	const char *policy_dir, *listen_path;
	char control_path[108], devices_path[108];
	struct policy_set policies;
	struct container *containers;
	struct user *users;
	struct connection *connections; /* newest first */
	struct control_client *clients;
	struct container *serve_next; /* whose turn it is when helpers are scarce */
	size_t containers_count, containers_user, connections_count, helpers_count;
	uint8_t *pages; /* of AGENT_CONTAINERS containers, see struct shared */
	uint16_t slot_users[AGENT_CONTAINERS];
	uint32_t slot_hint;
	uint64_t cost_ns, burst_ns;
	struct audit_file audit;
	struct metrics metrics;
	bool ticking, resting, leaving, confined; /* resting: a container is */
	bool orphaned; /* a private broker: the container's first process has ended */
	struct host_facts host;
	int first;		    /* its pidfd; -EBADF: of an agent */
	struct home home;	    /* where it stood before its program ran */
	struct watch *garbage[256]; /* of this turn */
	size_t garbage_count;
};

/* ---- agent.c -------------------------------------------------------------------------------- */

/** agent_init - nothing is open yet; @rate: calls a second and container, 0: 5,000 */
void agent_init(struct agent *a, uint32_t rate);
/** agent_open_kernel - all it has of the kernel, its signals; Return: 0 or a negative code */
int agent_open_kernel(struct agent *a, struct err *e);
/** agent_listen - a socket in place of one that nobody serves; Return: fd or a negative code */
int agent_listen(const char *path, mode_t mode, struct err *e);

static inline struct shared *agent_page(const struct agent *a, uint32_t slot)
{
	return (struct shared *)(void *)(a->pages + (size_t)slot * AGENT_PAGE);
}

/* ---- loop.c --------------------------------------------------------------------------------- */

/** agent_watch - add to the loop; @events: of epoll; Return: 0 or -errno */
int agent_watch(struct agent *a, struct watch *w, uint32_t events);
/** agent_rewatch - other events of what is in the loop */
void agent_rewatch(struct agent *a, struct watch *w, uint32_t events);
/** agent_unwatch - take out of the loop and close the fd; events of this turn don't reach it */
void agent_unwatch(struct agent *a, struct watch *w);
/** agent_discard - agent_unwatch, and free the struct around @w at the end of this turn */
void agent_discard(struct agent *a, struct watch *w);
/** agent_loop - until SIGTERM or SIGINT; Return: 0 or a negative code */
int agent_loop(struct agent *a, struct err *e);
/** agent_log - one line on stderr */
void agent_log(const char *fmt, ...) FORMAT(1, 2);

/* ---- policies.c ------------------------------------------------------------------------------ */

/** policies_load - read all of a directory, or none; Return: 0 or a negative code, @e names the file */
int policies_load(const char *dir, struct policy_set *ret, struct err *e);
void policies_done(struct policy_set *s);
/** policies_find - the one that a user means by a name: his own before everybody's; NULL: none */
const struct policy *policies_find(const struct policy_set *s, uid_t uid, const char *name);
/** policy_name_ok - a letter, digit or "_", then those and ".-" */
bool policy_name_ok(const char *name);

/* ---- connection.c: the OCI protocol ------------------------------------------------------------ */

void connection_accept(struct agent *a);
void connection_read(struct agent *a, struct watch *w);
/** connection_expire - close those that say nothing */
void connection_expire(struct agent *a, uint64_t now_ns);

/* What a container process state says, as far as we want to know. */
struct notice {
	char id[AGENT_NAME_MAX * 2 + 1], policy[AGENT_NAME_MAX + 1];
	pid_t pid;	      /* 0: not told, as by crun 1.8 of a process that joins */
	size_t fds, listener; /* how many fds it names, which of them is the listener */
};

/**
 * notice_parse - read a container process state (OCI runtime-spec, config-linux.md)
 * @text, @len: whatever a stranger sent
 *
 * Return: 1; 0 when it is not whole yet; a negative code with @e.
 */
int notice_parse(const char *text, size_t len, struct notice *ret, struct err *e);

/* ---- containers.c ------------------------------------------------------------------------------- */

/** container_add - serve it from now on; takes over @listener, whatever the result */
int container_add(struct agent *a, int listener, uid_t owner, const struct notice *n,
		  struct err *e);
/** container_release - let go of one that nobody serves any more */
void container_release(struct agent *a, struct container *c);

/* ---- pool.c: who serves them ------------------------------------------------------------------------------------ */

/** pool_wake - a listener has something to say */
void pool_wake(struct agent *a, struct watch *w, uint32_t events);
/** pool_hear - a helper has something to say */
void pool_hear(struct agent *a, struct watch *w);
/** pool_reap - processes have ended */
void pool_reap(struct agent *a);
/** pool_tick - look for those who are stuck */
void pool_tick(struct agent *a, uint64_t now_ns);
/** pool_retire - have all helpers finish, so that the next calls are decided by new policies */
void pool_retire(struct agent *a);
/** pool_retiring - is any of them still taking calls? */
bool pool_retiring(const struct agent *a);
/** pool_done - let go of all containers; their calls fail from now on */
void pool_done(struct agent *a);

/* ---- control.c ---------------------------------------------------------------------------------- */

void control_accept(struct agent *a);
void control_read(struct agent *a, struct watch *w);
/** control_settle - answer those who wait for a reload */
void control_settle(struct agent *a);
/** agent_reload - Return: 0; a negative code: the old policies are in force */
int agent_reload(struct agent *a, struct err *e);

/* ---- report.c ------------------------------------------------------------------------------------ */

/** report_event - write a call down */
void report_event(struct agent *a, struct container *c, const struct event *ev, const char *words,
		  const char *text);
/** report_metrics - Prometheus text */
void report_metrics(struct agent *a, struct buf *out);
