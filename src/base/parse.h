/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Numbers and names from text, strictly: the whole string must be the number,
 * no blanks, no sign where none belongs.
 */

/** parse_u64 - decimal; Return: 0, -EINVAL, -ERANGE. @ret set only on success */
int parse_u64(const char *s, uint64_t *ret);
/** parse_i64 - decimal with optional '-' */
int parse_i64(const char *s, int64_t *ret);
/** parse_u32 - decimal up to 4294967295 */
int parse_u32(const char *s, uint32_t *ret);
/** parse_octal - file modes: "755", "0755" */
int parse_octal(const char *s, uint32_t *ret);

/**
 * parse_list - a list of numbers as the kernel writes them, "0-3,7", into a bit mask
 * @bits:  @nbits / 8 bytes; in it only bits are set, and only on success
 * @nbits: a multiple of 8
 *
 * Blanks and empty parts are refused, a range must not run backwards.
 * Return: 0; -EINVAL; -ERANGE for a number of @nbits or more.
 */
int parse_list(const char *s, unsigned char *bits, uint32_t nbits);

/** str_eq - both non-NULL and equal */
bool str_eq(const char *a, const char *b);
/** str_starts - @s begins with @prefix */
bool str_starts(const char *s, const char *prefix);
/** str_after - the rest of @s behind @prefix; NULL if it does not begin with it */
const char *str_after(const char *s, const char *prefix);

/**
 * path_is_clean - absolute, without "." or ".." components
 */
bool path_is_clean(const char *path);
