/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <string.h>

/* Both sides of one object that are being merged. */
struct merge {
	struct json_out *o;
	const struct json *patch;
	const struct json *doc;
};

static void put_value(struct json_out *o, const char *key, const struct json *n);

static int put_member(const char *key, struct json *value, void *arg)
{
	put_value(arg, key, value);
	return 0;
}

static void put_double(struct json_out *o, const char *key, double v)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%.17g", v);
	jo_raw(o, key, text);
}

static void put_value(struct json_out *o, const char *key, const struct json *n)
{
	switch (json_type(n)) {
	case JSON_NULL:
		jo_raw(o, key, "null");
		break;
	case JSON_BOOL:
		jo_bool(o, key, json_bool(n));
		break;
	case JSON_INT:
		jo_int(o, key, json_int(n));
		break;
	case JSON_UINT:
		jo_uint(o, key, json_uint(n));
		break;
	case JSON_DOUBLE:
		put_double(o, key, json_double(n));
		break;
	case JSON_STRING:
		jo_str(o, key, json_string(n, NULL));
		break;
	case JSON_ARRAY:
		jo_open(o, key, '[');
		for (size_t i = 0; i < json_len(n); i++)
			put_value(o, NULL, json_at(n, i));
		jo_close(o, ']');
		break;
	case JSON_OBJECT:
		jo_open(o, key, '{');
		(void)json_each(n, put_member, o);
		jo_close(o, '}');
		break;
	}
}

/* A member of the document: as it is, patched, or gone. */
static int put_old(const char *key, struct json *value, void *arg)
{
	const struct merge *m = arg;
	struct json *p = json_get(m->patch, key);

	if (p)
		jo_merge(m->o, key, value, p);
	else
		put_value(m->o, key, value);
	return 0;
}

static int put_new(const char *key, struct json *value, void *arg)
{
	const struct merge *m = arg;

	if (!json_get(m->doc, key) && json_type(value) != JSON_NULL)
		jo_merge(m->o, key, NULL, value);
	return 0;
}

void jo_merge(struct json_out *o, const char *key, const struct json *doc, const struct json *patch)
{
	struct merge m = { .o = o, .patch = patch, .doc = doc };

	if (json_type(patch) != JSON_OBJECT) {
		put_value(o, key, patch ? patch : doc);
		return;
	}
	jo_open(o, key, '{');
	if (json_type(doc) == JSON_OBJECT)
		(void)json_each(doc, put_old, &m);
	else
		m.doc = NULL;
	(void)json_each(patch, put_new, &m);
	jo_close(o, '}');
}
