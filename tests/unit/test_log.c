/* test_log.c - the form of records, escaping, levels and cuts. */
#include "base/log.h"
#include "base/text.h"
#include "tests/support/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* Where the records of a test go. */
struct record {
	size_t count;
	enum log_level level;
	size_t length;
	char line[LOG_LINE_BYTES + 1];
};

static void keep(void *context, enum log_level level, const char *line, size_t length)
{
	struct record *r = context;

	assert_in_range(length, 1, LOG_LINE_BYTES);
	r->count++;
	r->level = level;
	r->length = length;
	memcpy(r->line, line, length);
	r->line[length] = '\0';
}

static int set_up(void **state)
{
	struct record *r = calloc(1, sizeof(*r));

	setenv("TZ", "UTC", 1);
	log_open(LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	log_set_sink(keep, r);
	*state = r;
	return r ? 0 : -1;
}

static int tear_down(void **state)
{
	log_set_sink(NULL, NULL);
	free(*state);
	return 0;
}

/* What stands behind the time stamp, which no test can know. */
static const char *behind_time(const struct record *r)
{
	const char *blank = strchr(r->line, ' ');

	assert_non_null(blank);
	return blank + 1;
}

/* The second now, by the clock of the log: time(2) reads a coarser one, which may lag behind it. */
static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec;
}

/* -- the form -- */

static void a_logfmt_record_has_time_level_and_message(void **state)
{
	struct record *r = *state;

	log_notice("listening on %s", ":7007");
	assert_string_equal(behind_time(r), "level=notice msg=\"listening on :7007\"\n");
	assert_int_equal(r->count, 1);
	assert_int_equal(r->level, LOG_LEVEL_NOTICE);
}

static void logfmt_time_is_rfc_3339_in_utc_with_milliseconds(void **state)
{
	struct record *r = *state;
	time_t before = now(), written;
	struct tm calendar = { 0 };
	const char *rest;

	setenv("TZ", "Asia/Kolkata", 1);
	tzset();
	log_info("now");

	rest = strptime(r->line, "ts=%Y-%m-%dT%H:%M:%S", &calendar);
	assert_non_null(rest);
	assert_int_equal(strspn(rest + 1, "0123456789"), 3);
	assert_int_equal(rest[0], '.');
	assert_int_equal(rest[4], 'Z');
	assert_int_equal(rest[5], ' ');
	written = timegm(&calendar);
	assert_true(written >= before && written <= now());
}

static void a_text_record_has_local_time_and_an_aligned_level(void **state)
{
	struct record *r = *state;
	time_t before, after;
	char earliest[16], latest[16];

	setenv("TZ", "XYZ-05:30", 1);
	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	log_warning("slow");
	assert_string_equal(behind_time(r), "warning slow\n");
	before = now();
	log_info("fast");
	after = now();
	assert_string_equal(behind_time(r), "info    fast\n");

	strftime(earliest, sizeof(earliest), "%T", localtime(&before));
	strftime(latest, sizeof(latest), "%T", localtime(&after));
	if (strcmp(earliest, latest) <= 0)	/* not so when midnight came in between */
		assert_true(memcmp(r->line, earliest, 8) >= 0 && memcmp(r->line, latest, 8) <= 0);
	assert_int_equal(r->line[8], '.');
	assert_int_equal(strspn(r->line + 9, "0123456789"), 3);
}

static void fields_follow_the_message_in_their_order(void **state)
{
	struct record *r = *state;

	log_begin(LOG_LEVEL_INFO, "closed");
	log_field_text("peer", "127.0.0.1:5000");
	log_field_number("id", 7);
	log_field_bytes("first", "abcdef", 3);
	log_field_ms("time", 12345678);
	log_end();
	assert_string_equal(behind_time(r),
			    "level=info msg=\"closed\" peer=127.0.0.1:5000 id=7 first=abc time=12.345ms\n");
}

