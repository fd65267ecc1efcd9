/* SPDX-License-Identifier: Apache-2.0 */
/* json-c has types of the same names as two functions of base/json.h. */
#define json_type jsonc_type
#define json_bool jsonc_bool
#include <json-c/json.h>
#include <json-c/printbuf.h>
#undef json_type
#undef json_bool

#include "base/json.h"
#include "base/json_scan.h"

/*
 * json-c objects are handed out under the name struct json; only this file knows.
 */
static struct json_object *jc(const struct json *n)
{
	return (struct json_object *)(uintptr_t)n;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int fault_at(struct err *e, const char *text, size_t at, const char *what)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < at; i++) {
		column++;
		if (text[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return err_set(e, EINVAL, "line %zu, column %zu: %s", line, column, what);
}

static int fault_of(struct json_tokener *tok, const char *text, size_t at, struct err *e)
{
	enum json_tokener_error fault = json_tokener_get_error(tok);

	if (fault == json_tokener_error_depth)
		return fault_at(e, text, at, "nested too deeply");
	if (fault == json_tokener_continue)
		return fault_at(e, text, at, "text ends too early");
	return fault_at(e, text, at, json_tokener_error_desc(fault));
}

static void count(struct json_object *n, struct json_counts *c)
{
	size_t len = 0;

	if (json_object_is_type(n, json_type_object)) {
		len = (size_t)json_object_object_length(n);
		c->members += len;
		json_object_object_foreach(n, key, value)
		{
			(void)key;
			count(value, c);
		}
	} else if (json_object_is_type(n, json_type_array)) {
		len = json_object_array_length(n);
		for (size_t i = 0; i < len; i++)
			count(json_object_array_get_idx(n, i), c);
	}
	c->gaps += len > 1 ? len - 1 : 0;
}

static int parse_text(struct json_tokener *tok, const char *text, size_t len, struct json **ret,
		      struct err *e)
{
	struct json_object *doc;
	size_t end;

	doc = json_tokener_parse_ex(tok, text, (int)len);
	end = json_tokener_get_parse_end(tok);
	/* A bare number at the end of the text is complete only when something follows. */
	if (json_tokener_get_error(tok) == json_tokener_continue) {
		doc = json_tokener_parse_ex(tok, " ", 1);
		end = len;
	}
	if (json_tokener_get_error(tok) != json_tokener_success)
		return fault_of(tok, text, end, e);
	while (end < len && is_blank(text[end]))
		end++;
	if (end < len) {
		json_object_put(doc);
		return fault_at(e, text, end, "unexpected text behind the document");
	}
	*ret = (struct json *)doc;
	return 0;
}

static int parse_once(const char *text, size_t len, struct json **ret, struct json_counts *ret_got,
		      struct err *e)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_MAX_DEPTH);
	struct json *doc = NULL;
	int r;

	if (!tok)
		return err_oom(e);
	/* Trailing text is looked at here, for a better message. */
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8 |
					    JSON_TOKENER_ALLOW_TRAILING_CHARS);
	/* Its buffer for one string, at once: json-c cuts the string when the buffer can't grow. */
	r = printbuf_memset(tok->pb, 0, 0, (int)len + 1) < 0 ? err_oom(e)
							     : parse_text(tok, text, len, &doc, e);
	json_tokener_free(tok);
	if (r < 0)
		return r;
	*ret_got = (struct json_counts){ 0 };
	count(jc(doc), ret_got);
	*ret = doc;
	return 0;
}

static bool is_same(const struct json_counts *a, const struct json_counts *b)
{
	return a->members == b->members && a->gaps == b->gaps;
}

/*
 * json-c leaves a member out without a word when memory runs out while it is added. One whose
 * name occurs twice is missing too, but then it is missing every time.
 */
static int parse_whole(const char *text, size_t len, const struct json_counts *want,
		       struct json **ret, struct err *e)
{
	AUTO_JSON struct json *first = NULL;
	struct json_counts got = { 0 }, again = { 0 };
	struct json *doc = NULL;
	int r;

