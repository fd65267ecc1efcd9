/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

#include <stdint.h>

/*
 * Planner and islander speak over one SOCK_SEQPACKET pair in messages of one fixed
 * size, at most one fd with each. `start` and a waiting islander speak the same way.
 */
enum msg_kind {
	MSG_NONE,
	MSG_SYNC,     /* islander: run phase `value`, I wait */
	MSG_GO,	      /* planner: go on; islander to start: heard */
	MSG_FORKED,   /* islander: my second birth has host pid `value`; fd: its pidfd */
	MSG_CONSOLE,  /* islander: fd: outer end of the terminal */
	MSG_READY,    /* islander: at the gate */
	MSG_LISTENER, /* islander: connect me to the seccomp agent; GO brings the fd */
	MSG_PRICE,    /* islander: step `value` took `number` ns */
	MSG_ERROR,    /* islander: err; it exits */
	MSG_START,    /* start: open the gate; fd: a plan of what to run instead */
	MSG_STDIO,    /* start, before it: fd: what becomes file `value`, 0 to 2 */
	/* a keeper of warm containers and its clients */
	MSG_TAKE,   /* client: hand one out */
	MSG_GRANT,  /* keeper: it is err.msg, and yours */
	MSG_DETACH, /* client: it shall live on without me */
	MSG_EXIT,   /* keeper: it ended with status `value` */
	MSG_COUNT,  /* client: how many? keeper: `value` of `number` wait */
	MSG_DOWN,   /* client: remove those that wait, and go; keeper: done */
	/* Behind the others: islanders of an older cay wait at their gates. */
	MSG_IDMAP, /* islander: id-map the detached mount in fd; GO */
	MSG_KIND_COUNT
};

struct msg {
	uint32_t kind; /* enum msg_kind */
	int32_t value;
	uint64_t number;
	struct err err;
};

/**
 * chan_pair - make a connected pair, both ends close-on-exec
 *
 * Return: 0 or -errno.
 */
int chan_pair(int ret_fd[2]);

/**
 * chan_send - send one message
 * @fd: passed along, or -1
 *
 * Return: 0 or -errno; -EPIPE when the other end is gone (no signal).
 */
int chan_send(int sock, const struct msg *m, int fd);

/**
 * chan_recv - receive one message
 * @ret_fd: an fd that came along, else -EBADF; NULL: such an fd is closed
 *
 * Return: 1; 0 at the end (the other side closed or died); -errno; -EBADMSG for any other
 * size or an unknown kind. m->err.msg is terminated; an error has a negative code.
 */
int chan_recv(int sock, struct msg *m, int *ret_fd);

/** chan_send_fd - SCM_RIGHTS of one fd with @text as payload: the console socket protocol */
int chan_send_fd(int sock, const char *text, int fd);
