/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/table.h"
#include "base/parse.h"

#include <inttypes.h>
#include <string.h>

/* Where the walker is: a list towards the root, on the stack. */
struct place {
	const struct place *up;
	const char *key; /* NULL: an array's element */
	size_t index;
};

struct reader {
	struct arena *arena;
	struct err *e;
};

/* One more JSON value to be stored: the row says how, @base is the struct it belongs to. */
struct item {
	const struct oci_row *row;
	const struct json *value;
	const struct place *at;
	void *base;
};

static void place_print(const struct place *at, struct buf *out)
{
	if (at->up)
		place_print(at->up, out);
	if (!at->key)
		buf_printf(out, "[%zu]", at->index);
	else
		buf_printf(out, "%s%.128s", at->up ? "." : "", at->key);
}

/* The value as a person would look for it in the file, cut short. */
static void value_print(const struct json *v, struct buf *out)
{
	struct json_out o = { .b = out };
	char text[65] = "";

	switch (json_type(v)) {
	case JSON_BOOL:
		jo_bool(&o, NULL, json_bool(v));
		return;
	case JSON_INT:
		jo_int(&o, NULL, json_int(v));
		return;
	case JSON_UINT:
		jo_uint(&o, NULL, json_uint(v));
		return;
	case JSON_DOUBLE:
		buf_printf(out, "%.17g", json_double(v));
		return;
	case JSON_STRING:
		(void)snprintf(text, sizeof(text), "%s", json_string(v, NULL));
		jo_str(&o, NULL, text);
		return;
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		buf_str(out, json_type_name(json_type(v)));
	}
}

static const char *buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}

static int fault(const struct reader *r, const struct place *at, int code, const char *what)
{
	AUTO_BUF struct buf path = { 0 };

	place_print(at, &path);
	return err_set(r->e, code, "%s: %s", buf_text(&path), what);
}

static int unexpected(const struct reader *r, const struct item *it, const char *expected)
{
	AUTO_BUF struct buf path = { 0 }, value = { 0 };

	place_print(it->at, &path);
	value_print(it->value, &value);
	return err_set(r->e, EINVAL, "%s: expected %s, got %s", buf_text(&path), expected,
		       buf_text(&value));
}

static void store(const struct item *it, size_t offset, const void *bytes, size_t n)
{
	memcpy((char *)it->base + offset, bytes, n);
}

/* ---- scalars ---------------------------------------------------------------------- */

static int read_bool(const struct reader *r, const struct item *it)
{
	struct opt_bool value = { .set = true };

	if (json_type(it->value) != JSON_BOOL)
		return unexpected(r, it, "true or false");
	value.v = json_bool(it->value);
	if (it->row->type == OCI_ROW_BOOL)
		store(it, it->row->offset, &value.v, sizeof(value.v));
	else
		store(it, it->row->offset, &value, sizeof(value));
	return 0;
}

static bool in_range(const struct json *v, int64_t min, uint64_t max)
{
	if (json_type(v) == JSON_UINT)
		return json_uint(v) <= max;
	if (json_type(v) != JSON_INT || json_int(v) < min)
		return false;
	return json_int(v) < 0 || (uint64_t)json_int(v) <= max;
}

static int read_signed(const struct reader *r, const struct item *it)
{
	bool wide = it->row->type != OCI_ROW_I32;
	bool any = !it->row->min && !it->row->max;
	int64_t min = !any ? it->row->min : wide ? INT64_MIN : INT32_MIN;
	uint64_t max = !any ? it->row->max : wide ? INT64_MAX : INT32_MAX;
	struct opt_i64 opt = { .set = true };
	int32_t narrow;
	char range[80];

	(void)snprintf(range, sizeof(range), "a number from %" PRId64 " to %" PRIu64, min, max);
	if (!in_range(it->value, min, max))
		return unexpected(r, it,
				  !any	 ? range
				  : wide ? "a signed 64-bit number"
					 : "a signed 32-bit number");
	opt.v = json_int(it->value);
	narrow = (int32_t)opt.v;
	if (it->row->type == OCI_ROW_OPT_I64)
		store(it, it->row->offset, &opt, sizeof(opt));
	else if (wide)
		store(it, it->row->offset, &opt.v, sizeof(opt.v));
	else
		store(it, it->row->offset, &narrow, sizeof(narrow));
	return 0;
}

static int read_u64(const struct reader *r, const struct item *it)
{
	struct opt_u64 opt = { .set = true };
	uint64_t max = it->row->max ? it->row->max : UINT64_MAX;
	char range[64];

	(void)snprintf(range, sizeof(range), "a number from 0 to %" PRIu64, max);
	if (!in_range(it->value, 0, max))
		return unexpected(r, it, it->row->max ? range : "an unsigned 64-bit number");
	opt.v = json_uint(it->value);
	if (it->row->type == OCI_ROW_OPT_U64)
		store(it, it->row->offset, &opt, sizeof(opt));
	else
		store(it, it->row->offset, &opt.v, sizeof(opt.v));
	return 0;
}

