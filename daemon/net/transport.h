/* transport.h - the seam between plain and TLS: moves bytes, never waits.
 *
 * An operation answers with bytes moved, 0 for the end of the stream (read), -errno, or that it wants the
 * descriptor to become readable or writable first; reading may want writing and the other way round. stream.c has
 * the one loop that waits.
 */
#pragma once

#include "base/base.h"

#include <sys/uio.h>

/* Outside the range of bytes and of -errno. */
#define TRANSPORT_WANT_READ (-100001)
#define TRANSPORT_WANT_WRITE (-100002)

struct stream;

/* What a stream is moved by. What it keeps hangs on stream.session; it says in stream.buffered whether it holds bytes
 * that can be read without the descriptor becoming readable. */
struct transport_ops {
	const char *name;						/* "plain", "tls" */
	ssize_t (*read)(struct stream *s, void *buffer, size_t length);
	ssize_t (*write)(struct stream *s, const void *bytes, size_t length);
	ssize_t (*writev)(struct stream *s, const struct iovec *parts, int count);
	/* We send no more: 0, -errno, or a want. */
	int (*finish)(struct stream *s);
	/* Whether the kernel may move the bytes that come, and those that go (splice): they pass through
	 * unchanged, or it is the kernel that encrypts. */
	bool splices_in, splices_out;
	/* Frees what hangs on stream.session; NULL when nothing does. */
	void (*done)(struct stream *s);
};

/* Bytes as they are. */
extern const struct transport_ops transport_plain;
