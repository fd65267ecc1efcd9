/* SPDX-License-Identifier: Apache-2.0 */
#include "container/store.h"

#include "base/json.h"
#include "base/parse.h"

#include <limits.h>
#include <string.h>

enum { STATE_VERSION = 1 };

static void put_calls(struct json_out *o, const char *key, char *const *names)
{
	jo_open(o, key, '[');
	for (; *names; names++)
		jo_str(o, NULL, *names);
	jo_close(o, ']');
}

int state_encode(const struct ctr *c, struct buf *out, struct err *e)
{
	struct json_out o = { .b = out, .pretty = true };

	jo_open(&o, NULL, '{');
	jo_int(&o, "version", STATE_VERSION);
	jo_str(&o, "id", c->id);
	jo_str(&o, "ociVersion", c->oci_version);
	jo_str(&o, "bundle", c->bundle);
	jo_str(&o, "rootfs", c->rootfs);
	jo_str(&o, "created", c->created);
	jo_int(&o, "pid", c->pid);
	jo_uint(&o, "startTime", c->start_time);
	jo_int(&o, "creator", c->creator);
	jo_uint(&o, "creatorStartTime", c->creator_start);
	if (c->keeper) {
		jo_int(&o, "keeper", c->keeper);
		jo_uint(&o, "keeperStartTime", c->keeper_start);
	}
	jo_uint(&o, "namespaces", c->namespaces);
	jo_bool(&o, "createdDone", c->created_done);
	jo_bool(&o, "ownPidNamespace", c->own_pid_ns);
	jo_bool(&o, "poststart", c->poststart);
	jo_bool(&o, "poststop", c->poststop);
	jo_bool(&o, "noNewKeyring", c->no_new_keyring);
	jo_open(&o, "cgroupDirs", '[');
	for (size_t i = 0; i < c->cgroup_count; i++)
		jo_str(&o, NULL, c->cgroup_dirs[i]);
	jo_close(&o, ']');
	if (c->rdt_dirs) {
		jo_open(&o, "resctrlGroups", '[');
		for (size_t i = 0; c->rdt_dirs[i]; i++)
			jo_str(&o, NULL, c->rdt_dirs[i]);
		jo_close(&o, ']');
	}
	if (c->listener)
		jo_str(&o, "seccompListener", c->listener);
	if (c->watched) {
		put_calls(&o, "policyWatched", c->watched);
		put_calls(&o, "policyRefused", c->refused);
		jo_int(&o, "broker", c->broker);
		jo_uint(&o, "brokerStartTime", c->broker_start);
	}
	if (c->unit) {
		jo_str(&o, "systemdUnit", c->unit);
		jo_bool(&o, "systemdUser", c->unit_user);
	}
	jo_open(&o, "stdio", '[');
	for (size_t i = 0; i < ARRAY_LEN(c->stdio); i++)
		jo_str(&o, NULL, c->stdio[i] ? c->stdio[i] : "");
	jo_close(&o, ']');
	jo_open(&o, "annotations", '{');
	for (size_t i = 0; i < c->annotations_count; i++)
		jo_str(&o, c->annotations[i].key, c->annotations[i].value);
	jo_close(&o, '}');
	jo_close(&o, '}');
	buf_str(out, "\n");
	return out->failed ? err_oom(e) : 0;
}

/* One state file being read: the first fault sticks, so that the list of fields reads as one. */
struct reader {
	struct json *doc;
	struct arena *a;
	struct err *e;
	int r;
};

static void fault(struct reader *rd, const char *key, const char *want)
{
	if (rd->r == 0)
		rd->r = err_set(rd->e, EBADMSG, "state.json: %s: expected %s", key, want);
}

static char *copy_string(struct reader *rd, const char *key, const struct json *n)
{
	const char *s;
	size_t len;
	char *p;

	if (json_type(n) != JSON_STRING) {
		fault(rd, key, "a string");
		return NULL;
	}
	s = json_string(n, &len);
	if (strlen(s) != len) {
		fault(rd, key, "a string without NUL");
		return NULL;
	}
	p = arena_strndup(rd->a, s, len);
	if (!p && rd->r == 0)
		rd->r = err_oom(rd->e);
	return p;
}

static char *get_str(struct reader *rd, const char *key)
{
	return copy_string(rd, key, json_get(rd->doc, key));
}

