/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The audit log: one JSON object a line, one line a decision. A container that floods can't fill the
 * disk: what is over its rate is counted, not written, and the file has a limit.
 */

enum {
	AUDIT_RATE = 100,	     /* lines a second and container */
	AUDIT_BURST = 1000,	     /* at once, after a quiet time */
	AUDIT_FILE_BYTES = 64 << 20, /* then it is FILE.1, and a new one begins */
	AUDIT_TEXT_BYTES = 4096,     /* of each member */
};

/* A decision. Text is borrowed and may hold anything; NULL: left out. */
struct audit_event {
	uint64_t time_ns; /* since 1970 */
	const char *container, *policy, *call;
	uid_t owner;	  /* who brought the container */
	pid_t pid;	  /* of the thread that called */
	const char *what; /* the call in words: policy_describe */
	bool allowed;
	bool continued;	   /* left to the kernel, with the caller's own rights */
	int error;	   /* positive errno that was answered; 0: none */
	unsigned int line; /* of the policy; 0: no line decided */
	const char *rule;  /* that line */
	uint64_t took_ns;
	uint64_t dropped; /* decisions of this container that were not written, since the last that was */
};

/**
 * audit_line - append an event as one line of JSON, with its newline
 *
 * Nothing in it can end the line, end a string or move a terminal's cursor.
 */
void audit_line(struct buf *out, const struct audit_event *ev);

/* How much of one container's doings is written. Begins as zeros. */
struct audit_gate {
	uint64_t paid_until_ns;
	uint64_t dropped;
};

/**
 * audit_admit - may the next event of this container be written?
 * @now_ns:      of a clock that never goes back
 * @ret_dropped: set when it may: how many were not, since the last time
 */
bool audit_admit(struct audit_gate *g, uint64_t now_ns, uint64_t *ret_dropped);

/* Where lines go. */
struct audit_file {
	int fd;
	const char *path; /* NULL: stderr, which somebody else looks after */
	uint64_t size, limit;
	uint64_t lost; /* lines that could not be written */
};
#define AUDIT_FILE_INIT                                                                            \
	{                                                                                          \
		.fd = -EBADF, .limit = AUDIT_FILE_BYTES                                            \
	}

/**
 * audit_open - open or make the file
 * @path: borrowed, and must outlive @f; NULL: stderr
 *
 * Return: 0; a negative code: it is a link or no regular file, or what open(2) says.
 */
int audit_open(struct audit_file *f, const char *path, struct err *e);

/**
 * audit_write - write whole lines; renames the file to PATH.1 when it would be over its limit
 *
 * What can't be written is counted in @lost: a decision never waits for the disk to be mended.
 */
void audit_write(struct audit_file *f, const struct buf *lines);
void audit_close(struct audit_file *f);
