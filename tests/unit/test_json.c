/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

#include <string.h>

static int parse(const char *text, struct json **ret, struct err *e)
{
	return json_parse(text, strlen(text), ret, e);
}

static void accepts_every_kind_of_value(void **state)
{
	static const struct {
		const char *text;
		enum json_type type;
	} rows[] = {
		{ "null", JSON_NULL },	  { " true ", JSON_BOOL },
		{ "0", JSON_INT },	  { "-0", JSON_INT },
		{ "-1", JSON_INT },	  { "9223372036854775807", JSON_INT },
		{ "1e5", JSON_DOUBLE },	  { "9223372036854775808", JSON_UINT },
		{ "1.5", JSON_DOUBLE },	  { "18446744073709551615", JSON_UINT },
		{ "\"\"", JSON_STRING },  { "-9223372036854775808", JSON_INT },
		{ "[]", JSON_ARRAY },	  { "{}\r\n\t ", JSON_OBJECT },
		{ "\"'\"", JSON_STRING }, { "\"\xc3\xa9\xf0\x9f\x8f\x9d\"", JSON_STRING },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_JSON struct json *doc = NULL;
		struct err e = { 0 };

		assert_int_equal(parse(rows[i].text, &doc, &e), 0);
		assert_int_equal(json_type(doc), rows[i].type);
	}
}

static void refuses_what_is_not_strict_json(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "", "no JSON: the text is empty" },
		{ "  ", "line 1, column 3: text ends too early" },
		{ "{\"a\"", "line 1, column 5: text ends too early" },
		{ "[", NULL },
		{ "\"abc", NULL },
		{ "\"\\", NULL },
		{ "nul", NULL },
		{ "[1] x", "line 1, column 5: unexpected text behind the document" },
		{ "1 2", NULL },
		{ "{\n\"a\": tru\n}", NULL },
		{ "[1,]", NULL },
		{ "{\"a\":1,}", NULL },
		{ "{\"a\":1 \"b\":2}", NULL },
		{ "{a:1}", NULL },
		{ "{'a':1}", "line 1, column 2: not a JSON value" },
		{ "'a'", NULL },
		{ "/**/1", NULL },
		{ "True", NULL },
		{ "NaN", NULL },
		{ "[-Infinity]", NULL },
		{ "01", "line 1, column 1: malformed number" },
		{ "-", NULL },
		{ "1.", NULL },
		{ "1e", NULL },
		{ "+1", NULL },
		{ ".5", NULL },
		{ "0x10", NULL },
		{ "18446744073709551616", "line 1, column 1: number does not fit in 64 bits" },
		{ "[\n -9223372036854775809]", "line 2, column 2: number does not fit in 64 bits" },
		{ "\"a\tb\"", "line 1, column 1: control character in a string" },
		{ "\"\\x41\"", NULL },
		{ "\"\xff\"", "line 1, column 1: not valid UTF-8" },
		{ "\"\xed\xa0\x80\"", NULL },
		{ "\"\xc0\x80\"", NULL },
		{ "\"\xf0\x9f\x8f", NULL },
		{ "\xef\xbb\xbf{}", NULL },
		{ "{\"a\\u0000b\" :1}", "line 1, column 2: NUL in the name of a member" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json *doc = NULL;
		struct err e = { 0 };

		if (parse(rows[i].text, &doc, &e) != -EINVAL || !e.msg[0])
			fail_msg("accepted: %s", rows[i].text);
		if (rows[i].message)
			assert_string_equal(e.msg, rows[i].message);
		assert_null(doc);
	}
}

static void limits_depth(void **state)
{
	char text[2 * JSON_MAX_DEPTH + 2];

	(void)state;
	for (int deep = 0; deep < 2; deep++) {
		size_t n = JSON_MAX_DEPTH + (size_t)deep;
		AUTO_JSON struct json *doc = NULL;
		struct err e = { 0 };

		memset(text, '[', n);
		memset(text + n, ']', n);
		assert_int_equal(json_parse(text, 2 * n, &doc, &e), deep ? -EINVAL : 0);
		assert_true(!deep || strstr(e.msg, "nested too deeply"));
	}
}

