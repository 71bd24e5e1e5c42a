/* Requests are read strictly, and the verdict does not depend on how their bytes were split. */
#include "service/http_field.h"
#include "service/http_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define H "Host: a\r\n"

struct sample {
	const char *bytes;
	unsigned status;	/* 0: accepted */
	size_t length;		/* 0: of the string */
};

static const struct sample samples[] = {
	/* accepted */
	{ "GET / HTTP/1.1\r\n" H "\r\n", 0, 0 },
	{ "GET / HTTP/1.0\r\n\r\n", 0, 0 },
	{ "GET / HTTP/1.7\r\n" H "\r\n", 0, 0 },
	{ "\r\nGET / HTTP/1.1\r\n" H "\r\n", 0, 0 },
	{ "GET /a%20b?c=%64&e HTTP/1.1\r\nhOsT:\t a:80 \t\r\nX:\r\nY: \xc3\xa9\t.\r\n\r\n", 0, 0 },
	{ "GET http://a.example:80/x?y HTTP/1.1\r\nHost: other\r\n\r\n", 0, 0 },
	{ "GET HTTPS://[::1]:80 HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0, 0 },
	{ "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", 0, 0 },
	{ "OPTIONS http://a HTTP/1.1\r\n" H "\r\n", 0, 0 },
	{ "M-SEARCH / HTTP/1.1\r\n" H "\r\n", 0, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551615\r\n\r\n", 0, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length:00005\r\n\r\nhello", 0, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 0, 0 },
	{ "POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nConnection: x, Close ,\r\n\r\n", 0, 0 },

	/* lines */
	{ "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "\nGET / HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "\rGET / HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ " GET / HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET / HTTP/1.1\n" H "\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r" H "\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\r\n" H "\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\nHost: a\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\n", 400, 0 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n\rX", 400, 0 },
	{ "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400, sizeof("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n") - 1 },
	{ "GET /\0 HTTP/1.1\r\n" H "\r\n", 400, sizeof("GET /\0 HTTP/1.1\r\n" H "\r\n") - 1 },
	{ "\0", 400, 1 },
	{ "\x16\x03\x01", 400, 0 },

	/* the request line */
	{ "GET /\r\n", 400, 0 },
	{ "GET\r\n", 400, 0 },
	{ "GET  / HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET /  HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET / HTTP/1.1 \r\n" H "\r\n", 400, 0 },
	{ "GET\t/ HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET / http/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET / HTTP/1.10\r\n" H "\r\n", 400, 0 },
	{ "GET / HTTP/11\r\n" H "\r\n", 400, 0 },
	{ "GET / HTTP/+1.\r\n" H "\r\n", 400, 0 },
	{ "GET / HTTP/2.0\r\n" H "\r\n", 505, 0 },
	{ "GET / HTTP/0.9\r\n\r\n", 505, 0 },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 0 },
	{ "G(T / HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJ / HTTP/1.1\r\n" H "\r\n", 501, 0 },

	/* targets */
	{ "GET /a#b HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET /\x7f HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET /<> HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET /% HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET /%4 HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET /?%4g HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET * HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET a HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET ftp://a/ HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET http:/// HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET http://:80/ HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "GET http://u@a/ HTTP/1.1\r\n" H "\r\n", 400, 0 },
	{ "CONNECT a:443 HTTP/1.1\r\n" H "\r\n", 501, 0 },

	/* fields */
	{ "GET / HTTP/1.1\r\n X: a\r\n" H "\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\n" H "X : a\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\n" H "X\t: a\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\n" H ": a\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\n" H "X\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\n" H "X(: a\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", 400, 0 },

	/* Host */
	{ "GET / HTTP/1.1\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\n" H H "\r\n", 400, 0 },
	{ "GET / HTTP/1.0\r\n" H H "\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, 0 },
	{ "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, 0 },

	/* framing */
	{ "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5.0\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\ncontent-length: 6\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: , chunked\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b" "chunked\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", 400, 0 },
	{ "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501, 0 },
	{ "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 400, 0 },
};

static size_t sample_length(const struct sample *s)
{
	return s->length ? s->length : strlen(s->bytes);
}

static enum http_verdict parse(struct http_request *q, const char *bytes, size_t length)
{
	http_request_init(q);
	return http_parse(q, bytes, length);
}

static unsigned verdict_status(enum http_verdict verdict, const struct http_request *q)
{
	return verdict == HTTP_DONE ? 0 : verdict == HTTP_REFUSED ? q->status : 1;
}

static void accept_text(struct http_request *q, const char *text)
{
	if (parse(q, text, strlen(text)) != HTTP_DONE)
		fail_msg("%s: %s", text, q->why ? q->why : "incomplete");
}

static bool span_equals(const char *head, struct http_span s, const char *text)
{
	return s.length == strlen(text) && memcmp(head + s.at, text, s.length) == 0;
}

/* A head with a request line of `line` bytes and a value that makes it `total` bytes long. */
static char *make_head(size_t line, size_t total)
{
	char *head = malloc(total + 1);
	size_t at = 0;

	assert_non_null(head);
	at += (size_t) sprintf(head, "GET /");
	memset(head + at, 'a', line - 16);
	at += line - 16;
	at += (size_t) sprintf(head + at, " HTTP/1.1\r\n" H "X: ");
	memset(head + at, 'b', total - at);
	memcpy(head + total - 4, "\r\n\r\n", 5);
	return head;
}

static void each_sample_gets_its_verdict(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
		struct http_request q;
		enum http_verdict v = parse(&q, samples[i].bytes, sample_length(&samples[i]));

		if (verdict_status(v, &q) != samples[i].status)
			fail_msg("sample %zu: %u instead of %u (%s): %s", i, verdict_status(v, &q), samples[i].status,
				 q.why ? q.why : "accepted", samples[i].bytes);
	}
}

static void verdict_is_the_same_for_every_split_in_two(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
		for (size_t cut = 0; cut <= sample_length(&samples[i]); cut++) {
			struct http_request q;
			enum http_verdict v = parse(&q, samples[i].bytes, cut);

			if (v == HTTP_MORE)
				v = http_parse(&q, samples[i].bytes, sample_length(&samples[i]));
			if (verdict_status(v, &q) != samples[i].status)
				fail_msg("sample %zu cut at %zu: %u", i, cut, verdict_status(v, &q));
		}
	}
}

/* Each step from a copy that is exactly as long as what has come so far: memory checkers see any look behind it. */
static void byte_by_byte_gives_the_same_request(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
		struct http_request whole, q;
		enum http_verdict v = HTTP_MORE;

		parse(&whole, samples[i].bytes, sample_length(&samples[i]));
		http_request_init(&q);
		for (size_t n = 0; n <= sample_length(&samples[i]) && v == HTTP_MORE; n++) {
			char *copy = malloc(n + !n);

			assert_non_null(copy);
			memcpy(copy, samples[i].bytes, n);
			v = http_parse(&q, copy, n);
			free(copy);
		}
		assert_int_equal(verdict_status(v, &q), samples[i].status);
		assert_ptr_equal(q.why, whole.why);
		if (v == HTTP_DONE)
			assert_memory_equal(&q, &whole, sizeof(q));
	}
}

static void nothing_behind_the_head_is_looked_at(void **state)
{
	struct http_request q;
	const char *text = "GET / HTTP/1.1\r\n" H "\r\n";

	(void) state;
	accept_text(&q, "GET / HTTP/1.1\r\n" H "\r\n\0\n\r junk");
	assert_int_equal(q.head_bytes, strlen(text));
}

static void request_line_and_head_have_limits(void **state)
{
	static const struct {
		size_t line, total;
		unsigned status;
	} cases[] = {
		{ HTTP_LINE_BYTES, HTTP_HEAD_BYTES, 0 },
		{ HTTP_LINE_BYTES + 1, HTTP_HEAD_BYTES, 414 },
		{ 100, HTTP_HEAD_BYTES + 1, 431 },
		{ 100, HTTP_HEAD_BYTES - 1, 0 },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char *head = make_head(cases[i].line, cases[i].total);

		for (size_t step = 1; step <= cases[i].total; step = step * 3 + 1) {
			struct http_request q;
			enum http_verdict v = HTTP_MORE;

			http_request_init(&q);
			for (size_t n = 0; v == HTTP_MORE && n < cases[i].total;) {
				n = MIN(n + step, cases[i].total);
				v = http_parse(&q, head, n);
			}
			assert_int_equal(verdict_status(v, &q), cases[i].status);
		}
		free(head);
	}
}

static void limit_strikes_before_the_line_ends(void **state)
{
	char *head = make_head(HTTP_LINE_BYTES + 100, HTTP_HEAD_BYTES);
	struct http_request q;

	(void) state;
	assert_int_equal(parse(&q, head, HTTP_LINE_BYTES - 1), HTTP_MORE);
	assert_int_equal(http_parse(&q, head, HTTP_LINE_BYTES), HTTP_REFUSED);
	assert_int_equal(q.status, 414);
	free(head);
}

static void fields_are_counted(void **state)
{
	char head[4096];

	(void) state;
	for (size_t count = HTTP_FIELDS; count <= HTTP_FIELDS + 1; count++) {
		struct http_request q;
		int n = sprintf(head, "GET / HTTP/1.1\r\n" H);

		for (size_t i = 1; i < count; i++)
			n += sprintf(head + n, "X: %zu\r\n", i);
		n += sprintf(head + n, "\r\n");
		enum http_verdict v = parse(&q, head, (size_t) n);
		assert_int_equal(verdict_status(v, &q), count > HTTP_FIELDS ? 431 : 0);
	}
}

static void parts_of_the_target_are_found(void **state)
{
	static const struct {
		const char *head, *path, *query;
	} cases[] = {
		{ "GET /a/b?c=d?e HTTP/1.1\r\n" H "\r\n", "/a/b", "c=d?e" },
		{ "GET / HTTP/1.1\r\n" H "\r\n", "/", "" },
		{ "GET http://x:1/p?q HTTP/1.1\r\n" H "\r\n", "/p", "q" },
		{ "GET http://x?q HTTP/1.1\r\n" H "\r\n", "", "q" },
		{ "\r\nGET hTTp://x HTTP/1.1\r\n" H "\r\n", "", "" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct http_request q;

		accept_text(&q, cases[i].head);
		assert_true(span_equals(cases[i].head, q.path, cases[i].path));
		assert_true(span_equals(cases[i].head, q.query, cases[i].query));
		assert_true(span_equals(cases[i].head, q.method_text, "GET"));
	}
}

static void asterisk_means_the_server_as_a_whole(void **state)
{
	struct http_request q;

	(void) state;
	accept_text(&q, "OPTIONS * HTTP/1.1\r\n" H "\r\n");
	assert_true(q.asterisk);
	accept_text(&q, "OPTIONS http://a HTTP/1.1\r\n" H "\r\n");
	assert_true(q.asterisk);
	accept_text(&q, "OPTIONS http://a/ HTTP/1.1\r\n" H "\r\n");
	assert_false(q.asterisk);
	accept_text(&q, "GET http://a HTTP/1.1\r\n" H "\r\n");
	assert_false(q.asterisk);
}

static void methods_are_case_sensitive(void **state)
{
	struct http_request q;

	(void) state;
	accept_text(&q, "DELETE / HTTP/1.1\r\n" H "\r\n");
	assert_int_equal(q.method, HTTP_DELETE);
	accept_text(&q, "get / HTTP/1.1\r\n" H "\r\n");
	assert_int_equal(q.method, HTTP_OTHER);
}

static void framing_is_read_from_the_fields(void **state)
{
	struct http_request q;

	(void) state;
	accept_text(&q, "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551615 \r\n\r\n");
	assert_true(q.has_length && !q.chunked);
	assert_true(q.content_length == UINT64_MAX);
	accept_text(&q, "POST / HTTP/1.1\r\n" H "transfer-encoding:CHUNKED\r\n\r\n");
	assert_true(q.chunked && !q.has_length);
	accept_text(&q, "POST / HTTP/1.1\r\n" H "\r\n");
	assert_false(q.chunked || q.has_length);
}

static void connection_and_accept_are_lists(void **state)
{
	struct http_request q;

	(void) state;
	accept_text(&q, "GET / HTTP/1.1\r\n" H "Connection: te, CLOSE\r\nAccept: a/b;q=1, application/json;v=2\r\n"
			"\r\n");
	assert_true(q.close && q.accepts_json && !q.keep_alive);
	accept_text(&q, "GET / HTTP/1.0\r\nConnection: te\r\nConnection: ,Keep-Alive\r\n"
			"Accept: application/jsonx\r\n\r\n");
	assert_true(q.keep_alive && !q.close && !q.accepts_json);
	accept_text(&q, "GET / HTTP/1.1\r\n" H "Connection: closed, not close\r\n\r\n");
	assert_false(q.close);
}

static void expectations_do_not_exist_in_http_1_0(void **state)
{
	struct http_request q;

	(void) state;
	accept_text(&q, "POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n");
	assert_true(q.expects_continue && !q.expects_other);
	accept_text(&q, "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n");
	assert_true(q.expects_other);
	accept_text(&q, "POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
	assert_false(q.expects_continue || q.expects_other);
}

static void fields_can_be_walked_over(void **state)
{
	const char *head = "GET / HTTP/1.1\r\nHost:\t a \r\nEmpty:\r\nX: b: c\t\r\n\r\nY: no\r\n";
	struct http_span name, value;
	struct http_request q;
	size_t cursor = 0;

	(void) state;
	accept_text(&q, head);
	assert_true(http_field_next(&q, head, &cursor, &name, &value));
	assert_true(span_equals(head, name, "Host") && span_equals(head, value, "a"));
	assert_true(http_field_next(&q, head, &cursor, &name, &value));
	assert_true(span_equals(head, name, "Empty") && span_equals(head, value, ""));
	assert_true(http_field_next(&q, head, &cursor, &name, &value));
	assert_true(span_equals(head, name, "X") && span_equals(head, value, "b: c"));
	assert_false(http_field_next(&q, head, &cursor, &name, &value));
}

static void every_byte_is_judged_in_every_place(void **state)
{
	static const char text[] = "GET /a HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n";

	/* What may stand in place of a byte without harm is written out here a second time, from the RFC's
	 * grammar. */
	(void) state;
	for (int byte = 0; byte < 256; byte++) {
		char head[sizeof(text)];
		struct http_request q;
		bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z', digit = byte >= '0' && byte <= '9';
		bool mark = byte && strchr("!#$%&'*+-.^_`|~", byte);

		memcpy(head, text, sizeof(text));
		*strchr(head, 'X') = (char) byte;
		bool accepted = parse(&q, head, sizeof(text) - 1) == HTTP_DONE;
		assert_int_equal(accepted, letter || digit || mark);

		memcpy(head, text, sizeof(text));
		*strchr(head, 'z') = (char) byte;
		accepted = parse(&q, head, sizeof(text) - 1) == HTTP_DONE;
		assert_int_equal(accepted, byte == '\t' || (byte >= ' ' && byte != 0x7f));

		memcpy(head, text, sizeof(text));
		*strchr(head, 'a') = (char) byte;
		accepted = parse(&q, head, sizeof(text) - 1) == HTTP_DONE;
		assert_int_equal(accepted, letter || digit || (byte && strchr("-._~!$&'()*+,;=:@/?[]", byte)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sample_gets_its_verdict),
		cmocka_unit_test(verdict_is_the_same_for_every_split_in_two),
		cmocka_unit_test(byte_by_byte_gives_the_same_request),
		cmocka_unit_test(nothing_behind_the_head_is_looked_at),
		cmocka_unit_test(request_line_and_head_have_limits),
		cmocka_unit_test(limit_strikes_before_the_line_ends),
		cmocka_unit_test(fields_are_counted),
		cmocka_unit_test(parts_of_the_target_are_found),
		cmocka_unit_test(asterisk_means_the_server_as_a_whole),
		cmocka_unit_test(methods_are_case_sensitive),
		cmocka_unit_test(framing_is_read_from_the_fields),
		cmocka_unit_test(connection_and_accept_are_lists),
		cmocka_unit_test(expectations_do_not_exist_in_http_1_0),
		cmocka_unit_test(fields_can_be_walked_over),
		cmocka_unit_test(every_byte_is_judged_in_every_place),
	};

	return cmocka_run_group_tests_name("http_parse", tests, NULL, NULL);
}
