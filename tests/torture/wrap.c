/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linked into cay-torture, and only there, in front of what it fails (--wrap):
 *
 *	CAY_TORTURE_ALLOC=N	the Nth allocation; "N+": and all behind it
 *	CAY_TORTURE_HOST=N	the Nth step of the planner (HOST, MAP, HOOKS, COMMIT), as run
 *	CAY_TORTURE_CLONE=1	the clone
 *	CAY_TORTURE_ISLAND=N	the Nth step of the islander: the plan gets one there that it refuses
 *	CAY_TORTURE_KILL=PHASE:WHO	SIGKILL to the planner or the islander behind the first step of the phase
 *	CAY_TORTURE_REPORT=FILE	gets "alloc N", "host N", "island N": how many there were; and
 *				"gate N": which of the islander's steps it is
 */
#include "launch/host.h"
#include "launch/islander.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
int __real_host_apply(struct launch *l, struct island *in, uint32_t index, struct err *e);
int __wrap_host_apply(struct launch *l, struct island *in, uint32_t index, struct err *e);
pid_t __real_islander_clone(const struct islander_birth *b, int *ret_pidfd, struct err *e);
pid_t __wrap_islander_clone(const struct islander_birth *b, int *ret_pidfd, struct err *e);
int __real_plan_encode(const struct plan *p, const int32_t *slots, int32_t sock, struct buf *ret,
		       struct err *e);
int __wrap_plan_encode(const struct plan *p, const int32_t *slots, int32_t sock, struct buf *ret,
		       struct err *e);

static unsigned long allocs, hosts, islands, gate, fail_alloc;
static bool fail_on, spared;

static unsigned long number(const char *name)
{
	const char *s = getenv(name);

	return s ? strtoul(s, NULL, 10) : 0;
}

__attribute__((constructor)) static void begin(void)
{
	const char *s = getenv("CAY_TORTURE_ALLOC");

	fail_alloc = number("CAY_TORTURE_ALLOC");
	fail_on = s && strchr(s, '+');
	allocs = 0;
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("CAY_TORTURE_REPORT");
	unsigned long n = allocs;
	FILE *f;

	fail_alloc = 0;
	f = path ? fopen(path, "we") : NULL;
	if (f) {
		fprintf(f, "alloc %lu\nhost %lu\nisland %lu\ngate %lu\n", n, hosts, islands, gate);
		fclose(f);
	}
}

/* libseccomp 2.5 crashes or turns for ever when its generator gets no memory: not ours to fail. */
int __real_seccomp_export_bpf(void *ctx, int fd);
int __wrap_seccomp_export_bpf(void *ctx, int fd);

int __wrap_seccomp_export_bpf(void *ctx, int fd)
{
	int r;

	spared = true;
	r = __real_seccomp_export_bpf(ctx, fd);
	spared = false;
	return r;
}

static bool no_memory(void)
{
	if (spared)
		return false;
	allocs++;
	if (fail_alloc == 0 || (fail_on ? allocs < fail_alloc : allocs != fail_alloc))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t n)
{
	return no_memory() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return no_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return no_memory() ? NULL : __libc_realloc(p, n);
}

static void kill_in(const char *phase, pid_t islander)
{
	const char *s = getenv("CAY_TORTURE_KILL");
	size_t n = strlen(phase);

	if (!s || strncmp(s, phase, n) != 0 || s[n] != ':')
		return;
	if (strcmp(s + n, ":planner") == 0)
		raise(SIGKILL);
	else if (islander > 0)
		kill(islander, SIGKILL);
}

static int apply(struct launch *l, struct island *in, uint32_t index, struct err *e)
{
	const struct step *s = &l->host.steps[index];
	int r = __real_host_apply(l, in, index, e);

	if (index == 0 || s[-1].phase != s->phase)
		kill_in(phase_name(s->phase), in->pid);
	return r;
}

int __wrap_host_apply(struct launch *l, struct island *in, uint32_t index, struct err *e)
{
	if (++hosts == number("CAY_TORTURE_HOST"))
		return err_set(e, EIO, "torture: step \"%s\" fails",
			       step_describe(l->host.steps[index].kind)->name);
	return apply(l, in, index, e);
}

pid_t __wrap_islander_clone(const struct islander_birth *b, int *ret_pidfd, struct err *e)
{
	pid_t pid;

	if (number("CAY_TORTURE_CLONE"))
		return err_set(e, EIO, "torture: step \"clone\" fails");
	pid = __real_islander_clone(b, ret_pidfd, e);
	kill_in("clone", pid);
	return pid;
}

int __wrap_plan_encode(const struct plan *p, const int32_t *slots, int32_t sock, struct buf *ret,
		       struct err *e)
{
	unsigned long n = number("CAY_TORTURE_ISLAND");
	struct step *s = (void *)p->island.steps.data;

	islands = p->island.steps.len / sizeof(*s);
	for (unsigned long i = 0; i < islands; i++)
		if (s[i].kind == STEP_GATE)
			gate = i + 1;
	/* A step of the planner's passes the check of the plan and is refused when its turn comes. */
	if (n > 0 && n <= islands)
		s[n - 1] = (struct step){ .kind = STEP_CLONE,
					  .phase = s[n - 1].phase,
					  .u.clone.cgroup_slot = SLOT_NONE };
	return __real_plan_encode(p, slots, sock, ret, e);
}
