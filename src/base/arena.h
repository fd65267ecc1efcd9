/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/auto.h"

#include <stddef.h>

/*
 * A bag of allocations freed together: what a parsed document or a plan's
 * intermediate strings live in. Memory comes zeroed and aligned to 16 bytes.
 */
struct arena {
	struct arena_block *head;
};

/**
 * arena_alloc - @size zeroed bytes owned by @a
 *
 * Return: the memory, valid until arena_done; NULL when out of memory.
 */
void *arena_alloc(struct arena *a, size_t size);

/** arena_array - @count elements of @size bytes, zeroed; NULL on overflow or out of memory */
void *arena_array(struct arena *a, size_t count, size_t size);

/** arena_strndup - copy of at most @n bytes of @s, terminated; NULL when out of memory */
char *arena_strndup(struct arena *a, const char *s, size_t n);

/** arena_strdup - copy of @s; NULL when out of memory */
char *arena_strdup(struct arena *a, const char *s);

/** arena_printf - formatted string owned by @a; NULL when out of memory */
char *arena_printf(struct arena *a, const char *fmt, ...) FORMAT(2, 3);

/** arena_done - free everything; @a may be used again */
void arena_done(struct arena *a);

#define AUTO_ARENA AUTO(arena_done)
