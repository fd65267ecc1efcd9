/* SPDX-License-Identifier: Apache-2.0 */
/*
 * witness - the program in the container: says all about its island that a fault could have
 * made weaker. Two runs with the same configuration must say the same, so no pids, inode
 * numbers, addresses or times.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static void copy_file(const char *path)
{
	char b[4096];
	FILE *f = fopen(path, "r");

	printf("%s:", path);
	while (f && fgets(b, sizeof(b), f))
		printf(" %s", b);
	if (!f)
		puts(" -");
	if (f)
		fclose(f);
}

static void status(void)
{
	static const char *const want[] = { "Uid",	  "Gid",     "Groups",	  "CapInh",
					    "CapPrm",	  "CapEff",  "CapBnd",	  "CapAmb",
					    "NoNewPrivs", "Seccomp", "SigBlk",	  "SigIgn",
					    "SigCgt",	  "Umask",   "TracerPid", "Threads" };
	char b[1024];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(b, sizeof(b), f))
		for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
			if (strncmp(b, want[i], strlen(want[i])) == 0 && b[strlen(want[i])] == ':')
				fputs(b, stdout);
	if (f)
		fclose(f);
}

/* Without mount ids, peer groups and device numbers. */
static void mounts(void)
{
	char b[4096];
	FILE *f = fopen("/proc/self/mountinfo", "r");

	while (f && fgets(b, sizeof(b), f)) {
		char *s = b;

		for (int i = 0; i < 3; i++)
			s = strchr(s, ' ') + 1;
		fputs("mount ", stdout);
		for (; *s; s++)
			if (*s != ':' || !isdigit((unsigned char)s[1]))
				putchar(*s);
			else
				while (isdigit((unsigned char)s[1]))
					s++;
	}
	if (f)
		fclose(f);
}

static void fds(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0)
			printf("fd %d type %o flags %x\n", fd, st.st_mode & S_IFMT,
			       fcntl(fd, F_GETFD));
	}
}

/* HOST_NS holds what the links read on the host. */
static void namespaces(void)
{
	static const char *const names[] = { "cgroup", "ipc",  "mnt",  "net",
					     "pid",    "time", "user", "uts" };
	const char *host = getenv("HOST_NS");

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[64], link[64];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		printf("ns %s %s\n", names[i],
		       host && n > 0 && strstr(host, link) ? "host" : "own");
	}
}

static void process(void)
{
	struct utsname u;
	char cwd[4096];
	int death = 0;

	uname(&u);
	prctl(PR_GET_PDEATHSIG, &death);
	printf("host %s domain %s cwd %s\n", u.nodename, u.domainname, getcwd(cwd, sizeof(cwd)));
	printf("leader %d pid1 %d ppid %d death %d dumpable %d securebits %d tty %d\n",
	       getsid(0) == getpid(), getpid() == 1, getppid() != 0, death, prctl(PR_GET_DUMPABLE),
	       prctl(PR_GET_SECUREBITS), open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0);
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit r;

		getrlimit((__rlimit_resource_t)i, &r);
		printf("limit %d %llu %llu\n", i, (unsigned long long)r.rlim_cur,
		       (unsigned long long)r.rlim_max);
	}
}

static void keyring(void)
{
	char b[256] = "";
	long n = syscall(SYS_keyctl, KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING, b, sizeof(b) - 1);

	printf("keyring %s\n", n < 0 ? "-" : strrchr(b, ';') ? strrchr(b, ';') + 1 : b);
}

static void dir(const char *path)
{
	struct dirent **list = NULL;
	int n = scandir(path, &list, NULL, alphasort);

	printf("dir %s:", path);
	for (int i = 0; i < n; i++)
		printf(" %s", list[i]->d_name);
	putchar('\n');
}

int main(int argc, char **argv)
{
	fds();
	status();
	mounts();
	namespaces();
	process();
	keyring();
	copy_file("/proc/self/cgroup");
	copy_file("/proc/self/oom_score_adj");
	dir("/");
	dir("/dev");
	for (int i = 1; i < argc; i++)
		copy_file(argv[i]);
	for (char **p = environ; *p; p++)
		if (strncmp(*p, "HOST_NS=", 8) != 0)
			printf("env %s\n", *p);
	return fflush(stdout) == 0 ? 0 : 1;
}
