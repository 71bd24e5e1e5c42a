/* splice.h - bytes from a stream to another one through a pipe, without a copy of them in this process.
 *
 * Only for streams that can. The bytes count as received and as sent like those of stream_try_read() and
 * stream_try_write(), and the same readiness rules.
 */
#pragma once

#include "net/pipe.h"
#include "net/stream.h"

/* True when the kernel may move the bytes that come from the stream, and those that go into it. */
static inline bool stream_splices_in(const struct stream *s)
{
	return s->ops->splices_in;
}
static inline bool stream_splices_out(const struct stream *s)
{
	return s->ops->splices_out;
}

/* From the stream into an empty pipe. 1 or more bytes, -errno; -EINVAL: this descriptor cannot. Fewer than the pipe
 * takes do not mean that the socket is drained: segments fill a pipe before their bytes do. 0: nothing was moved,
 * which means neither that the socket is drained nor that the peer has finished, because the kernel does not splice
 * past urgent data. Which of all these it is tells stream_try_read(). */
ssize_t stream_splice_in(struct stream *s, struct pipe *p) _must_check_;

/* From a pipe with bytes in it into the stream. 1 or more bytes, -errno, -EAGAIN (with the direction to wait for in
 * *ret_want); -EINVAL: this descriptor cannot. */
ssize_t stream_splice_out(struct stream *s, struct pipe *p, unsigned *ret_want) _must_check_;
