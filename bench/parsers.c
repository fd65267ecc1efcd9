/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parsers: one JSON library on one text; which one is chosen when it is compiled. What is timed is what a
 * reader of config.json needs: parse, look at every name and value once, free.
 *
 *   parser-LIBRARY time FILE ROUNDS    nanoseconds of the first round and of the best
 *   parser-LIBRARY peak FILE           kilobytes that were resident at most, after one round
 *   parser-LIBRARY show FILE           every value in document order; status 1: refused
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool showing;
static uint64_t bytes;

static void note(char kind, const char *text, size_t len)
{
	bytes += len;
	if (!showing)
		return;
	putchar(kind);
	fwrite(text, 1, len, stdout);
	putchar('\n');
}

__attribute__((unused)) static void note_number(char kind, uint64_t whole, double d)
{
	bytes += whole;
	if (!showing)
		return;
	if (kind == 'd')
		printf("d%.17g\n", d);
	else if (kind == 'i')
		printf("n%" PRId64 "\n", (int64_t)whole);
	else
		printf("n%" PRIu64 "\n", whole);
}

__attribute__((unused)) static void note_word(const char *word)
{
	note('w', word, strlen(word));
}

/* Each library: a document or NULL; every name (k), string (s), number (n, d) and word (w) of it; its end. */
#if defined(PARSER_none)
static void *parse(char *text, size_t len)
{
	note('s', text, len);
	return text;
}

static void look(void *doc)
{
	note_number('d', 1, 1);
	note_word(doc);
}

static void drop(void *doc)
{
	(void)doc;
}

#elif defined(PARSER_cay)
#include "base/json.h"

static void *parse(char *text, size_t len)
{
	struct err e = { 0 };
	struct json *doc;

	return json_parse(text, len, &doc, &e) < 0 ? NULL : (void *)(doc ? doc : (void *)"");
}

static void look(void *doc);

static int look_member(const char *key, struct json *value, void *arg)
{
	(void)arg;
	note('k', key, strlen(key));
	look(value);
	return 0;
}

static void look(void *doc)
{
	size_t len;
	const char *s;

	switch (json_type(doc)) {
	case JSON_OBJECT:
		json_each(doc, look_member, NULL);
		break;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_len(doc); i++)
			look(json_at(doc, i));
		break;
	case JSON_STRING:
		s = json_string(doc, &len);
		note('s', s, len);
		break;
	case JSON_INT:
		note_number('i', (uint64_t)json_int(doc), 0);
		break;
	case JSON_UINT:
		note_number('u', json_uint(doc), 0);
		break;
	case JSON_DOUBLE:
		note_number('d', 0, json_double(doc));
		break;
	case JSON_BOOL:
		note_word(json_bool(doc) ? "true" : "false");
		break;
	case JSON_NULL:
		note_word("null");
	}
}

static void drop(void *doc)
{
	json_free(doc);
}

#elif defined(PARSER_json_c)
#include <json-c/json.h>

static void *parse(char *text, size_t len)
{
	struct json_tokener *tok = json_tokener_new_ex(64);
	struct json_object *doc;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	doc = json_tokener_parse_ex(tok, text, (int)len + 1);
	if (json_tokener_get_error(tok) != json_tokener_success)
		doc = NULL;
	json_tokener_free(tok);
	return doc;
}

static void look(void *doc)
{
	switch (json_object_get_type(doc)) {
	case json_type_object: {
		json_object_object_foreach((struct json_object *)doc, key, value)
		{
			note('k', key, strlen(key));
			look(value);
		}
		break;
	}
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(doc); i++)
			look(json_object_array_get_idx(doc, i));
		break;
	case json_type_string:
		note('s', json_object_get_string(doc), (size_t)json_object_get_string_len(doc));
		break;
	case json_type_int:
		note_number(json_object_get_int64(doc) < 0 ? 'i' : 'u',
			    json_object_get_int64(doc) < 0 ? (uint64_t)json_object_get_int64(doc)
							   : json_object_get_uint64(doc),
			    0);
		break;
	case json_type_double:
		note_number('d', 0, json_object_get_double(doc));
		break;
	case json_type_boolean:
		note_word(json_object_get_boolean(doc) ? "true" : "false");
		break;
	case json_type_null:
		note_word("null");
	}
}

static void drop(void *doc)
{
	json_object_put(doc);
}

#elif defined(PARSER_fastjson)
#include <libfastjson/json.h>
#include <libfastjson/json_object_iterator.h>

