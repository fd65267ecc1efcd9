/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parse.h"
#include "container/life.h"
#include "container/store.h"
#include "sys/syscalls.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* A store of its own for each test. */
struct fixture {
	char root[64];
	int root_fd;
};

static int setup(void **state)
{
	static struct fixture f;

	(void)snprintf(f.root, sizeof(f.root), "/tmp/cay-test-XXXXXX");
	if (!mkdtemp(f.root))
		return -1;
	f.root_fd = open(f.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &f;
	return f.root_fd < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close(f->root_fd);
	return nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *text(struct ctr *c, const char *s)
{
	return arena_strdup(&c->arena, s);
}

static void fill(struct ctr *c, const struct fixture *f, const char *id)
{
	c->id = text(c, id);
	c->root = text(c, f->root);
	c->dir = arena_printf(&c->arena, "%s/%s", f->root, id);
	c->bundle = text(c, "/bundles/\"one\"\n");
	c->rootfs = text(c, "/bundles/one/rootfs");
	c->created = text(c, "2024-01-02T03:04:05.000000006Z");
	c->oci_version = text(c, "1.3.0");
	c->namespaces = 0x6c020000;
	c->own_pid_ns = true;
	c->poststop = false;
	c->no_new_keyring = true;
	c->cgroup_dirs = arena_array(&c->arena, 3, sizeof(char *));
	c->cgroup_dirs[0] = text(c, "/nonexistent/a");
	c->cgroup_dirs[1] = text(c, "/nonexistent/b");
	c->cgroup_count = 2;
	c->annotations = arena_array(&c->arena, 1, sizeof(*c->annotations));
	c->annotations[0].key = text(c, "a.b");
	c->annotations[0].value = text(c, "\xc3\xa9\t");
	c->annotations_count = 1;
}

/* A container as create leaves it, whose first process is @pid. */
static void make(const struct fixture *f, const char *id, pid_t pid, bool done)
{
	AUTO_CTR struct ctr c = CTR_INIT;
	char name[32];

	fill(&c, f, id);
	c.cgroup_count = 0;
	c.cgroup_dirs[0] = NULL;
	c.created_done = done;
	c.pid = pid;
	if (pid)
		assert_int_equal(sys_start_time(pid, &c.start_time, NULL), 0);
	assert_int_equal(store_new(f->root_fd, name, &c.dir_fd, NULL), 0);
	assert_int_equal(state_save(&c, NULL), 0);
	assert_int_equal(store_publish(f->root_fd, name, id, NULL), 0);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

static bool exists(const struct fixture *f, const char *name)
{
	return faccessat(f->root_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void accepts_ordinary_ids(void **state)
{
	static const char *const ids[] = { "a", "A-z_0+9.x", "-", "+x", "_", "0", "a..b" };
	char longest[CTR_ID_MAX + 1];

	(void)state;
	memset(longest, 'x', CTR_ID_MAX);
	longest[CTR_ID_MAX] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		assert_int_equal(ctr_id_check(ids[i], NULL), 0);
	assert_int_equal(ctr_id_check(longest, NULL), 0);
}

static void rejects_ids_that_could_leave_the_store(void **state)
{
	static const char *const ids[] = { "",	    ".",	"..",  "a/b",  "/a",
					   "../a",  ".cache",	"a b", "a\nb", "a\t",
					   "\x1b[", "\xc3\xa9", "a:b", "a*" };
	char longer[CTR_ID_MAX + 2];
	struct err e;

	(void)state;
	memset(longer, 'x', CTR_ID_MAX + 1);
	longer[CTR_ID_MAX + 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		assert_int_equal(ctr_id_check(ids[i], &e), -EINVAL);
	assert_int_equal(ctr_id_check(longer, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "128"));
}

static void state_survives_a_round_trip(void **state)
{
	AUTO_CTR struct ctr a = CTR_INIT;
	AUTO_CTR struct ctr b = CTR_INIT;
	AUTO_BUF struct buf t = { 0 };

	fill(&a, *state, "one");
	a.pid = 4321;
	a.start_time = UINT64_MAX;
	a.created_done = true;
	a.poststart = true;
	assert_int_equal(state_encode(&a, &t, NULL), 0);
	b.id = text(&b, "one");
	assert_int_equal(state_decode(t.data, t.len, &b, NULL), 0);
	assert_string_equal(a.bundle, b.bundle);
	assert_string_equal(a.rootfs, b.rootfs);
	assert_string_equal(a.created, b.created);
	assert_string_equal(a.oci_version, b.oci_version);
	assert_int_equal(a.pid, b.pid);
	assert_true(a.start_time == b.start_time);
	assert_true(a.namespaces == b.namespaces);
	assert_true(b.created_done && b.own_pid_ns && b.poststart && !b.poststop &&
		    b.no_new_keyring);
	assert_int_equal(b.cgroup_count, 2);
	assert_string_equal(b.cgroup_dirs[1], "/nonexistent/b");
	assert_null(b.cgroup_dirs[2]);
	assert_int_equal(b.annotations_count, 1);
	assert_string_equal(b.annotations[0].key, "a.b");
	assert_string_equal(b.annotations[0].value, "\xc3\xa9\t");
}

/* Each row is a change to a good state that makes it a bad one. */
static void refuses_state_that_is_not_ours(void **state)
{
	static const char *const swaps[][2] = {
		{ "\"id\": \"one\"", "\"id\": \"two\"" },
		{ "\"version\": 1", "\"version\": 2" },
		{ "\"pid\": 0", "\"pid\": -1" },
		{ "\"pid\": 0", "\"pid\": \"7\"" },
		{ "\"pid\": 0", "\"pid\": 4294967297" },
		{ "\"startTime\": 0", "\"startTime\": 1.5" },
		{ "\"createdDone\": false", "\"createdDone\": 0" },
		{ "\"/nonexistent/a\"", "\"relative\"" },
		{ "\"/nonexistent/a\"", "\"/a/../b\"" },
		{ "\"/nonexistent/a\"", "7" },
		{ "\"rootfs\"", "\"rootfz\"" },
		{ "\"a.b\": ", "\"a.b\": 1, \"c\": " },
		{ "}\n}", "}" },
	};
	AUTO_CTR struct ctr a = CTR_INIT;
	AUTO_BUF struct buf t = { 0 };

	fill(&a, *state, "one");
	assert_int_equal(state_encode(&a, &t, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(swaps); i++) {
		AUTO_CTR struct ctr b = CTR_INIT;
		AUTO_BUF struct buf bad = { 0 };
		const char *at = strstr(t.data, swaps[i][0]);
		struct err e = { 0 };

		assert_non_null(at);
		buf_add(&bad, t.data, (size_t)(at - t.data));
		buf_str(&bad, swaps[i][1]);
		buf_str(&bad, at + strlen(swaps[i][0]));
		b.id = text(&b, "one");
		assert_int_equal(state_decode(bad.data, bad.len, &b, &e), -EBADMSG);
		assert_non_null(strstr(e.msg, "state.json"));
	}
}

static void a_failed_write_leaves_the_old_file(void **state)
{
	const struct fixture *f = *state;
	AUTO_BUF struct buf got = { 0 };
	struct rlimit was, tiny = { 4, RLIM_INFINITY };
	int r;

	assert_int_equal(store_put(f->root_fd, "x", "old", 3, 0600, NULL), 0);
	/* The nearest thing to a full disk that needs no privilege. */
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	tiny.rlim_max = was.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
	r = store_put(f->root_fd, "x", "newer text", 10, 0600, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(store_get(f->root_fd, "x", &got, NULL), 0);
	assert_string_equal(got.data, "old");
	assert_false(exists(f, ".x.tmp"));
}

static void a_reader_never_sees_half_a_file(void **state)
{
	const struct fixture *f = *state;
	char a[5000], b[3000];
	pid_t pid;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	assert_int_equal(store_put(f->root_fd, "x", a, sizeof(a), 0600, NULL), 0);
	pid = fork();
	if (pid == 0) {
		for (;;) {
			(void)store_put(f->root_fd, "x", b, sizeof(b), 0600, NULL);
			(void)store_put(f->root_fd, "x", a, sizeof(a), 0600, NULL);
		}
	}
	for (int i = 0; i < 2000; i++) {
		AUTO_BUF struct buf got = { 0 };

		assert_int_equal(store_get(f->root_fd, "x", &got, NULL), 0);
		assert_true((got.len == sizeof(a) && got.data[0] == 'a') ||
			    (got.len == sizeof(b) && got.data[0] == 'b'));
		assert_int_equal(got.data[0], got.data[got.len - 1]);
	}
	kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void a_fifo_in_place_of_a_file_is_refused(void **state)
{
	const struct fixture *f = *state;
	AUTO_BUF struct buf got = { 0 };

	assert_int_equal(mkfifoat(f->root_fd, "config.json", 0600), 0);
	assert_int_equal(store_get(f->root_fd, "config.json", &got, NULL), -EINVAL);
}

static void a_name_is_published_once(void **state)
{
	const struct fixture *f = *state;
	AUTO_FD int fd = -EBADF;
	char name[32];

	make(f, "one", 0, true);
	assert_int_equal(store_new(f->root_fd, name, &fd, NULL), 0);
	assert_int_equal(store_put(fd, "state.json", "x", 1, 0600, NULL), 0);
	assert_int_equal(store_publish(f->root_fd, name, "one", NULL), -EEXIST);
	assert_int_equal(store_remove(f->root_fd, name, fd, NULL), 0);
	assert_false(exists(f, name));
	assert_true(exists(f, "one"));
}

static void one_command_at_a_time_holds_the_lock(void **state)
{
	const struct fixture *f = *state;
	AUTO_CTR struct ctr a = CTR_INIT;
	AUTO_CTR struct ctr b = CTR_INIT;
	AUTO_FD int fd = -EBADF;

	make(f, "one", 0, true);
	assert_int_equal(ctr_open(f->root, "one", true, &a, NULL), 0);
	assert_int_equal(store_open_dir(f->root_fd, "one", 0, &fd, NULL), -EBUSY);
	/* Readers don't wait. */
	assert_int_equal(ctr_open(f->root, "one", false, &b, NULL), 0);
	assert_true(store_locked_elsewhere(b.dir_fd));
	ctr_done(&a);
	assert_int_equal(store_open_dir(f->root_fd, "one", 0, &fd, NULL), 0);
}

static void a_missing_container_says_so(void **state)
{
	const struct fixture *f = *state;
	AUTO_CTR struct ctr c = CTR_INIT;
	struct err e = { 0 };

	assert_int_equal(ctr_open(f->root, "none", false, &c, &e), -ENOENT);
	assert_string_equal(e.msg, "container does not exist");
	assert_int_equal(ctr_delete(f->root, "none", false, &e, &e), -ENOENT);
	assert_string_equal(e.msg, "container does not exist");
	assert_int_equal(ctr_delete(f->root, "none", true, &e, &e), 0);
	assert_int_equal(ctr_open("/nonexistent/store", "none", false, &c, &e), -ENOENT);
	assert_string_equal(e.msg, "container does not exist");
}

static void status_follows_the_process(void **state)
{
	const struct fixture *f = *state;
	AUTO_CTR struct ctr c = CTR_INIT;
	pid_t pid = sleeper();

	make(f, "one", pid, true);
	assert_int_equal(ctr_open(f->root, "one", false, &c, NULL), 0);
	assert_int_equal(ctr_status(&c), CTR_RUNNING);
	c.start_time++;
	assert_int_equal(ctr_status(&c), CTR_STOPPED);
	c.start_time--;
	kill(pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	/* A zombie has stopped. */
	assert_int_equal(ctr_status(&c), CTR_STOPPED);
	(void)waitpid(pid, NULL, 0);
}

static void kill_and_delete_follow_the_state_table(void **state)
{
	const struct fixture *f = *state;
	struct err e = { 0 }, warning = { 0 };
	pid_t pid = sleeper();
	int status;

	make(f, "one", pid, true);
	assert_int_equal(ctr_start(f->root, "one", NULL, &warning, &e), -EINVAL);
	assert_string_equal(e.msg, "cannot start an already running container");
	assert_int_equal(ctr_delete(f->root, "one", false, &warning, &e), -EBUSY);
	assert_string_equal(e.msg, "cannot delete container one that is not stopped: running");
	assert_int_equal(ctr_kill(f->root, "one", SIGTERM, false, &e), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_int_equal(ctr_kill(f->root, "one", SIGTERM, false, &e), -ESRCH);
	assert_string_equal(e.msg, "container not running");
	assert_int_equal(ctr_kill(f->root, "one", SIGTERM, true, &e), 0);
	assert_int_equal(ctr_start(f->root, "one", NULL, &warning, &e), -EINVAL);
	assert_string_equal(e.msg, "cannot start a container that has stopped");
	assert_int_equal(ctr_delete(f->root, "one", false, &warning, &e), 0);
	assert_int_equal(warning.code, 0);
	assert_false(exists(f, "one"));
}

static void a_forced_delete_kills(void **state)
{
	const struct fixture *f = *state;
	struct err e = { 0 };
	pid_t pid = sleeper();
	int status;

	make(f, "one", pid, true);
	assert_int_equal(ctr_delete(f->root, "one", true, &e, &e), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_false(exists(f, "one"));
}

/* A create that hangs in a hook: alive, holding the lock, nothing of the container there yet. */
static pid_t hanging_create(const struct fixture *f, const char *id)
{
	AUTO_CTR struct ctr c = CTR_INIT;
	char name[32], ready;
	int p[2];
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		fill(&c, f, id);
		c.cgroup_count = 0;
		c.cgroup_dirs[0] = NULL;
		c.creator = getpid();
		if (sys_start_time(c.creator, &c.creator_start, NULL) < 0 ||
		    store_new(f->root_fd, name, &c.dir_fd, NULL) < 0 || state_save(&c, NULL) < 0 ||
		    store_publish(f->root_fd, name, id, NULL) < 0 || write(p[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(p[1]);
	assert_int_equal(read(p[0], &ready, 1), 1);
	close(p[0]);
	return pid;
}

static void a_forced_delete_ends_a_create_that_hangs(void **state)
{
	const struct fixture *f = *state;
	AUTO_CTR struct ctr c = CTR_INIT;
	struct err e = { 0 };
	pid_t pid = hanging_create(f, "one");
	int status;

	assert_int_equal(ctr_open(f->root, "one", false, &c, NULL), 0);
	assert_int_equal(ctr_status(&c), CTR_CREATING);
	assert_int_equal(ctr_delete(f->root, "one", true, &e, &e), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_false(exists(f, "one"));
}

static void a_dead_create_is_swept_away_and_a_live_one_is_not(void **state)
{
	const struct fixture *f = *state;
	AUTO_ARENA struct arena a = { 0 };
	AUTO_FD int fd = -EBADF;
	char **ids;
	size_t n;

	make(f, "dead", 0, false);
	make(f, "live", 0, false);
	make(f, "done", 0, true);
	assert_int_equal(mkdirat(f->root_fd, "empty", 0700), 0);
	assert_int_equal(store_open_dir(f->root_fd, "live", 0, &fd, NULL), 0);
	assert_int_equal(life_sweep(f->root, f->root_fd, "done", NULL), -EEXIST);
	assert_int_equal(life_sweep(f->root, f->root_fd, "live", NULL), -EBUSY);
	assert_int_equal(ctr_list(f->root, &a, &ids, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(ids[0], "done");
	assert_string_equal(ids[1], "live");
	assert_false(exists(f, "dead"));
	assert_false(exists(f, "empty"));
}

static void a_pid_file_is_replaced_in_one_piece(void **state)
{
	const struct fixture *f = *state;
	AUTO_BUF struct buf got = { 0 };
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/pid", f->root);
	assert_int_equal(pidfile_write(path, 1234567, NULL), 0);
	assert_int_equal(pidfile_write(path, 42, NULL), 0);
	assert_int_equal(store_get(f->root_fd, "pid", &got, NULL), 0);
	assert_string_equal(got.data, "42");
	assert_int_equal(symlinkat("victim", f->root_fd, "link"), 0);
	assert_int_equal(store_put_new(f->root_fd, "victim", "x", 1, 0600, NULL), 0);
	(void)snprintf(path, sizeof(path), "%s/link", f->root);
	assert_int_equal(pidfile_write(path, 43, NULL), 0);
	got.len = 0;
	assert_int_equal(store_get(f->root_fd, "victim", &got, NULL), 0);
	assert_int_equal(got.len, 1);
	assert_int_equal(pidfile_write("/nonexistent/dir/pid", 1, NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_ordinary_ids),
		cmocka_unit_test(rejects_ids_that_could_leave_the_store),
		cmocka_unit_test_setup_teardown(state_survives_a_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_state_that_is_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_old_file, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_reader_never_sees_half_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(a_fifo_in_place_of_a_file_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_name_is_published_once, setup, teardown),
		cmocka_unit_test_setup_teardown(one_command_at_a_time_holds_the_lock, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_missing_container_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(status_follows_the_process, setup, teardown),
		cmocka_unit_test_setup_teardown(kill_and_delete_follow_the_state_table, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_forced_delete_kills, setup, teardown),
		cmocka_unit_test_setup_teardown(a_forced_delete_ends_a_create_that_hangs, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_dead_create_is_swept_away_and_a_live_one_is_not,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_pid_file_is_replaced_in_one_piece, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
