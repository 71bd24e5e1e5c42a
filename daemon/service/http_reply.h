/* http_reply.h - the head of a response (RFC 9112 section 4).
 *
 * Knows no sockets. Every text that goes into a head is a literal of ours or a number, so nothing that a client
 * sends can end a line of it.
 */
#pragma once

#include "base/base.h"

#include <time.h>

#define HTTP_REPLY_HEAD_BYTES 512	/* holds every head */
#define HTTP_DATE_BYTES 30		/* with its NUL */

enum http_framing {
	HTTP_FRAMED_BY_LENGTH,
	HTTP_FRAMED_IN_CHUNKS,
	HTTP_WITHOUT_BODY,		/* 204 and 304 */
};

struct http_reply {
	unsigned status;
	const char *type;		/* of the body, NULL: none is named */
	const char *fields;		/* further field lines, each with its CRLF, or "" */
	enum http_framing framing;
	uint64_t length;
	const char *connection;		/* "close", "keep-alive", or NULL: nothing needs saying */
	time_t now;
};

/* Writes the head with its empty line; returns its length. Not terminated. */
size_t http_reply_print(const struct http_reply *r, char buffer[HTTP_REPLY_HEAD_BYTES]);

/* "Not Found", or "" for a status without a registered phrase (RFC 9110 section 15). */
const char *http_reason(unsigned status);

/* A status of which no response has content: 1xx, 204, 304 (RFC 9112 section 6.3). */
bool http_status_is_bodiless(unsigned status);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7). Returns buffer. */
char *http_date_print(time_t now, char buffer[HTTP_DATE_BYTES]);
