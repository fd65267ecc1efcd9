/* SPDX-License-Identifier: Apache-2.0 */
/* descriptors.json of a checkpoint: somebody's file that names what a restore shall hand over. */
#include "fuzz.h"

#include "checkpoint/checkpoint_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/cay-fuzz-XXXXXX";
static int dir_fd = -EBADF;

static void remove_dir(void)
{
	(void)unlinkat(dir_fd, "descriptors.json", 0);
	(void)rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF struct buf opts = { 0 };
	struct err e = { 0 };
	int fd, r;

	if (dir_fd < 0) {
		dir_fd = mkdtemp(dir) ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
		if (dir_fd < 0 || atexit(remove_dir) != 0)
			abort();
	}
	fd = openat(dir_fd, "descriptors.json", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	r = cr_stdio_restore(dir_fd, &opts, &e);
	if (r > 0 || (r < 0 && (e.code >= 0 || !memchr(e.msg, '\0', sizeof(e.msg)))))
		abort();
	return 0;
}
