/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/unixsock.h"

#include "base/auto.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Return: fd of the directory, to be kept open while @ret is used; -errno. */
static int address(const char *path, struct sockaddr_un *ret)
{
	const char *base = strrchr(path, '/');
	AUTO_FREE char *dir = strndup(path, base ? (size_t)(base - path) + 1 : 0);
	int fd, n;

	if (!dir)
		return -ENOMEM;
	fd = open(*dir ? dir : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", fd,
		     base ? base + 1 : path);
	if (n < 0 || (size_t)n >= sizeof(ret->sun_path)) {
		close(fd);
		return -ENAMETOOLONG;
	}
	return fd;
}

static int socket_for(const char *path, int type, struct sockaddr_un *ret, int *ret_dir)
{
	int fd;

	*ret_dir = address(path, ret);
	if (*ret_dir < 0)
		return *ret_dir;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int unix_connect(const char *path, int type)
{
	struct sockaddr_un a;
	AUTO_FD int dir = -EBADF;
	AUTO_FD int fd = socket_for(path, type, &a, &dir);

	if (fd < 0)
		return fd;
	while (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		if (errno != EINTR)
			return -errno;
	return TAKE_FD(fd);
}

int unix_bind(const char *path, int type, mode_t mode)
{
	struct sockaddr_un a;
	AUTO_FD int dir = -EBADF;
	AUTO_FD int fd = socket_for(path, type, &a, &dir);

	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	if (chmod(a.sun_path, mode) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int unix_listen(const char *path, int type)
{
	AUTO_FD int fd = unix_bind(path, type, 0600);

	if (fd < 0)
		return fd;
	return listen(fd, 8) < 0 ? -errno : TAKE_FD(fd);
}
