/* SPDX-License-Identifier: Apache-2.0 */
/*
 * levers: ways the kernel offers for the same thing, side by side, in turns. Runs in a mount namespace of
 * its own; DIRECTORY is an empty one. Prints `THING<tab>WAY<tab>NANOSECONDS` for each round.
 *
 *   levers DIRECTORY ROUNDS
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char cgroup[] = "v2/cay-bench-levers";
static int cgroup_fd, procs_fd;

/* ---- A read-only bind mount ------------------------------------------------------------------ */

static int bind_detached(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID };
	int tree = open_tree(AT_FDCWD, "source", OPEN_TREE_CLONE | AT_RECURSIVE);
	int r = mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr));

	if (r == 0)
		r = move_mount(tree, "", AT_FDCWD, "target", MOVE_MOUNT_F_EMPTY_PATH);
	close(tree);
	return r;
}

static int bind_classic(void)
{
	if (mount("source", "target", NULL, MS_BIND | MS_REC, NULL) < 0)
		return -1;
	return mount(NULL, "target", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID, NULL);
}

/* ---- A new file system ----------------------------------------------------------------------- */

static int tmpfs_detached(void)
{
	int fs = fsopen("tmpfs", 0), made = -1, r = -1;

	if (fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) == 0 &&
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "64k", 0) == 0 &&
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		made = fsmount(fs, 0, MOUNT_ATTR_NOSUID);
	if (made >= 0)
		r = move_mount(made, "", AT_FDCWD, "target", MOVE_MOUNT_F_EMPTY_PATH);
	close(made);
	close(fs);
	return r;
}

static int tmpfs_classic(void)
{
	return mount("tmpfs", "target", "tmpfs", MS_NOSUID, "mode=755,size=64k");
}

static void unmount(void)
{
	if (umount2("target", MNT_DETACH) < 0)
		err(1, "umount");
}

/* ---- A process in a cgroup v2 ---------------------------------------------------------------- */

static int born(uint64_t flags, int (*in_parent)(pid_t), int (*in_child)(void))
{
	struct clone_args args = { .flags = flags,
				   .exit_signal = SIGCHLD,
				   .cgroup = (uint64_t)cgroup_fd };
	int gate[2] = { -1, -1 }, status = 0;
	char word = 0;
	pid_t pid;

	if (in_parent && pipe(gate) < 0)
		return -1;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		if (in_parent && read(gate[0], &word, 1) != 1)
			_exit(1);
		_exit(in_child ? in_child() : 0);
	}
	if (pid > 0 && in_parent && (in_parent(pid) < 0 || write(gate[1], &word, 1) != 1))
		kill(pid, SIGKILL);
	close(gate[0]);
	close(gate[1]);
	return pid < 0 || waitpid(pid, &status, 0) < 0 || status ? -1 : 0;
}

static int move(pid_t pid)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", pid);

	return write(procs_fd, text, (size_t)n) == n ? 0 : -1;
}

static int move_itself(void)
{
	return move(0) < 0;
}

static int born_inside(void)
{
	return born(CLONE_INTO_CGROUP, NULL, NULL);
}

static int born_and_moved(void)
{
	return born(0, move, NULL);
}

static int born_and_moving(void)
{
	return born(0, NULL, move_itself);
}

static int born_outside(void)
{
	return born(0, NULL, NULL);
}

static void nothing(void)
{
}

static const struct {
	const char *thing, *way;
	int (*once)(void);
	void (*undo)(void);
} ways[] = {
	{ "read-only bind mount", "detached", bind_detached, unmount },
	{ "read-only bind mount", "mount, then remount", bind_classic, unmount },
	{ "tmpfs", "detached", tmpfs_detached, unmount },
	{ "tmpfs", "mount", tmpfs_classic, unmount },
	{ "process in a cgroup v2", "born in it", born_inside, nothing },
	{ "process in a cgroup v2", "moves itself", born_and_moving, nothing },
	{ "process in a cgroup v2", "moved, waits for it", born_and_moved, nothing },
	{ "process in a cgroup v2", "in none", born_outside, nothing },
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void prepare(const char *directory)
{
	char path[64];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0 ||
	    chdir(directory) < 0 || mkdir("source", 0755) < 0 || mkdir("target", 0755) < 0 ||
	    mkdir("v2", 0755) < 0)
		err(1, "%s", directory);
	if (mount("cgroup2", "v2", "cgroup2", 0, NULL) < 0 ||
	    (rmdir(cgroup), mkdir(cgroup, 0755)) < 0)
		err(1, "cgroup v2");
	cgroup_fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	procs_fd = open(path, O_WRONLY | O_CLOEXEC);
	if (cgroup_fd < 0 || procs_fd < 0)
		err(1, "%s", cgroup);
}

int main(int argc, char **argv)
{
	int rounds = 0;

	if (argc != 3 || sscanf(argv[2], "%d", &rounds) != 1)
		errx(2, "usage: levers DIRECTORY ROUNDS");
	prepare(argv[1]);
	for (int i = 0; i < rounds; i++)
		for (size_t k = 0; k < sizeof(ways) / sizeof(ways[0]); k++) {
			uint64_t began = now(), ended;

			if (ways[k].once() < 0)
				err(1, "%s, %s", ways[k].thing, ways[k].way);
			ended = now();
			ways[k].undo();
			printf("%s\t%s\t%llu\n", ways[k].thing, ways[k].way,
			       (unsigned long long)(ended - began));
		}
	rmdir(cgroup);
	return 0;
}
