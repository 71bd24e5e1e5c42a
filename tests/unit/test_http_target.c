/* Targets, hosts, percent-encoding and query parameters are read strictly. */
#include "service/http_target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void hosts_are_names_or_addresses_with_an_optional_port(void **state)
{
	static const char *const good[] = {
		"", "a", "a.example", "a:80", "a:", "127.0.0.1:8080", "12345", "[::1]", "[::1]:80",
		"[fe80::1%25eth0]", "a%20b", "x_y~z",
	};
	static const char *const bad[] = {
		"a b", "a/b", "a:b", "a:80:90", "u@h", "[::1", "::1", "[]", "[::1]80", "[::1]x", "a\\b", "a%2", "a\"",
		"[a/b]", "a#",
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
		if (!http_authority_is_valid(good[i], strlen(good[i])))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		if (http_authority_is_valid(bad[i], strlen(bad[i])))
			fail_msg("accepted: %s", bad[i]);
	assert_false(http_authority_is_valid("a\0b", 3));
	assert_false(http_authority_is_valid("[a\0:]", 5));
}

static void forms_are_told_apart(void **state)
{
	static const struct {
		const char *target;
		enum http_form form;
	} cases[] = {
		{ "/", HTTP_FORM_ORIGIN },
		{ "//a", HTTP_FORM_ORIGIN },
		{ "*", HTTP_FORM_ASTERISK },
		{ "http://a", HTTP_FORM_ABSOLUTE },
		{ "HTTPS://a/b", HTTP_FORM_ABSOLUTE },
		{ "a:80", HTTP_FORM_OTHER },
		{ "**", HTTP_FORM_OTHER },
		{ "http:/a", HTTP_FORM_OTHER },
		{ "", HTTP_FORM_OTHER },
	};
	struct http_target t;
	const char *why;

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(http_target_split(cases[i].target, strlen(cases[i].target), &t, &why), 0);
		assert_int_equal(t.form, cases[i].form);
	}
}

static void parts_lie_where_they_should(void **state)
{
	struct http_target t;
	const char *why;

	(void) state;
	assert_int_equal(http_target_split("http://[::1]:80?x", 17, &t, &why), 0);
	assert_int_equal(t.path_length, 0);
	assert_int_equal(t.query_at, 16);
	assert_int_equal(t.query_length, 1);
	assert_int_equal(http_target_split("/a?", 3, &t, &why), 0);
	assert_int_equal(t.path_length, 2);
	assert_int_equal(t.query_length, 0);
}

static void refusal_leaves_the_output_alone(void **state)
{
	struct http_target t = { .path_at = 77 };
	const char *why = NULL;

	(void) state;
	assert_int_equal(http_target_split("http://u@a/", 11, &t, &why), -EINVAL);
	assert_int_equal(t.path_at, 77);
	assert_non_null(why);
}

static void percent_encoding_is_decoded_strictly(void **state)
{
	char buffer[8];

	(void) state;
	assert_int_equal(http_percent_decode("a%2Fb%c3%A9", 11, buffer, sizeof(buffer)), 5);
	assert_string_equal(buffer, "a/b\xc3\xa9");
	assert_int_equal(http_percent_decode("1234567", 7, buffer, sizeof(buffer)), 7);
	assert_int_equal(http_percent_decode("12345678", 8, buffer, sizeof(buffer)), -ENAMETOOLONG);
	assert_int_equal(http_percent_decode("", 0, buffer, sizeof(buffer)), 0);
	assert_int_equal(http_percent_decode("", 0, buffer, 0), -ENAMETOOLONG);
	assert_int_equal(http_percent_decode("%00", 3, buffer, sizeof(buffer)), -EINVAL);
	assert_int_equal(http_percent_decode("%", 1, buffer, sizeof(buffer)), -EINVAL);
	assert_int_equal(http_percent_decode("%4", 2, buffer, sizeof(buffer)), -EINVAL);
	assert_int_equal(http_percent_decode("%4x", 3, buffer, sizeof(buffer)), -EINVAL);
	assert_int_equal(http_percent_decode("%41", 2, buffer, sizeof(buffer)), -EINVAL);
}

static void first_parameter_of_the_name_is_found(void **state)
{
	static const char query[] = "xbytes=1&bytes&bytes=%32k&bytes=3&empty=";
	char buffer[8];

	(void) state;
	assert_int_equal(http_query_get(query, sizeof(query) - 1, "bytes", buffer, sizeof(buffer)), 1);
	assert_string_equal(buffer, "2k");
	assert_int_equal(http_query_get(query, sizeof(query) - 1, "empty", buffer, sizeof(buffer)), 1);
	assert_string_equal(buffer, "");
	assert_int_equal(http_query_get(query, sizeof(query) - 1, "byte", buffer, sizeof(buffer)), 0);
	assert_int_equal(http_query_get("", 0, "x", buffer, sizeof(buffer)), 0);
	assert_int_equal(http_query_get("x=123456789", 11, "x", buffer, sizeof(buffer)), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_are_names_or_addresses_with_an_optional_port),
		cmocka_unit_test(forms_are_told_apart),
		cmocka_unit_test(parts_lie_where_they_should),
		cmocka_unit_test(refusal_leaves_the_output_alone),
		cmocka_unit_test(percent_encoding_is_decoded_strictly),
		cmocka_unit_test(first_parameter_of_the_name_is_found),
	};

	return cmocka_run_group_tests_name("http_target", tests, NULL, NULL);
}
