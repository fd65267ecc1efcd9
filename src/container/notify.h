/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "oci/spec.h"

#include <poll.h>
#include <stdint.h>

/*
 * $NOTIFY_SOCKET (sd_notify(3)): a service manager waits to be told that the program is ready. The
 * container gets a socket of its own, "/run/notify/notify.sock" inside, "<dir>/notify/notify.sock"
 * outside, and who starts it passes on that it is ready: that one word, and nothing else of what a
 * hostile program writes there. For container/ and checkpoint/.
 */
struct notify {
	int inside;	  /* what the container writes to; -EBADF: nothing, or no more, to relay */
	int host;	  /* connected to $NOTIFY_SOCKET */
	int barrier;	  /* ends when the manager has read all */
	uint64_t rest_ns; /* not read from before then: a flood must not keep us busy */
};

#define NOTIFY_INIT                                                                                \
	{                                                                                          \
		.inside = -EBADF, .host = -EBADF, .barrier = -EBADF                                \
	}

/**
 * notify_asked - whether the container is to get such a socket
 *
 * Not without $NOTIFY_SOCKET or a mount namespace, and not where the configuration has a variable or
 * a mount of that name: then somebody else, podman perhaps, does it.
 */
bool notify_asked(const struct oci_spec *s);

/** notify_amend - add the mount to @s; @ctr_dir: "<root>/<id>"; Return: 0 or -ENOMEM */
int notify_amend(struct oci_spec *s, const char *ctr_dir, struct err *e);

/** notify_env - the variable that the program gets; static */
char *notify_env(void);

/** notify_make_dir - the directory that the mount shows; Return: 0 or a negative code */
int notify_make_dir(int ctr_dir_fd, struct err *e);

/** notify_has_dir - whether a container was created with one; @ctr_dir as above */
bool notify_has_dir(const char *ctr_dir);

/**
 * notify_open - bind the container's socket, connect to the manager's; before the program runs
 * @warning: set when nobody listens there. Then nothing is relayed, and nobody waits in vain
 *
 * Return: 0; a negative code when the container's socket can't be made.
 */
int notify_open(struct notify *n, const char *ctr_dir, struct err *warning, struct err *e);

/** notify_poll - what to poll for, and how long at most (-1: for ever) */
int notify_poll(const struct notify *n, struct pollfd *p);

/** notify_read - take one message; @main_pid: what the manager is told to look after; may block 5 s */
void notify_read(struct notify *n, pid_t main_pid);

/** notify_end - the process has ended: its last words, then wait for the manager to read them, at most 5 s */
void notify_end(struct notify *n, pid_t main_pid);

/** notify_wait - until process @pid is ready, or has ended */
void notify_wait(struct notify *n, pid_t pid, int pidfd);

void notify_done(struct notify *n);
#define AUTO_NOTIFY AUTO(notify_done)
