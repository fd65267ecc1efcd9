/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/agent.h"

#include "base/json.h"
#include "base/parse.h"

#include <string.h>

/* runtime-spec, config-linux.md, "The Container Process State": `fds` names what came along, in order. */
static int find_listener(const struct json *fds, struct notice *n, struct err *e)
{
	bool found = false;

	if (json_type(fds) != JSON_ARRAY)
		return err_set(e, EINVAL, "fds: must be an array");
	n->fds = json_len(fds);
	for (size_t i = 0; i < n->fds; i++) {
		const struct json *name = json_at(fds, i);

		if (json_type(name) != JSON_STRING)
			return err_set(e, EINVAL, "fds[%zu]: must be a string", i);
		if (!str_eq(json_string(name, NULL), "seccompFd"))
			continue;
		if (found)
			return err_set(e, EINVAL, "fds: names seccompFd twice");
		found = true;
		n->listener = i;
	}
	return found ? 0 : err_set(e, EINVAL, "fds: does not name seccompFd");
}

static int copy_string(const struct json *obj, const char *key, char *to, size_t size,
		       struct err *e)
{
	const struct json *v = json_get(obj, key);
	const char *s;
	size_t len;

	if (json_type(v) == JSON_NULL)
		return 0;
	if (json_type(v) != JSON_STRING)
		return err_set(e, EINVAL, "%s: must be a string", key);
	s = json_string(v, &len);
	if (len >= size || strlen(s) != len)
		return err_set(e, EINVAL, "%s: must be of at most %zu bytes, none of them NUL", key,
			       size - 1);
	memcpy(to, s, len + 1);
	return 0;
}

/* Is there a whole object at the beginning? Brackets within strings don't count. */
static bool is_whole(const char *text, size_t len)
{
	unsigned int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		const char ch = text[i];

		if (quoted && ch == '\\')
			i++;
		else if (ch == '"')
			quoted = !quoted;
		else if (!quoted && (ch == '{' || ch == '['))
			depth++;
		else if (!quoted && (ch == '}' || ch == ']') && (depth == 0 || --depth == 0))
			return true;
	}
	return false;
}

int notice_parse(const char *text, size_t len, struct notice *ret, struct err *e)
{
	AUTO_JSON struct json *doc = NULL;
	struct notice n = { 0 };
	const struct json *pid, *state;
	int r;

	if (!is_whole(text, len))
		return 0;
	r = json_parse(text, len, &doc, e);
	if (r < 0)
		return r;
	if (json_type(doc) != JSON_OBJECT)
		return err_set(e, EINVAL, "must be an object");
	r = find_listener(json_get(doc, "fds"), &n, e);
	if (r == 0)
		r = copy_string(doc, "metadata", n.policy, sizeof(n.policy), e);
	if (r < 0)
		return r;
	state = json_get(doc, "state");
	if (json_type(state) != JSON_OBJECT)
		return err_set(e, EINVAL, "state: must be an object");
	r = copy_string(state, "id", n.id, sizeof(n.id), e);
	if (r < 0)
		return r;
	pid = json_get(doc, "pid");
	if (json_type(pid) != JSON_INT || json_int(pid) < 0 || json_int(pid) > INT32_MAX)
		return err_set(e, EINVAL, "pid: must be a process id");
	n.pid = (pid_t)json_int(pid);
	if (!n.policy[0])
		memcpy(n.policy, "default", sizeof("default"));
	*ret = n;
	return 1;
}
