/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/json.h"
#include "oci/spec.h"

/*
 * How a JSON object becomes a struct: a table of rows, read by one generic walker.
 * Private to oci/.
 */
enum oci_row_type {
	OCI_ROW_BOOL,	  /* bool */
	OCI_ROW_OPT_BOOL, /* struct opt_bool */
	OCI_ROW_I32,
	OCI_ROW_I64,
	OCI_ROW_U32,
	OCI_ROW_U64,
	OCI_ROW_OPT_I64,
	OCI_ROW_OPT_U32,
	OCI_ROW_OPT_U64,
	OCI_ROW_STR,	 /* char * */
	OCI_ROW_STRS,	 /* struct oci_strings */
	OCI_ROW_U32S,	 /* uint32_t * and its count */
	OCI_ROW_WORD,	 /* a string out of @words → int */
	OCI_ROW_INLINE,	 /* object → the struct at @offset itself, by @table */
	OCI_ROW_OBJECT,	 /* object → pointer to a new struct, by @table */
	OCI_ROW_ARRAY,	 /* array of objects → structs and their count, by @table */
	OCI_ROW_MAP,	 /* object of objects → the same; the first member is the key */
	OCI_ROW_PAIRS,	 /* object of strings → struct oci_pair * and its count */
	OCI_ROW_PRESENT, /* any value: the key → const char * */
};

struct oci_word {
	const char *word; /* NULL ends the list */
	int value;
};

struct oci_row {
	const char *key; /* NULL ends the table */
	enum oci_row_type type;
	bool required;
	size_t offset, count_offset;
	const struct oci_table *table;
	const struct oci_word *words;
	int64_t min;  /* of numbers; both 0: what the type holds */
	uint64_t max; /* of numbers; of strings: bytes, 0: OCI_MAX_STRING */
};

struct oci_table {
	size_t size; /* of the struct */
	const struct oci_row *rows;
};

enum {
	OCI_MAX_STRING = 131071, /* one argument of execve: MAX_ARG_STRLEN without its NUL */
	OCI_MAX_ANNOTATION = 1 << 20,
	OCI_MAX_ITEMS = 65536, /* of one array or map */
};

extern const struct oci_table oci_spec_table, oci_process_table, oci_resources_table,
	oci_fast_table;
extern const struct oci_word oci_ns_words[], oci_rlimit_words[];

/**
 * oci_table_read - fill a struct from a JSON object
 * @name: what messages call the object; NULL for the outermost, whose members stand alone
 * @a:    owns everything that @ret will point at
 * @ret:  zeroed, t->size bytes; half filled on failure
 *
 * Return: 0; -EINVAL; -E2BIG; -ENOMEM.
 */
int oci_table_read(const struct oci_table *t, const struct json *obj, const char *name,
		   struct arena *a, void *ret, struct err *e);
