#include "service/http_paths.h"
#include "base/text.h"
#include "net/tls.h"
#include "service/http_field.h"
#include "service/http_target.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A character that stands for itself on a terminal, and in JSON. */
static bool is_plain(const char *bytes, size_t length, bool json)
{
	unsigned char first = (unsigned char) bytes[0];

	if (length == 0 || first < 0x20 || first == 0x7f)
		return false;
	if (length == 2 && first == 0xc2 && (unsigned char) bytes[1] < 0xa0)
		return false;	/* control characters of ISO 6429, which terminals obey */
	return !json || (first != '"' && first != '\\');
}

static int write_escaped_byte(struct http_exchange *x, unsigned char byte, bool json)
{
	static const char digits[] = "0123456789abcdef";
	const char hex[2] = { digits[byte >> 4], digits[byte & 15] };
	int r = http_content_text(x, json ? "\\u00" : "\\x");

	return r < 0 ? r : http_content(x, hex, sizeof(hex));
}

/* What a client sent: as it is where that is good UTF-8 and harmless, escaped elsewhere. */
static int write_foreign(struct http_exchange *x, struct http_span s, bool json)
{
	const char *bytes = x->head + s.at, *end = bytes + s.length;
	int r = 0;

	while (r == 0 && bytes < end) {
		const char *run = bytes;
		size_t n;

		while (run < end && is_plain(run, n = text_utf8_length(run, (size_t) (end - run)), json))
			run += n;
		r = http_content(x, bytes, (size_t) (run - bytes));
		if (r == 0 && run < end)
			r = write_escaped_byte(x, (unsigned char) *run++, json);
		bytes = run;
	}
	return r;
}

/* -- as text -- */

static int write_line(struct http_exchange *x, const char *name, const char *value)
{
	int r = http_content_text(x, name);

	if (r == 0)
		r = http_content_text(x, value);
	return r < 0 ? r : http_content_text(x, "\n");
}

static int write_number_line(struct http_exchange *x, const char *name, uint64_t number)
{
	int r = http_content_text(x, name);

	if (r == 0)
		r = http_content_number(x, number);
	return r < 0 ? r : http_content_text(x, "\n");
}

struct asking {
	const struct conn *conn;
	char *words;
};

static void print_tls(void *arg)
{
	const struct asking *a = arg;
	struct tls_description d;

	if (tls_describe(a->conn->client, &d))
		snprintf(a->words, ENDPOINT_TEXT_BYTES, "%s %s%s", d.version, d.cipher, d.resumed ? " resumed" : "");
}

/* "TLSv1.3 TLS_AES_256_GCM_SHA384", or "off". */
static const char *tls_words(const struct conn *c, char words[ENDPOINT_TEXT_BYTES])
{
	snprintf(words, ENDPOINT_TEXT_BYTES, "off");
	call_on_main_stack(print_tls, &(struct asking) { c, words });
	return words;
}

static int write_connection_text(struct http_exchange *x)
{
	const struct conn *c = x->conn;
	char text[ENDPOINT_TEXT_BYTES];
	int r = write_line(x, "peer: ", endpoint_print(&c->peer, text));

	if (r == 0)
		r = write_line(x, "local: ", conn_print_local(c, text));
	if (r == 0)
		r = write_line(x, "service: ", c->service->name);
	if (r == 0)
		r = write_line(x, "tls: ", tls_words(c, text));
	if (r == 0)
		r = write_number_line(x, "worker: ", 0);
	if (r == 0)
		r = write_number_line(x, "pid: ", (uint64_t) getpid());
	if (r == 0)
		r = write_number_line(x, "connection: ", c->id);
	return r < 0 ? r : write_number_line(x, "request: ", c->requests);
}

