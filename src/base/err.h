/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

/*
 * An error that can travel: fixed size, so that setting it can't fail and the
 * islander can hand it to the planner in one message.
 */
struct err {
	int code; /* negative errno; 0: no error */
	char msg[508];
};

/**
 * err_set - record an error where it happens
 * @e:    filled; may be NULL
 * @code: errno, either sign; 0 is taken as EINVAL
 * @fmt:  lower case, names the thing and its value, no full stop
 *
 * Return: the negative code, so that `return err_set(...)` works.
 */
int err_set(struct err *e, int code, const char *fmt, ...) FORMAT(3, 4);

/**
 * err_sys - like err_set, with ": " and the text of the errno appended, in lower case
 */
int err_sys(struct err *e, int code, const char *fmt, ...) FORMAT(3, 4);

/**
 * err_wrap - put context in front of a message: "context: message"
 *
 * Return: the code already stored in @e.
 */
int err_wrap(struct err *e, const char *fmt, ...) FORMAT(2, 3);

/**
 * err_oom - the one message for a failed allocation
 *
 * Return: -ENOMEM.
 */
int err_oom(struct err *e);
