/* hello.h - the first message of a TLS client, read without answering it: for the choice of an upstream by name, and
 * to recognize who does not speak TLS at all (RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3).
 */
#pragma once

#include "net/stream.h"

/* No more is looked at: larger ones exist only in tests. A whole one of a browser has 0.5 to 2 KiB. */
#define HELLO_BYTES_MAX (16 * 1024)

enum hello_kind {
	HELLO_INCOMPLETE,		/* so far it may become one, or a request */
	HELLO_TLS,			/* a whole one is there */
	HELLO_HTTP,			/* a request of plain HTTP: a method of RFC 9110, or PRI, and a blank */
	HELLO_OTHER,			/* anything else; a hello that is malformed, or of over HELLO_BYTES_MAX */
};

struct hello {
	enum hello_kind kind;
	bool has_name;
	/* The server name that it asks for (the first, if there are several), in lower case, without a final dot; ""
	 * when there is none, or none that could be a name: over 255 bytes, with blanks or control bytes. Bytes above
	 * 127 may be in it: escape it. */
	char name[256];
};

/* What the bytes are: once it is clear, more bytes do not change it. Safe on any bytes. The message may be spread
 * over several records. */
void hello_parse(const void *bytes, size_t length, struct hello *ret);

/* True when the name matches the pattern: the same name in any case, or *.example.org for one label more. A final
 * dot of the name says no more than that it is a whole one (RFC 1034 section 3.1). */
bool hello_name_matches(const char *name, const char *pattern);

/* What was read of a stream that has yet to be passed on. */
struct hello_bytes {
	uint8_t *bytes;			/* NULL: nothing was read */
	size_t length, size;
};
void hello_bytes_done(struct hello_bytes *b);

/* [suspends] Reads until it is clear what the client speaks, within the scopes around it; holds no memory until the
 * first byte has come, and little more than what has come from then on. *b is empty before. 0, with *ret filled in;
 * -ECONNRESET when the client finished before that; or -errno. In each case what was read is in *b, the caller's, and
 * may go beyond the message by a chunk; only after -ENOMEM some of it may be lost. */
#define hello_read(s, b, ret) AWAIT(hello_read, (s, b, ret))
int (hello_read)(struct stream *s, struct hello_bytes *b, struct hello *ret) _must_check_;