static void a_colon_stands_before_the_fields_of_a_text_record(void **state)
{
	struct record *r = *state;

	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	log_begin(LOG_LEVEL_INFO, "closed");
	log_field_number("id", 7);
	log_field_text("reason", "peer closed");
	log_end();
	assert_string_equal(behind_time(r), "info    closed: id=7 reason=\"peer closed\"\n");
}

static void a_field_without_text_is_left_out_and_an_empty_one_is_not(void **state)
{
	struct record *r = *state;

	log_begin(LOG_LEVEL_INFO, "m");
	log_field_text("none", NULL);
	log_field_text("empty", "");
	log_field_bytes("nothing", NULL, 0);
	log_end();
	assert_string_equal(behind_time(r), "level=info msg=\"m\" empty=\"\" nothing=\"\"\n");
}

static void numbers_and_spans_print_at_their_bounds(void **state)
{
	static const struct {
		int64_t value;
		const char *fields;
	} cases[] = {
		{ 0, "n=0 t=0.000ms" },
		{ 999, "n=999 t=0.000ms" },
		{ 1000, "n=1000 t=0.001ms" },
		{ 999999999, "n=999999999 t=999.999ms" },
		{ -1, "n=-1 t=0.000ms" },
		{ -1500000, "n=-1500000 t=-1.500ms" },
		{ INT64_MAX, "n=9223372036854775807 t=9223372036854.775ms" },
		{ INT64_MIN, "n=-9223372036854775808 t=-9223372036854.775ms" },
	};
	struct record *r = *state;

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char expected[128];

		log_begin(LOG_LEVEL_INFO, "m");
		log_field_number("n", cases[i].value);
		log_field_ms("t", cases[i].value);
		log_end();
		snprintf(expected, sizeof(expected), "level=info msg=\"m\" %s\n", cases[i].fields);
		assert_string_equal(behind_time(r), expected);
	}
}

/* -- escaping -- */

static void values_that_could_be_misread_are_quoted(void **state)
{
	static const struct {
		const char *value, *written;
	} cases[] = {
		{ "plain", "plain" }, { "a/b:c,[d]'e'", "a/b:c,[d]'e'" }, { "two words", "\"two words\"" },
		{ "a=b", "\"a=b\"" }, { "say \"hi\"", "\"say \\\"hi\\\"\"" }, { "C:\\", "\"C:\\\\\"" },
		{ "\n", "\"\\n\"" }, { "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"" },
	};
	struct record *r = *state;

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char expected[128];

		log_begin(LOG_LEVEL_INFO, "m");
		log_field_text("v", cases[i].value);
		log_end();
		snprintf(expected, sizeof(expected), "level=info msg=\"m\" v=%s\n", cases[i].written);
		assert_string_equal(behind_time(r), expected);
	}
}

/* A record is one line of printable UTF-8. */
static void assert_harmless(const struct record *r)
{
	assert_int_equal(r->line[r->length - 1], '\n');
	for (size_t at = 0; at < r->length - 1;) {
		size_t step = text_utf8_length(r->line + at, r->length - 1 - at);

		assert_true(step > 0);
		assert_true((unsigned char) r->line[at] >= ' ' && r->line[at] != 0x7f);
		at += step;
	}
}

static void a_peer_cannot_forge_a_record_or_drive_the_terminal(void **state)
{
	static const char hostile[] = "x\nts=2024-01-01T00:00:00.000Z level=alert msg=\"forged\"\r"
				      "\033]0;owned\007\xc2\x9b" "31m";
	static const enum log_format formats[] = { LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT };
	struct record *r = *state;

	for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
		log_open(formats[i], LOG_LEVEL_INFO);
		log_info("got %s", hostile);
		assert_harmless(r);
		assert_non_null(strstr(r->line, "got x\\nts=2024"));

		log_begin(LOG_LEVEL_INFO, hostile);
		log_field_text("path", hostile);
		log_end();
		assert_harmless(r);
		assert_non_null(strstr(r->line, "path=\"x\\nts=2024-01-01T00:00:00.000Z level=alert "
						"msg=\\\"forged\\\"\\x0d\\x1b]0;owned\\x07\\xc2\\x9b31m\"\n"));
	}
}

