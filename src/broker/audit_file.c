/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/audit.h"

#include "sys/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static int open_file(const char *path, uint64_t *ret_size)
{
	AUTO_FD int fd =
		open(path,
		     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
		     0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*ret_size = (uint64_t)st.st_size;
	return TAKE_FD(fd);
}

int audit_open(struct audit_file *f, const char *path, struct err *e)
{
	int fd = path ? open_file(path, &f->size) : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return err_sys(e, path ? fd : errno, "audit log \"%s\"", path ? path : "stderr");
	f->fd = fd;
	f->path = path;
	return 0;
}

/* When it can't be had the old one is written on: better too long than nothing. */
static void begin_anew(struct audit_file *f)
{
	char old[4096];
	uint64_t size = 0;
	int fd;

	if ((size_t)snprintf(old, sizeof(old), "%s.1", f->path) >= sizeof(old) ||
	    rename(f->path, old) < 0)
		return;
	fd = open_file(f->path, &size);
	if (fd < 0)
		return;
	close(f->fd);
	f->fd = fd;
	f->size = size;
}

void audit_write(struct audit_file *f, const struct buf *lines)
{
	if (lines->failed) {
		f->lost++;
		return;
	}
	if (f->path && f->size > 0 && f->size + lines->len > f->limit)
		begin_anew(f);
	if (sys_write_all(f->fd, lines->data, lines->len) < 0)
		f->lost++;
	else
		f->size += lines->len;
}

void audit_close(struct audit_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -EBADF;
}
