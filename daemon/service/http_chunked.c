#include "service/http_chunked.h"

enum chunked_state {
	AT_SIZE,
	IN_EXTENSION,
	AT_SIZE_LF,
	IN_CONTENT,
	AT_CONTENT_CR,
	AT_CONTENT_LF,
	AT_TRAILER,		/* the first byte of a trailer field, or the last empty line */
	IN_TRAILER_NAME,
	IN_TRAILER_VALUE,
	AT_TRAILER_LF,
	AT_LAST_LF,
	AT_END,
};

void http_chunked_init(struct http_chunked *d)
{
	*d = (struct http_chunked) { .state = AT_SIZE };
}

static enum http_verdict refuse(struct http_chunked *d, const char *why)
{
	d->why = why;
	return HTTP_REFUSED;
}

/* Takes the next state when the byte is the one that has to be there. */
static enum http_verdict expect(struct http_chunked *d, unsigned char byte, unsigned char wanted,
				enum chunked_state next)
{
	if (byte != wanted)
		return refuse(d, "a line of the chunked body does not end with CRLF");
	d->state = next;
	return next == AT_END ? HTTP_DONE : HTTP_MORE;
}

static int hex_value(unsigned char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* At most 16 digits, so the sum cannot overflow. Blanks are not part of the grammar here, and readers differ
 * about them. */
static enum http_verdict size_byte(struct http_chunked *d, unsigned char byte)
{
	int digit = hex_value(byte);

	if (digit >= 0) {
		if (++d->digits > HTTP_CHUNK_DIGITS)
			return refuse(d, "the size of a chunk is too large");
		d->left = d->left * 16 + (unsigned) digit;
		return HTTP_MORE;
	}
	if (d->digits == 0 || (byte != '\r' && byte != ';'))
		return refuse(d, "the size of a chunk is not a hexadecimal number");

	d->extension_bytes = 0;
	d->state = byte == '\r' ? AT_SIZE_LF : IN_EXTENSION;
	return HTTP_MORE;
}

static enum http_verdict extension_byte(struct http_chunked *d, unsigned char byte)
{
	if (byte == '\r') {
		d->state = AT_SIZE_LF;
		return HTTP_MORE;
	}
	if (!http_is((char) byte, HTTP_TEXT))
		return refuse(d, "control byte in a chunk extension");
	if (++d->extension_bytes > HTTP_EXTENSION_BYTES || ++d->extensions_bytes > HTTP_EXTENSIONS_BYTES)
		return refuse(d, "the chunk extensions are too long");
	return HTTP_MORE;
}

static enum http_verdict size_end(struct http_chunked *d, unsigned char byte)
{
	d->digits = 0;
	return expect(d, byte, '\n', d->left ? IN_CONTENT : AT_TRAILER);
}

/* Trailer fields have the syntax of header fields, and are dropped (RFC 9112 section 7.1.2). */
static enum http_verdict trailer_byte(struct http_chunked *d, unsigned char byte)
{
	if (++d->trailer_bytes > HTTP_TRAILER_BYTES)
		return refuse(d, "the trailers are too long");

	switch (d->state) {
	case AT_TRAILER:
		if (byte == '\r') {
			d->state = AT_LAST_LF;
			return HTTP_MORE;
		}
		if (!http_is((char) byte, HTTP_TOKEN))
			return refuse(d, "a trailer field has no name");
		d->state = IN_TRAILER_NAME;
		return HTTP_MORE;
	case IN_TRAILER_NAME:
		if (byte == ':')
			d->state = IN_TRAILER_VALUE;
		else if (!http_is((char) byte, HTTP_TOKEN))
			return refuse(d, "bad byte in the name of a trailer field");
		return HTTP_MORE;
	default:
		if (byte == '\r')
			d->state = AT_TRAILER_LF;
		else if (!http_is((char) byte, HTTP_TEXT))
			return refuse(d, "control byte in a trailer field");
		return HTTP_MORE;
	}
}

static enum http_verdict coding_byte(struct http_chunked *d, unsigned char byte)
{
	switch ((enum chunked_state) d->state) {
	case AT_SIZE:
		return size_byte(d, byte);
	case IN_EXTENSION:
		return extension_byte(d, byte);
	case AT_SIZE_LF:
		return size_end(d, byte);
	case AT_CONTENT_CR:
		return expect(d, byte, '\r', AT_CONTENT_LF);
	case AT_CONTENT_LF:
		return expect(d, byte, '\n', AT_SIZE);
	case AT_TRAILER:
	case IN_TRAILER_NAME:
	case IN_TRAILER_VALUE:
		return trailer_byte(d, byte);
	case AT_TRAILER_LF:
		return expect(d, byte, '\n', AT_TRAILER);
	case AT_LAST_LF:
		return expect(d, byte, '\n', AT_END);
	case IN_CONTENT:
	case AT_END:
		break;
	}
	return HTTP_DONE;
}

enum http_verdict http_chunked_next(struct http_chunked *d, const char *bytes, size_t length, size_t *ret_used,
				    size_t *ret_content)
{
	enum http_verdict verdict = d->why ? HTTP_REFUSED : d->state == AT_END ? HTTP_DONE : HTTP_MORE;
	size_t used = 0, content = 0;

	while (verdict == HTTP_MORE && used < length && d->state != IN_CONTENT)
		verdict = coding_byte(d, (unsigned char) bytes[used++]);

	if (d->state == IN_CONTENT && verdict == HTTP_MORE) {
		content = d->left < length - used ? (size_t) d->left : length - used;
		used += content;
		d->left -= content;
		if (d->left == 0)
			d->state = AT_CONTENT_CR;
	}
	*ret_used = used;
	*ret_content = content;
	return verdict;
}
