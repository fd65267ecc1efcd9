/* SPDX-License-Identifier: Apache-2.0 */
#include "mech/cred/home.h"

#include "base/auto.h"
#include "sys/syscalls.h"

#include <string.h>
#include <sys/stat.h>

/* passwd(5): name:password:uid:gid:gecos:directory:shell */
enum { FIELD_UID = 2, FIELD_HOME = 5, MAX_PASSWD_BYTES = 1 << 20 };

/* One line under way, fed byte by byte: nothing but two fields is ever kept. */
struct scan {
	unsigned int field;
	uint64_t uid;
	bool uid_ok, home_ok;
	char home[HOME_BYTES];
	size_t home_len;
};

static void scan_start(struct scan *s)
{
	s->field = 0;
	s->uid = 0;
	s->uid_ok = false;
	s->home_ok = true;
	s->home_len = 0;
}

static void scan_byte(struct scan *s, char c)
{
	if (c == ':') {
		s->field++;
	} else if (s->field == FIELD_UID) {
		bool digit = c >= '0' && c <= '9';

		/* Once wrong, wrong for the whole line: the value can't come back in range. */
		s->uid = digit && s->uid <= UINT32_MAX ? s->uid * 10 + (uint64_t)(c - '0')
						       : UINT64_MAX / 2;
		s->uid_ok = true;
	} else if (s->field == FIELD_HOME) {
		if (s->home_len + 1 < sizeof(s->home) && c != '\0')
			s->home[s->home_len++] = c;
		else
			s->home_ok = false;
	}
}

static bool scan_matches(const struct scan *s, uint32_t uid)
{
	return s->field > FIELD_HOME && s->uid_ok && s->uid == uid && s->home_ok &&
	       s->home_len > 0 && s->home[0] == '/';
}

static bool find(int fd, uint32_t uid, struct scan *s)
{
	char chunk[1024];
	ssize_t n;

	scan_start(s);
	for (size_t total = 0; total < MAX_PASSWD_BYTES; total += (size_t)n) {
		n = read(fd, chunk, sizeof(chunk));
		if (n <= 0)
			return scan_matches(s, uid);
		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] != '\n') {
				scan_byte(s, chunk[i]);
				continue;
			}
			if (scan_matches(s, uid))
				return true;
			scan_start(s);
		}
	}
	return false;
}

void home_find(int root_fd, uint32_t uid, char ret[HOME_BYTES])
{
	AUTO_FD int fd = sys_open_in_root(root_fd, "etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct scan s;
	struct stat st;

	ret[0] = '/';
	ret[1] = '\0';
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !find(fd, uid, &s))
		return;
	memcpy(ret, s.home, s.home_len);
	ret[s.home_len] = '\0';
}
