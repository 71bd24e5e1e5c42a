/* test_text.c - parsers and printers of small values. */
#include "base/text.h"
#include "tests/support/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* A repeatable sequence (Knuth's MMIX generator), so that a failure can be found again. */
static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed ^ *seed >> 29;
}

/* -- numbers -- */

static void numbers_are_plain_digits(void **unused)
{
	static const struct {
		const char *text;
		uint64_t value;
	} cases[] = {
		{ "0", 0 }, { "7", 7 }, { "10000", 10000 }, { "010", 10 },
		{ "18446744073709551615", UINT64_MAX }, { "000018446744073709551615", UINT64_MAX },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint64_t value = 1;

		assert_int_equal(text_parse_number(cases[i].text, &value), 0);
		assert_int_equal(value, cases[i].value);
	}
}

static void what_is_not_a_number_is_refused_and_leaves_the_output_alone(void **unused)
{
	static const char *const cases[] = {
		"", " ", "-1", "+1", " 1", "1 ", "1.5", "0x10", "1e3", "1,000", "one", "1\n", "99999999999999999999x",
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint64_t value = 42;

		assert_int_equal(text_parse_number(cases[i], &value), -EINVAL);
		assert_int_equal(value, 42);
	}
}

static void a_number_beyond_64_bits_is_out_of_range(void **unused)
{
	static const char *const cases[] = {
		"18446744073709551616", "18446744073709551620", "99999999999999999999", "184467440737095516150",
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint64_t value = 42;

		assert_int_equal(text_parse_number(cases[i], &value), -ERANGE);
		assert_int_equal(value, 42);
	}
}

/* -- durations -- */

static void durations_have_units_and_may_be_compound(void **unused)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
		{ "0", 0 }, { "00", 0 }, { "0ms", 0 }, { "0s", 0 }, { "1ms", 1 }, { "500ms", 500 },
		{ "30s", 30 * SECOND },
		{ "5m", 5 * MINUTE }, { "1h", HOUR }, { "2d", 2 * DAY }, { "1h30m", 90 * MINUTE },
		{ "90m", 90 * MINUTE },
		{ "1h05m", 65 * MINUTE }, { "1m1ms", MINUTE + 1 },
		{ "1d2h3m4s5ms", DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND + 5 }, { "1h90m", HOUR + 90 * MINUTE },
		{ "off", FOREVER }, { "OFF", FOREVER }, { "9223372036854775806ms", FOREVER - 1 },
		{ "106751991167d", 106751991167 * DAY },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		int64_t ms = -1;

		assert_int_equal(text_parse_duration(cases[i].text, &ms), 0);
		assert_int_equal(ms, cases[i].ms);
	}
}

static void assert_no_duration(const char *text, int error)
{
	int64_t ms = 42;

	assert_int_equal(text_parse_duration(text, &ms), error);
	assert_int_equal(ms, 42);
}

static void what_is_not_a_duration_is_refused(void **unused)
{
	static const char *const cases[] = {
		"", " ", "s", "ms", "-1s", "+1s", " 1s", "1s ", "1 s", "1.5s", "1,5s", "5M", "5S", "5min", "5sec",
		"1w", "1y",
		"1us", "30m1h", "1h1h", "1ms1s", "1h-30m", "1h 30m", "1hm", "offs", "of", "forever",
		"99999999999999999999x",
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		assert_no_duration(cases[i], -EINVAL);
}

static void a_duration_without_unit_is_told_apart(void **unused)
{
	static const char *const cases[] = {
		"30", "1", "1h30", "1m0", "9223372036854775807", "99999999999999999999",
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		assert_no_duration(cases[i], -ENOTUNIQ);
}

static void a_duration_that_reaches_forever_is_out_of_range(void **unused)
{
	static const char *const cases[] = {
		"9223372036854775807ms", "9223372036854775808ms", "18446744073709551615ms", "18446744073709551616ms",
		"9223372036854776s", "106751991168d", "18446744073709551615d", "106751991167d7h12m55s807ms",
		"213503982334d14h25m51s616ms",
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		assert_no_duration(cases[i], -ERANGE);
}

static void durations_print_in_their_shortest_form(void **unused)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "0" }, { 1, "1ms" }, { 999, "999ms" }, { 1000, "1s" }, { 1500, "1500ms" },
		{ 30 * SECOND, "30s" },
		{ 60 * SECOND, "1m" }, { 90 * SECOND, "90s" }, { 5 * MINUTE, "5m" }, { 90 * MINUTE, "90m" },
		{ HOUR, "1h" },
		{ 36 * HOUR, "36h" }, { DAY, "1d" }, { 2 * DAY, "2d" }, { DAY + 1, "1d1ms" },
		{ 3 * DAY + 2 * SECOND, "3d2s" },
		{ FOREVER, "off" }, { FOREVER - 1, "9223372036854775806ms" },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char buffer[TEXT_SHORT_BYTES];

		assert_ptr_equal(text_print_duration(cases[i].ms, buffer), buffer);
		assert_string_equal(buffer, cases[i].text);
	}
}