static bool get_bool(struct reader *rd, const char *key)
{
	struct json *n = json_get(rd->doc, key);

	if (json_type(n) != JSON_BOOL) {
		fault(rd, key, "true or false");
		return false;
	}
	return json_bool(n);
}

static uint64_t get_uint(struct reader *rd, const char *key)
{
	struct json *n = json_get(rd->doc, key);
	enum json_type t = json_type(n);

	if (t != JSON_UINT && (t != JSON_INT || json_int(n) < 0)) {
		fault(rd, key, "a number");
		return 0;
	}
	return json_uint(n);
}

static void get_cgroups(struct reader *rd, struct ctr *c)
{
	struct json *n = json_get(rd->doc, "cgroupDirs");
	size_t count = json_type(n) == JSON_ARRAY ? json_len(n) : SIZE_MAX;

	if (count > CTR_MAX_CGROUPS) {
		fault(rd, "cgroupDirs", "a short array");
		return;
	}
	c->cgroup_dirs = arena_array(rd->a, count + 1, sizeof(*c->cgroup_dirs));
	if (!c->cgroup_dirs) {
		rd->r = err_oom(rd->e);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		c->cgroup_dirs[i] = copy_string(rd, "cgroupDirs", json_at(n, i));
		if (c->cgroup_dirs[i] && !path_is_clean(c->cgroup_dirs[i]))
			fault(rd, "cgroupDirs", "absolute paths");
	}
	c->cgroup_count = count;
}

/* Absent: the container has none, as most. */
static void get_rdt(struct reader *rd, struct ctr *c)
{
	struct json *n = json_get(rd->doc, "resctrlGroups");
	size_t count = json_type(n) == JSON_ARRAY ? json_len(n) : n ? SIZE_MAX : 0;

	if (count > CTR_MAX_RDT) {
		fault(rd, "resctrlGroups", "a short array");
		return;
	}
	c->rdt_dirs = count ? arena_array(rd->a, count + 1, sizeof(*c->rdt_dirs)) : NULL;
	if (count && !c->rdt_dirs && rd->r == 0)
		rd->r = err_oom(rd->e);
	for (size_t i = 0; c->rdt_dirs && i < count; i++) {
		c->rdt_dirs[i] = copy_string(rd, "resctrlGroups", json_at(n, i));
		if (c->rdt_dirs[i] && !path_is_clean(c->rdt_dirs[i]))
			fault(rd, "resctrlGroups", "absolute paths");
	}
}

static void get_listener(struct reader *rd, struct ctr *c)
{
	if (json_get(rd->doc, "seccompListener"))
		c->listener = get_str(rd, "seccompListener");
}

static pid_t get_pid(struct reader *rd, const char *key)
{
	uint64_t pid = get_uint(rd, key);

	if (pid > INT_MAX)
		fault(rd, key, "a process id");
	return (pid_t)pid;
}

static char **get_calls(struct reader *rd, const char *key)
{
	struct json *n = json_get(rd->doc, key);
	size_t count = json_type(n) == JSON_ARRAY ? json_len(n) : SIZE_MAX;
	char **list = count <= CTR_MAX_CALLS ? arena_array(rd->a, count + 1, sizeof(*list)) : NULL;

	if (count > CTR_MAX_CALLS)
		fault(rd, key, "an array of names");
	else if (!list && rd->r == 0)
		rd->r = err_oom(rd->e);
	for (size_t i = 0; list && i < count; i++)
		list[i] = copy_string(rd, key, json_at(n, i));
	return list;
}

/* All of it or nothing: a program that joins must not get less than the first one has. */
static void get_policy(struct reader *rd, struct ctr *c)
{
	if (!json_get(rd->doc, "policyWatched"))
		return;
	c->watched = get_calls(rd, "policyWatched");
	c->refused = get_calls(rd, "policyRefused");
	c->broker = get_pid(rd, "broker");
	c->broker_start = get_uint(rd, "brokerStartTime");
	if (c->watched && c->watched[0] && !c->listener)
		fault(rd, "seccompListener", "a path, with policyWatched");
}

static void get_unit(struct reader *rd, struct ctr *c)
{
	if (!json_get(rd->doc, "systemdUnit"))
		return;
	c->unit = get_str(rd, "systemdUnit");
	c->unit_user = get_bool(rd, "systemdUser");
	if (c->unit && !cg_unit_name_check(c->unit))
		fault(rd, "systemdUnit", "the name of a scope or slice");
}

