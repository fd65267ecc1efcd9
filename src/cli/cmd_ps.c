/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "base/parse.h"
#include "sys/syscalls.h"

#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

enum { PS_MAX_BYTES = 64 << 20 };

static int spawn_ps(char *const *argv, int out_fd, pid_t *ret, struct err *e)
{
	posix_spawn_file_actions_t fa;
	int r;

	if (posix_spawn_file_actions_init(&fa) != 0)
		return err_oom(e);
	r = posix_spawn_file_actions_adddup2(&fa, out_fd, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawnp(ret, "ps", &fa, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&fa);
	return r ? err_sys(e, r, "run ps") : 0;
}

static int run_ps(char *const *argv, struct buf *out, struct err *e)
{
	AUTO_FD int rd = -EBADF;
	AUTO_FD int wr = -EBADF;
	int r, status = 0, p[2];
	pid_t pid = -1;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "pipe");
	rd = p[0];
	wr = p[1];
	r = spawn_ps(argv, wr, &pid, e);
	if (r < 0)
		return r;
	(void)close(TAKE_FD(wr));
	r = buf_read_fd(out, rd, PS_MAX_BYTES);
	(void)close(TAKE_FD(rd));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for ps");
	if (r < 0)
		return err_sys(e, r, "read what ps says");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(e, EINVAL, "ps failed");
	return 0;
}

/* The @n-th word of a line, counted from 0; NULL: there are fewer. */
static const char *word(const char *line, size_t n, size_t *ret_len)
{
	line += strspn(line, " \t");
	while (n--) {
		line += strcspn(line, " \t");
		line += strspn(line, " \t");
	}
	*ret_len = strcspn(line, " \t");
	return *ret_len ? line : NULL;
}

static int pid_column(const char *head, size_t *ret, struct err *e)
{
	const char *w;
	size_t len;

	for (size_t i = 0; (w = word(head, i, &len)); i++)
		if (len == 3 && memcmp(w, "PID", 3) == 0) {
			*ret = i;
			return 0;
		}
	return err_set(e, EINVAL, "couldn't find PID field in ps output");
}

static bool is_ours(const char *line, size_t column, const pid_t *pids, size_t count)
{
	size_t len;
	const char *w = word(line, column, &len);
	char text[16];
	uint32_t pid;

	if (!w || len >= sizeof(text))
		return false;
	memcpy(text, w, len);
	text[len] = '\0';
	if (parse_u32(text, &pid) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if ((uint32_t)pids[i] == pid)
			return true;
	return false;
}

/* Cut the first line off @text; Return: it, or NULL at the end. */
static char *next_line(char **text)
{
	char *line = *text;
	char *nl = strchr(line, '\n');

	if (!*line)
		return NULL;
	*text = nl ? nl + 1 : line + strlen(line);
	if (nl)
		*nl = '\0';
	return line;
}

static int filter(char *text, const pid_t *pids, size_t count, struct buf *out, struct err *e)
{
	char *line = next_line(&text);
	size_t column = 0;
	int r;

	r = pid_column(line ? line : "", &column, e);
	if (r < 0)
		return r;
	for (bool head = true; line; line = next_line(&text), head = false)
		if (head || is_ours(line, column, pids, count)) {
			print_escaped(out, line);
			buf_str(out, "\n");
		}
	return 0;
}

static void print_json(const pid_t *pids, size_t count, struct buf *out)
{
	struct json_out o = { .b = out };

	if (count == 0) {
		buf_str(out, "null\n");
		return;
	}
	jo_open(&o, NULL, '[');
	for (size_t i = 0; i < count; i++)
		jo_int(&o, NULL, pids[i]);
	jo_close(&o, ']');
	buf_str(out, "\n");
}

static int print_ps(struct cli *c, const struct opt_args *args, const pid_t *pids, size_t count,
		    struct buf *out, struct err *e)
{
	static char ps[] = "ps", all[] = "-ef";
	AUTO_BUF struct buf text = { 0 };
	char **argv = arena_array(&c->arena, args->count + 3, sizeof(*argv));
	int r;

	if (!argv)
		return err_oom(e);
	argv[0] = ps;
	argv[1] = all;
	if (args->count > 1)
		memcpy(argv + 1, args->list + 1, (args->count - 1) * sizeof(*argv));
	r = run_ps(argv, &text, e);
	if (r < 0)
		return r;
	return text.len ? filter(text.data, pids, count, out, e)
			: err_set(e, EINVAL, "ps said nothing");
}

int cmd_ps(struct cli *c, int argc, char **argv)
{
	const char *format = NULL;
	const struct opt opts[] = {
		{ "format", 'f', OPT_STR, &format, "FORMAT", "table (default) or json" },
		{ .type = OPT_END },
	};
	AUTO_CTR struct ctr ctr = CTR_INIT;
	AUTO_BUF struct buf out = { 0 };
	struct opt_args args;
	struct err e = { 0 };
	size_t count = 0;
	pid_t *pids = NULL;
	int r, json;

	r = cli_args(c, argc, argv, opts, 1, SIZE_MAX, &args);
	if (r >= 0)
		return r;
	json = cli_want_json(format, &e);
	r = json < 0 ? json : ctr_open(c->root, args.list[0], false, &ctr, &e);
	if (r == 0)
		r = ctr_pids(&ctr, &c->arena, &pids, &count, &e);
	if (r < 0)
		return cli_fail(c, &e, 1);
	if (json)
		print_json(pids, count, &out);
	else
		r = print_ps(c, &args, pids, count, &out, &e);
	return r < 0 ? cli_fail(c, &e, 1) : cli_print_buf(c, &out);
}
