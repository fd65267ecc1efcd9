/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above first. */
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/parse.h"
#include "mech/cgroup/cgroup.h"
#include "mech/cgroup/cgroup_internal.h"
#include "sys/syscalls.h"

/* On the cgroups of this host, as root; each test uses one of its own, cay-test-<pid>-<n>. */

struct live {
	struct host_facts host;
	struct oci_spec spec;
	struct oci_linux lin;
	struct oci_resources res;
	struct arena arena;
	struct cg_result ret;
	struct plan plan;
	struct plan_view view;
	int32_t slots[64];
	uint32_t made[256];
	uint32_t done; /* steps carried out */
	char path[64];
	struct err e;
};

static void missing(const char *what)
{
	print_message("needs %s\n", what);
	if (getenv("CAY_MUST_RUN"))
		fail();
	skip();
}

static void begin(struct live *l)
{
	static int n;

	*l = (struct live){ .made = { 0 } };
	memset(l->slots, 0xff, sizeof(l->slots));
	assert_int_equal(host_facts_gather(&l->host, &l->e), 0);
	if (l->host.euid != 0 || l->host.cgroups.count == 0)
		missing("root and a cgroup file system");
	(void)snprintf(l->path, sizeof(l->path), "/cay-test-%d-%d/box", (int)getpid(), ++n);
	l->spec.linux_ = &l->lin;
	l->lin.cgroups_path = l->path;
	l->lin.resources = &l->res;
	plan_init(&l->plan);
}

static int compile(struct live *l)
{
	struct cg_options o = { .id = "x", .arena = &l->arena };
	int r = cg_plan(&l->spec, &l->host, &o, &l->plan, &l->ret, &l->e);

	if (r < 0)
		return r;
	assert_true(l->plan.host.steps.len / sizeof(struct step) < ARRAY_LEN(l->made));
	return plan_view_half(&l->plan.host, l->slots, l->plan.slots, &l->view, &l->e);
}

/* Carry out the steps of PHASE_HOST; what OPEN opens lands in the slots. */
static int apply(struct live *l)
{
	for (uint32_t i = 0; i < l->view.nsteps; i++) {
		const struct step *s = &l->view.steps[i];
		int fd = -EBADF, r = cg_apply(&l->view, s, &l->made[i], &fd, &l->e);

		if (r < 0)
			return r;
		if (fd < 0)
			continue;
		assert_true(s->u.cgroup.slot < ARRAY_LEN(l->slots));
		auto_close_fd(&l->slots[s->u.cgroup.slot]);
		l->slots[s->u.cgroup.slot] = fd;
	}
	return 0;
}

static int write_pid(const char *dir, pid_t pid)
{
	char text[16], path[512];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	return sys_write_at(AT_FDCWD, path, text);
}

/* What the islander does: v1 by its steps. In v2 it is born, so that is for the caller. */
static int enter(struct live *l)
{
	struct plan_view inside;
	struct island in = { .plan = &inside };
	int r = plan_view_half(&l->plan.island, l->slots, l->plan.slots, &inside, &l->e);

	for (uint32_t i = 0; r == 0 && i < inside.nsteps; i++)
		r = cg_enter(&in, &inside.steps[i], &l->e);
	return r;
}

static void undo(struct live *l)
{
	for (uint32_t i = l->view.nsteps; i > 0; i--)
		if (l->view.steps[i - 1].kind == STEP_CGROUP_MAKE)
			cg_undo(&l->view, &l->view.steps[i - 1], l->made[i - 1]);
}

static void close_slots(struct live *l)
{
	for (size_t i = 0; i < ARRAY_LEN(l->slots); i++)
		auto_close_fd(&l->slots[i]);
}

static void nothing_left(const struct live *l)
{
	for (size_t i = 0; i < l->ret.dirs_count; i++) {
		char parent[512];

		(void)snprintf(parent, sizeof(parent), "%s", l->ret.dirs[i]);
		assert_int_equal(access(parent, F_OK), -1);
		*strrchr(parent, '/') = '\0';
		assert_int_equal(access(parent, F_OK), -1);
	}
}

