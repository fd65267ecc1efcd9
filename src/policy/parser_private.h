/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "policy/policy_private.h"

/* Between the files that read: text.c, parse*.c, question.c. */

/* One or two fields that one word fills. */
struct pair {
	struct pattern f[2];
};

/*
 * Reading. One line at a time; a fault ends the line, not the reading.
 */
struct parser {
	struct policy *p;
	const char *line;
	size_t len, at;	     /* of the line; where the next word is looked for */
	unsigned int number; /* of the line */
	const char *word;    /* the current one; @len 0: there is none */
	size_t word_len;
	unsigned int column; /* its, from 1 */
	bool question;	     /* nothing but what a call can be */
	enum policy_verb verb;
	struct buf *faults; /* of struct policy_fault */
	struct buf rules, lines;
	struct buf more;	       /* struct pair: the patterns of a list behind its first */
	size_t more_field, more_count; /* which fields of the rule those are */
	unsigned int default_line, limit_lines[POLICY_LIMITS];
};

/** fault - record what is wrong at byte @offset of the current word; Return: -EINVAL */
int fault(struct parser *ps, size_t offset, const char *fmt, ...) FORMAT(3, 4);
/** fault_code - the same at a column of the line, with a code */
int fault_code(struct parser *ps, int code, unsigned int column, const char *fmt, ...) FORMAT(4, 5);

/** text_check - a line holds nothing that a person could not see; 0 or -EINVAL */
int text_check(struct parser *ps);
/** text_next - make the next word the current one */
void text_next(struct parser *ps);
/** text_is - is the current word this one? */
bool text_is(const struct parser *ps, const char *word);
/** text_more - does another word follow? */
bool text_more(const struct parser *ps);
/** text_after - what stands behind @prefix in the current word; NULL: it does not begin so */
const char *text_after(const struct parser *ps, const char *prefix);
/**
 * text_plain - a part of the current word without its \xNN
 * @ret: in the policy's arena
 *
 * Return: 0; -EINVAL for what looks like a pattern, or a bad escape; -ENOMEM.
 */
int text_plain(struct parser *ps, const char *s, size_t len, const char **ret, size_t *ret_len);

/** parse_path_part - a path pattern that is part of the current word */
int parse_path_part(struct parser *ps, const char *s, size_t len, struct pattern *ret);
/** parse_range_part - a number, N-M, or "*" */
int parse_range_part(struct parser *ps, const char *s, size_t len, uint32_t max,
		     struct pattern *ret);
/** parse_endpoint - the current word as ADDRESS:PORT into two fields */
int parse_endpoint(struct parser *ps, struct pattern f[2], bool connects);
/** parse_kind - "KIND arguments terms" from the current word on; a list leaves more in @ps */
int parse_kind(struct parser *ps, struct rule *r);
/** parse_terms - what stands behind the arguments of a mount or sched rule */
int parse_terms(struct parser *ps, struct rule *r);
/** parse_limit - the words behind "limit" */
int parse_limit(struct parser *ps);