static int read_u32(const struct reader *r, const struct item *it)
{
	struct opt_u32 opt = { .set = true };
	uint64_t max = it->row->max ? it->row->max : UINT32_MAX;
	char range[64];

	(void)snprintf(range, sizeof(range), "a number from 0 to %" PRIu64, max);
	if (!in_range(it->value, 0, max))
		return unexpected(r, it, it->row->max ? range : "an unsigned 32-bit number");
	opt.v = (uint32_t)json_uint(it->value);
	if (it->row->type == OCI_ROW_OPT_U32)
		store(it, it->row->offset, &opt, sizeof(opt));
	else
		store(it, it->row->offset, &opt.v, sizeof(opt.v));
	return 0;
}

/* ---- strings ---------------------------------------------------------------------- */

static int copy_string(const struct reader *r, const struct item *it, char **ret)
{
	size_t max = it->row->max ? (size_t)it->row->max : OCI_MAX_STRING;
	const char *text;
	size_t len;

	if (json_type(it->value) != JSON_STRING)
		return unexpected(r, it, "a string");
	text = json_string(it->value, &len);
	if (len > max)
		return fault(r, it->at, E2BIG, "the string is too long");
	if (strlen(text) != len)
		return fault(r, it->at, EINVAL, "a string must not hold a NUL character");
	*ret = arena_strndup(r->arena, text, len);
	return *ret ? 0 : err_oom(r->e);
}

static int read_string(const struct reader *r, const struct item *it)
{
	char *text = NULL;
	int k;

	k = copy_string(r, it, &text);
	if (k < 0)
		return k;
	store(it, it->row->offset, &text, sizeof(text));
	return 0;
}

static int read_word(const struct reader *r, const struct item *it)
{
	AUTO_BUF struct buf known = { 0 };

	if (json_type(it->value) != JSON_STRING)
		return unexpected(r, it, "a string");
	for (const struct oci_word *w = it->row->words; w->word; w++) {
		if (str_eq(w->word, json_string(it->value, NULL))) {
			store(it, it->row->offset, &w->value, sizeof(w->value));
			return 0;
		}
		buf_printf(&known, "%s %s", w == it->row->words ? "one of" : ",", w->word);
	}
	return unexpected(r, it, buf_text(&known));
}

/* ---- collections ------------------------------------------------------------------ */

static int check_count(const struct reader *r, const struct item *it, enum json_type want)
{
	char text[64];

	if (json_type(it->value) != want)
		return unexpected(r, it, json_type_name(want));
	if (json_len(it->value) <= OCI_MAX_ITEMS)
		return 0;
	(void)snprintf(text, sizeof(text), "%zu entries: the limit is %d", json_len(it->value),
		       OCI_MAX_ITEMS);
	return fault(r, it->at, E2BIG, text);
}

static int read_strings(const struct reader *r, const struct item *it)
{
	struct oci_strings s = { 0 };
	int k;

	k = check_count(r, it, JSON_ARRAY);
	if (k < 0)
		return k;
	s.count = json_len(it->value);
	s.list = arena_array(r->arena, s.count + 1, sizeof(*s.list));
	if (!s.list)
		return err_oom(r->e);
	for (size_t i = 0; i < s.count; i++) {
		struct place at = { .up = it->at, .index = i };
		struct item one = { .row = it->row, .value = json_at(it->value, i), .at = &at };

		k = copy_string(r, &one, &s.list[i]);
		if (k < 0)
			return k;
	}
	store(it, it->row->offset, &s, sizeof(s));
	return 0;
}

static void store_array(const struct item *it, void *elements, size_t count)
{
	store(it, it->row->offset, &elements, sizeof(elements));
	store(it, it->row->count_offset, &count, sizeof(count));
}

static int read_u32s(const struct reader *r, const struct item *it)
{
	const struct oci_row one = { .type = OCI_ROW_U32 };
	uint32_t *list;
	size_t n;
	int k;

	k = check_count(r, it, JSON_ARRAY);
	if (k < 0)
		return k;
	n = json_len(it->value);
	list = arena_array(r->arena, n + 1, sizeof(*list));
	if (!list)
		return err_oom(r->e);
	for (size_t i = 0; i < n; i++) {
		struct place at = { .up = it->at, .index = i };
		struct item el = { &one, json_at(it->value, i), &at, &list[i] };

		k = read_u32(r, &el);
		if (k < 0)
			return k;
	}
	store_array(it, list, n);
	return 0;
}

static int read_rows(const struct reader *r, const struct oci_table *t, const struct json *obj,
		     const struct place *at, void *base);

static int read_object(const struct reader *r, const struct oci_table *t, const struct item *it,
		       void *base)
{
	if (json_type(it->value) != JSON_OBJECT)
		return unexpected(r, it, "an object");
	return read_rows(r, t, it->value, it->at, base);
}

static int read_new_object(const struct reader *r, const struct item *it)
{
	void *base = arena_alloc(r->arena, it->row->table->size);
	int k;

	if (!base)
		return err_oom(r->e);
	k = read_object(r, it->row->table, it, base);
	if (k < 0)
		return k;
	store(it, it->row->offset, &base, sizeof(base));
	return 0;
}