	r = parse_once(text, len, &first, &got, e);
	if (r < 0)
		return r;
	if (is_same(&got, want)) {
		*ret = TAKE_PTR(first);
		return 0;
	}
	r = parse_once(text, len, &doc, &again, e);
	if (r < 0)
		return r;
	if (!is_same(&got, &again)) {
		json_free(doc);
		return err_oom(e);
	}
	*ret = doc;
	return 0;
}

int json_parse(const char *text, size_t len, struct json **ret, struct err *e)
{
	struct json_counts counts = { 0 };
	const char *fault;
	size_t at;

	if (len > JSON_MAX_BYTES)
		return err_set(e, E2BIG, "%zu bytes of JSON: the limit is %d", len, JSON_MAX_BYTES);
	if (!len)
		return err_set(e, EINVAL, "no JSON: the text is empty");
	fault = json_scan(text, len, &at, &counts);
	if (fault)
		return fault_at(e, text, at, fault);
	return parse_whole(text, len, &counts, ret, e);
}

void json_free(struct json *doc)
{
	json_object_put(jc(doc));
}

enum json_type json_type(const struct json *n)
{
	switch (json_object_get_type(jc(n))) {
	case json_type_null:
		return JSON_NULL;
	case json_type_boolean:
		return JSON_BOOL;
	case json_type_double:
		return JSON_DOUBLE;
	case json_type_int:
		return json_object_get_uint64(jc(n)) > INT64_MAX ? JSON_UINT : JSON_INT;
	case json_type_object:
		return JSON_OBJECT;
	case json_type_array:
		return JSON_ARRAY;
	case json_type_string:
		return JSON_STRING;
	}
	return JSON_NULL;
}

const char *json_type_name(enum json_type t)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",	   [JSON_BOOL] = "a boolean",	[JSON_INT] = "a number",
		[JSON_UINT] = "a number",  [JSON_DOUBLE] = "a number",	[JSON_STRING] = "a string",
		[JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
	};

	return (size_t)t < ARRAY_LEN(names) ? names[t] : "nothing known";
}

struct json *json_get(const struct json *obj, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_get_type(jc(obj)) != json_type_object)
		return NULL;
	json_object_object_get_ex(jc(obj), key, &value);
	return (struct json *)value;
}

size_t json_len(const struct json *n)
{
	switch (json_type(n)) {
	case JSON_ARRAY:
		return json_object_array_length(jc(n));
	case JSON_OBJECT:
		return (size_t)json_object_object_length(jc(n));
	case JSON_NULL:
	case JSON_BOOL:
	case JSON_INT:
	case JSON_UINT:
	case JSON_DOUBLE:
	case JSON_STRING:
		break;
	}
	return 0;
}

struct json *json_at(const struct json *array, size_t i)
{
	return (struct json *)json_object_array_get_idx(jc(array), i);
}

const char *json_string(const struct json *n, size_t *ret_len)
{
	if (ret_len)
		*ret_len = (size_t)json_object_get_string_len(jc(n));
	return json_object_get_string(jc(n));
}

int64_t json_int(const struct json *n)
{
	return json_object_get_int64(jc(n));
}

uint64_t json_uint(const struct json *n)
{
	return json_object_get_uint64(jc(n));
}

double json_double(const struct json *n)
{
	return json_object_get_double(jc(n));
}

bool json_bool(const struct json *n)
{
	return json_object_get_boolean(jc(n));
}

int json_each(const struct json *obj, int (*fn)(const char *key, struct json *value, void *arg),
	      void *arg)
{
	struct lh_entry *entry, *next;

	if (json_type(obj) != JSON_OBJECT)
		return 0;
	for (entry = json_object_get_object(jc(obj))->head; entry; entry = next) {
		int r;

		next = entry->next;
		r = fn(lh_entry_k(entry), (struct json *)(uintptr_t)lh_entry_v(entry), arg);
		if (r)
			return r;
	}
	return 0;
}
