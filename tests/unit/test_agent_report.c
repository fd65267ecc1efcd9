/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/parse.h"
#include "base/text.h"
#include "broker/audit.h"
#include "broker/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What an agent writes down: audit lines and metrics. */

static const struct audit_event event = {
	.time_ns = UINT64_C(1700000000123456789),
	.container = "web",
	.policy = "ci",
	.call = "mount",
	.owner = 1000,
	.pid = 4711,
	.what = "mount tmpfs on /mnt/x",
	.error = EPERM,
	.line = 3,
	.rule = "deny mount * on /mnt/**",
	.took_ns = 15999,
};

static void a_decision_is_one_line(void **state)
{
	AUTO_BUF struct buf b = { 0 };

	(void)state;
	audit_line(&b, &event);
	assert_string_equal(b.data,
			    "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"container\":\"web\","
			    "\"owner\":1000,\"pid\":4711,\"policy\":\"ci\",\"call\":\"mount\","
			    "\"what\":\"mount tmpfs on /mnt/x\",\"verdict\":\"deny\",\"error\":1,"
			    "\"line\":3,\"rule\":\"deny mount * on /mnt/**\",\"us\":15}\n");
}

static void nothing_a_guest_says_leaves_its_string(void **state)
{
	static const char *const bad[] = { "a\nb",
					   "a\"},{\"verdict\":\"allow",
					   "\x1b]0;x\a",
					   "\xc2\x9b"
					   "2J",
					   "\xe2\x80\xae"
					   "txt",
					   "\xff\xfe",
					   "\\x0a",
					   "\x7f" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_BUF struct buf b = { 0 };
		AUTO_JSON struct json *doc = NULL;
		struct audit_event ev = event;
		struct err e = { 0 };

		ev.container = ev.policy = ev.call = ev.what = ev.rule = bad[i];
		audit_line(&b, &ev);
		assert_ptr_equal(strchr(b.data, '\n'), b.data + b.len - 1);
		if (json_parse(b.data, b.len, &doc, &e) < 0)
			fail_msg("%s: %s", b.data, e.msg);
		assert_string_equal(json_string(json_get(doc, "verdict"), NULL), "deny");
		for (size_t at = 0; at < b.len - 1; at++)
			if (!text_seen(b.data + at, b.len - at) &&
			    ((unsigned char)b.data[at] & 0xc0) != 0x80)
				fail_msg("byte %02x in %s", (unsigned char)b.data[at], b.data);
	}
}

static void a_long_text_is_cut(void **state)
{
	static char text[3 * AUDIT_TEXT_BYTES];
	AUTO_BUF struct buf b = { 0 };
	struct audit_event ev = event;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	ev.what = text;
	audit_line(&b, &ev);
	assert_true(b.len < AUDIT_TEXT_BYTES + 400);
	assert_non_null(strstr(b.data, "xxx...\""));
}

static void a_flood_is_counted_and_not_written(void **state)
{
	struct audit_gate g = { 0 }, other = { 0 };
	uint64_t now = UINT64_C(5000000000), dropped = 77;
	unsigned int written = 0;

	(void)state;
	for (int i = 0; i < 100000; i++)
		written += audit_admit(&g, now, &dropped);
	assert_int_equal(written, AUDIT_BURST);
	assert_int_equal(dropped, 0);
	/* A second later there is room for a second's worth, and the gap is told. */
	now += UINT64_C(1000000000);
	assert_true(audit_admit(&g, now, &dropped));
	assert_int_equal(dropped, 100000 - AUDIT_BURST);
	for (written = 1; audit_admit(&g, now, &dropped);)
		written++;
	assert_int_equal(written, AUDIT_RATE);
	assert_int_equal(dropped, 0);
	/* The neighbour has its own. */
	assert_true(audit_admit(&other, now, &dropped));
}