static void limits_size_before_reading(void **state)
{
	size_t n = (size_t)64 << 20;
	AUTO_FREE char *text = malloc(n);
	struct json *doc = NULL;
	struct err e = { 0 };

	(void)state;
	assert_non_null(text);
	memset(text, '[', n);
	assert_int_equal(json_parse(text, n, &doc, &e), -E2BIG);
	assert_string_equal(e.msg, "67108864 bytes of JSON: the limit is 16777216");
}

static void last_of_equal_keys_wins(void **state)
{
	AUTO_JSON struct json *doc = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(parse("{\"a\":1,\"b\":2,\"a\":3}", &doc, &e), 0);
	assert_int_equal(json_len(doc), 2);
	assert_int_equal(json_int(json_get(doc, "a")), 3);
}

static void nul_in_a_string_is_visible(void **state)
{
	AUTO_JSON struct json *doc = NULL;
	struct err e = { 0 };
	size_t len;

	(void)state;
	assert_int_equal(parse("\"a\\u0000b\"", &doc, &e), 0);
	assert_memory_equal(json_string(doc, &len), "a\0b", 4);
	assert_int_equal(len, 3);
}

static void raw_nul_ends_nothing(void **state)
{
	struct json *doc = NULL;
	struct err e = { 0 };

	(void)state;
	assert_int_equal(json_parse("[1]\0[2]", 7, &doc, &e), -EINVAL);
	assert_int_equal(json_parse("\"a\0b\"", 5, &doc, &e), -EINVAL);
}

static int collect(const char *key, struct json *value, void *arg)
{
	buf_printf(arg, "%s=%d;", key, (int)json_int(value));
	return json_int(value) == 2 ? 7 : 0;
}

static void each_keeps_order_and_stops_on_demand(void **state)
{
	AUTO_JSON struct json *doc = NULL;
	AUTO_BUF struct buf seen = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(parse("{\"z\":1,\"a\":2,\"m\":3}", &doc, &e), 0);
	assert_int_equal(json_each(doc, collect, &seen), 7);
	assert_string_equal(seen.data, "z=1;a=2;");
	assert_int_equal(json_each(NULL, collect, &seen), 0);
}

static void getters_bear_absent_nodes(void **state)
{
	(void)state;
	assert_int_equal(json_type(NULL), JSON_NULL);
	assert_null(json_get(NULL, "a"));
	assert_int_equal(json_len(NULL), 0);
}

static void writes_compact(void **state)
{
	AUTO_BUF struct buf b = { 0 };
	struct json_out o = { .b = &b };

	(void)state;
	jo_open(&o, NULL, '{');
	jo_str(&o, "s", "x");
	jo_str(&o, "n", NULL);
	jo_open(&o, "l", '[');
	jo_int(&o, NULL, -1);
	jo_uint(&o, NULL, UINT64_MAX);
	jo_bool(&o, NULL, true);
	jo_raw(&o, NULL, "{}");
	jo_close(&o, ']');
	jo_open(&o, "e", '{');
	jo_close(&o, '}');
	jo_close(&o, '}');
	assert_string_equal(b.data, "{\"s\":\"x\",\"n\":null,\"l\":[-1,18446744073709551615,"
				    "true,{}],\"e\":{}}");
}

static void writes_pretty(void **state)
{
	AUTO_BUF struct buf b = { 0 };
	struct json_out o = { .b = &b, .pretty = true };

	(void)state;
	jo_open(&o, NULL, '{');
	jo_open(&o, "l", '[');
	jo_int(&o, NULL, 1);
	jo_int(&o, NULL, 2);
	jo_close(&o, ']');
	jo_open(&o, "e", '[');
	jo_close(&o, ']');
	jo_close(&o, '}');
	assert_string_equal(b.data, "{\n\t\"l\": [\n\t\t1,\n\t\t2\n\t],\n\t\"e\": []\n}");
}

