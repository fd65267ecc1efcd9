/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

/*
 * JSON text in and out. The reader is json-c behind this header: no other file
 * sees its types. The writer appends to a buf and keeps commas and escapes right.
 */

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_INT,
	JSON_UINT,
	JSON_DOUBLE,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

struct json; /* one node; borrowed from its document */

enum { JSON_MAX_BYTES = 16 << 20, JSON_MAX_DEPTH = 64 };

/**
 * json_parse - parse one strict UTF-8 JSON document, nothing but blanks behind it
 * @text, @len: borrowed; over JSON_MAX_BYTES or deeper than JSON_MAX_DEPTH is refused
 * @ret:        set only on success; json_free
 * @e:          says line, column or offset of the fault
 *
 * Return: 0; -E2BIG; -EINVAL; -ENOMEM.
 */
int json_parse(const char *text, size_t len, struct json **ret, struct err *e);
void json_free(struct json *doc);
static inline void json_auto_free(struct json **doc)
{
	json_free(*doc);
}
#define AUTO_JSON AUTO(json_auto_free)

/* Nodes. A NULL node is of type JSON_NULL. The getters want the right type. */
enum json_type json_type(const struct json *n);
const char *json_type_name(enum json_type t);
struct json *json_get(const struct json *obj, const char *key); /* NULL: absent */
size_t json_len(const struct json *n);				/* of array or object */
struct json *json_at(const struct json *array, size_t i);
const char *json_string(const struct json *n, size_t *ret_len); /* borrowed; may hold NULs */
int64_t json_int(const struct json *n);
uint64_t json_uint(const struct json *n); /* of a JSON_INT >= 0 or a JSON_UINT */
double json_double(const struct json *n);
bool json_bool(const struct json *n);

/**
 * json_each - call @fn for every member of an object in document order
 *
 * Return: 0, or the first non-zero value @fn returned.
 */
int json_each(const struct json *obj, int (*fn)(const char *key, struct json *value, void *arg),
	      void *arg);

/*
 * Writer. @key is NULL inside arrays and for the outermost value.
 * @pretty: indent by tab, newline after each member.
 */
struct json_out {
	struct buf *b;
	bool pretty;
	int depth;
	bool comma;
};
void jo_open(struct json_out *o, const char *key, char bracket);     /* '{' or '[' */
void jo_close(struct json_out *o, char bracket);		     /* '}' or ']' */
void jo_str(struct json_out *o, const char *key, const char *value); /* NULL value: null */
void jo_int(struct json_out *o, const char *key, int64_t value);
void jo_uint(struct json_out *o, const char *key, uint64_t value);
void jo_bool(struct json_out *o, const char *key, bool value);
void jo_raw(struct json_out *o, const char *key, const char *json_text);

/**
 * jo_merge - write @doc with the changes of @patch (JSON Merge Patch, RFC 7396)
 * @doc, @patch: NULL: nothing there
 *
 * Objects are merged member by member. Unlike in the RFC, a null in @patch changes nothing:
 * for the readers of config.json it is the same as absence.
 */
void jo_merge(struct json_out *o, const char *key, const struct json *doc,
	      const struct json *patch);
