/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Its first thread asks for sysinfo(2), and while that is answered another executes this program anew, under
 * the same number and with the same memory map. Prints what was written to the memory of the new one.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { MEANWHILE_US = 300000, LATER_US = 1500000 };

static struct sysinfo answer; /* at one address: not position-independent */

static void *execute(void *name)
{
	char look[] = "look", *argv[] = { name, look, NULL };

	usleep(MEANWHILE_US);
	execv(name, argv);
	return NULL;
}

int main(int argc, char **argv)
{
	const struct sysinfo none = { 0 };
	pthread_t other;

	if (argc == 1) {
		pthread_create(&other, NULL, execute, argv[0]);
		sysinfo(&answer);
		pause();
	}
	usleep(LATER_US);
	puts(memcmp(&answer, &none, sizeof(none)) ? "written" : "nothing");
	return 0;
}
