/* http_parse.h - the head of an HTTP/1.1 request, read strictly (RFC 9112).
 *
 * Knows no sockets: it looks at bytes, as many as there are so far, and says whether they are a request. What two
 * readers could take for two different requests is refused: that is what request smuggling lives on. The verdict
 * does not depend on how the bytes were split, and one that is bad is refused at its first wrong byte.
 */
#pragma once

#include "service/http_class.h"

#define HTTP_LINE_BYTES 8192	/* of the request line, with its CRLF */
#define HTTP_HEAD_BYTES 16384	/* of the whole head, with its empty line */
#define HTTP_FIELDS 100
#define HTTP_METHOD_BYTES 32

/* A mask, so that a path can say which it takes. */
enum http_method {
	HTTP_GET = 1,
	HTTP_HEAD = 2,
	HTTP_POST = 4,
	HTTP_PUT = 8,
	HTTP_PATCH = 16,
	HTTP_DELETE = 32,
	HTTP_OPTIONS = 64,
	HTTP_TRACE = 128,
	HTTP_CONNECT = 256,
	HTTP_OTHER = 512,	/* a good token that names nothing we know */
};

enum http_verdict { HTTP_MORE, HTTP_DONE, HTTP_REFUSED };

/* A part of the head: an offset from its first byte, and a length. */
struct http_span {
	uint16_t at, length;
};

struct http_request {
	/* the request, once the verdict is HTTP_DONE */
	struct http_span method_text, target;
	struct http_span path, query;				/* path: empty where an absolute form has none */
	struct http_span fields;				/* all field lines, for http_field_next() */
	enum http_method method;
	uint8_t minor;						/* of HTTP/1.x */
	bool asterisk;						/* the target is "*" */
	bool has_length, chunked;				/* how the body is framed; neither: there is none */
	bool close, keep_alive;					/* Connection */
	bool expects_continue, expects_other;			/* Expect */
	bool accepts_json;
	uint64_t content_length;
	uint16_t head_bytes;					/* where the body begins */

	/* why it is none, once the verdict is HTTP_REFUSED: the status to answer with before closing, and a
	 * literal */
	uint16_t status;
	const char *why;

	/* private */
	uint8_t state;
	uint8_t field_count, host_count, coding_count;
	uint16_t position, mark;
	struct http_span name;
};

void http_request_init(struct http_request *q);
/* Looks at the head's bytes so far: those of earlier calls first (they may have been moved), new ones behind
 * them. HTTP_MORE: not complete. */
enum http_verdict http_parse(struct http_request *q, const char *head, size_t length);
