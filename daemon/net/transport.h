/* transport.h - the seam between plain and TLS: moves bytes, never waits.
 *
 * An operation answers with bytes moved, 0 for the end of the stream (read), -errno, or that it wants the
 * descriptor to become readable or writable first; reading may want writing and the other way round. stream.c has
 * the one loop that waits.
 */
#pragma once

#include "base/base.h"
#include "runtime/io.h"

#include <sys/uio.h>

/* Outside the range of bytes and of -errno. */
#define TRANSPORT_WANT_READ (-100001)
#define TRANSPORT_WANT_WRITE (-100002)

struct transport;

struct transport_ops {
	const char *name;						/* "plain", "tls" */
	/* To be repeated until it answers 0; NULL when there is nothing to do. */
	int (*handshake)(struct transport *t);
	ssize_t (*read)(struct transport *t, void *buffer, size_t length);
	ssize_t (*writev)(struct transport *t, const struct iovec *parts, int count);
	/* We send no more: 0, -errno, or a want. */
	int (*finish)(struct transport *t);
	/* Bytes that can be read without the descriptor becoming readable. */
	size_t (*pending)(const struct transport *t);
	/* True when bytes pass through unchanged, so that the kernel may move them (splice). */
	bool transparent;
	/* Frees what the transport holds; the io is the stream's. */
	void (*done)(struct transport *t);
};

/* The first member of every transport. */
struct transport {
	const struct transport_ops *ops;
	struct io *io;				/* borrowed from the stream */
};

/* Bytes as they are. */
extern const struct transport_ops transport_plain;
