/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "plan/step.h"

#include <stdbool.h>

/*
 * A plan under construction: two halves with a pool each, so that nothing of the
 * planner's half (PHASE_HOST … PHASE_COMMIT) travels to the islander.
 * Building is pure. Failures of memory are sticky: plan_failed once at the end.
 */
struct plan_half {
	struct buf steps; /* array of struct step */
	struct buf pool;  /* offset 0 is never handed out */
};

struct plan {
	struct plan_half host, island;
	uint32_t slots;	   /* slots handed out so far */
	uint32_t keep_fds; /* fds below this go through to the program: 3 + preserved */
	bool timing;	   /* islander reports the price of each step */
	bool no_pivot;
};

void plan_init(struct plan *p);
void plan_done(struct plan *p);
#define AUTO_PLAN AUTO(plan_done)

/** plan_failed - Return: true when memory ran out while building */
bool plan_failed(const struct plan *p);

/** plan_slot - hand out the next slot number */
uint32_t plan_slot(struct plan *p);

/**
 * plan_add - append a step; @s->phase chooses the half
 *
 * References in @s must come from plan_str & co. of the same phase.
 */
void plan_add(struct plan *p, const struct step *s);

/** plan_str - put a string into the half of @phase; NULL gives the absent reference */
struct ref plan_str(struct plan *p, enum phase phase, const char *s);
struct ref plan_strf(struct plan *p, enum phase phase, const char *fmt, ...) FORMAT(3, 4);
struct ref plan_blob(struct plan *p, enum phase phase, const void *bytes, size_t n);
/** plan_list - put a NULL-terminated array of strings; NULL gives the absent reference */
struct ref plan_list(struct plan *p, enum phase phase, char *const *strings);
/** plan_list_n - the same with a count, for arrays that don't end in NULL */
struct ref plan_list_n(struct plan *p, enum phase phase, char *const *strings, size_t n);

/* Short forms for the steps that carry one value. */
void plan_add_none(struct plan *p, enum phase phase, enum step_kind kind);
void plan_add_num(struct plan *p, enum phase phase, enum step_kind kind, int64_t value);
void plan_add_str(struct plan *p, enum phase phase, enum step_kind kind, const char *text);

/* ---- A checked plan, ready to run ------------------------------------------------ */

enum { PLAN_MAGIC = 0x50594143 /* "CAYP" */, PLAN_VERSION = 1, PLAN_MAX_BYTES = 64 << 20 };

/* Head of the wire form; slots, steps and pool follow at 16-byte boundaries. */
struct plan_head {
	uint32_t magic, version;
	uint32_t total;		    /* bytes, this head included */
	uint32_t nslots, slots_off; /* int32_t fd numbers, -1: not open */
	uint32_t nsteps, steps_off;
	uint32_t pool_len, pool_off;
	uint32_t keep_fds;
	int32_t sock; /* fd of the channel to the planner */
	uint32_t timing;
};

/* A plan half that passed plan_check; LIST references hold pointers now. */
struct plan_view {
	const struct step *steps;
	const int32_t *slots;
	const char *pool;
	uint32_t nsteps, nslots, pool_len;
};

/**
 * plan_encode - lay the islander's half out as one flat buffer
 * @slots: fd number of each slot, p->slots entries
 *
 * Return: 0; -ENOMEM; -E2BIG over PLAN_MAX_BYTES.
 */
int plan_encode(const struct plan *p, const int32_t *slots, int32_t sock, struct buf *ret,
		struct err *e);

/**
 * plan_check - verify every bound of a flat plan and resolve its lists in place
 * @bytes: writable, 16-aligned; trusted in nothing
 *
 * After success every reference reachable through @ret is in bounds and terminated.
 * Allocates nothing, parses nothing.
 * Return: 0; -EBADMSG.
 */
int plan_check(void *bytes, size_t len, struct plan_view *ret, struct err *e);

/**
 * plan_view_half - the same view on a half still in the builder (planner's side)
 *
 * Resolves lists in place: build no further afterwards.
 */
int plan_view_half(struct plan_half *h, const int32_t *slots, uint32_t nslots,
		   struct plan_view *ret, struct err *e);

/** view_str - Return: the string; NULL when absent */
const char *view_str(const struct plan_view *v, struct ref r);
/** view_list - Return: NULL-terminated array, r.len entries; NULL when absent */
char *const *view_list(const struct plan_view *v, struct ref r);
const void *view_blob(const struct plan_view *v, struct ref r);
/** view_fd - Return: the fd in @slot; -EBADF when there is none */
int view_fd(const struct plan_view *v, uint32_t slot);

/** plan_print - readable text, one step a line; plan_print_json - the same as a JSON document */
void plan_print(const struct plan *p, struct buf *out);
void plan_print_json(const struct plan *p, struct buf *out);
