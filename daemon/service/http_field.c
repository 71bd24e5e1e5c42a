#include "service/http_field.h"
#include "service/http_target.h"

#include <string.h>
#include <strings.h>

/* A literal and its length, for tables of names. */
#define NAME(literal) (literal), sizeof(literal) - 1

static bool span_is_text(const char *head, struct http_span s, const char *text, size_t length)
{
	return s.length == length && strncasecmp(head + s.at, text, length) == 0;
}

/* Of a literal, in any case. */
#define span_is(head, s, literal) span_is_text(head, s, literal, sizeof(literal) - 1)

/* RFC 9112 section 6.3: a length that two readers could read differently is an error, not something to be mended. */
static void field_content_length(struct http_request *q, const char *head, struct http_span value)
{
	uint64_t length = 0;

	if (q->has_length)
		return http_request_refuse(q, 400, "two Content-Length fields");
	if (value.length == 0)
		return http_request_refuse(q, 400, "empty Content-Length");

	for (size_t i = 0; i < value.length; i++) {
		char c = head[value.at + i];

		if (c < '0' || c > '9')
			return http_request_refuse(q, 400, "Content-Length is not a number");
		if (__builtin_mul_overflow(length, 10, &length) ||
		    __builtin_add_overflow(length, (uint64_t) (c - '0'), &length))
			return http_request_refuse(q, 400, "Content-Length is too large");
	}
	q->has_length = true;
	q->content_length = length;
}

/* Takes the next element off a comma-separated list, without the blanks around it; an empty one too. False at the
 * end. */
static bool list_next(const char *head, struct http_span *list, struct http_span *ret)
{
	struct http_span item = *list;
	const char *comma;

	if (list->length == 0)
		return false;

	comma = memchr(head + list->at, ',', list->length);
	if (comma)
		item.length = (uint16_t) (comma - head - list->at);
	list->at = (uint16_t) (list->at + item.length + (comma ? 1 : 0));
	list->length = (uint16_t) (list->length - item.length - (comma ? 1 : 0));

	while (item.length && http_is(head[item.at], HTTP_BLANK)) {
		item.at++;
		item.length--;
	}
	while (item.length && http_is(head[item.at + item.length - 1], HTTP_BLANK))
		item.length--;
	*ret = item;
	return true;
}

/* Only "chunked" itself is understood. Codings we do not know, with chunked last, are well-framed and "not
 * implemented" (RFC 9112 section 6.1); without it nobody can tell where the body ends (section 6.3). */
static void field_transfer_encoding(struct http_request *q, const char *head, struct http_span value)
{
	struct http_span item;
	bool last_is_chunked = false;
	size_t codings = 0;

	if (q->coding_count++)
		return http_request_refuse(q, 400, "two Transfer-Encoding fields");
	if (span_is(head, value, "chunked")) {
		q->chunked = true;
		return;
	}

	while (list_next(head, &value, &item)) {
		if (last_is_chunked || item.length == 0)
			return http_request_refuse(q, 400, "bad Transfer-Encoding");
		last_is_chunked = span_is(head, item, "chunked");
		codings++;
	}
	if (last_is_chunked && codings > 1)
		return http_request_refuse(q, 501, "transfer coding that is not implemented");
	http_request_refuse(q, 400, "Transfer-Encoding does not end with chunked");
}

static void field_host(struct http_request *q, const char *head, struct http_span value)
{
	if (q->host_count++)
		http_request_refuse(q, 400, "two Host fields");
	else if (!http_authority_is_valid(head + value.at, value.length))
		http_request_refuse(q, 400, "bad Host");
}

static void field_connection(struct http_request *q, const char *head, struct http_span value)
{
	struct http_span item;

	while (list_next(head, &value, &item)) {
		if (span_is(head, item, "close"))
			q->close = true;
		else if (span_is(head, item, "keep-alive"))
			q->keep_alive = true;
	}
}

static void field_expect(struct http_request *q, const char *head, struct http_span value)
{
	if (span_is(head, value, "100-continue"))
		q->expects_continue = true;
	else
		q->expects_other = true;
}

static void field_accept(struct http_request *q, const char *head, struct http_span value)
{
	struct http_span item;

	while (list_next(head, &value, &item)) {
		const char *parameters = memchr(head + item.at, ';', item.length);

		if (parameters)
			item.length = (uint16_t) (parameters - head - item.at);
		if (span_is(head, item, "application/json"))
			q->accepts_json = true;
	}
}

void http_field_read(struct http_request *q, const char *head, struct http_span value)
{
	static const struct {
		const char *name;
		size_t length;
		void (*read)(struct http_request *q, const char *head, struct http_span value);
	} known[] = {
		{ NAME("Host"), field_host },
		{ NAME("Accept"), field_accept },
		{ NAME("Connection"), field_connection },
		{ NAME("Content-Length"), field_content_length },
		{ NAME("Transfer-Encoding"), field_transfer_encoding },
		{ NAME("Expect"), field_expect },
	};

	while (value.length && http_is(head[value.at + value.length - 1], HTTP_BLANK))
		value.length--;
	for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
		if (span_is_text(head, q->name, known[i].name, known[i].length))
			return known[i].read(q, head, value);
}

bool http_field_next(const struct http_request *q, const char *head, size_t *cursor, struct http_span *ret_name,
		     struct http_span *ret_value)
{
	size_t at = q->fields.at + *cursor, left = q->fields.length - *cursor;
	const char *name = head + at, *value, *end, *line_end;

	if (left == 0)
		return false;

	/* The head was accepted: there is a colon and a CRLF. */
	line_end = end = memchr(name, '\r', left);
	value = memchr(name, ':', left);
	*ret_name = (struct http_span) { (uint16_t) at, (uint16_t) (value - name) };

	for (value++; value < end && http_is(*value, HTTP_BLANK); value++)
		;
	while (end > value && http_is(end[-1], HTTP_BLANK))
		end--;
	*ret_value = (struct http_span) { (uint16_t) (value - head), (uint16_t) (end - value) };
	*cursor += (size_t) (line_end + 2 - name);
	return true;
}
