/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"

#include <stdint.h>

/*
 * Text from strangers that a person will read. Controls, C1 ones included, which terminals obey,
 * and characters that hide or turn the text around them (CVE-2021-42574) are not shown as they are.
 */

/**
 * text_seen - length of the one character at @s, if it is valid UTF-8 and can be seen
 * @avail: bytes that may be read, at least 1
 *
 * Return: 1 to 4; 0 when it must not be shown as it is.
 */
size_t text_seen(const char *s, size_t avail);

/** text_code_point - the number of a character of @n bytes of valid UTF-8 */
uint32_t text_code_point(const char *s, size_t n);

/** text_visible - append @len bytes, those that can't be shown as \xNN */
void text_visible(struct buf *b, const char *s, size_t len);