/* Absent: whoever wrote it did not know. */
static void get_stdio(struct reader *rd, struct ctr *c)
{
	struct json *n = json_get(rd->doc, "stdio");

	if (!n)
		return;
	if (json_type(n) != JSON_ARRAY || json_len(n) != ARRAY_LEN(c->stdio)) {
		fault(rd, "stdio", "an array of three strings");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(c->stdio); i++) {
		c->stdio[i] = copy_string(rd, "stdio", json_at(n, i));
		if (c->stdio[i] && !*c->stdio[i])
			c->stdio[i] = NULL;
	}
}

struct annotation_arg {
	struct reader *rd;
	struct ctr *c;
};

static int add_annotation(const char *key, struct json *value, void *arg)
{
	struct annotation_arg *x = arg;
	struct oci_pair *p = &x->c->annotations[x->c->annotations_count];

	p->key = arena_strdup(x->rd->a, key);
	p->value = copy_string(x->rd, "annotations", value);
	if (!p->key && x->rd->r == 0)
		x->rd->r = err_oom(x->rd->e);
	x->c->annotations_count++;
	return x->rd->r;
}

static void get_annotations(struct reader *rd, struct ctr *c)
{
	struct json *n = json_get(rd->doc, "annotations");
	struct annotation_arg x = { .rd = rd, .c = c };

	if (json_type(n) != JSON_OBJECT || json_len(n) > CTR_MAX_ANNOTATIONS) {
		fault(rd, "annotations", "an object");
		return;
	}
	c->annotations = arena_array(rd->a, json_len(n) + 1, sizeof(*c->annotations));
	if (!c->annotations) {
		rd->r = err_oom(rd->e);
		return;
	}
	(void)json_each(n, add_annotation, &x);
}

static void get_identity(struct reader *rd, struct ctr *c)
{
	char *id = get_str(rd, "id");

	if (get_uint(rd, "version") != STATE_VERSION)
		fault(rd, "version", "1");
	if (id && !str_eq(id, c->id))
		fault(rd, "id", "the name of its directory");
	c->pid = get_pid(rd, "pid");
	c->start_time = get_uint(rd, "startTime");
	c->creator = get_pid(rd, "creator");
	c->creator_start = get_uint(rd, "creatorStartTime");
	if (json_get(rd->doc, "keeper")) {
		c->keeper = get_pid(rd, "keeper");
		c->keeper_start = get_uint(rd, "keeperStartTime");
	}
}

int state_decode(const char *text, size_t len, struct ctr *c, struct err *e)
{
	AUTO_JSON struct json *doc = NULL;
	struct reader rd = { .a = &c->arena, .e = e };
	int r;

	r = json_parse(text, len, &doc, e);
	if (r < 0)
		return r == -ENOMEM ? r : err_set(e, EBADMSG, "state.json: not a JSON document");
	if (json_type(doc) != JSON_OBJECT)
		return err_set(e, EBADMSG, "state.json: expected an object");
	rd.doc = doc;
	get_identity(&rd, c);
	c->oci_version = get_str(&rd, "ociVersion");
	c->bundle = get_str(&rd, "bundle");
	c->rootfs = get_str(&rd, "rootfs");
	c->created = get_str(&rd, "created");
	c->namespaces = get_uint(&rd, "namespaces");
	c->created_done = get_bool(&rd, "createdDone");
	c->own_pid_ns = get_bool(&rd, "ownPidNamespace");
	c->poststart = get_bool(&rd, "poststart");
	c->poststop = get_bool(&rd, "poststop");
	c->no_new_keyring = get_bool(&rd, "noNewKeyring");
	get_cgroups(&rd, c);
	get_rdt(&rd, c);
	get_unit(&rd, c);
	get_listener(&rd, c);
	get_policy(&rd, c);
	get_stdio(&rd, c);
	get_annotations(&rd, c);
	return rd.r;
}

int state_save(const struct ctr *c, struct err *e)
{
	AUTO_BUF struct buf b = { 0 };
	int r;

	r = state_encode(c, &b, e);
	if (r < 0)
		return r;
	r = store_put(c->dir_fd, "state.json", b.data, b.len, 0600, e);
	return r < 0 ? err_wrap(e, "state of container %s", c->id) : 0;
}