static void every_pair_of_bytes_gives_a_harmless_record(void **state)
{
	struct record *r = *state;

	for (int first = 0; first < 256; first++)
		for (int second = 0; second < 256; second += 5) {
			const char bytes[] = { (char) first, (char) second };

			log_begin(LOG_LEVEL_INFO, "m");
			log_field_bytes("v", bytes, sizeof(bytes));
			log_end();
			assert_harmless(r);
		}
}

/* -- levels -- */

static void records_above_the_level_are_not_written_nor_formatted(void **state)
{
	struct record *r = *state;
	int formatted = 0;

	log_set_level(LOG_LEVEL_WARNING);
	assert_int_equal(log_get_level(), LOG_LEVEL_WARNING);
	log_debug("%d", ++formatted);
	log_info("%d", ++formatted);
	log_notice("%d", ++formatted);
	assert_int_equal(r->count, 0);
	assert_int_equal(formatted, 0);

	log_warning("%d", ++formatted);
	log_error("%d", ++formatted);
	log_alert("%d", ++formatted);
	assert_int_equal(r->count, 3);
	assert_int_equal(formatted, 3);
}

static void every_level_can_be_switched_on_and_named(void **state)
{
	struct record *r = *state;

	for (int level = LOG_LEVEL_ALERT; level <= LOG_LEVEL_DEBUG; level++) {
		enum log_level parsed = LOG_LEVEL_DEBUG;
		size_t before = r->count;

		assert_int_equal(log_level_parse(log_level_name((enum log_level) level), &parsed), 0);
		assert_int_equal(parsed, level);

		log_set_level((enum log_level) level);
		for (int other = LOG_LEVEL_ALERT; other <= LOG_LEVEL_DEBUG; other++)
			log_if((enum log_level) other, "record");
		assert_int_equal(r->count - before, level + 1);
		assert_int_equal(r->level, level);
	}
}

static void names_that_are_no_level_are_refused(void **state)
{
	static const char *const cases[] = { "", "inf", "infos", "warn", " info", "7", "all" };
	enum log_level level = LOG_LEVEL_ERROR;

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(log_level_parse(cases[i], &level), -EINVAL);
		assert_int_equal(level, LOG_LEVEL_ERROR);
	}
	assert_int_equal(log_level_parse("INFO", &level), 0);
	assert_int_equal(level, LOG_LEVEL_INFO);
}

static void logging_leaves_errno_alone(void **state)
{
	(void) state;
	errno = EXDEV;
	log_info("record");
	assert_int_equal(errno, EXDEV);
}

/* -- cuts -- */

static void assert_ends_with(const struct record *r, const char *end)
{
	assert_true(r->length >= strlen(end));
	assert_string_equal(r->line + r->length - strlen(end), end);
}

static void a_long_message_is_cut_visibly_and_stays_one_value(void **state)
{
	struct record *r = *state;
	char message[2 * LOG_LINE_BYTES];

	memset(message, 'm', sizeof(message));
	message[sizeof(message) - 1] = '\0';

	log_info("%s", message);
	assert_ends_with(r, "mmm...\"\n");
	assert_in_range(r->length, LOG_LINE_BYTES - 40, LOG_LINE_BYTES);

	log_open(LOG_FORMAT_TEXT, LOG_LEVEL_INFO);
	log_info("%s", message);
	assert_ends_with(r, "mmm...\n");
}

static void what_comes_behind_a_cut_is_left_out(void **state)
{
	struct record *r = *state;
	char value[2 * LOG_LINE_BYTES];

	memset(value, 'v', sizeof(value));
	log_begin(LOG_LEVEL_INFO, "m");
	log_field_bytes("plain", value, sizeof(value));
	log_field_number("lost", 1);
	log_end();
	assert_ends_with(r, "vvv...\n");
	assert_null(strstr(r->line, "lost"));

	value[0] = ' ';
	log_begin(LOG_LEVEL_INFO, "m");
	log_field_bytes("quoted", value, sizeof(value));
	log_field_number("lost", 1);
	log_end();
	assert_ends_with(r, "vvv...\"\n");
	assert_null(strstr(r->line, "lost"));
}