static void *parse(char *text, size_t len)
{
	struct fjson_tokener *tok = fjson_tokener_new_ex(64);
	struct fjson_object *doc;

	fjson_tokener_set_flags(tok, FJSON_TOKENER_STRICT);
	doc = fjson_tokener_parse_ex(tok, text, (int)len + 1);
	if (fjson_tokener_get_error(tok) != fjson_tokener_success)
		doc = NULL;
	fjson_tokener_free(tok);
	return doc;
}

static void look(void *doc)
{
	struct fjson_object_iterator at, end;

	switch (fjson_object_get_type(doc)) {
	case fjson_type_object:
		at = fjson_object_iter_begin(doc);
		end = fjson_object_iter_end(doc);
		for (; !fjson_object_iter_equal(&at, &end); fjson_object_iter_next(&at)) {
			note('k', fjson_object_iter_peek_name(&at),
			     strlen(fjson_object_iter_peek_name(&at)));
			look(fjson_object_iter_peek_value(&at));
		}
		break;
	case fjson_type_array:
		for (int i = 0; i < fjson_object_array_length(doc); i++)
			look(fjson_object_array_get_idx(doc, i));
		break;
	case fjson_type_string:
		note('s', fjson_object_get_string(doc), (size_t)fjson_object_get_string_len(doc));
		break;
	case fjson_type_int:
		note_number('i', (uint64_t)fjson_object_get_int64(doc), 0);
		break;
	case fjson_type_double:
		note_number('d', 0, fjson_object_get_double(doc));
		break;
	case fjson_type_boolean:
		note_word(fjson_object_get_boolean(doc) ? "true" : "false");
		break;
	case fjson_type_null:
		note_word("null");
	}
}

static void drop(void *doc)
{
	fjson_object_put(doc);
}

#elif defined(PARSER_jansson)
#include <jansson.h>

static void *parse(char *text, size_t len)
{
	json_error_t e;

	return json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
}

static void look(void *doc)
{
	const char *key;
	size_t i, len;
	json_t *value;

	switch (json_typeof((json_t *)doc)) {
	case JSON_OBJECT:
		json_object_keylen_foreach(doc, key, len, value)
		{
			note('k', key, len);
			look(value);
		}
		break;
	case JSON_ARRAY:
		json_array_foreach((json_t *)doc, i, value) look(value);
		break;
	case JSON_STRING:
		note('s', json_string_value(doc), json_string_length(doc));
		break;
	case JSON_INTEGER:
		note_number('i', (uint64_t)json_integer_value(doc), 0);
		break;
	case JSON_REAL:
		note_number('d', 0, json_real_value(doc));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		note_word(json_is_true((json_t *)doc) ? "true" : "false");
		break;
	case JSON_NULL:
		note_word("null");
	}
}

static void drop(void *doc)
{
	json_decref(doc);
}

#elif defined(PARSER_cjson)
#include <cjson/cJSON.h>

static void *parse(char *text, size_t len)
{
	return cJSON_ParseWithLengthOpts(text, len + 1, NULL, true);
}

static void look(void *doc)
{
	cJSON *n = doc, *child;

	if (cJSON_IsObject(n) || cJSON_IsArray(n))
		cJSON_ArrayForEach(child, n)
		{
			if (child->string)
				note('k', child->string, strlen(child->string));
			look(child);
		}
	else if (cJSON_IsString(n))
		note('s', n->valuestring, strlen(n->valuestring));
	else if (cJSON_IsNumber(n))
		note_number('d', 0, n->valuedouble);
	else
		note_word(cJSON_IsNull(n) ? "null" : cJSON_IsTrue(n) ? "true" : "false");
}

static void drop(void *doc)
{
	cJSON_Delete(doc);
}

#elif defined(PARSER_jsonparser)
#include <json-parser/json.h>

static void *parse(char *text, size_t len)
{
	return json_parse(text, len);
}

static void look(void *doc)
{
	json_value *n = doc;

	switch (n->type) {
	case json_object:
		for (unsigned int i = 0; i < n->u.object.length; i++) {
			note('k', n->u.object.values[i].name, n->u.object.values[i].name_length);
			look(n->u.object.values[i].value);
		}
		break;
	case json_array:
		for (unsigned int i = 0; i < n->u.array.length; i++)
			look(n->u.array.values[i]);
		break;
	case json_string:
		note('s', n->u.string.ptr, n->u.string.length);
		break;
	case json_integer:
		note_number('i', (uint64_t)n->u.integer, 0);
		break;
	case json_double:
		note_number('d', 0, n->u.dbl);
		break;
	case json_boolean:
		note_word(n->u.boolean ? "true" : "false");
		break;
	case json_null:
	case json_none:
		note_word("null");
	}
}

