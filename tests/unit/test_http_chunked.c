/* The chunked coding is read strictly, and the content does not depend on how the bytes were split. */
#include "service/http_chunked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *bytes, *content;	/* content NULL: refused */
} samples[] = {
	{ "0\r\n\r\n", "" },
	{ "5\r\nhello\r\n0\r\n\r\n", "hello" },
	{ "5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n", "hello world" },
	{ "A\r\n0123456789\r\na\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", "0123456789\r\n\r\n\r\n\r\n\r\n" },
	{ "1;a=b;c=\"d e\"\r\nx\r\n0;z\r\n\r\n", "x" },
	{ "1\r\nx\r\n0\r\nTrailer: a b\r\nEmpty:\r\n\r\n", "x" },
	{ "\r\n", NULL },
	{ ";a\r\n", NULL },
	{ " 1\r\nx\r\n0\r\n\r\n", NULL },
	{ "1 \r\nx\r\n0\r\n\r\n", NULL },
	{ "1 ;a\r\nx\r\n0\r\n\r\n", NULL },
	{ "+1\r\nx\r\n0\r\n\r\n", NULL },
	{ "-1\r\nx\r\n0\r\n\r\n", NULL },
	{ "0x1\r\nx\r\n0\r\n\r\n", NULL },
	{ "g\r\n", NULL },
	{ "1\nx\r\n0\r\n\r\n", NULL },
	{ "1\rx\r\n0\r\n\r\n", NULL },
	{ "1\r\nxy\r\n0\r\n\r\n", NULL },
	{ "1\r\nx\n0\r\n\r\n", NULL },
	{ "1\r\nx0\r\n\r\n", NULL },
	{ "1;a\nb\r\nx\r\n0\r\n\r\n", NULL },
	{ "1;a\x01\r\nx\r\n0\r\n\r\n", NULL },
	{ "1;a\rb\r\nx\r\n0\r\n\r\n", NULL },
	{ "0\r\n\n", NULL },
	{ "0\r\n\rx", NULL },
	{ "0\r\n folded\r\n\r\n", NULL },
	{ "0\r\n: a\r\n\r\n", NULL },
	{ "0\r\nA : a\r\n\r\n", NULL },
	{ "0\r\nA\r\n\r\n", NULL },
	{ "0\r\nA: a\n\r\n", NULL },
	{ "0\r\nA: \x7f\r\n\r\n", NULL },
	{ "10000000000000000\r\n", NULL },
	{ "00000000000000001\r\n", NULL },
};

/* Decodes `length` bytes shown in pieces that end at multiples of `step`; `first` is the length of the first one. */
static enum http_verdict decode(const char *bytes, size_t length, size_t first, size_t step, char *content,
				size_t *ret_used)
{
	struct http_chunked d;
	enum http_verdict v = HTTP_MORE;
	size_t at = 0, shown = MIN(first, length), kept = 0;

	http_chunked_init(&d);
	while (v == HTTP_MORE) {
		size_t used, n;

		if (at == shown) {
			if (shown == length)
				break;
			shown = MIN(shown + step, length);
		}
		v = http_chunked_next(&d, bytes + at, shown - at, &used, &n);
		memcpy(content + kept, bytes + at + used - n, n);
		kept += n;
		at += used;
	}
	content[kept] = '\0';
	*ret_used = at;
	return v;
}

static void check(size_t i, size_t first, size_t step)
{
	char content[128];
	size_t used;
	enum http_verdict v = decode(samples[i].bytes, strlen(samples[i].bytes), first, step, content, &used);

	if (v != (samples[i].content ? HTTP_DONE : HTTP_REFUSED))
		fail_msg("sample %zu cut at %zu: verdict %d", i, first, v);
	if (!samples[i].content)
		return;
	assert_string_equal(content, samples[i].content);
	assert_int_equal(used, strlen(samples[i].bytes));
}

static void each_sample_gets_its_verdict_and_content(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(samples); i++)
		check(i, SIZE_MAX, 1);
}

