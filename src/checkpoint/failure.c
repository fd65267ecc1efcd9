/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint/criu.h"

#include "base/parse.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { TAIL_BYTES = 256 << 10, QUOTE_MAX = 200, PATH_SHOWN = 160 };

/* The last @size - 1 bytes of a file that may still grow. */
static void read_tail(int fd, char *buf, size_t size)
{
	struct stat st;
	off_t from;
	ssize_t n;

	buf[0] = '\0';
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	from = st.st_size >= (off_t)size ? st.st_size - (off_t)size + 1 : 0;
	n = pread(fd, buf, size - 1, from);
	buf[n > 0 ? n : 0] = '\0';
}

/*
 * "(00.012345)     42: Error (criu/files.c:7): words" → "Error (criu/files.c:7): words"
 * The first tells the cause; the last says only that it failed.
 */
static void first_error(char *text, char ret[QUOTE_MAX])
{
	char *found = NULL, *last = NULL, *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *at = strstr(line, "Error (");

		found = found ? found : at;
		last = *line ? line : last;
	}
	found = found ? found : last;
	if (found)
		(void)snprintf(ret, QUOTE_MAX, "%s", found);
}

static void quote_fd(int fd, char ret[QUOTE_MAX])
{
	AUTO_FREE char *text = fd < 0 ? NULL : malloc(TAIL_BYTES);

	if (!text)
		return;
	read_tail(fd, text, TAIL_BYTES);
	first_error(text, ret);
}

static const char *request_name(uint32_t type)
{
	switch (type) {
	case CRIU_DUMP:
		return "DUMP";
	case CRIU_RESTORE:
		return "RESTORE";
	case CRIU_PRE_DUMP:
		return "PRE_DUMP";
	case CRIU_NOTIFY:
		return "NOTIFY";
	case CRIU_FEATURE_CHECK:
		return "FEATURE_CHECK";
	case CRIU_VERSION:
		return "VERSION";
	}
	return "EMPTY";
}

int criu_failed(const struct criu *c, const struct criu_reply *r, const char *log_dir,
		const char *log, struct err *e)
{
	char why[QUOTE_MAX] = "", path[PATH_SHOWN + 32] = "";
	AUTO_FD int dir = log_dir ? open(log_dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
	AUTO_FD int fd = dir < 0 ? -EBADF
				 : openat(dir, log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	quote_fd(fd, why);
	/* It may have failed before it had a log. */
	if (!*why)
		quote_fd(c->said, why);
	if (!*why)
		(void)snprintf(why, sizeof(why), "%.199s", r->message);
	for (char *p = why + strlen(why); p > why && (p[-1] == '\n' || p[-1] == ' '); p--)
		p[-1] = '\0';
	if (fd >= 0) {
		size_t n = strlen(log_dir), skip = n > PATH_SHOWN - 32 ? n - (PATH_SHOWN - 32) : 0;

		(void)snprintf(path, sizeof(path), " (log file: %s%s/%s)", skip ? "..." : "",
			       log_dir + skip, log);
	}
	return err_set(e, EIO, "criu failed: type %s errno %d%s%s%s", request_name(r->type),
		       r->code, *why ? ": " : "", why, path);
}
