/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"

#include <poll.h>
#include <stdbool.h>
#include <termios.h>

/*
 * The relay between our stdin and stdout and the outer end of a container's terminal.
 * Bytes pass unchanged. For container/ and checkpoint/.
 */
struct relay_dir {
	int from, to;
	char buf[4096]; /* not over PIPE_BUF: a write that poll allows does not block */
	size_t len, off;
	bool eof;
};

struct terminal {
	int console; /* borrowed; -EBADF: no terminal, all calls do nothing */
	struct relay_dir in, out;
	struct termios saved;
	bool raw;
};

enum { TERMINAL_POLLS = 4 };

/**
 * terminal_require - is there a terminal on our side that one in the container could stand for?
 *
 * Return: 0 when stdin, stdout or stderr is one or we have a controlling one; -ENXIO.
 */
int terminal_require(struct err *e);

/** terminal_begin - stdin raw, window size carried over, @console non-blocking */
int terminal_begin(struct terminal *t, int console, struct err *e);

/**
 * terminal_prepare - what a container's terminal must be before its program sees it
 * @console: its outer end; negative: nothing happens
 *
 * To be called before the program is released: what a fast one prints goes through as it is,
 * and it never sees another size than ours.
 */
void terminal_prepare(int console);

/** terminal_resize - give a container's terminal the size of ours; negative: nothing happens */
void terminal_resize(int console);

/** terminal_polls - what to wait for; fills TERMINAL_POLLS entries, unused ones with fd -1 */
void terminal_polls(const struct terminal *t, struct pollfd p[TERMINAL_POLLS]);

/** terminal_relay - move what can be moved without blocking; @p as poll left it */
void terminal_relay(struct terminal *t, const struct pollfd p[TERMINAL_POLLS]);

/** terminal_end - hand out the last output, at most 1 s of it, and restore our terminal */
void terminal_end(struct terminal *t);
