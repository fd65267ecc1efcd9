/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * A pass over the tokens of a JSON text, for what json-c's strict mode still lets
 * through: raw control characters, single quotes, malformed and saturated numbers,
 * NaN and Infinity, surrogates in UTF-8, NUL in the names of members.
 */

/* Punctuation outside of strings: how much a document must hold. */
struct json_counts {
	size_t members; /* colons */
	size_t gaps;	/* commas */
};

/**
 * json_scan - find the first token that RFC 8259 forbids
 * @ret_at: set to its offset when there is one
 * @ret:    set when there is none
 *
 * Brackets, commas and colons are not looked at.
 * Return: NULL when all is well; else what is wrong, a constant string.
 */
const char *json_scan(const char *text, size_t len, size_t *ret_at, struct json_counts *ret);

/**
 * json_utf8_len - length of the UTF-8 sequence at @s by RFC 3629; 0 when there is none
 * @avail: bytes that may be read
 */
size_t json_utf8_len(const char *s, size_t avail);
