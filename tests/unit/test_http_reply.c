/* Heads of responses, their dates and their phrases. */
#include "service/http_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void expect_head(const struct http_reply *r, const char *wanted)
{
	char buffer[HTTP_REPLY_HEAD_BYTES + 1];
	size_t n = http_reply_print(r, buffer);

	assert_in_range(n, 1, HTTP_REPLY_HEAD_BYTES);
	buffer[n] = '\0';
	assert_string_equal(buffer, wanted);
}

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static void head_says_how_the_body_is_framed(void **state)
{
	struct http_reply r = { .status = 200, .type = "text/plain", .fields = "", .length = 18446744073709551615u,
				.now = 784111777 };

	(void) state;
	expect_head(&r, "HTTP/1.1 200 OK\r\n" DATE
			"Content-Type: text/plain\r\nContent-Length: 18446744073709551615\r\n\r\n");
	r.framing = HTTP_FRAMED_IN_CHUNKS;
	r.connection = "close";
	expect_head(&r, "HTTP/1.1 200 OK\r\n" DATE
			"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
	r.framing = HTTP_WITHOUT_BODY;
	r.type = NULL;
	r.fields = "Allow: GET\r\n";
	expect_head(&r, "HTTP/1.1 200 OK\r\n" DATE "Allow: GET\r\nConnection: close\r\n\r\n");
}

static void status_without_a_phrase_keeps_its_space(void **state)
{
	struct http_reply r = { .status = 299, .fields = "", .framing = HTTP_WITHOUT_BODY, .now = 784111777 };

	(void) state;
	expect_head(&r, "HTTP/1.1 299 \r\n" DATE "\r\n");
	assert_string_equal(http_reason(404), "Not Found");
}

static void bodiless_statuses_are_known(void **state)
{
	(void) state;
	for (unsigned status = 100; status < 600; status++)
		assert_int_equal(http_status_is_bodiless(status), status < 200 || status == 204 || status == 304);
}

static void dates_agree_with_the_c_library(void **state)
{
	char mine[HTTP_DATE_BYTES], theirs[HTTP_DATE_BYTES];

	/* Steps of 11 hours and a bit meet every day of eight centuries, at all hours. */
	(void) state;
	for (time_t t = 0; t < INT64_C(800) * 365 * 86400; t += 39623) {
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		assert_string_equal(http_date_print(t, mine), theirs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_says_how_the_body_is_framed),
		cmocka_unit_test(status_without_a_phrase_keeps_its_space),
		cmocka_unit_test(bodiless_statuses_are_known),
		cmocka_unit_test(dates_agree_with_the_c_library),
	};

	return cmocka_run_group_tests_name("http_reply", tests, NULL, NULL);
}
