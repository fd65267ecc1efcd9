/* SPDX-License-Identifier: Apache-2.0 */
/*
 * first: prints CLOCK_MONOTONIC as its first act, in nanoseconds. No libc, no loader: what it
 * reads is when the kernel let the program run.
 */
#include <linux/time.h>
#include <linux/time_types.h>
#include <sys/syscall.h>

static long call3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

__attribute__((noreturn, force_align_arg_pointer)) void _start(void)
{
	struct __kernel_timespec now;
	char text[32];
	unsigned long ns;
	int at = sizeof(text);

	call3(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0);
	ns = (unsigned long)now.tv_sec * 1000000000UL + (unsigned long)now.tv_nsec;
	text[--at] = '\n';
	do {
		text[--at] = (char)('0' + ns % 10);
		ns /= 10;
	} while (ns);
	call3(SYS_write, 1, (long)(text + at), (long)sizeof(text) - at);
	for (;;)
		call3(SYS_exit_group, 0, 0, 0);
}