static void a_printed_duration_parses_back_to_itself(void **unused)
{
	uint64_t seed = 1;

	(void) unused;
	for (int i = 0; i < 20000; i++) {
		/* Of all magnitudes, not only the largest. */
		int64_t ms = (int64_t) (next_random(&seed) >> (1 + i % 63)), back = -1;
		char buffer[TEXT_SHORT_BYTES];

		assert_int_equal(text_parse_duration(text_print_duration(ms, buffer), &back), 0);
		assert_int_equal(back, ms);
	}
}

static void print_negative_duration(void *arg)
{
	char buffer[TEXT_SHORT_BYTES];

	text_print_duration(*(int64_t *) arg, buffer);
}

static void a_negative_duration_is_misuse(void **unused)
{
	struct child_end end;
	int64_t ms = -1;

	(void) unused;
	child_run(print_negative_duration, &ms, &end);
	assert_true(child_died_of(&end, SIGABRT));
	assert_non_null(strstr(end.text, "a duration of -1 ms"));
}

/* -- sizes -- */

static void sizes_are_powers_of_1024(void **unused)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{ "0", 0 }, { "0b", 0 }, { "0g", 0 }, { "512b", 512 }, { "64k", 65536 }, { "1m", 1048576 },
		{ "2g", UINT64_C(2) << 30 }, { "18446744073709551615b", UINT64_MAX },
		{ "17179869183g", UINT64_C(17179869183) << 30 },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint64_t bytes = 1;

		assert_int_equal(text_parse_size(cases[i].text, &bytes), 0);
		assert_int_equal(bytes, cases[i].bytes);
	}
}

static void what_is_not_a_size_is_refused_with_the_reason(void **unused)
{
	static const struct {
		const char *text;
		int error;
	} cases[] = {
		{ "", -EINVAL }, { "k", -EINVAL }, { "-1k", -EINVAL }, { "+1k", -EINVAL }, { " 1k", -EINVAL },
		{ "1k ", -EINVAL }, { "1 k", -EINVAL }, { "1.5k", -EINVAL }, { "64K", -EINVAL }, { "64kb", -EINVAL },
		{ "64kib", -EINVAL }, { "1t", -EINVAL }, { "1k1b", -EINVAL }, { "off", -EINVAL },
		{ "99999999999999999999x", -EINVAL },
		{ "1", -ENOTUNIQ }, { "65536", -ENOTUNIQ }, { "18446744073709551616", -ENOTUNIQ },
		{ "18446744073709551616b", -ERANGE }, { "17179869184g", -ERANGE }, { "18014398509481984k", -ERANGE },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint64_t bytes = 42;

		assert_int_equal(text_parse_size(cases[i].text, &bytes), cases[i].error);
		assert_int_equal(bytes, 42);
	}
}

static void sizes_print_in_the_largest_unit_that_divides_them(void **unused)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0" }, { 1, "1b" }, { 1000, "1000b" }, { 1023, "1023b" }, { 1024, "1k" }, { 1025, "1025b" },
		{ 1536, "1536b" }, { 65536, "64k" }, { 1 << 20, "1m" }, { 3 << 19, "1536k" },
		{ UINT64_C(5) << 30, "5g" },
		{ UINT64_C(1) << 40, "1024g" }, { UINT64_MAX, "18446744073709551615b" },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char buffer[TEXT_SHORT_BYTES];

		assert_ptr_equal(text_print_size(cases[i].bytes, buffer), buffer);
		assert_string_equal(buffer, cases[i].text);
	}
}

static void a_printed_size_parses_back_to_itself(void **unused)
{
	uint64_t seed = 2;

	(void) unused;
	for (int i = 0; i < 20000; i++) {
		uint64_t bytes = next_random(&seed) >> i % 64 << i % 31, back = 1;
		char buffer[TEXT_SHORT_BYTES];

		assert_int_equal(text_parse_size(text_print_size(bytes, buffer), &back), 0);
		assert_int_equal(back, bytes);
	}
}

/* -- booleans -- */

