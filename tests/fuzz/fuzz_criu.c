/* SPDX-License-Identifier: Apache-2.0 */
/* What CRIU answers, one message. */
#include "fuzz.h"

#include "checkpoint/criu.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct criu_reply r = { 0 };

	if (criu_reply_parse(data, size, &r) == 0 &&
	    (r.pid < 0 || !memchr(r.script, '\0', sizeof(r.script)) ||
	     !memchr(r.message, '\0', sizeof(r.message))))
		abort();
	return 0;
}
