/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: arguments are the lines of the input; its first byte says where options end. */
#include "fuzz.h"

#include "cli/opt.h"

enum { MAX_ARGS = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = NULL;
	struct opt_list list = { 0 };
	struct opt_u32s numbers = { 0 };
	bool flag = false;
	uint32_t number = 0;
	const struct opt opts[] = {
		{ "flag", 'f', OPT_FLAG, &flag, OPT_SHOWN, "a flag" },
		{ "text", 't', OPT_STR, &text, "TEXT", "a text" },
		{ "number", 'n', OPT_U32, &number, "N", "a number" },
		{ "list", 'l', OPT_LIST, &list, "L", "again and again" },
		{ "numbers", 0, OPT_U32S, &numbers, NULL, "hidden" },
		{ .type = OPT_END },
	};
	AUTO_ARENA struct arena a = { 0 };
	AUTO_BUF struct buf help = { 0 };
	char name[] = "cay", *argv[MAX_ARGS + 2] = { name }, *copy, *rest;
	struct opt_args args;
	struct err e;
	int argc = 1;

	if (size == 0)
		return 0;
	copy = arena_strndup(&a, (const char *)data + 1, size - 1);
	for (rest = copy; rest && argc <= MAX_ARGS;) {
		char *end = strchr(rest, '\n');

		argv[argc++] = rest;
		if (end)
			*end++ = '\0';
		rest = end;
	}
	if (opt_parse(argc, argv, opts, data[0] % 3, &a, &args, &e) == 0)
		for (size_t i = 0; i < args.count; i++)
			if (strlen(args.list[i]) > size)
				abort();
	opt_help(opts, &help);
	return 0;
}