static int read_array(const struct reader *r, const struct item *it)
{
	size_t size = it->row->table->size, n;
	char *list;
	int k;

	k = check_count(r, it, JSON_ARRAY);
	if (k < 0)
		return k;
	n = json_len(it->value);
	list = arena_array(r->arena, n + 1, size);
	if (!list)
		return err_oom(r->e);
	for (size_t i = 0; i < n; i++) {
		struct place at = { .up = it->at, .index = i };
		struct item one = { .value = json_at(it->value, i), .at = &at };

		k = read_object(r, it->row->table, &one, list + i * size);
		if (k < 0)
			return k;
	}
	store_array(it, list, n);
	return 0;
}

/* json_each calls back for every member; this is what the calls share. */
struct map_walk {
	const struct reader *r;
	const struct item *it;
	char *next; /* element to fill */
	size_t size, count;
};

static int read_member(const char *key, struct json *value, void *arg)
{
	struct map_walk *w = arg;
	struct place at = { .up = w->it->at, .key = key };
	struct item one = { .row = w->it->row, .value = value, .at = &at };
	char *name = arena_strdup(w->r->arena, key);
	int k;

	if (json_type(value) == JSON_NULL)
		return 0;
	if (!name)
		return err_oom(w->r->e);
	memcpy(w->next, &name, sizeof(name));
	if (w->it->row->type == OCI_ROW_PAIRS) {
		char *text = NULL;

		k = copy_string(w->r, &one, &text);
		memcpy(w->next + offsetof(struct oci_pair, value), &text, sizeof(text));
	} else {
		k = read_object(w->r, w->it->row->table, &one, w->next);
	}
	w->next += w->size;
	w->count++;
	return k;
}

static int read_map(const struct reader *r, const struct item *it)
{
	struct map_walk w = { .r = r, .it = it, .size = sizeof(struct oci_pair) };
	char *list;
	int k;

	k = check_count(r, it, JSON_OBJECT);
	if (k < 0)
		return k;
	if (it->row->type == OCI_ROW_MAP)
		w.size = it->row->table->size;
	list = arena_array(r->arena, json_len(it->value) + 1, w.size);
	if (!list)
		return err_oom(r->e);
	w.next = list;
	k = json_each(it->value, read_member, &w);
	if (k < 0)
		return k;
	store_array(it, list, w.count);
	return 0;
}

/* ---- the walk --------------------------------------------------------------------- */

static int read_item(const struct reader *r, const struct item *it)
{
	switch (it->row->type) {
	case OCI_ROW_BOOL:
	case OCI_ROW_OPT_BOOL:
		return read_bool(r, it);
	case OCI_ROW_I32:
	case OCI_ROW_I64:
	case OCI_ROW_OPT_I64:
		return read_signed(r, it);
	case OCI_ROW_U32:
	case OCI_ROW_OPT_U32:
		return read_u32(r, it);
	case OCI_ROW_U64:
	case OCI_ROW_OPT_U64:
		return read_u64(r, it);
	case OCI_ROW_STR:
		return read_string(r, it);
	case OCI_ROW_STRS:
		return read_strings(r, it);
	case OCI_ROW_U32S:
		return read_u32s(r, it);
	case OCI_ROW_WORD:
		return read_word(r, it);
	case OCI_ROW_INLINE:
		return read_object(r, it->row->table, it, (char *)it->base + it->row->offset);
	case OCI_ROW_OBJECT:
		return read_new_object(r, it);
	case OCI_ROW_ARRAY:
		return read_array(r, it);
	case OCI_ROW_MAP:
	case OCI_ROW_PAIRS:
		return read_map(r, it);
	case OCI_ROW_PRESENT:
		store(it, it->row->offset, &it->row->key, sizeof(it->row->key));
		return 0;
	}
	return fault(r, it->at, EINVAL, "no such row type");
}

static int read_rows(const struct reader *r, const struct oci_table *t, const struct json *obj,
		     const struct place *at, void *base)
{
	for (const struct oci_row *row = t->rows; row->key; row++) {
		struct place here = { .up = at, .key = row->key };
		struct item it = { row, json_get(obj, row->key), &here, base };
		int k = 0;

		if (json_type(it.value) != JSON_NULL)
			k = read_item(r, &it);
		else if (row->required)
			k = fault(r, &here, EINVAL, "required, but missing");
		if (k < 0)
			return k;
	}
	return 0;
}

int oci_table_read(const struct oci_table *t, const struct json *obj, const char *name,
		   struct arena *a, void *ret, struct err *e)
{
	const struct reader r = { .arena = a, .e = e };
	const struct place top = { .key = name };

	if (json_type(obj) != JSON_OBJECT)
		return err_set(e, EINVAL, "%s: expected an object, got %s",
			       name ? name : "document", json_type_name(json_type(obj)));
	return read_rows(&r, t, obj, name ? &top : NULL, ret);
}