static int write_text(struct http_exchange *x)
{
	const struct http_request *q = &x->request;
	struct http_span name, value;
	size_t cursor = 0;
	int r = write_connection_text(x);

	if (r == 0)
		r = http_content_text(x, "\n");
	if (r == 0)
		r = write_foreign(x, q->method_text, false);
	if (r == 0)
		r = http_content_text(x, " ");
	if (r == 0)
		r = write_foreign(x, q->target, false);
	if (r == 0)
		r = write_number_line(x, " HTTP/1.", q->minor);

	while (r == 0 && http_field_next(q, x->head, &cursor, &name, &value)) {
		r = write_foreign(x, name, false);
		if (r == 0)
			r = http_content_text(x, ": ");
		if (r == 0)
			r = write_foreign(x, value, false);
		if (r == 0)
			r = http_content_text(x, "\n");
	}
	return r;
}

/* -- as JSON (RFC 8259) -- */

/* A member whose value needs no escaping: our own words, and endpoints. */
static int write_member(struct http_exchange *x, const char *name, const char *value)
{
	int r = http_content_text(x, name);

	if (r == 0)
		r = http_content_text(x, "\"");
	if (r == 0)
		r = http_content_text(x, value);
	return r < 0 ? r : http_content_text(x, "\"");
}

static int write_number_member(struct http_exchange *x, const char *name, uint64_t number)
{
	int r = http_content_text(x, name);

	return r < 0 ? r : http_content_number(x, number);
}

static int write_foreign_member(struct http_exchange *x, const char *name, struct http_span value)
{
	int r = http_content_text(x, name);

	if (r == 0)
		r = http_content_text(x, "\"");
	if (r == 0)
		r = write_foreign(x, value, true);
	return r < 0 ? r : http_content_text(x, "\"");
}

static int write_connection_json(struct http_exchange *x)
{
	const struct conn *c = x->conn;
	char text[ENDPOINT_TEXT_BYTES];
	int r = write_member(x, "{\n  \"peer\": ", endpoint_print(&c->peer, text));

	if (r == 0)
		r = write_member(x, ",\n  \"local\": ", conn_print_local(c, text));
	if (r == 0)
		r = write_member(x, ",\n  \"service\": ", c->service->name);
	if (r == 0)
		r = write_member(x, ",\n  \"tls\": ", tls_words(c, text));
	if (r == 0)
		r = write_number_member(x, ",\n  \"worker\": ", 0);
	if (r == 0)
		r = write_number_member(x, ",\n  \"pid\": ", (uint64_t) getpid());
	if (r == 0)
		r = write_number_member(x, ",\n  \"connection\": ", c->id);
	return r < 0 ? r : write_number_member(x, ",\n  \"request\": ", c->requests);
}

static int write_json(struct http_exchange *x)
{
	const struct http_request *q = &x->request;
	struct http_span name, value;
	size_t cursor = 0;
	const char *before = "{\"name\": ";
	int r = write_connection_json(x);

	if (r == 0)
		r = write_foreign_member(x, ",\n  \"method\": ", q->method_text);
	if (r == 0)
		r = write_foreign_member(x, ",\n  \"target\": ", q->target);
	if (r == 0)
		r = write_number_member(x, ",\n  \"minor_version\": ", q->minor);
	if (r == 0)
		r = http_content_text(x, ",\n  \"headers\": [\n    ");

	while (r == 0 && http_field_next(q, x->head, &cursor, &name, &value)) {
		r = write_foreign_member(x, before, name);
		if (r == 0)
			r = write_foreign_member(x, ", \"value\": ", value);
		if (r == 0)
			r = http_content_text(x, "}");
		before = ",\n    {\"name\": ";
	}
	return r < 0 ? r : http_content_text(x, "\n  ]\n}\n");
}

/* "json" where the query asks for a format, else what Accept says. */
static bool wants_json(const struct http_exchange *x)
{
	const struct http_request *q = &x->request;
	char format[8];

	if (http_query_get(x->head + q->query.at, q->query.length, "format", format, sizeof(format)) == 1)
		return strcmp(format, "json") == 0;
	return q->accepts_json;
}

int http_whoami(struct http_exchange *x, const char *rest)
{
	(void) rest;
	if (wants_json(x))
		return http_reply_written(x, 200, "application/json", write_json);
	return http_reply_written(x, 200, HTTP_TEXT_PLAIN, write_text);
}
