#include "net/stream.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "net/fd.h"
#include "runtime/deadline.h"

#define PARTS_MAX 16

int stream_new(int fd, struct stream **ret)
{
	struct stream *s = memory_new_object(struct stream);

	if (!s)
		return -ENOMEM;
	s->ops = &transport_plain;
	s->read_needs = IO_READ;
	s->write_needs = IO_WRITE;

	int r = io_init(&s->io, fd);
	if (r < 0) {
		memory_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct stream *stream_free(struct stream *s)
{
	if (!s)
		return NULL;
	if (s->ops->done)
		s->ops->done(s);
	io_free(&s->io);
	return NULL;
}

void stream_abort(struct stream *s)
{
	fd_set_reset_on_close(io_fd(&s->io));
}

/* -- trying -- */

/* Translates what a transport could not do into the words of stream.h. A time-out there means that the network gave
 * the peer up; up here it would be one of ours. */
static ssize_t explain(struct stream *s, ssize_t n, uint8_t *needs, unsigned *ret_want)
{
	if (n == TRANSPORT_WANT_READ)
		*needs = IO_READ;
	else if (n == TRANSPORT_WANT_WRITE)
		*needs = IO_WRITE;
	else if (n != -EAGAIN)
		return n == -ETIMEDOUT ? -ECONNRESET : n;
	*ret_want = *needs;
	io_drained(&s->io, *needs);
	return -EAGAIN;
}

/* A read of what may be there. */
static inline ssize_t read_now(struct stream *s, void *buffer, size_t length, unsigned *ret_want)
{
	if (UNLIKELY(s->read_ended))
		return 0;

	ssize_t n = s->ops->read(s, buffer, length);
	s->read_needs = IO_READ;
	if (UNLIKELY(n < 0))
		return explain(s, n, &s->read_needs, ret_want);
	if (n == 0)
		s->read_ended = true;
	s->received_bytes += (size_t) n;
	task_running->received_bytes += (size_t) n;
	return n;
}

static inline ssize_t wrote(struct stream *s, ssize_t n, unsigned *ret_want)
{
	s->write_needs = IO_WRITE;
	if (UNLIKELY(n < 0))
		return explain(s, n, &s->write_needs, ret_want);
	s->sent_bytes += (size_t) n;
	task_running->sent_bytes += (size_t) n;
	return n;
}

/* 1, or why nothing can be written now. */
static inline int may_write(struct stream *s, unsigned *ret_want)
{
	if (UNLIKELY(s->write_ended))
		return -EPIPE;
	if (LIKELY(io_is_ready(&s->io, s->write_needs)))
		return 1;
	*ret_want = s->write_needs;
	return -EAGAIN;
}

ssize_t stream_try_read(struct stream *s, void *buffer, size_t length, unsigned *ret_want)
{
	ENSURE(length > 0, "a read of nothing would look like the end of the stream");
	return stream_may_read(s, ret_want) ? read_now(s, buffer, length, ret_want) : -EAGAIN;
}

ssize_t stream_try_write(struct stream *s, const void *bytes, size_t length, unsigned *ret_want)
{
	int r = may_write(s, ret_want);

	return r < 0 ? r : wrote(s, s->ops->write(s, bytes, length), ret_want);
}

static ssize_t try_writev(struct stream *s, const struct iovec *parts, int count, unsigned *ret_want)
{
	int r = may_write(s, ret_want);

	return r < 0 ? r : wrote(s, s->ops->writev(s, parts, count), ret_want);
}

int stream_try_finish(struct stream *s, unsigned *ret_want)
{
	if (s->write_ended)
		return 0;

	int r = s->ops->finish(s);
	s->write_needs = IO_WRITE;
	if (r < 0)
		r = (int) explain(s, r, &s->write_needs, ret_want);
	else
		s->write_ended = true;
	return r == -ENOTCONN ? -ECONNRESET : r;
}

/* -- waiting -- */

/* They wait, and book the time. The stream may be gone after -EBADF: nothing of it is touched then. */
static inline int wait_for_reading(struct stream *s, unsigned want)
{
	int64_t before_ns = task_waited_ns();
	int r = io_park(&s->io, want);

	if (LIKELY(r != -EBADF && s->waits))
		s->waits->read_ns += task_waited_ns() - before_ns;
	return r;
}

static int wait_for_writing(struct stream *s, unsigned want)
{
	int64_t before_ns = task_waited_ns();
	int r = io_park(&s->io, want);

	if (r != -EBADF && s->waits)
		s->waits->write_ns += task_waited_ns() - before_ns;
	return r;
}

ssize_t (stream_read)(struct stream *s, void *buffer, size_t length)
{
	unsigned want;
	ssize_t n;
	int r = wait_enter();

	if (r < 0)
		return r;
	while ((n = stream_try_read(s, buffer, length, &want)) == -EAGAIN) {
		r = wait_for_reading(s, want);
		if (r < 0)
			return r;
	}
	if (n > 0)
		wait_charge((size_t) n);
	return n;
}

int (stream_wait_to_read)(struct stream *s)
{
	unsigned want;
	int r = wait_enter();

	while (r >= 0 && !stream_may_read(s, &want))
		r = wait_for_reading(s, want);
	return r;
}

ssize_t (stream_read_chunk)(struct stream *s, struct chunk **ret)
{
	unsigned want;
	int r = wait_enter();

	while (r >= 0) {
		if (!stream_may_read(s, &want)) {
			r = wait_for_reading(s, want);
			continue;
		}

		/* A buffer is lent only if there may be something to keep in it. */
		struct chunk *c = chunk_try_get();
		if (UNLIKELY(!c))
			r = (chunk_get)(&c);
		if (UNLIKELY(r < 0))
			break;

		ssize_t n = read_now(s, c->bytes, c->size_bytes, &want);
		if (LIKELY(n > 0)) {
			c->begin = 0;
			c->end = (uint32_t) n;
			wait_charge((size_t) n);
			*ret = c;
			return n;
		}
		chunk_put(c);
		if (n != -EAGAIN)
			return n;
	}
	return r;
}

/* Takes `bytes` off the front. */
static void parts_advance(struct iovec **parts, int *count, size_t bytes)
{
	while (*count > 0 && bytes >= (*parts)->iov_len) {
		bytes -= (*parts)->iov_len;
		++*parts;
		--*count;
	}
	if (*count > 0) {
		(*parts)->iov_base = (char *) (*parts)->iov_base + bytes;
		(*parts)->iov_len -= bytes;
	}
}

int (stream_writev)(struct stream *s, struct iovec *parts, int count)
{
	unsigned want;
	int r = wait_enter();

	if (r < 0)
		return r;
	ENSURE(count <= PARTS_MAX, "%d parts in one write", count);
	for (parts_advance(&parts, &count, 0); count > 0;) {
		ssize_t n = try_writev(s, parts, count, &want);

		if (n == -EAGAIN) {
			r = wait_for_writing(s, want);
			if (r < 0)
				return r;
			continue;
		}
		if (n < 0)
			return (int) n;
		wait_charge((size_t) n);
		parts_advance(&parts, &count, (size_t) n);
	}
	return 0;
}

int (stream_write)(struct stream *s, const void *bytes, size_t length)
{
	const char *next = bytes;
	unsigned want;
	int r = wait_enter();

	while (r >= 0 && length > 0) {
		ssize_t n = stream_try_write(s, next, length, &want);

		if (LIKELY(n >= 0)) {
			wait_charge((size_t) n);
			next += n;
			length -= (size_t) n;
		} else if (n == -EAGAIN) {
			r = wait_for_writing(s, want);
		} else {
			r = (int) n;
		}
	}
	return r;
}

int (stream_write_chunk)(struct stream *s, struct chunk *chunk)
{
	int r = (stream_write)(s, chunk->bytes + chunk->begin, chunk_length(chunk));

	chunk_put(chunk);
	return r;
}

int (stream_finish)(struct stream *s)
{
	unsigned want;
	int r = wait_enter();

	if (r < 0)
		return r;
	while ((r = stream_try_finish(s, &want)) == -EAGAIN) {
		r = wait_for_writing(s, want);
		if (r < 0)
			return r;
	}
	return r;
}

void (stream_linger)(struct stream *s, int64_t ms)
{
	SHIELD(goodbye, ms);

	if ((stream_finish)(s) < 0)
		return;
	for (size_t dropped_bytes = 0; dropped_bytes < LINGER_BYTES;) {
		_cleanup_(chunk_putp) struct chunk *c = NULL;
		ssize_t n = (stream_read_chunk)(s, &c);

		if (n <= 0)
			return;
		dropped_bytes += (size_t) n;
	}
}