static void escapes_and_mends_strings(void **state)
{
	AUTO_BUF struct buf b = { 0 };
	struct json_out o = { .b = &b };

	(void)state;
	jo_str(&o, NULL, "\"\\/\b\f\n\r\t\x01\x1f\x7f \xc3\xa9\xff\xed\xa0\x80");
	assert_string_equal(b.data, "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f \xc3\xa9"
				    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void every_byte_string_survives_a_round_trip_as_json(void **state)
{
	(void)state;
	for (unsigned int i = 1; i < 65536; i++) {
		char text[3] = { (char)(i & 0xff), (char)(i >> 8), '\0' };
		AUTO_JSON struct json *doc = NULL;
		AUTO_BUF struct buf b = { 0 };
		struct json_out o = { .b = &b };
		struct err e = { 0 };

		jo_str(&o, NULL, text);
		if (json_parse(b.data, b.len, &doc, &e) < 0)
			fail_msg("%02x %02x: %s", i & 0xff, i >> 8, e.msg);
	}
}

static void merges_a_patch_into_a_document(void **state)
{
	static const struct {
		const char *doc, *patch, *want;
	} rows[] = {
		{ "{\"a\":1}", "{}", "{\"a\":1}" },
		{ "{\"a\":1,\"b\":[1,{\"x\":null}]}", "{\"a\":2}",
		  "{\"a\":2,\"b\":[1,{\"x\":null}]}" },
		{ "{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"c\":3,\"d\":4}}",
		  "{\"a\":{\"b\":1,\"c\":3,\"d\":4}}" },
		{ "{\"a\":[1,2]}", "{\"a\":[3]}", "{\"a\":[3]}" },
		{ "{\"a\":1}", "{\"a\":null,\"b\":null}", "{\"a\":1}" },
		{ "{\"a\":1}", "{\"a\":{\"b\":{\"c\":null,\"d\":true}}}",
		  "{\"a\":{\"b\":{\"d\":true}}}" },
		{ "{\"a\":{\"b\":1}}", "{\"a\":\"s\"}", "{\"a\":\"s\"}" },
		{ "7", "{\"a\":1}", "{\"a\":1}" },
		{ "{}", "{\"n\":[-1,18446744073709551615,0.5,false,\"\\u00e9\\n\"]}",
		  "{\"n\":[-1,18446744073709551615,0.5,false,\"\xc3\xa9\\n\"]}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_JSON struct json *doc = NULL, *patch = NULL;
		AUTO_BUF struct buf out = { 0 };
		struct json_out o = { .b = &out };
		struct err e = { 0 };

		assert_int_equal(parse(rows[i].doc, &doc, &e), 0);
		assert_int_equal(parse(rows[i].patch, &patch, &e), 0);
		jo_merge(&o, NULL, doc, patch);
		assert_string_equal(out.data, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merges_a_patch_into_a_document),
		cmocka_unit_test(accepts_every_kind_of_value),
		cmocka_unit_test(refuses_what_is_not_strict_json),
		cmocka_unit_test(limits_depth),
		cmocka_unit_test(limits_size_before_reading),
		cmocka_unit_test(last_of_equal_keys_wins),
		cmocka_unit_test(nul_in_a_string_is_visible),
		cmocka_unit_test(raw_nul_ends_nothing),
		cmocka_unit_test(each_keeps_order_and_stops_on_demand),
		cmocka_unit_test(getters_bear_absent_nodes),
		cmocka_unit_test(writes_compact),
		cmocka_unit_test(writes_pretty),
		cmocka_unit_test(escapes_and_mends_strings),
		cmocka_unit_test(every_byte_string_survives_a_round_trip_as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
