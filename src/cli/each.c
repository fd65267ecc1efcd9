/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <regex.h>

static int compile(const char *pattern, regex_t *ret, struct err *e)
{
	char why[128];
	int r = regcomp(ret, pattern, REG_EXTENDED | REG_NOSUB);

	if (r == 0)
		return 0;
	(void)regerror(r, ret, why, sizeof(why));
	return err_set(e, EINVAL, "--regex \"%s\": %s", pattern, why);
}

static int each_match(struct cli *c, const regex_t *re,
		      int (*fn)(struct cli *c, const char *id, void *arg, struct err *e), void *arg,
		      struct err *e)
{
	size_t count = 0;
	char **ids;
	int status = 0, r = ctr_list(c->root, &c->arena, &ids, &count, e);

	if (r < 0)
		return cli_fail(c, e, 1);
	for (size_t i = 0; i < count; i++)
		if (regexec(re, ids[i], 0, NULL, 0) == 0 && fn(c, ids[i], arg, e) < 0) {
			(void)err_wrap(e, "container %s", ids[i]);
			status = cli_fail(c, e, 1);
		}
	return status;
}

int cli_for_each(struct cli *c, const char *pattern, bool regex,
		 int (*fn)(struct cli *c, const char *id, void *arg, struct err *e), void *arg)
{
	struct err e = { 0 };
	regex_t re;
	int r;

	if (!regex)
		return fn(c, pattern, arg, &e) < 0 ? cli_fail(c, &e, 1) : 0;
	r = compile(pattern, &re, &e);
	if (r < 0)
		return cli_fail(c, &e, 1);
	r = each_match(c, &re, fn, arg, &e);
	regfree(&re);
	return r;
}
