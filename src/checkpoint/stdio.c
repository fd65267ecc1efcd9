/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint/checkpoint_private.h"

#include "base/json.h"
#include "base/parse.h"
#include "checkpoint/wire.h"
#include "container/store.h"
#include "sys/syscalls.h"

#include <inttypes.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/*
 * stdin, stdout and stderr come from outside of the container. A pipe is known to CRIU by the
 * inode it had, a file of the host by its mount and inode; at restore ours are put in their
 * place under that key. descriptors.json keeps the keys, in runc's form.
 */

static const char descriptors[] = "descriptors.json";

enum { STDIO_FDS = 3, MOUNTINFO_MAX = 4 << 20 };

/* The line "mnt_id:\t28" of /proc/PID/fdinfo/FD; 0: unknown. */
static uint32_t mount_of(int proc_fd, int fd)
{
	char path[32], text[1024], *p;
	uint32_t id;

	(void)snprintf(path, sizeof(path), "fdinfo/%d", fd);
	if (sys_read_at(proc_fd, path, text, sizeof(text)) < 0)
		return 0;
	p = strstr(text, "mnt_id:");
	if (!p)
		return 0;
	p += strlen("mnt_id:");
	p += strspn(p, " \t");
	p[strcspn(p, "\n")] = '\0';
	return parse_u32(p, &id) < 0 ? 0 : id;
}

/* Field 1 of a line is its id. What can't be read counts as inside: CRIU will have its say. */
static bool is_inside(int proc_fd, uint32_t id)
{
	AUTO_FD int fd = openat(proc_fd, "mountinfo", O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct buf text = { 0 };
	char start[16];
	size_t n;

	if (fd < 0 || buf_read_fd(&text, fd, MOUNTINFO_MAX) < 0 || text.failed || !text.data)
		return true;
	n = (size_t)snprintf(start, sizeof(start), "%u ", id);
	for (const char *p = text.data; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, start, n) == 0)
			return true;
	}
	return false;
}

/* Terminals are --shell-job's. */
static bool is_file(const struct stat *st)
{
	unsigned int m = major(st->st_rdev);

	if (S_ISREG(st->st_mode))
		return true;
	return S_ISCHR(st->st_mode) && m != TTY_MAJOR && m != TTYAUX_MAJOR &&
	       !(m >= UNIX98_PTY_SLAVE_MAJOR &&
		 m < UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT);
}

/* CRIU's name of a file that is not in one of the container's mounts: file[MOUNT:INODE]. */
static bool outside_key(int proc_fd, int fd, char *ret, size_t size)
{
	uint32_t id = mount_of(proc_fd, fd);
	struct stat st;
	char path[32];

	(void)snprintf(path, sizeof(path), "fd/%d", fd);
	if (id == 0 || fstatat(proc_fd, path, &st, 0) < 0 || !is_file(&st) ||
	    is_inside(proc_fd, id))
		return false;
	(void)snprintf(ret, size, "file[%x:%" PRIx64 "]", id, (uint64_t)st.st_ino);
	return true;
}

int cr_stdio_dump(const struct ctr *c, int dir_fd, struct buf *opts, struct err *e)
{
	AUTO_BUF struct buf text = { 0 };
	struct json_out o = { .b = &text };
	AUTO_FD int proc_fd = -EBADF;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d", c->pid);
	proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0 || !ctr_is_alive(c))
		return err_set(e, ESRCH, "container not running");
	jo_open(&o, NULL, '[');
	for (int fd = 0; fd < STDIO_FDS; fd++) {
		if (!str_starts(c->stdio[fd] ? c->stdio[fd] : "", "pipe:[") &&
		    outside_key(proc_fd, fd, path, sizeof(path))) {
			wire_str(opts, CRIU_EXTERNAL, path);
			jo_str(&o, NULL, path);
		} else {
			jo_str(&o, NULL, c->stdio[fd] ? c->stdio[fd] : "");
		}
	}
	jo_close(&o, ']');
	if (text.failed)
		return err_oom(e);
	return store_put(dir_fd, descriptors, text.data, text.len, 0600, e);
}

int cr_stdio_restore(int dir_fd, struct buf *opts, struct err *e)
{
	AUTO_JSON struct json *doc = NULL;
	AUTO_BUF struct buf text = { 0 };
	int r = store_get(dir_fd, descriptors, &text, e);

	if (r == 0)
		r = json_parse(text.data ? text.data : "", text.len, &doc, e);
	if (r < 0)
		return err_wrap(e, "%s of the checkpoint", descriptors);
	if (json_type(doc) != JSON_ARRAY || json_len(doc) > STDIO_FDS)
		return err_set(e, EINVAL,
			       "%s of the checkpoint: expected an array of three strings",
			       descriptors);
	for (size_t i = 0; i < json_len(doc); i++) {
		const struct json *n = json_at(doc, i);
		size_t len;
		const char *s = json_type(n) == JSON_STRING ? json_string(n, &len) : NULL;

		if (!s || strlen(s) != len || len > 4096)
			return err_set(e, EINVAL, "%s[%zu] of the checkpoint: expected a string",
				       descriptors, i);
		/* The same pipe twice is one object to CRIU: any of its fds will do. */
		if (str_starts(s, "pipe:[") || str_starts(s, "file["))
			criu_inherit(opts, s, (int)i);
	}
	return 0;
}