static void end(struct live *l)
{
	close_slots(l);
	undo(l);
	nothing_left(l);
	plan_done(&l->plan);
	arena_done(&l->arena);
	host_facts_done(&l->host);
}

static void read_value(const struct live *l, const char *file, char *ret, size_t size)
{
	ret[0] = '\0';
	for (size_t i = 0; i < l->ret.dirs_count && !ret[0]; i++) {
		char path[512];

		(void)snprintf(path, sizeof(path), "%s/%s", l->ret.dirs[i], file);
		if (sys_read_at(AT_FDCWD, path, ret, size) < 0)
			ret[0] = '\0';
	}
	ret[strcspn(ret, "\n")] = '\0';
}

/* A process with children inside the cgroups. */
static pid_t spawn_family(struct live *l, int children)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0) {
		assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
		for (size_t i = 0; i < l->ret.dirs_count; i++)
			if (l->ret.views[i].v2)
				assert_int_equal(write_pid(l->ret.dirs[i], pid), 0);
		kill(pid, SIGCONT);
		assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
		kill(pid, SIGCONT);
		return pid;
	}
	raise(SIGSTOP);
	if (enter(l) < 0)
		_exit(1);
	raise(SIGSTOP);
	for (int i = 0; i < children; i++)
		if (fork() == 0)
			break;
	for (;;)
		pause();
}

static void wait_for_pids(const struct live *l, size_t want)
{
	size_t n = 0;

	for (int i = 0; i < 200 && n != want; i++) {
		pid_t *pids = NULL;

		assert_int_equal(cg_pids(l->ret.dirs, l->ret.dirs_count, &pids, &n, NULL), 0);
		free(pids);
		if (n != want)
			usleep(5000);
	}
	assert_int_equal(n, want);
}

static void limits_arrive_and_undo_leaves_nothing(void **state)
{
	struct oci_memory mem = { .limit = { true, 64 << 20 }, .swap = { true, 64 << 20 } };
	struct oci_cpu cpu = { .shares = { true, 512 }, .quota_us = { true, 20000 } };
	struct live l;
	char text[128];

	(void)state;
	begin(&l);
	l.res.memory = &mem;
	l.res.cpu = &cpu;
	l.res.pids_limit = (struct opt_i64){ true, 77 };
	assert_int_equal(compile(&l), 0);
	if (apply(&l) < 0)
		fail_msg("%s", l.e.msg);
	read_value(&l, "pids.max", text, sizeof(text));
	assert_string_equal(text, "77");
	read_value(&l, l.host.cgroups.layout == CGROUP_V2 ? "memory.max" : "memory.limit_in_bytes",
		   text, sizeof(text));
	assert_string_equal(text, "67108864");
	end(&l);
}

static void a_failing_write_names_file_and_value(void **state)
{
	struct live l;

	(void)state;
	begin(&l);
	l.res.cpu = &(struct oci_cpu){ .cpus = (char[]){ "4000-4001" } };
	assert_int_equal(compile(&l), 0);
	assert_true(apply(&l) < 0);
	assert_non_null(strstr(l.e.msg, "write \"4000-4001\" to /sys/fs/cgroup"));
	end(&l);
}

static void kill_reaches_every_process(void **state)
{
	struct live l;
	pid_t pid;

	(void)state;
	begin(&l);
	assert_int_equal(compile(&l), 0);
	assert_int_equal(apply(&l), 0);
	pid = spawn_family(&l, 5);
	wait_for_pids(&l, 6);
	if (cg_kill_all(l.ret.dirs, l.ret.dirs_count, SIGKILL, &l.e) < 0)
		fail_msg("%s", l.e.msg);
	wait_for_pids(&l, 0);
	(void)waitpid(pid, NULL, 0);
	close_slots(&l);
	if (cg_remove(l.ret.dirs, l.ret.dirs_count, &l.e) < 0)
		fail_msg("%s", l.e.msg);
	assert_int_equal(cg_remove(l.ret.dirs, l.ret.dirs_count, &l.e), 0);
	end(&l);
}

