/* SPDX-License-Identifier: Apache-2.0 */
/* state.json: decode; what was accepted is encoded and accepted again. */
#include "fuzz.h"

#include "container/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char id[] = "island";
	AUTO_CTR struct ctr c = CTR_INIT;
	AUTO_CTR struct ctr again = CTR_INIT;
	AUTO_BUF struct buf text = { 0 };
	struct err e;

	c.id = again.id = id;
	if (state_decode((const char *)data, size, &c, &e) < 0)
		return 0;
	if (state_encode(&c, &text, &e) < 0 || state_decode(text.data, text.len, &again, &e) < 0)
		abort();
	if (again.pid != c.pid || again.start_time != c.start_time ||
	    again.cgroup_count != c.cgroup_count)
		abort();
	return 0;
}
