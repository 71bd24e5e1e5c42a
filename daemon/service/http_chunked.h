/* http_chunked.h - bodies of unknown length: the chunked coding, read strictly (RFC 9112 section 7.1).
 *
 * Knows no sockets and holds no bytes: it says which of the bytes it is shown are content. Every line ends with
 * CRLF and nothing else; extensions and trailers are looked at, bounded and dropped, so that a body cannot
 * consist of them.
 */
#pragma once

#include "service/http_parse.h"

#define HTTP_CHUNK_DIGITS 16		/* of a chunk's size: all of 64 bits */
#define HTTP_EXTENSION_BYTES 256	/* of one chunk */
#define HTTP_EXTENSIONS_BYTES 16384	/* of one body */
#define HTTP_TRAILER_BYTES 8192

struct http_chunked {
	uint64_t left;			/* content of the present chunk that is still to come */
	uint16_t extension_bytes, extensions_bytes, trailer_bytes;
	uint8_t state, digits;
	const char *why;		/* literal, once it was refused */
};

void http_chunked_init(struct http_chunked *d);
/* Goes over coding up to and including the next run of content. *ret_used bytes were consumed, the last
 * *ret_content of them are content. HTTP_MORE: call again with what follows; HTTP_DONE: the body has ended;
 * HTTP_REFUSED: it is malformed. */
enum http_verdict http_chunked_next(struct http_chunked *d, const char *bytes, size_t length, size_t *ret_used,
				    size_t *ret_content);