static void freezes_and_kills_a_frozen_one(void **state)
{
	struct live l;
	pid_t pid;

	(void)state;
	begin(&l);
	assert_int_equal(compile(&l), 0);
	assert_int_equal(apply(&l), 0);
	pid = spawn_family(&l, 1);
	wait_for_pids(&l, 2);
	assert_int_equal(cg_is_frozen(l.ret.dirs, l.ret.dirs_count), 0);
	if (cg_freeze(l.ret.dirs, l.ret.dirs_count, true, &l.e) < 0)
		fail_msg("%s", l.e.msg);
	assert_int_equal(cg_is_frozen(l.ret.dirs, l.ret.dirs_count), 1);
	assert_int_equal(cg_freeze(l.ret.dirs, l.ret.dirs_count, false, &l.e), 0);
	assert_int_equal(cg_is_frozen(l.ret.dirs, l.ret.dirs_count), 0);
	assert_int_equal(cg_freeze(l.ret.dirs, l.ret.dirs_count, true, &l.e), 0);
	assert_int_equal(cg_kill_all(l.ret.dirs, l.ret.dirs_count, SIGKILL, &l.e), 0);
	(void)waitpid(pid, NULL, 0);
	end(&l);
}

static void refuses_a_cgroup_that_holds_processes(void **state)
{
	struct live l;
	pid_t pid;

	(void)state;
	begin(&l);
	assert_int_equal(compile(&l), 0);
	assert_int_equal(apply(&l), 0);
	pid = spawn_family(&l, 0);
	wait_for_pids(&l, 1);
	memset(l.made, 0, sizeof(l.made));
	assert_int_equal(apply(&l), -EBUSY);
	assert_non_null(strstr(l.e.msg, "already holds processes"));
	assert_int_equal(cg_kill_all(l.ret.dirs, l.ret.dirs_count, SIGKILL, &l.e), 0);
	(void)waitpid(pid, NULL, 0);
	assert_int_equal(cg_remove(l.ret.dirs, l.ret.dirs_count, &l.e), 0);
	for (size_t i = 0; i < l.ret.dirs_count; i++) {
		*strrchr(l.ret.dirs[i], '/') = '\0';
		assert_int_equal(rmdir(l.ret.dirs[i]), 0);
	}
	close_slots(&l);
	plan_done(&l.plan);
	arena_done(&l.arena);
	host_facts_done(&l.host);
}

static void remove_takes_what_the_container_made_and_never_a_root(void **state)
{
	struct live l;
	char sub[512];

	(void)state;
	begin(&l);
	assert_int_equal(compile(&l), 0);
	assert_int_equal(apply(&l), 0);
	for (size_t i = 0; i < l.ret.dirs_count; i++) {
		(void)snprintf(sub, sizeof(sub), "%s/inner", l.ret.dirs[i]);
		assert_int_equal(mkdir(sub, 0755), 0);
		(void)snprintf(sub, sizeof(sub), "%s/inner/most", l.ret.dirs[i]);
		assert_int_equal(mkdir(sub, 0755), 0);
	}
	assert_int_equal(cg_remove(l.ret.dirs, l.ret.dirs_count, &l.e), 0);
	assert_int_equal(cg_remove(&l.host.cgroups.hierarchies[0].mount, 1, &l.e), -EINVAL);
	assert_int_equal(cg_remove((char *[]){ (char[]){ "/tmp" } }, 1, &l.e), -EINVAL);
	end(&l);
}