static void booleans_are_six_words_in_any_case(void **unused)
{
	static const char *const yes[] = { "on", "yes", "true", "ON", "Yes", "tRUE" };
	static const char *const no[] = { "off", "no", "false", "OFF", "No", "fALSE" };
	static const char *const neither[] = { "", "1", "0", "y", "n", "on ", " on", "enable", "tru", "truee" };
	bool value;

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(yes); i++) {
		value = false;
		assert_int_equal(text_parse_bool(yes[i], &value), 0);
		assert_true(value);
		value = true;
		assert_int_equal(text_parse_bool(no[i], &value), 0);
		assert_false(value);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(neither); i++) {
		value = true;
		assert_int_equal(text_parse_bool(neither[i], &value), -EINVAL);
		assert_true(value);
	}
}

/* -- the rest -- */

static void starts_with_compares_the_whole_prefix(void **unused)
{
	(void) unused;
	assert_true(text_starts_with("unix:/run", "unix:"));
	assert_true(text_starts_with("unix:", "unix:"));
	assert_true(text_starts_with("anything", ""));
	assert_false(text_starts_with("unix", "unix:"));
	assert_false(text_starts_with("", "u"));
	assert_false(text_starts_with("Unix:", "unix:"));
}

static void append_moves_on_and_cuts_at_the_end(void **unused)
{
	char buffer[8];
	size_t position = 0;

	(void) unused;
	text_append(buffer, sizeof(buffer), &position, "%d", 12);
	assert_int_equal(position, 2);
	text_append(buffer, sizeof(buffer), &position, "%s", "345");
	assert_string_equal(buffer, "12345");
	text_append(buffer, sizeof(buffer), &position, "%s", "6789");
	assert_string_equal(buffer, "1234567");
	assert_int_equal(position, 7);
	text_append(buffer, sizeof(buffer), &position, "more");
	assert_string_equal(buffer, "1234567");
	assert_int_equal(position, 7);
}

static void append_to_no_buffer_writes_nothing(void **unused)
{
	char byte = '#';
	size_t position = 0;

	(void) unused;
	text_append(&byte, 0, &position, "abc");
	assert_int_equal(byte, '#');
	assert_int_equal(position, 0);
}

static void assert_put(uint64_t number, unsigned digits, const char *expected)
{
	char text[TEXT_NUMBER_BYTES + 1];
	size_t length = text_put_number(text, number, digits);

	assert_in_range(length, 1, TEXT_NUMBER_BYTES);
	text[length] = '\0';
	assert_string_equal(text, expected);
}

static void numbers_are_put_with_as_many_digits_as_they_need_or_as_are_asked_for(void **unused)
{
	(void) unused;
	assert_put(0, 0, "0");
	assert_put(0, 1, "0");
	assert_put(9, 1, "9");
	assert_put(10, 1, "10");
	assert_put(99, 1, "99");
	assert_put(100, 1, "100");
	assert_put(109, 1, "109");
	assert_put(1000, 1, "1000");
	assert_put(70605, 1, "70605");
	assert_put(UINT64_MAX, 1, "18446744073709551615");
	assert_put(0, 3, "000");
	assert_put(7, 2, "07");
	assert_put(45, 3, "045");
	assert_put(1234, 3, "1234");
	assert_put(5, TEXT_NUMBER_BYTES + 5, "00000000000000000005");
	for (uint64_t n = 0; n < 100000; n++) {
		char expected[TEXT_NUMBER_BYTES + 1];

		snprintf(expected, sizeof(expected), "%llu", (unsigned long long) n);
		assert_put(n, 1, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_plain_digits),
		cmocka_unit_test(what_is_not_a_number_is_refused_and_leaves_the_output_alone),
		cmocka_unit_test(a_number_beyond_64_bits_is_out_of_range),
		cmocka_unit_test(durations_have_units_and_may_be_compound),
		cmocka_unit_test(what_is_not_a_duration_is_refused),
		cmocka_unit_test(a_duration_without_unit_is_told_apart),
		cmocka_unit_test(a_duration_that_reaches_forever_is_out_of_range),
		cmocka_unit_test(durations_print_in_their_shortest_form),
		cmocka_unit_test(a_printed_duration_parses_back_to_itself),
		cmocka_unit_test(a_negative_duration_is_misuse),
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(what_is_not_a_size_is_refused_with_the_reason),
		cmocka_unit_test(sizes_print_in_the_largest_unit_that_divides_them),
		cmocka_unit_test(a_printed_size_parses_back_to_itself),
		cmocka_unit_test(booleans_are_six_words_in_any_case),
		cmocka_unit_test(starts_with_compares_the_whole_prefix),
		cmocka_unit_test(append_moves_on_and_cuts_at_the_end),
		cmocka_unit_test(append_to_no_buffer_writes_nothing),
		cmocka_unit_test(numbers_are_put_with_as_many_digits_as_they_need_or_as_are_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
