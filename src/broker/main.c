/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker.h"

#include "base/parse.h"

#include <stdio.h>

static int usage(void)
{
	(void)fputs(
		"cay-broker: agent POLICY-DIR SOCKET [AUDIT [RATE]], or private SOCKET PID [LOG]; "
		"called by cay\n",
		stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct broker_options o = { 0 };
	struct err e = { 0 };
	uint32_t pid;

	if (argc >= 4 && argc <= 5 && str_eq(argv[1], "private") && parse_u32(argv[3], &pid) == 0)
		return broker_private(argv[2], (pid_t)pid, argv[4], &e) < 0;
	if (argc < 4 || argc > 6 || !str_eq(argv[1], "agent"))
		return usage();
	o.policy_dir = argv[2];
	o.listen = argv[3];
	o.audit = argc > 4 && *argv[4] ? argv[4] : NULL;
	if (argc > 5 && (parse_u32(argv[5], &o.rate) < 0 || o.rate == 0))
		return usage();
	if (broker_agent(&o, &e) == 0)
		return 0;
	(void)fprintf(stderr, "cay-broker: %s\n", e.msg);
	return 1;
}