/* What the device program of a v2 cgroup lets a child open. */
static int open_inside(const char *dir, const char *device)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int fd;

		if (write_pid(dir, getpid()) < 0)
			_exit(100);
		fd = open(device, O_RDWR | O_CLOEXEC);
		_exit(fd < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void device_program_is_enforced_on_v2(void **state)
{
	struct cgroup_hierarchy only[1];
	const struct cgroup_hierarchy *v2 = NULL;
	struct oci_device_rule deny_zero = { .allow = false };
	struct live l;

	(void)state;
	begin(&l);
	for (size_t i = 0; i < l.host.cgroups.count; i++)
		if (l.host.cgroups.hierarchies[i].v2)
			v2 = &l.host.cgroups.hierarchies[i];
	if (!v2) {
		plan_done(&l.plan);
		host_facts_done(&l.host);
		missing("a cgroup v2 mount");
		return;
	}
	/* A host that has nothing but this. */
	only[0] = *v2;
	l.host.cgroups.hierarchies = only;
	l.host.cgroups.count = 1;
	l.res.devices = &deny_zero;
	l.res.devices_count = 1;
	assert_int_equal(compile(&l), 0);
	if (apply(&l) < 0)
		fail_msg("%s", l.e.msg);
	assert_int_equal(open_inside(l.ret.dirs[0], "/dev/null"), 0);
	if (access("/dev/kmsg", F_OK) == 0)
		assert_int_equal(open_inside(l.ret.dirs[0], "/dev/kmsg"), EPERM);
	end(&l);
}

static void an_optional_cgroup_may_be_refused(void **state)
{
	struct live l;
	int status;
	pid_t pid;

	(void)state;
	begin(&l);
	for (int asked = 0; asked < 2; asked++) {
		struct cg_options o = { .id = "x", .arena = &l.arena, .optional = true };

		l.res.pids_limit = (struct opt_i64){ asked, 5 };
		plan_done(&l.plan);
		plan_init(&l.plan);
		assert_int_equal(cg_plan(&l.spec, &l.host, &o, &l.plan, &l.ret, &l.e), 0);
		assert_int_equal(plan_view_half(&l.plan.host, l.slots, l.plan.slots, &l.view, &l.e),
				 0);
		pid = fork();
		if (pid == 0) {
			if (setresuid(65534, 65534, 65534) < 0)
				_exit(1);
			/* Into v2 nobody enters: a clone is born there, or not. */
			_exit((apply(&l) < 0) != (asked == 1) ||
			      (enter(&l) < 0) !=
				      (asked == 1 && l.host.cgroups.layout != CGROUP_V2));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	end(&l);
}

static void undo_takes_the_ancestors_of_a_failed_make(void **state)
{
	struct live l;
	char name[300], path[600];

	(void)state;
	begin(&l);
	memset(name, 'x', sizeof(name) - 1);
	name[255] = '\0'; /* longest name there is; cgroupfs refuses some that other fs take */
	(void)snprintf(path, sizeof(path), "%s/a/%s\n", l.path, name);
	l.lin.cgroups_path = path;
	assert_int_equal(compile(&l), -EINVAL);
	(void)snprintf(path, sizeof(path), "%s/a/b", l.path);
	assert_int_equal(compile(&l), 0);
	assert_int_equal(apply(&l), 0);
	close_slots(&l);
	undo(&l);
	nothing_left(&l);
	undo(&l);
	plan_done(&l.plan);
	arena_done(&l.arena);
	host_facts_done(&l.host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_arrive_and_undo_leaves_nothing),
		cmocka_unit_test(a_failing_write_names_file_and_value),
		cmocka_unit_test(kill_reaches_every_process),
		cmocka_unit_test(freezes_and_kills_a_frozen_one),
		cmocka_unit_test(refuses_a_cgroup_that_holds_processes),
		cmocka_unit_test(remove_takes_what_the_container_made_and_never_a_root),
		cmocka_unit_test(device_program_is_enforced_on_v2),
		cmocka_unit_test(an_optional_cgroup_may_be_refused),
		cmocka_unit_test(undo_takes_the_ancestors_of_a_failed_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
