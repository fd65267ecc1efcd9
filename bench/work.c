/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work: one load by name, UNITS times; prints the nanoseconds that it took. What runs in a container
 * and without one is the same file, so the difference is the container's.
 *
 *   work sort|fibonacci|matrix|getppid|pipe|stat UNITS
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { CELLS = 2000, SIDE = 128 };

/* Results go here, so that no compiler finds the work needless. */
static volatile uint64_t sink;

static void sort(void)
{
	static uint32_t a[CELLS];
	uint32_t seed = 1;

	for (int i = 0; i < CELLS; i++)
		a[i] = seed = seed * 1664525 + 1013904223;
	for (int end = CELLS - 1; end > 0; end--)
		for (int i = 0; i < end; i++)
			if (a[i] > a[i + 1]) {
				uint32_t swap = a[i];

				a[i] = a[i + 1];
				a[i + 1] = swap;
			}
	sink = a[0];
}

static uint64_t fibonacci_of(unsigned int n)
{
	return n < 2 ? n : fibonacci_of(n - 1) + fibonacci_of(n - 2);
}

static void fibonacci(void)
{
	sink = fibonacci_of(27);
}

static void matrix(void)
{
	static double a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			a[i][j] = i + j;
			b[i][j] = i - j;
			c[i][j] = 0;
		}
	for (int i = 0; i < SIDE; i++)
		for (int k = 0; k < SIDE; k++)
			for (int j = 0; j < SIDE; j++)
				c[i][j] += a[i][k] * b[k][j];
	sink = (uint64_t)c[SIDE - 1][SIDE - 1];
}

static void parent(void)
{
	for (int i = 0; i < 10000; i++)
		sink = (uint64_t)syscall(SYS_getppid);
}

static void through_pipe(void)
{
	static int fds[2];
	char byte = 'x';

	if (!fds[1] && pipe(fds) < 0)
		exit(1);
	for (int i = 0; i < 5000; i++)
		if (write(fds[1], &byte, 1) != 1 || read(fds[0], &byte, 1) != 1)
			exit(1);
}

static void look(void)
{
	struct stat st;

	for (int i = 0; i < 5000; i++)
		if (stat("/", &st) < 0)
			exit(1);
	sink = (uint64_t)st.st_ino;
}

static const struct {
	const char *name;
	void (*once)(void);
} loads[] = { { "sort", sort },	     { "fibonacci", fibonacci }, { "matrix", matrix },
	      { "getppid", parent }, { "pipe", through_pipe },	 { "stat", look } };

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int number(const char *digits)
{
	int n = 0;

	for (; *digits >= '0' && *digits <= '9' && n < 100000000; digits++)
		n = n * 10 + (*digits - '0');
	return n;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < sizeof(loads) / sizeof(loads[0]); i++)
		if (strcmp(argv[1], loads[i].name) == 0) {
			uint64_t began;

			loads[i].once();
			began = now();
			for (int unit = number(argv[2]); unit > 0; unit--)
				loads[i].once();
			printf("%llu\n", (unsigned long long)(now() - began));
			return 0;
		}
	fprintf(stderr, "usage: work sort|fibonacci|matrix|getppid|pipe|stat UNITS\n");
	return 2;
}
