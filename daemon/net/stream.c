#include "net/stream.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "net/fd.h"
#include "runtime/deadline.h"

#define PARTS_MAX 16

int stream_new(int fd, struct stream **ret)
{
	_cleanup_(memory_freep) struct stream *s = memory_new_object(struct stream);

	if (!s)
		return -ENOMEM;

	int r = io_new(fd, &s->io);
	if (r < 0)
		return r;
	s->transport = (struct transport) { .ops = &transport_plain, .io = s->io };
	s->via = &s->transport;
	s->read_needs = IO_READ;
	s->write_needs = IO_WRITE;
	*ret = TAKE(s);
	return 0;
}

struct stream *stream_free(struct stream *s)
{
	if (!s)
		return NULL;
	s->via->ops->done(s->via);
	io_free(s->io);
	return memory_free(s);
}

void stream_abort(struct stream *s)
{
	fd_set_reset_on_close(io_fd(s->io));
}

/* -- trying -- */

/* Translates what a transport answered into the words of stream.h. A time-out there means that the network gave
 * the peer up; up here it would be one of ours. */
static ssize_t answer(struct stream *s, ssize_t n, uint8_t *needs, enum io_direction usual, unsigned *ret_want)
{
	*needs = n == TRANSPORT_WANT_READ ? IO_READ : n == TRANSPORT_WANT_WRITE ? IO_WRITE : usual;
	*ret_want = *needs;
	if (n == TRANSPORT_WANT_READ || n == TRANSPORT_WANT_WRITE || n == -EAGAIN) {
		io_drained(s->io, *needs);
		return -EAGAIN;
	}
	return n == -ETIMEDOUT ? -ECONNRESET : n;
}

bool stream_may_read(const struct stream *s, unsigned *ret_want)
{
	if (io_is_ready(s->io, s->read_needs) || s->via->ops->pending(s->via) > 0 || s->read_ended)
		return true;
	*ret_want = s->read_needs;
	return false;
}

ssize_t stream_try_read(struct stream *s, void *buffer, size_t length, unsigned *ret_want)
{
	ENSURE(length > 0, "a read of nothing would look like the end of the stream");
	if (s->read_ended)
		return 0;
	if (!stream_may_read(s, ret_want))
		return -EAGAIN;

	ssize_t n = s->via->ops->read(s->via, buffer, length);
	n = answer(s, n, &s->read_needs, IO_READ, ret_want);
	if (n > 0) {
		s->received_bytes += (size_t) n;
		task_self()->received_bytes += (size_t) n;
	} else if (n == 0) {
		s->read_ended = true;
	}
	return n;
}

static ssize_t try_writev(struct stream *s, const struct iovec *parts, int count, unsigned *ret_want)
{
	if (s->write_ended)
		return -EPIPE;
	if (!io_is_ready(s->io, s->write_needs)) {
		*ret_want = s->write_needs;
		return -EAGAIN;
	}

	ssize_t n = s->via->ops->writev(s->via, parts, count);
	n = answer(s, n, &s->write_needs, IO_WRITE, ret_want);
	if (n > 0) {
		s->sent_bytes += (size_t) n;
		task_self()->sent_bytes += (size_t) n;
	}
	return n;
}

ssize_t stream_try_write(struct stream *s, const void *bytes, size_t length, unsigned *ret_want)
{
	const struct iovec part = { .iov_base = (void *) bytes, .iov_len = length };

	return try_writev(s, &part, 1, ret_want);
}

int stream_try_finish(struct stream *s, unsigned *ret_want)
{
	if (s->write_ended)
		return 0;

	int r = (int) answer(s, s->via->ops->finish(s->via), &s->write_needs, IO_WRITE, ret_want);
	if (r == 0)
		s->write_ended = true;
	return r == -ENOTCONN ? -ECONNRESET : r;
}

/* -- waiting -- */

/* Waits, and books the time. The stream may be gone after -EBADF: nothing of it is touched then. */
static int wait_for(struct stream *s, unsigned want, int64_t *account_ns)
{
	int64_t before_ns = task_waited_ns();
	int r = io_park(s->io, want);

	if (r != -EBADF && account_ns)
		*account_ns += task_waited_ns() - before_ns;
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
		r = wait_for(s, want, s->read_wait_ns);
		if (r < 0)
			return r;
	}
	if (n > 0)
		wait_charge((size_t) n);
	return n;
}

/* One try with a buffer that is lent only if there is something to keep in it. */
static ssize_t try_read_chunk(struct stream *s, struct chunk **ret, unsigned *ret_want)
{
	_cleanup_(chunk_putp) struct chunk *c = chunk_try_get();

	if (!c) {
		int r = (chunk_get)(&c);
		if (r < 0)
			return r;
	}

	ssize_t n = stream_try_read(s, c->bytes, sizeof(c->bytes), ret_want);
	if (n > 0) {
		c->begin = 0;
		c->end = (uint32_t) n;
		wait_charge((size_t) n);
		*ret = TAKE(c);
	}
	return n;
}

ssize_t (stream_read_chunk)(struct stream *s, struct chunk **ret)
{
	unsigned want;
	ssize_t n;
	int r = wait_enter();

	if (r < 0)
		return r;
	for (;;) {
		while (!stream_may_read(s, &want)) {
			r = wait_for(s, want, s->read_wait_ns);
			if (r < 0)
				return r;
		}
		n = try_read_chunk(s, ret, &want);
		if (n != -EAGAIN)
			return n;
	}
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
			r = wait_for(s, want, s->write_wait_ns);
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
	struct iovec part = { .iov_base = (void *) bytes, .iov_len = length };

	return (stream_writev)(s, &part, 1);
}

int (stream_write_chunk)(struct stream *s, struct chunk *chunk)
{
	_cleanup_(chunk_putp) struct chunk *c = chunk;

	return (stream_write)(s, c->bytes + c->begin, chunk_length(c));
}

int (stream_finish)(struct stream *s)
{
	unsigned want;
	int r = wait_enter();

	if (r < 0)
		return r;
	while ((r = stream_try_finish(s, &want)) == -EAGAIN) {
		r = wait_for(s, want, s->write_wait_ns);
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
