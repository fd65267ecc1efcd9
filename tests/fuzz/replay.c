/* SPDX-License-Identifier: Apache-2.0 */
/* replay FILE|DIRECTORY...: what libFuzzer does with a corpus, without libFuzzer. */
#include "fuzz.h"

#include "base/buf.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static unsigned int count;

static int one(int dir, const char *name)
{
	AUTO_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct buf b = { 0 };
	uint8_t *exact;

	if (fd < 0 || buf_read_fd(&b, fd, 16 << 20) < 0)
		return -1;
	exact = malloc(b.len ? b.len : 1);
	if (!exact)
		return -1;
	if (b.len > 0)
		memcpy(exact, b.data, b.len);
	(void)LLVMFuzzerTestOneInput(exact, b.len);
	free(exact);
	count++;
	return 0;
}

static int all(const char *path)
{
	AUTO_DIR DIR *d = opendir(path);
	const struct dirent *ent;

	if (!d)
		return errno == ENOTDIR ? one(AT_FDCWD, path) : -1;
	while ((ent = readdir(d)))
		if (ent->d_name[0] != '.' && one(dirfd(d), ent->d_name) < 0)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (all(argv[i]) < 0) {
			perror(argv[i]);
			return 1;
		}
	printf("1..1\n%s 1 - replays %u inputs\n", count ? "ok" : "not ok", count);
	return count ? 0 : 1;
}
