/* SPDX-License-Identifier: Apache-2.0 */
/*
 * many: COUNT runs of a command, JOBS at a time; `{}` in a word becomes the number of the run. Prints
 * `NANOSECONDS PEAK-KILOBYTES STATUS` for each. Small, because until execve a child has its
 * parent's memory, and that peak is counted, too.
 *
 *   many JOBS COUNT FIRST COMMAND [WORD...]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_JOBS = 64, MAX_WORDS = 64, MAX_TEXT = 4096 };

struct job {
	pid_t pid;
	long long began;
};

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int number(const char *digits)
{
	int n = 0;

	for (; *digits >= '0' && *digits <= '9' && n < 100000000; digits++)
		n = n * 10 + (*digits - '0');
	return n;
}

static void fill(char **words, int count, int nth, char **ret, char *text)
{
	const char *end = text + MAX_TEXT;

	for (int i = 0; i < count; i++) {
		const char *hole = strstr(words[i], "{}");

		ret[i] = words[i];
		if (!hole)
			continue;
		ret[i] = text;
		text += 1 + snprintf(text, (size_t)(end - text), "%.*s%d%s", (int)(hole - words[i]),
				     words[i], nth, hole + 2);
		if (text >= end)
			exit(2);
	}
	ret[count] = NULL;
}

static pid_t start(char **words)
{
	pid_t pid = vfork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(null, 1);
		execv(words[0], words);
		_exit(127);
	}
	return pid;
}

static void reap(struct job *jobs, int count)
{
	struct rusage use;
	int status;
	pid_t pid = wait4(-1, &status, 0, &use);
	long long end = now();

	for (int i = 0; i < count; i++)
		if (jobs[i].pid == pid) {
			printf("%lld %ld %d\n", end - jobs[i].began, use.ru_maxrss,
			       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
			jobs[i].pid = 0;
		}
}

int main(int argc, char **argv)
{
	static struct job jobs[MAX_JOBS];
	static char text[MAX_TEXT];
	char *words[MAX_WORDS + 1];
	int at_once, count, first, running = 0, started = 0;

	if (argc < 5 || argc - 4 > MAX_WORDS)
		return 2;
	at_once = number(argv[1]);
	count = number(argv[2]);
	first = number(argv[3]);
	if (at_once < 1 || at_once > MAX_JOBS)
		return 2;
	while (started < count || running > 0) {
		for (int i = 0; i < at_once && started < count; i++)
			if (jobs[i].pid == 0) {
				fill(argv + 4, argc - 4, first + started++, words, text);
				jobs[i].began = now();
				jobs[i].pid = start(words);
				if (jobs[i].pid < 0)
					return 1;
				running++;
			}
		reap(jobs, at_once);
		running--;
	}
	return 0;
}
