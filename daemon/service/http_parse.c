#include "service/http_parse.h"
#include "service/http_field.h"
#include "service/http_target.h"

#include <string.h>

/* A literal and its length, for tables of names. */
#define NAME(literal) (literal), sizeof(literal) - 1

/* In the order of a head; the states up to AT_LINE_LF belong to the request line. */
enum parse_state {
	AT_START,
	AT_START_LF,
	IN_METHOD,
	IN_TARGET,
	IN_VERSION,
	AT_LINE_LF,
	AT_FIELD,		/* the first byte of a field, or the empty line */
	IN_NAME,
	IN_BLANK,
	IN_VALUE,
	AT_VALUE_LF,
	AT_END_LF,
	AT_BODY,
};

void http_request_init(struct http_request *q)
{
	*q = (struct http_request) { .state = AT_START };
}

void http_request_refuse(struct http_request *q, unsigned status, const char *why)
{
	q->status = (uint16_t) status;
	q->why = why;
}

static struct http_span span_from(const struct http_request *q)
{
	return (struct http_span) { q->mark, (uint16_t) (q->position - q->mark) };
}

/* Moves over bytes of a class. True when one of another class was met, which ends the element. */
static bool pass(struct http_request *q, const char *head, size_t end, enum http_class class)
{
	size_t at = q->position;

	while (at < end && http_is(head[at], class))
		at++;
	q->position = (uint16_t) at;
	return at < end;
}

/* The byte has been dealt with; the next element begins behind it. */
static void enter(struct http_request *q, enum parse_state state)
{
	q->mark = ++q->position;
	q->state = state;
}

/* -- the request line -- */

