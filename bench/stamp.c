/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stamp: linked around cay's own chan_send, it notes CLOCK_MONOTONIC just before the word that
 * opens a gate is written, and prints it at the end as `sent NANOSECONDS`, on stderr. All else is cay.
 */
#include "sys/channel.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

int __real_chan_send(int sock, const struct msg *m, int fd);
int __wrap_chan_send(int sock, const struct msg *m, int fd);

static struct timespec sent;

int __wrap_chan_send(int sock, const struct msg *m, int fd)
{
	if (m->kind == MSG_START)
		(void)clock_gettime(CLOCK_MONOTONIC, &sent);
	return __real_chan_send(sock, m, fd);
}

__attribute__((destructor)) static void print(void)
{
	if (sent.tv_sec)
		(void)fprintf(stderr, "sent %" PRIu64 "\n",
			      (uint64_t)sent.tv_sec * 1000000000 + (uint64_t)sent.tv_nsec);
}
