/* SPDX-License-Identifier: Apache-2.0 */
#include "container/control.h"

#include "base/json.h"
#include "base/parse.h"
#include "container/store.h"
#include "mech/cgroup/cgroup_watch.h"
#include "mech/rdt/rdt_stats.h"
#include "oci/parse.h"
#include "sys/syscalls.h"

#include <poll.h>
#include <string.h>
#include <sys/timerfd.h>

/* What `events` waits for. */
struct watch {
	const struct ctr_events_options *o;
	struct ctr c;
	struct cg_oom oom;
	int pidfd, timer;
	char *resctrl, *rdt_group; /* NULL: the configuration asks for no class */
};

static void watch_done(struct watch *w)
{
	cg_oom_done(&w->oom);
	auto_close_fd(&w->pidfd);
	auto_close_fd(&w->timer);
	ctr_done(&w->c);
}
#define AUTO_WATCH AUTO(watch_done)

/* The class of the container in resctrl, if its configuration asks for one. */
static int find_rdt(struct watch *w, struct err *e)
{
	AUTO_SPEC struct oci_spec *spec = NULL;
	AUTO_HOST struct host_facts host = { 0 };
	struct arena *a = &w->c.arena;
	const char *clos;
	int r;

	r = oci_spec_load(w->c.dir_fd, "config.json", &spec, e);
	if (r < 0 || !spec->linux_ || !spec->linux_->intel_rdt)
		return r < 0 ? err_wrap(e, "container %s", w->c.id) : 0;
	r = host_facts_gather(&host, e);
	if (r < 0 || !host.resctrl)
		return r;
	clos = spec->linux_->intel_rdt->clos_id;
	if (!clos || !clos[0])
		clos = w->c.id;
	w->resctrl = arena_strdup(a, host.resctrl);
	w->rdt_group = arena_printf(a, "%s/%s", host.resctrl, str_eq(clos, "/") ? "" : clos);
	return w->resctrl && w->rdt_group ? 0 : err_oom(e);
}

static int emit(const struct watch *w, const struct buf *line, struct err *e)
{
	int r = line->failed ? err_oom(e) : w->o->emit(line->data, line->len, w->o->arg);

	return r < 0 && !line->failed ? err_sys(e, r, "write an event") : r;
}

static int emit_stats(const struct watch *w, struct err *e)
{
	AUTO_BUF struct buf line = { 0 };
	struct json_out o = { .b = &line };
	int r;

	jo_open(&o, NULL, '{');
	jo_str(&o, "type", "stats");
	jo_str(&o, "id", w->c.id);
	jo_open(&o, "data", '{');
	r = cg_stats(w->c.cgroup_dirs, w->c.cgroup_count, &o, e);
	if (r < 0)
		return r;
	jo_open(&o, "intel_rdt", '{');
	if (w->rdt_group)
		rdt_stats(w->resctrl, w->rdt_group, &o);
	jo_close(&o, '}');
	jo_raw(&o, "network_interfaces", "null");
	jo_close(&o, '}');
	jo_close(&o, '}');
	buf_str(&line, "\n");
	return emit(w, &line, e);
}

static int emit_oom(const struct watch *w, struct err *e)
{
	AUTO_BUF struct buf line = { 0 };
	struct json_out o = { .b = &line };

	jo_open(&o, NULL, '{');
	jo_str(&o, "type", "oom");
	jo_str(&o, "id", w->c.id);
	jo_close(&o, '}');
	buf_str(&line, "\n");
	return emit(w, &line, e);
}

static int start_timer(struct watch *w, struct err *e)
{
	uint64_t ms = w->o->interval_ms;
	struct timespec t = { .tv_sec = (time_t)(ms / 1000),
			      .tv_nsec = (long)(ms % 1000) * 1000000 };
	struct itimerspec it = { .it_interval = t, .it_value = t };

	w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (w->timer < 0 || timerfd_settime(w->timer, 0, &it, NULL) < 0)
		return err_sys(e, errno, "timer");
	return 0;
}

static int open_watch(struct watch *w, struct err *e)
{
	int r;

	w->pidfd = sys_pidfd_open(w->c.pid);
	if (w->pidfd < 0 || !ctr_is_alive(&w->c))
		return err_set(e, ESRCH, "container with id %s is not running", w->c.id);
	r = cg_oom_watch(w->c.cgroup_dirs, w->c.cgroup_count, &w->oom, e);
	return r < 0 ? r : start_timer(w, e);
}

static int loop(struct watch *w, struct err *e)
{
	for (;;) {
		struct pollfd p[] = { { .fd = w->oom.fd, .events = POLLIN },
				      { .fd = w->timer, .events = POLLIN },
				      { .fd = w->pidfd, .events = POLLIN } };
		uint64_t ticks;
		int r = 0;

		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return err_sys(e, errno, "poll");
		if (p[0].revents)
			r = cg_oom_take(&w->oom);
		if (r > 0)
			r = emit_oom(w, e);
		if (r == -ENOENT)
			return 0;
		if (r == 0 && p[2].revents)
			return 0;
		if (r == 0 && p[1].revents && read(w->timer, &ticks, sizeof(ticks)) > 0)
			r = emit_stats(w, e);
		if (r < 0)
			return r;
	}
}

int ctr_events(const struct ctr_events_options *o, struct err *e)
{
	AUTO_WATCH struct watch w = {
		.o = o, .c = CTR_INIT, .oom = CG_OOM_INIT, .pidfd = -EBADF, .timer = -EBADF
	};
	int r;

	r = ctr_open(o->root, o->id, false, &w.c, e);
	if (r < 0)
		return r;
	if (ctr_status(&w.c) == CTR_STOPPED)
		return err_set(e, ESRCH, "container with id %s is not running", o->id);
	if (w.c.cgroup_count == 0)
		return err_set(e, EOPNOTSUPP, "container %s has no cgroup: nothing is counted",
			       o->id);
	r = find_rdt(&w, e);
	if (r < 0)
		return r;
	if (o->once)
		return emit_stats(&w, e);
	r = open_watch(&w, e);
	return r < 0 ? r : loop(&w, e);
}
