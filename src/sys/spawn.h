/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

/**
 * spawn_helper - run a trusted host program found in PATH and wait for it
 * @argv: NULL-terminated; its output on stderr goes into the error message
 *
 * Return: 0 on exit status 0; -ENOENT when it is not installed; -EPERM when it refuses.
 */
int spawn_helper(const char *program, char *const argv[], struct err *e);

/** spawn_has_libexec - is a program of our own installed? */
bool spawn_has_libexec(const char *name);

/**
 * spawn_become_libexec - become a program of our own
 *
 * Return: only a failure; -ENOENT when it is not installed.
 */
int spawn_become_libexec(const char *name, char *const argv[], struct err *e);

/**
 * spawn_libexec - run a program of our own, tell it @text on stdin, and take its answer
 * @name:       beside cay itself, or in libexec/cay
 * @timeout_ms: it is killed after that
 * @answer:     what it wrote to stdout, without the newline at the end; set only on success
 * @e:          the last line it wrote, when it failed
 *
 * Return: 0; -ENOENT when it is not installed; -ETIMEDOUT; -ENOTCONN for exit status 3, by which
 * our programs say that they could not even try; -EPERM for any other but 0.
 */
int spawn_libexec(const char *name, char *const argv[], const char *text, int timeout_ms,
		  struct buf *answer, struct err *e);