static void drop(void *doc)
{
	json_value_free(doc);
}

#elif defined(PARSER_yajl)
#include <yajl/yajl_tree.h>

static void *parse(char *text, size_t len)
{
	char why[128];

	(void)len;
	return yajl_tree_parse(text, why, sizeof(why));
}

static void look(void *doc)
{
	yajl_val n = doc;

	switch (n->type) {
	case yajl_t_object:
		for (size_t i = 0; i < n->u.object.len; i++) {
			note('k', n->u.object.keys[i], strlen(n->u.object.keys[i]));
			look(n->u.object.values[i]);
		}
		break;
	case yajl_t_array:
		for (size_t i = 0; i < n->u.array.len; i++)
			look(n->u.array.values[i]);
		break;
	case yajl_t_string:
		note('s', n->u.string, strlen(n->u.string));
		break;
	case yajl_t_number:
		/* What fits in neither stays there as text, so a reader can do better. */
		if (YAJL_IS_INTEGER(n))
			note_number('i', (uint64_t)n->u.number.i, 0);
		else
			note('n', n->u.number.r, strlen(n->u.number.r));
		break;
	case yajl_t_true:
		note_word("true");
		break;
	case yajl_t_false:
		note_word("false");
		break;
	case yajl_t_null:
	case yajl_t_any:
		note_word("null");
	}
}

static void drop(void *doc)
{
	yajl_tree_free(doc);
}

#elif defined(PARSER_jsmn)
#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

static const char *source;

static void *parse(char *text, size_t len)
{
	jsmntok_t *tokens;
	jsmn_parser p;
	int count;

	source = text;
	jsmn_init(&p);
	count = jsmn_parse(&p, text, len, NULL, 0);
	if (count <= 0)
		return NULL;
	tokens = malloc(((size_t)count + 1) * sizeof(*tokens));
	jsmn_init(&p);
	if (tokens && jsmn_parse(&p, text, len, tokens, (unsigned int)count) == count) {
		tokens[count].type = JSMN_UNDEFINED;
		return tokens;
	}
	free(tokens);
	return NULL;
}

/* Tokens only: escapes and numbers are the reader's. */
static void look(void *doc)
{
	for (jsmntok_t *t = doc; t->type != JSMN_UNDEFINED; t++)
		if (t->type == JSMN_STRING)
			note(t->size ? 'k' : 's', source + t->start, (size_t)(t->end - t->start));
		else if (t->type == JSMN_PRIMITIVE)
			note(strchr("tfn", source[t->start]) ? 'w' : 'n', source + t->start,
			     (size_t)(t->end - t->start));
}

static void drop(void *doc)
{
	free(doc);
}
#endif

static char *read_file(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "re");
	char *text = malloc(1 << 20);

	if (!f || !text)
		exit(2);
	*ret_len = fread(text, 1, (1 << 20) - 1, f);
	text[*ret_len] = 0;
	fclose(f);
	return text;
}

static bool once(char *text, size_t len)
{
	void *doc = parse(text, len);

	if (!doc)
		return false;
	look(doc);
	drop(doc);
	return true;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int number(const char *text)
{
	int n = 0;

	for (text += strspn(text, " \t"); *text >= '0' && *text <= '9' && n < 100000000; text++)
		n = n * 10 + (*text - '0');
	return n;
}

static int measure(char *text, size_t len, int rounds)
{
	uint64_t *spent = calloc((size_t)rounds, sizeof(*spent));

	for (int i = 0; spent && i < rounds; i++) {
		uint64_t began = now();

		if (!once(text, len))
			return 1;
		spent[i] = now() - began;
	}
	if (!spent)
		return 2;
	printf("%" PRIu64 " ", spent[0]);
	qsort(spent, (size_t)rounds, sizeof(*spent), by_size);
	printf("%" PRIu64 "\n", spent[0]);
	return 0;
}

static int peak(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "VmHWM:", 6) == 0)
			printf("%d\n", number(line + 6));
	return 0;
}

int main(int argc, char **argv)
{
	size_t len;
	char *text;

	if (argc < 3)
		return 2;
	text = read_file(argv[2], &len);
	if (argc == 4 && strcmp(argv[1], "time") == 0)
		return measure(text, len, number(argv[3]));
	showing = strcmp(argv[1], "show") == 0;
	if (!once(text, len))
		return 1;
	return showing ? 0 : peak();
}
