/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/policy.h"

/*
 * A policy as a text that people write, check and ask about: all faults at once, its lines, its
 * canonical form, questions in words. Pure, as the rest.
 */

enum policy_verb {
	POLICY_DEFAULT,
	POLICY_LIMIT,
	POLICY_ALLOW,
	POLICY_DENY,
	POLICY_LOG,
	POLICY_VERBS,
};

struct policy_line {
	unsigned int number;
	const char *text; /* as written, without the blanks around it */
	enum policy_verb verb;
	enum policy_kind kind;	 /* ALLOW DENY LOG */
	const struct rule *rule; /* its first; for policy/ alone */
};

/** policy_kind_name - its word */
const char *policy_kind_name(enum policy_kind kind);

struct policy_fault {
	unsigned int line, column; /* from 1; a column is a byte */
	int code;		   /* -EINVAL, -E2BIG */
	char msg[240];
};

/**
 * policy_read - policy_parse that goes on behind a fault
 * @faults: struct policy_fault one after another are appended, one a line at most, 100 at most
 * @ret:    set only when there is none; policy_free
 *
 * Return: 0; -EINVAL or -E2BIG, that of the first fault; -ENOMEM.
 */
int policy_read(const char *text, size_t len, struct buf *faults, struct policy **ret);

/** policy_lines - the lines that say something, in order; Return: how many; live as long as @p */
size_t policy_lines(const struct policy *p, const struct policy_line **ret);

/** policy_gap - why nobody carries a line; NULL: the broker does, where the kernel has notifications */
const char *policy_gap(const struct policy_line *l);

/**
 * policy_check_carried - a policy must not promise what nobody keeps
 * @name: of the file, for the message
 *
 * Return: 0; -EOPNOTSUPP names the first line that nobody carries.
 */
int policy_check_carried(const struct policy *p, const char *name, struct err *e);

/** policy_gap_private - why a broker without any right of the host's does not carry a line; NULL: it does */
const char *policy_gap_private(const struct policy_line *l);
/** policy_check_private - policy_check_carried for such a broker */
int policy_check_private(const struct policy *p, const char *name, struct err *e);

/** policy_print - append the policy in canonical form: one pattern a line, all terms written out */
void policy_print(const struct policy *p, struct buf *out);

/* A question that was read from words, and what its pointers point at. */
struct policy_question {
	struct policy_ask ask;
	struct policy *store;
	struct sockaddr_storage addr;
};

/**
 * policy_question - "mount tmpfs on /mnt/x nosuid options size=1M": the form policy_describe writes
 * @ret: set only on success; policy_question_done; must not move
 *
 * The words of an allow rule without patterns: every question is also a rule that allows it.
 * Return: 0; -EINVAL with "COLUMN: what is wrong"; -E2BIG; -ENOMEM.
 */
int policy_question(const char *text, struct policy_question *ret, struct err *e);
void policy_question_done(struct policy_question *q);
#define AUTO_QUESTION AUTO(policy_question_done)