static void many_fields_are_cut_between_two_of_them(void **state)
{
	struct record *r = *state;

	log_begin(LOG_LEVEL_INFO, "m");
	for (int i = 0; i < LOG_LINE_BYTES; i++)
		log_field_text("key", "");
	log_end();
	assert_ends_with(r, " key=\"\" ...\n");
}

/* Every length near the limit, each with bytes that grow when escaped and characters that must not be torn. */
static void a_cut_at_any_place_leaves_a_harmless_line_below_the_limit(void **state)
{
	static const char *const units[] = {
		"a", " ", "\n", "\x01", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xff", "\"",
	};
	struct record *r = *state;
	char value[LOG_LINE_BYTES + 64];

	for (size_t u = 0; u < ARRAY_LENGTH(units); u++)
		for (size_t lead = LOG_LINE_BYTES - 120; lead < LOG_LINE_BYTES; lead++) {
			size_t length = lead;

			memset(value, 'x', lead);
			for (int i = 0; i < 8; i++) {
				memcpy(value + length, units[u], strlen(units[u]));
				length += strlen(units[u]);
			}
			log_begin(LOG_LEVEL_INFO, "m");
			log_field_bytes("v", value, length);
			log_field_text("w", "a b");
			log_field_number("n", 1);
			log_end();
			assert_harmless(r);
		}
}

/* -- misuse -- */

static void begin_twice(void *arg)
{
	(void) arg;
	log_begin(LOG_LEVEL_INFO, "first");
	log_begin(LOG_LEVEL_INFO, "second");
}

static void add_a_field_outside(void *arg)
{
	(void) arg;
	log_field_number("stray", 1);
}

static void end_nothing(void *arg)
{
	(void) arg;
	log_end();
}

static void records_inside_of_records_and_stray_fields_are_misuse(void **state)
{
	static const struct {
		void (*fn)(void *arg);
		const char *words;
	} cases[] = {
		{ begin_twice, "log_begin(\\\"second\\\") inside of another record" },
		{ add_a_field_outside, "the log field 'stray' is outside of a record" },
		{ end_nothing, "log_end() without log_begin()" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct child_end end;

		child_run(cases[i].fn, NULL, &end);
		assert_true(child_died_of(&end, SIGABRT));
		assert_non_null(strstr(end.text, cases[i].words));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_logfmt_record_has_time_level_and_message),
		TEST(logfmt_time_is_rfc_3339_in_utc_with_milliseconds),
		TEST(a_text_record_has_local_time_and_an_aligned_level),
		TEST(fields_follow_the_message_in_their_order),
		TEST(a_colon_stands_before_the_fields_of_a_text_record),
		TEST(a_field_without_text_is_left_out_and_an_empty_one_is_not),
		TEST(numbers_and_spans_print_at_their_bounds),
		TEST(values_that_could_be_misread_are_quoted),
		TEST(a_peer_cannot_forge_a_record_or_drive_the_terminal),
		TEST(every_pair_of_bytes_gives_a_harmless_record),
		TEST(records_above_the_level_are_not_written_nor_formatted),
		TEST(every_level_can_be_switched_on_and_named),
		TEST(names_that_are_no_level_are_refused),
		TEST(logging_leaves_errno_alone),
		TEST(a_long_message_is_cut_visibly_and_stays_one_value),
		TEST(what_comes_behind_a_cut_is_left_out),
		TEST(many_fields_are_cut_between_two_of_them),
		TEST(a_cut_at_any_place_leaves_a_harmless_line_below_the_limit),
		TEST(records_inside_of_records_and_stray_fields_are_misuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
