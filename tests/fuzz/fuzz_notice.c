/* SPDX-License-Identifier: Apache-2.0 */
/* A container process state, as anybody may send it to an agent. */
#include "fuzz.h"

#include "broker/agent.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct notice n = { 0 };
	struct err e = { 0 };
	int r = notice_parse((const char *)data, size, &n, &e);

	if (r < 0 && (e.code >= 0 || !memchr(e.msg, '\0', sizeof(e.msg))))
		abort();
	if (r > 0 && (n.pid < 0 || n.listener >= n.fds || !memchr(n.id, '\0', sizeof(n.id)) ||
		      !memchr(n.policy, '\0', sizeof(n.policy))))
		abort();
	return 0;
}