static enum http_method method_of(const char *head, struct http_span s)
{
	static const struct {
		const char *name;
		size_t length;
		enum http_method method;
	} known[] = {
		{ NAME("GET"), HTTP_GET },
		{ NAME("HEAD"), HTTP_HEAD },
		{ NAME("POST"), HTTP_POST },
		{ NAME("PUT"), HTTP_PUT },
		{ NAME("PATCH"), HTTP_PATCH },
		{ NAME("DELETE"), HTTP_DELETE },
		{ NAME("OPTIONS"), HTTP_OPTIONS },
		{ NAME("TRACE"), HTTP_TRACE },
		{ NAME("CONNECT"), HTTP_CONNECT },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
		if (s.length == known[i].length && memcmp(head + s.at, known[i].name, s.length) == 0)
			return known[i].method;
	return HTTP_OTHER;
}

/* "HTTP/1.x"; a higher minor version is served as 1.1 (RFC 9110 section 2.5). */
static void version_end(struct http_request *q, const char *head)
{
	const char *text = head + q->mark;

	if (q->position - q->mark != 8 || memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' ||
	    text[6] != '.' || text[7] < '0' || text[7] > '9')
		return http_request_refuse(q, 400, "bad HTTP version");
	if (text[5] != '1')
		return http_request_refuse(q, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	q->minor = (uint8_t) (text[7] - '0');
}

static struct http_span span_within(struct http_span outer, size_t at, size_t length)
{
	return (struct http_span) { (uint16_t) (outer.at + at), (uint16_t) length };
}

static void line_end(struct http_request *q, const char *head)
{
	struct http_target t;
	const char *why;

	q->method = method_of(head, q->method_text);
	if (q->method == HTTP_CONNECT)
		return http_request_refuse(q, 501, "CONNECT is not implemented");
	if (http_target_split(head + q->target.at, q->target.length, &t, &why) < 0)
		return http_request_refuse(q, 400, why);
	if (t.form == HTTP_FORM_OTHER)
		return http_request_refuse(q, 400, "the target is neither a path nor a URI");
	if (t.form == HTTP_FORM_ASTERISK && q->method != HTTP_OPTIONS)
		return http_request_refuse(q, 400, "only OPTIONS takes the target *");

	/* An absolute form without a path: OPTIONS means the server as a whole, others mean "/" (RFC 9112 section
	 * 3.2.4). */
	q->asterisk = t.form == HTTP_FORM_ASTERISK ||
		      (q->method == HTTP_OPTIONS && t.path_length == 0 && t.query_length == 0);
	q->path = span_within(q->target, t.path_at, t.path_length);
	q->query = span_within(q->target, t.query_at, t.query_length);
}

/* -- what must hold of the head as a whole -- */

static void head_end(struct http_request *q)
{
	if (q->minor > 0 && q->host_count == 0)
		return http_request_refuse(q, 400, "no Host field");
	if (q->coding_count && q->minor == 0)
		return http_request_refuse(q, 400, "Transfer-Encoding in HTTP/1.0");
	if (q->coding_count && q->has_length)
		return http_request_refuse(q, 400, "both Content-Length and Transfer-Encoding");
	if (q->minor == 0)
		q->expects_continue = q->expects_other = false;		/* RFC 9110 section 10.1.1 */

	q->fields.length = (uint16_t) (q->position - 1 - q->fields.at);
	enter(q, AT_BODY);
	q->head_bytes = q->position;
}

/* -- states -- */

static void on_start(struct http_request *q, char byte)
{
	/* One empty line is passed over, for clients that end a body with a CRLF that does not count (RFC 9112
	 * section 2.2). */
	if (byte == '\r' && q->position == 0)
		return enter(q, AT_START_LF);
	if (!http_is(byte, HTTP_TOKEN))
		return http_request_refuse(q, 400, "bad request line");
	q->mark = q->position;
	q->state = IN_METHOD;
}

static void on_method(struct http_request *q, const char *head, size_t end)
{
	bool ended = pass(q, head, end, HTTP_TOKEN);

	if (q->position - q->mark > HTTP_METHOD_BYTES)
		return http_request_refuse(q, 501, "method that is not implemented");
	if (!ended)
		return;
	if (head[q->position] != ' ')
		return http_request_refuse(q, 400, "bad request line");
	q->method_text = span_from(q);
	enter(q, IN_TARGET);
}

static void on_target(struct http_request *q, const char *head, size_t end)
{
	if (!pass(q, head, end, HTTP_TARGET))
		return;
	if (head[q->position] == '#')
		return http_request_refuse(q, 400, "fragment in the target");
	if (head[q->position] != ' ' || q->position == q->mark)
		return http_request_refuse(q, 400, "bad target");
	q->target = span_from(q);
	enter(q, IN_VERSION);
}

/* All bytes of a version are bytes that a target may have too. */
static void on_version(struct http_request *q, const char *head, size_t end)
{
	bool ended = pass(q, head, end, HTTP_TARGET);

	if (q->position - q->mark > 8 || (ended && head[q->position] != '\r'))
		return http_request_refuse(q, 400, "bad HTTP version");
	if (!ended)
		return;
	version_end(q, head);
	enter(q, AT_LINE_LF);
}

static void on_line_lf(struct http_request *q, const char *head)
{
	if (head[q->position] != '\n')
		return http_request_refuse(q, 400, "bare CR");
	line_end(q, head);
	enter(q, AT_FIELD);
	q->fields.at = q->position;
}

static void on_field(struct http_request *q, char byte)
{
	if (byte == '\r')
		return enter(q, AT_END_LF);
	if (byte == ' ' || byte == '\t')
		return http_request_refuse(q, 400, "folded field");	/* RFC 9112 section 5.2 */
	if (++q->field_count > HTTP_FIELDS)
		return http_request_refuse(q, 431, "too many fields");
	q->mark = q->position;
	q->state = IN_NAME;
}

static void on_name(struct http_request *q, const char *head, size_t end)
{
	if (!pass(q, head, end, HTTP_TOKEN))
		return;
	if (head[q->position] != ':')
		return http_request_refuse(q, 400, http_is(head[q->position], HTTP_BLANK)
					      ? "blank before the colon of a field"
					      : "bad byte in the name of a field");
	if (q->position == q->mark)
		return http_request_refuse(q, 400, "field without a name");
	q->name = span_from(q);
	enter(q, IN_BLANK);
}

static void on_blank(struct http_request *q, const char *head, size_t end)
{
	if (!pass(q, head, end, HTTP_BLANK))
		return;
	q->mark = q->position;
	q->state = IN_VALUE;
}

static void on_value(struct http_request *q, const char *head, size_t end)
{
	if (!pass(q, head, end, HTTP_TEXT))
		return;
	if (head[q->position] != '\r')
		return http_request_refuse(q, 400, head[q->position] == '\n' ? "bare LF" : "control byte in a field");
	q->position++;
	q->state = AT_VALUE_LF;
}

static void on_value_lf(struct http_request *q, const char *head)
{
	struct http_span value = { q->mark, (uint16_t) (q->position - 1 - q->mark) };

	if (head[q->position] != '\n')
		return http_request_refuse(q, 400, "bare CR");
	http_field_read(q, head, value);
	enter(q, AT_FIELD);
}

static void step(struct http_request *q, const char *head, size_t end)
{
	switch ((enum parse_state) q->state) {
	case AT_START:
		return on_start(q, head[q->position]);
	case AT_START_LF:
		if (head[q->position] != '\n')
			return http_request_refuse(q, 400, "bare CR");
		return enter(q, AT_START);
	case IN_METHOD:
		return on_method(q, head, end);
	case IN_TARGET:
		return on_target(q, head, end);
	case IN_VERSION:
		return on_version(q, head, end);
	case AT_LINE_LF:
		return on_line_lf(q, head);
	case AT_FIELD:
		return on_field(q, head[q->position]);
	case IN_NAME:
		return on_name(q, head, end);
	case IN_BLANK:
		return on_blank(q, head, end);
	case IN_VALUE:
		return on_value(q, head, end);
	case AT_VALUE_LF:
		return on_value_lf(q, head);
	case AT_END_LF:
		if (head[q->position] != '\n')
			return http_request_refuse(q, 400, "bare CR");
		return head_end(q);
	case AT_BODY:
		break;
	}
}

enum http_verdict http_parse(struct http_request *q, const char *head, size_t length)
{
	while (!q->status && q->state != AT_BODY) {
		size_t limit = q->state <= AT_LINE_LF ? HTTP_LINE_BYTES : HTTP_HEAD_BYTES;

		if (q->position == limit)
			http_request_refuse(q, limit == HTTP_LINE_BYTES ? 414 : 431,
			       limit == HTTP_LINE_BYTES ? "the request line is too long" : "the head is too long");
		else if (q->position == length)
			return HTTP_MORE;
		else
			step(q, head, MIN(length, limit));
	}
	return q->status ? HTTP_REFUSED : HTTP_DONE;
}
