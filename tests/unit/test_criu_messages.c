/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint/criu.h"
#include "checkpoint/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The bytes were made by protobuf's own Python library from CRIU's rpc.proto. */

static void expect(const struct buf *b, const char *bytes, size_t n)
{
	assert_false(b->failed);
	assert_int_equal(b->len, n);
	assert_memory_equal(b->data, bytes, n);
}
#define EXPECT(b, bytes) expect(b, bytes, sizeof(bytes) - 1)

static void options_are_written_as_protobuf_writes_them(void **state)
{
	AUTO_BUF struct buf b = { 0 };

	(void)state;
	wire_uint(&b, CRIU_IMAGES_DIR_FD, 5);
	wire_uint(&b, CRIU_PID, 70000);
	wire_uint(&b, CRIU_LEAVE_RUNNING, true);
	wire_str(&b, CRIU_LOG_FILE, "dump.log");
	wire_uint(&b, CRIU_EMPTY_NS, 0x40000000);
	EXPECT(&b, "\x08\x05\x10\xf0\xa2\x04\x18\x01\x52\x08"
		   "dump.log\xb0\x02\x80\x80\x80\x80\x04");
}

static void pairs_are_messages_inside(void **state)
{
	AUTO_BUF struct buf b = { 0 };

	(void)state;
	criu_pair(&b, CRIU_EXT_MNT, "/a", "/bc");
	criu_inherit(&b, "extRootNetNS", 300);
	criu_cg_root(&b, "", "/x");
	EXPECT(&b, "\xba\x01\x09\x0a\x02/a\x12\x03/bc"
		   "\xda\x01\x11\x0a\x0c"
		   "extRootNetNS\x10\xac\x02"
		   "\xca\x01\x06\x0a\x00\x12\x02/x");
}

static void absent_strings_are_not_written(void **state)
{
	AUTO_BUF struct buf b = { 0 };

	(void)state;
	wire_str(&b, CRIU_LSM_PROFILE, NULL);
	assert_int_equal(b.len, 0);
	wire_str(&b, CRIU_LSM_PROFILE, "");
	EXPECT(&b, "\xaa\x03\x00");
}

static int parse(const char *bytes, size_t n, struct criu_reply *r)
{
	memset(r, 0, sizeof(*r));
	return criu_reply_parse(bytes, n, r);
}
#define PARSE(bytes, r) parse(bytes, sizeof(bytes) - 1, r)

static void a_notification_is_read(void **state)
{
	struct criu_reply r;

	(void)state;
	assert_int_equal(PARSE("\x08\x06\x10\x01\x2a\x12\x0a\x0cpost-restore\x10\xf0\xa2\x04", &r),
			 0);
	assert_int_equal(r.type, CRIU_NOTIFY);
	assert_true(r.success);
	assert_int_equal(r.pid, 70000);
	assert_string_equal(r.script, "post-restore");
}

static void a_refusal_is_read(void **state)
{
	struct criu_reply r;

	(void)state;
	assert_int_equal(PARSE("\x08\x01\x10\x00\x38\x03\x4a\x03why", &r), 0);
	assert_false(r.success);
	assert_int_equal(r.code, 3);
	assert_string_equal(r.message, "why");
}

static void versions_are_numbers_that_grow(void **state)
{
	struct criu_reply r;

	(void)state;
	assert_int_equal(PARSE("\x08\x0a\x10\x01\x52\x06\x08\x03\x10\x11\x20\x01", &r), 0);
	assert_int_equal(r.version, 31701);
	/* From git: what will be 3.18. */
	assert_int_equal(PARSE("\x08\x0a\x10\x01\x52\x0a\x08\x03\x10\x11\x1a\x02v3\x20\x01", &r),
			 0);
	assert_int_equal(r.version, 31800);
}

static void unknown_fields_are_passed_over(void **state)
{
	struct criu_reply r;

	(void)state;
	assert_int_equal(PARSE("\x08\x02\xa1\x06"
			       "12345678"
			       "\xa5\x06"
			       "1234"
			       "\xaa\x06\x02xy\x10\x01",
			       &r),
			 0);
	assert_int_equal(r.type, CRIU_RESTORE);
	assert_true(r.success);
}

static void long_texts_are_cut(void **state)
{
	char bytes[600] = "\x08\x01\x10\x00\x4a\xac\x04";
	struct criu_reply r;

	(void)state;
	memset(bytes + 7, 'x', 556);
	assert_int_equal(criu_reply_parse(bytes, 7 + 556, &r), 0);
	assert_int_equal(strlen(r.message), sizeof(r.message) - 1);
}

static void rejects_what_is_cut_off_or_malformed(void **state)
{
	static const char whole[] = "\x08\x06\x10\x01\x2a\x12\x0a\x0cpost-restore\x10\xf0\xa2\x04";
	struct criu_reply r;
	int good = 0;

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		char *bytes = malloc(n ? n : 1); /* so that a sanitizer sees the end */

		assert_non_null(bytes);
		memcpy(bytes, whole, n);
		good += criu_reply_parse(bytes, n, &r) == 0;
		free(bytes);
	}
	assert_int_equal(good, 3); /* nothing, and behind each of two whole fields */
	assert_int_equal(PARSE("\x00\x01", &r), -EBADMSG);
	assert_int_equal(PARSE("\x0b", &r), -EBADMSG);
	assert_int_equal(PARSE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", &r), -EBADMSG);
	assert_int_equal(PARSE("\x2a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", &r), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_written_as_protobuf_writes_them),
		cmocka_unit_test(pairs_are_messages_inside),
		cmocka_unit_test(absent_strings_are_not_written),
		cmocka_unit_test(a_notification_is_read),
		cmocka_unit_test(a_refusal_is_read),
		cmocka_unit_test(versions_are_numbers_that_grow),
		cmocka_unit_test(unknown_fields_are_passed_over),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(rejects_what_is_cut_off_or_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
