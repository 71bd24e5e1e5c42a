/* test_text_words.c - foreign bytes made printable, and words that were probably meant. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* -- UTF-8 and escaping -- */

static void utf8_characters_have_their_length(void **unused)
{
	(void) unused;
	assert_int_equal(text_utf8_length("a", 1), 1);
	assert_int_equal(text_utf8_length("\0", 1), 1);
	assert_int_equal(text_utf8_length("\x7f", 1), 1);
	assert_int_equal(text_utf8_length("\xc2\x80", 2), 2);
	assert_int_equal(text_utf8_length("\xdf\xbf", 2), 2);
	assert_int_equal(text_utf8_length("\xe0\xa0\x80", 3), 3);
	assert_int_equal(text_utf8_length("\xed\x9f\xbf", 3), 3);
	assert_int_equal(text_utf8_length("\xee\x80\x80", 3), 3);
	assert_int_equal(text_utf8_length("\xf0\x90\x80\x80", 4), 4);
	assert_int_equal(text_utf8_length("\xf4\x8f\xbf\xbf", 4), 4);
	assert_int_equal(text_utf8_length("\xc3\xa4" "bc", 4), 2);
}

static void what_is_not_utf8_has_no_length(void **unused)
{
	static const char *const cases[] = {
		"\x80", "\xbf", "\xc3", "\xc3" "a", "\xe2\x82", "\xe2\x82" "a", "\xf0\x9f\x98", "\xf0\x9f\x98" "a",
		"\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80",
		"\xfe", "\xff",
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		assert_int_equal(text_utf8_length(cases[i], strlen(cases[i])), 0);
	assert_int_equal(text_utf8_length("a", 0), 0);
	assert_int_equal(text_utf8_length("\xc3\xa4", 1), 0);
}

static void assert_escaped(const char *bytes, size_t length, const char *expected)
{
	char buffer[256];

	assert_int_equal(text_escape(bytes, length, buffer, sizeof(buffer)), strlen(expected));
	assert_string_equal(buffer, expected);
}

static void printable_text_stays_as_it_is(void **unused)
{
	static const char *const cases[] = {
		"", "GET / HTTP/1.1", "~", "\xc2\xa0", "gr\xc3\xbc\xc3\x9f", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		assert_escaped(cases[i], strlen(cases[i]), cases[i]);
}

static void quotes_backslashes_and_controls_are_escaped(void **unused)
{
	(void) unused;
	assert_escaped("a\nb\tc\"d\\e", 9, "a\\nb\\tc\\\"d\\\\e");
	assert_escaped("\0\r\033[31m\x7f", 8, "\\x00\\x0d\\x1b[31m\\x7f");
}

static void broken_utf8_is_escaped_byte_by_byte(void **unused)
{
	(void) unused;
	assert_escaped("\xff" "a\xc3", 3, "\\xffa\\xc3");
	assert_escaped("\xe2\x82" "a", 3, "\\xe2\\x82a");
	assert_escaped("\xc0\x8a", 2, "\\xc0\\x8a");
	assert_escaped("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");
}

static void characters_that_deceive_the_eye_are_escaped(void **unused)
{
	(void) unused;
	assert_escaped("\xc2\x9b" "2J", 4, "\\xc2\\x9b2J");	/* CSI in one character */
	assert_escaped("\xc2\x85", 2, "\\xc2\\x85");	/* next line */
	assert_escaped("\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8");	/* line separator */
	assert_escaped("\xe2\x80\xae" "abc", 6, "\\xe2\\x80\\xaeabc");	/* right-to-left override */
	assert_escaped("\xe2\x81\xa6", 3, "\\xe2\\x81\\xa6");	/* left-to-right isolate */
	assert_escaped("\xe2\x80\x8b", 3, "\\xe2\\x80\\x8b");	/* zero width space */
	assert_escaped("\xef\xbb\xbf", 3, "\\xef\\xbb\\xbf");	/* byte order mark */
	assert_escaped("\xf3\xa0\x80\x81", 4, "\\xf3\\xa0\\x80\\x81");	/* tag */
}

static void no_byte_whatever_escapes_to_a_raw_control(void **unused)
{
	(void) unused;
	for (int first = 0; first < 256; first++)
		for (int second = 0; second < 256; second++) {
			const char bytes[2] = { (char) first, (char) second };
			char buffer[16];
			size_t length = text_escape(bytes, 2, buffer, sizeof(buffer));

			assert_int_equal(strlen(buffer), length);
			for (size_t at = 0; at < length;) {
				size_t step = text_utf8_length(buffer + at, length - at);

				assert_true(step > 0);
				assert_true((unsigned char) buffer[at] >= ' ' && buffer[at] != 0x7f);
				at += step;
			}
		}
}

static void escaped_text_is_cut_at_a_whole_character(void **unused)
{
	static const char bytes[] = "a\xe2\x82\xac\n\x01z";
	static const char expected[] = "a\xe2\x82\xac\\n\\x01z";
	/* Where a cut may fall: behind a, the euro, \n, \x01 and z. */
	static const size_t boundaries[] = { 0, 1, 4, 6, 10, 11 };

	(void) unused;
	for (size_t size = 1; size <= sizeof(expected); size++) {
		char buffer[sizeof(expected) + 1];
		size_t length, fits = 0;

		memset(buffer, '#', sizeof(buffer));
		length = text_escape(bytes, strlen(bytes), buffer, size);
		for (size_t i = 0; i < ARRAY_LENGTH(boundaries); i++)
			if (boundaries[i] < size)
				fits = boundaries[i];
		assert_int_equal(length, fits);
		assert_memory_equal(buffer, expected, length);
		assert_int_equal(buffer[length], '\0');
		assert_int_equal(buffer[size], '#');
	}
}

static void escaping_into_no_room_writes_nothing(void **unused)
{
	char byte = '#';

	(void) unused;
	assert_int_equal(text_escape("abc", 3, &byte, 0), 0);
	assert_int_equal(byte, '#');
}

/* -- suggestions -- */

static void distance_counts_changes_and_swaps(void **unused)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} cases[] = {
		{ "", "", 0 }, { "", "abc", 3 }, { "abc", "", 3 }, { "abc", "abc", 0 }, { "abc", "abd", 1 },
		{ "abc", "ab", 1 },
		{ "abc", "xabc", 1 }, { "ab", "ba", 1 }, { "idel", "idle", 1 }, { "kitten", "sitting", 3 },
		{ "ca", "abc", 3 }, { "abcdef", "badcfe", 3 }, { "listen", "lsiten", 1 },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(text_distance(cases[i].a, cases[i].b, 10), cases[i].distance);
		assert_int_equal(text_distance(cases[i].b, cases[i].a, 10), cases[i].distance);
	}
}

