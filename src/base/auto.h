/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Scope-bound ownership. Declare with AUTO_*, initialise (-EBADF or NULL), hand
 * on with TAKE_*. The release functions keep errno.
 */
static inline void auto_close_fd(const int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void auto_free_ptr(void *pp)
{
	free(*(void **)pp);
}

static inline void auto_close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static inline int auto_take_fd(int *fd)
{
	int r = *fd;

	*fd = -EBADF;
	return r;
}

#define AUTO(fn) __attribute__((cleanup(fn)))
#define AUTO_FD AUTO(auto_close_fd)
#define AUTO_FREE AUTO(auto_free_ptr)
#define AUTO_DIR AUTO(auto_close_dir)
#define TAKE_FD(fd) auto_take_fd(&(fd))
#define TAKE_PTR(p)                                                                                \
	__extension__({                                                                            \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))