static void content_is_the_same_for_every_split_in_two_and_byte_by_byte(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
		for (size_t cut = 0; cut <= strlen(samples[i].bytes); cut++)
			check(i, cut, SIZE_MAX / 2);
		check(i, 1, 1);
	}
}

static void nothing_behind_the_body_is_used(void **state)
{
	char content[64];
	size_t used;

	(void) state;
	assert_int_equal(decode("1\r\nx\r\n0\r\n\r\nGET /", 16, SIZE_MAX, 1, content, &used), HTTP_DONE);
	assert_int_equal(used, 11);
}

static void whole_of_64_bits_can_be_a_size(void **state)
{
	struct http_chunked d;
	size_t used, content;

	(void) state;
	http_chunked_init(&d);
	assert_int_equal(http_chunked_next(&d, "ffffffffffffffff\r\nxyz", 21, &used, &content), HTTP_MORE);
	assert_int_equal(used, 21);
	assert_int_equal(content, 3);
	assert_true(d.left == UINT64_MAX - 3);
}

/* Feeds `count` times the same text behind a prefix, until there is a verdict. */
static enum http_verdict feed(const char *prefix, const char *text, size_t count)
{
	struct http_chunked d;
	size_t used, content;
	enum http_verdict v;

	http_chunked_init(&d);
	v = http_chunked_next(&d, prefix, strlen(prefix), &used, &content);
	for (size_t i = 0; i < count && v == HTTP_MORE; i++)
		for (size_t at = 0; at < strlen(text) && v == HTTP_MORE; at += used)
			v = http_chunked_next(&d, text + at, strlen(text) - at, &used, &content);
	return v;
}

static void extensions_of_a_chunk_are_bounded(void **state)
{
	(void) state;
	assert_int_equal(feed("1;", "a", HTTP_EXTENSION_BYTES), HTTP_MORE);
	assert_int_equal(feed("1;", "a", HTTP_EXTENSION_BYTES + 1), HTTP_REFUSED);
}

static void extensions_of_a_body_are_bounded(void **state)
{
	static const char text[] = "1;0123456789abcdef\r\nx\r\n";

	(void) state;
	assert_int_equal(feed("", text, HTTP_EXTENSIONS_BYTES / 16), HTTP_MORE);
	assert_int_equal(feed("", text, HTTP_EXTENSIONS_BYTES / 16 + 1), HTTP_REFUSED);
}

static void trailers_are_bounded(void **state)
{
	(void) state;
	assert_int_equal(feed("0\r\nX:", "a", HTTP_TRAILER_BYTES - 2), HTTP_MORE);
	assert_int_equal(feed("0\r\nX:", "a", HTTP_TRAILER_BYTES - 1), HTTP_REFUSED);
}

static void verdict_stays(void **state)
{
	struct http_chunked d;
	size_t used, content;

	(void) state;
	http_chunked_init(&d);
	assert_int_equal(http_chunked_next(&d, "x", 1, &used, &content), HTTP_REFUSED);
	assert_int_equal(http_chunked_next(&d, "1\r\n", 3, &used, &content), HTTP_REFUSED);
	assert_int_equal(used, 0);
	http_chunked_init(&d);
	assert_int_equal(http_chunked_next(&d, "0\r\n\r\n", 5, &used, &content), HTTP_DONE);
	assert_int_equal(http_chunked_next(&d, "1\r\n", 3, &used, &content), HTTP_DONE);
	assert_int_equal(used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sample_gets_its_verdict_and_content),
		cmocka_unit_test(content_is_the_same_for_every_split_in_two_and_byte_by_byte),
		cmocka_unit_test(nothing_behind_the_body_is_used),
		cmocka_unit_test(whole_of_64_bits_can_be_a_size),
		cmocka_unit_test(extensions_of_a_chunk_are_bounded),
		cmocka_unit_test(extensions_of_a_body_are_bounded),
		cmocka_unit_test(trailers_are_bounded),
		cmocka_unit_test(verdict_stays),
	};

	return cmocka_run_group_tests_name("http_chunked", tests, NULL, NULL);
}