static void distance_stops_behind_its_limit(void **unused)
{
	(void) unused;
	assert_int_equal(text_distance("abc", "xyz", 3), 3);
	assert_int_equal(text_distance("abc", "xyz", 2), 3);
	assert_int_equal(text_distance("abcdef", "uvwxyz", 2), 3);
	assert_int_equal(text_distance("abc", "xyz", 0), 1);
}

static void strings_beyond_63_bytes_are_never_near(void **unused)
{
	char longest[64], longer[65];

	(void) unused;
	memset(longest, 'a', sizeof(longest));
	longest[63] = '\0';
	memset(longer, 'a', sizeof(longer));
	longer[64] = '\0';
	assert_int_equal(text_distance(longest, longest, 2), 0);
	assert_int_equal(text_distance(longest, longest + 1, 2), 1);
	assert_int_equal(text_distance(longest, longer, 2), 3);
	assert_int_equal(text_distance(longer, longer, 2), 3);
	assert_null(text_suggest(longer, (const char *const[]) { longer, NULL }));
	assert_ptr_equal(text_suggest(longest, (const char *const[]) { longer, longest, NULL }), longest);
}

static void the_nearest_word_is_suggested(void **unused)
{
	static const char *const words[] = {
		"listen", "idle_timeout", "tls", "type", "max_connections", "deny", NULL,
	};
	static const struct {
		const char *text, *suggestion;
	} cases[] = {
		{ "idel_timeout", "idle_timeout" }, { "idle_timeot", "idle_timeout" },
		{ "idletimeout", "idle_timeout" },
		{ "lisen", "listen" }, { "lsitne", "listen" }, { "LISTEN", "listen" }, { "Typ", "type" },
		{ "tsl", "tls" },
		{ "max_conections", "max_connections" }, { "tls", "tls" }, { "dney", "deny" },
		{ "", NULL }, { "x", NULL }, { "xyz", NULL }, { "timeout", NULL }, { "listeners", NULL },
		{ "txx", NULL },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		const char *suggestion = text_suggest(cases[i].text, words);

		if (cases[i].suggestion) {
			assert_non_null(suggestion);
			assert_string_equal(suggestion, cases[i].suggestion);
		} else {
			assert_null(suggestion);
		}
	}
}

static void nearer_words_win_and_of_equals_the_first(void **unused)
{
	static const char *const weights[] = { "wait", "eight", "weight", NULL };
	static const char *const rhymes[] = { "bat", "hat", NULL }, *const cases[] = { "bat", "CAT", NULL };
	static const char *const none[] = { NULL };

	(void) unused;
	assert_string_equal(text_suggest("weigth", weights), "weight");
	assert_string_equal(text_suggest("cat", rhymes), "bat");
	assert_string_equal(text_suggest("cat", cases), "CAT");
	assert_null(text_suggest("cat", none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_characters_have_their_length),
		cmocka_unit_test(what_is_not_utf8_has_no_length),
		cmocka_unit_test(printable_text_stays_as_it_is),
		cmocka_unit_test(quotes_backslashes_and_controls_are_escaped),
		cmocka_unit_test(broken_utf8_is_escaped_byte_by_byte),
		cmocka_unit_test(characters_that_deceive_the_eye_are_escaped),
		cmocka_unit_test(no_byte_whatever_escapes_to_a_raw_control),
		cmocka_unit_test(escaped_text_is_cut_at_a_whole_character),
		cmocka_unit_test(escaping_into_no_room_writes_nothing),
		cmocka_unit_test(distance_counts_changes_and_swaps),
		cmocka_unit_test(distance_stops_behind_its_limit),
		cmocka_unit_test(strings_beyond_63_bytes_are_never_near),
		cmocka_unit_test(the_nearest_word_is_suggested),
		cmocka_unit_test(nearer_words_win_and_of_equals_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
