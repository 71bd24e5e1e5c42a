/* stream.h - one connection's bytes, plain or TLS; callers cannot tell which.
 *
 * A stream is used by one task at a time in each direction. -EAGAIN never comes out of here. Errors that mean that
 * the peer is gone: -ECONNRESET, -EPIPE.
 */
#pragma once

#include "net/transport.h"
#include "runtime/chunk.h"
#include "runtime/io.h"

/* Where the time of a stream's user went while it waited, in nanoseconds. */
struct stream_waits {
	int64_t read_ns, write_ns;		/* for the peer's bytes, and for the peer to take ours */
	int64_t other_ns;			/* for anything else: buffers, sleeps, locks */
};

struct stream {
	struct io io;				/* first: see io_init() */
	const struct transport_ops *ops;	/* what moves the bytes */
	void *session;				/* what that keeps */
	struct stream_waits *waits;		/* NULL: not counted */
	uint64_t received_bytes, sent_bytes;
	bool read_ended;			/* the peer finished */
	bool write_ended;			/* we finished */
	bool buffered;				/* the transport holds bytes to read */
	uint8_t read_needs, write_needs;	/* what must be ready for it; over TLS it may be the other way */
};

/* Takes over a connected, non-blocking socket; on failure it stays the caller's. */
int stream_new(int fd, struct stream **ret) _must_check_;
/* Closes at once; unsent bytes may be lost, unread ones cause a reset. NULL is fine. Returns NULL. Does not
 * suspend. */
struct stream *stream_free(struct stream *s);
DEFINE_CLEANUP(struct stream *, stream_free)
/* Makes stream_free() send a reset, so that the peer knows it was not a clean end. */
void stream_abort(struct stream *s);

/* [suspends] 1..length bytes; 0: the peer has finished; -errno, -ECANCELED, -ETIMEDOUT. */
#define stream_read(s, buffer, length) AWAIT(stream_read, (s, buffer, length))
ssize_t (stream_read)(struct stream *s, void *buffer, size_t length) _must_check_;

/* [suspends] Until there may be something to read; no buffer is held. 0, -errno, -ECANCELED, -ETIMEDOUT. */
#define stream_wait_to_read(s) AWAIT(stream_wait_to_read, (s))
int (stream_wait_to_read)(struct stream *s) _must_check_;

/* [suspends] Waits holding no buffer, then lends one with what there is to read. Bytes in it (it is the caller's
 * now: write it or chunk_put() it); 0: the peer has finished, and no chunk; -errno and no chunk. */
#define stream_read_chunk(s, ret) AWAIT(stream_read_chunk, (s, ret))
ssize_t (stream_read_chunk)(struct stream *s, struct chunk **ret) _must_check_;

/* [suspends] Writes all, or fails; how much of it went out is in sent_bytes. 0 or -errno. */
#define stream_write(s, bytes, length) AWAIT(stream_write, (s, bytes, length))
int (stream_write)(struct stream *s, const void *bytes, size_t length) _must_check_;
/* [suspends] The same for several parts (at most 16; the array is used up). */
#define stream_writev(s, parts, count) AWAIT(stream_writev, (s, parts, count))
int (stream_writev)(struct stream *s, struct iovec *parts, int count) _must_check_;
/* [suspends] The same for a chunk, which is given back to the pool in every case. */
#define stream_write_chunk(s, chunk) AWAIT(stream_write_chunk, (s, chunk))
int (stream_write_chunk)(struct stream *s, struct chunk *chunk) _must_check_;

/* [suspends] We send no more (FIN; close_notify first over TLS); reading goes on. Safe to repeat. */
#define stream_finish(s) AWAIT(stream_finish, (s))
int (stream_finish)(struct stream *s) _must_check_;

/* [suspends] A goodbye that does not cost the peer our last bytes: finishes, then reads and drops what still comes
 * until the peer finishes too, for at most `ms` and LINGER_BYTES. For replies that end a connection with unread
 * input (RFC 9112 section 9.6). Works in a cancelled task too: it is a SHIELD of its own. */
#define LINGER_BYTES (256 * 1024)
#define stream_linger(s, ms) AWAIT(stream_linger, (s, ms))
void (stream_linger)(struct stream *s, int64_t ms);

/* Non-suspending forms for the relay: bytes, 0 at the end, -errno, -EAGAIN (with the direction to wait for in
 * *ret_want). They cost no system call while the descriptor is known not to be ready. */
ssize_t stream_try_read(struct stream *s, void *buffer, size_t length, unsigned *ret_want) _must_check_;
ssize_t stream_try_write(struct stream *s, const void *bytes, size_t length, unsigned *ret_want) _must_check_;
/* 0, -errno or -EAGAIN. */
int stream_try_finish(struct stream *s, unsigned *ret_want) _must_check_;
/* True when a try to read may find something, so that a buffer is worth borrowing; else the direction to wait for. */
static inline bool stream_may_read(const struct stream *s, unsigned *ret_want)
{
	if (io_is_ready(&s->io, s->read_needs) || s->buffered || s->read_ended)
		return true;
	*ret_want = s->read_needs;
	return false;
}
