/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"
#include "container/notify.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * Waiting for a process that we started: signals go to it, the terminal is relayed, its
 * exit status becomes ours. For container/ and checkpoint/.
 */
struct foreground {
	int signal_fd;
	sigset_t before; /* mask to restore */
	bool active;
};

#define FOREGROUND_INIT                                                                            \
	{                                                                                          \
		.signal_fd = -EBADF                                                                \
	}

/**
 * foreground_begin - from here on signals wait for foreground_wait instead of killing us
 * @subreaper: orphans of the process become our children
 *
 * Return: 0 or a negative code.
 */
int foreground_begin(struct foreground *f, bool subreaper, struct err *e);

/**
 * foreground_wait - until @pid has ended
 * @pid, @pidfd: our child
 * @console_fd:  outer end of its terminal, or -EBADF; borrowed
 * @n:           what it has to say to our service manager is passed on; borrowed
 * @ret_exit:    its status, or 128 and the number of the signal that killed it
 *
 * The caller's terminal is raw meanwhile, if stdin is one, and as before on return.
 * Return: 0 or a negative code.
 */
int foreground_wait(struct foreground *f, pid_t pid, int pidfd, int console_fd, struct notify *n,
		    int *ret_exit, struct err *e);

/** foreground_status - what wait(2) told of a process as an exit status: 128 and the signal that killed it */
int foreground_status(int status);

/**
 * foreground_signals - pass on what has come since to the process behind @pidfd
 * @console_fd: gets our terminal's size when that changed; -EBADF: none
 */
void foreground_signals(const struct foreground *f, int console_fd, int pidfd);

/** foreground_end - restore the signal mask */
void foreground_end(struct foreground *f);
#define AUTO_FOREGROUND AUTO(foreground_end)