static void the_file_has_a_limit(void **state)
{
	char dir[] = "/tmp/cay-test-XXXXXX", path[64], old[64];
	struct audit_file f = AUDIT_FILE_INIT;
	AUTO_BUF struct buf line = { 0 };
	struct stat st;
	struct err e;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/audit", dir);
	(void)snprintf(old, sizeof(old), "%s/audit.1", dir);
	f.limit = 1000;
	assert_int_equal(audit_open(&f, path, &e), 0);
	audit_line(&line, &event);
	for (int i = 0; i < 1000; i++)
		audit_write(&f, &line);
	assert_int_equal(f.lost, 0);
	audit_close(&f);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 0 && st.st_size <= 1000);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size % (off_t)line.len, 0);
	assert_int_equal(stat(old, &st), 0);
	assert_true(st.st_size > 0 && st.st_size <= 1000);
	/* What is there already counts. */
	f = (struct audit_file)AUDIT_FILE_INIT;
	assert_int_equal(audit_open(&f, path, &e), 0);
	assert_true(f.size > 0);
	audit_close(&f);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(old), 0);
	/* Somebody else's file by a link, a pipe that nobody reads. */
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(audit_open(&f, path, &e), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(audit_open(&f, path, &e) < 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void what_can_not_be_written_is_counted(void **state)
{
	struct audit_file f = AUDIT_FILE_INIT;
	AUTO_BUF struct buf line = { 0 };

	(void)state;
	f.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(f.fd >= 0);
	audit_line(&line, &event);
	audit_write(&f, &line);
	audit_write(&f, &line);
	assert_int_equal(f.lost, 2);
	audit_close(&f);
}

static bool has_line(const struct buf *b, const char *line)
{
	const char *p = strstr(b->data, line);

	return p && (p == b->data || p[-1] == '\n') && p[strlen(line)] == '\n';
}

static void metrics_are_counted_by_call_and_verdict(void **state)
{
	static struct metrics m;
	AUTO_BUF struct buf b = { 0 };

	(void)state;
	m = (struct metrics){ .containers = 3, .audit_dropped = 9 };
	metrics_count(&m, "mount", METRICS_ALLOW, 30000);
	metrics_count(&m, "mount", METRICS_ALLOW, 10000);
	metrics_count(&m, "mount", METRICS_DENY, UINT64_C(2500000001));
	metrics_count(&m, "mknod", METRICS_ERROR, 10001);
	metrics_text(&m, &b);
	assert_true(has_line(&b, "cay_agent_containers 3"));
	assert_true(has_line(&b, "cay_agent_audit_dropped_total 9"));
	assert_true(has_line(&b, "cay_agent_calls_total{call=\"mount\",verdict=\"allow\"} 2"));
	assert_true(has_line(&b, "cay_agent_calls_total{call=\"mount\",verdict=\"deny\"} 1"));
	assert_true(has_line(&b, "cay_agent_calls_total{call=\"mknod\",verdict=\"error\"} 1"));
	/* Buckets add up, bounds belong to them. */
	assert_true(
		has_line(&b, "cay_agent_call_seconds_bucket{call=\"mount\",le=\"0.000010\"} 1"));
	assert_true(
		has_line(&b, "cay_agent_call_seconds_bucket{call=\"mount\",le=\"0.000025\"} 1"));
	assert_true(
		has_line(&b, "cay_agent_call_seconds_bucket{call=\"mount\",le=\"0.000050\"} 2"));
	assert_true(
		has_line(&b, "cay_agent_call_seconds_bucket{call=\"mount\",le=\"1.000000\"} 2"));
	assert_true(has_line(&b, "cay_agent_call_seconds_bucket{call=\"mount\",le=\"+Inf\"} 3"));
	assert_true(has_line(&b, "cay_agent_call_seconds_count{call=\"mount\"} 3"));
	assert_true(has_line(&b, "cay_agent_call_seconds_sum{call=\"mount\"} 2.500040001"));
	assert_true(
		has_line(&b, "cay_agent_call_seconds_bucket{call=\"mknod\",le=\"0.000025\"} 1"));
}

/* Every line is a comment, or a name, labels and a number; each family is announced once. */
static void metrics_have_the_form_of_prometheus(void **state)
{
	static struct metrics m;
	AUTO_BUF struct buf b = { 0 };
	char *save = NULL, announced[64] = "";

	(void)state;
	m = (struct metrics){ 0 };
	metrics_count(&m, "mount", METRICS_ALLOW, 30000);
	metrics_text(&m, &b);
	for (char *l = strtok_r(b.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		const char *value = strrchr(l, ' ');

		if (str_after(l, "# HELP "))
			continue;
		if (str_after(l, "# TYPE ")) {
			(void)snprintf(announced, sizeof(announced), "%.*s",
				       (int)strcspn(l + 7, " "), l + 7);
			continue;
		}
		if (strncmp(l, announced, strlen(announced)) != 0)
			fail_msg("%s: not announced", l);
		assert_non_null(value);
		assert_int_equal(strspn(value + 1, "0123456789."), strlen(value + 1));
	}
}

static void more_calls_than_there_is_room_for_are_others(void **state)
{
	static struct metrics m;
	static char names[METRICS_CALLS + 10][16];
	uint64_t sum = 0;

	(void)state;
	m = (struct metrics){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(names[i], sizeof(names[i]), "call%zu", i);
		metrics_count(&m, names[i], METRICS_DENY, 1);
	}
	assert_int_equal(m.ncalls, METRICS_CALLS);
	assert_string_equal(m.call[METRICS_CALLS - 1].name, "other");
	for (size_t i = 0; i < m.ncalls; i++)
		sum += m.call[i].count[METRICS_DENY];
	assert_int_equal(sum, ARRAY_LEN(names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_decision_is_one_line),
		cmocka_unit_test(nothing_a_guest_says_leaves_its_string),
		cmocka_unit_test(a_long_text_is_cut),
		cmocka_unit_test(a_flood_is_counted_and_not_written),
		cmocka_unit_test(the_file_has_a_limit),
		cmocka_unit_test(what_can_not_be_written_is_counted),
		cmocka_unit_test(metrics_are_counted_by_call_and_verdict),
		cmocka_unit_test(metrics_have_the_form_of_prometheus),
		cmocka_unit_test(more_calls_than_there_is_room_for_are_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
