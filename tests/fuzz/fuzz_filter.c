/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of the filter cache. First byte 0: the rest is the file; else a file with a right head is
 * made round the rest, and the first byte is added to one of its bytes, which the second one names.
 */
#include "fuzz.h"

#include "mech/seccomp/seccomp.h"
#include "sys/syscalls.h"

#include <fcntl.h>
#include <sys/stat.h>

static const char key[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static int overwrite(const char *path, const void *bytes, size_t n)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : sys_write_all(fd, bytes, n);
}

static void damage(const char *path, uint8_t by, uint8_t at)
{
	AUTO_FD int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t b;

	if (fd < 0 || pread(fd, &b, 1, at) != 1)
		return;
	b = (uint8_t)(b + by);
	(void)!pwrite(fd, &b, 1, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/dev/shm/cay-fuzz-XXXXXX", path[128];
	AUTO_BUF struct buf got = { 0 };

	if (size < 2 || !mkdtemp(dir))
		return 0;
	(void)snprintf(path, sizeof(path), "%s/%s", dir, key);
	if (data[0] == 0) {
		(void)overwrite(path, data + 1, size - 1);
	} else if (sec_cache_put(dir, key, data + 2, size - 2) == 0) {
		if (data[0] > 1)
			damage(path, data[0], data[1]);
	}
	if (sec_cache_get(dir, key, &got) == 0 && data[0] == 1 &&
	    (got.len != size - 2 || memcmp(got.data, data + 2, got.len) != 0))
		abort();
	(void)unlink(path);
	(void)rmdir(dir);
	return 0;
}
