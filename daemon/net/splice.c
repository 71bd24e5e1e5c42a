#include "net/splice.h"

#include "base/ensure.h"
#include "net/fd.h"

/* As in stream.c: the network has given the peer up, which is no time-out of ours. */
static ssize_t answer(ssize_t n)
{
	return n == -ETIMEDOUT ? -ECONNRESET : n;
}

ssize_t stream_splice_in(struct stream *s, struct pipe *p)
{
	ENSURE(p->length == 0, "%zu bytes in a pipe that is to be filled", p->length);
	if (s->read_ended || s->buffered)
		return 0;

	ssize_t n = fd_splice(io_fd(&s->io), p->write_fd, p->size_bytes);
	if (n == -EAGAIN)
		return 0;
	if (n > 0) {
		p->length = (size_t) n;
		s->received_bytes += (size_t) n;
		task_self()->received_bytes += (size_t) n;
	}
	return answer(n);
}

/* Only EAGAIN says that the socket is full: a signal, too, makes a splice short on some kernels, and then there
 * would be no event to wait for. */
ssize_t stream_splice_out(struct stream *s, struct pipe *p, unsigned *ret_want)
{
	ENSURE(p->length > 0, "an empty pipe cannot tell a full socket from itself");
	if (s->write_ended)
		return -EPIPE;
	if (!io_is_ready(&s->io, s->write_needs)) {
		*ret_want = s->write_needs;
		return -EAGAIN;
	}

	ssize_t n = fd_splice(p->read_fd, io_fd(&s->io), p->length);
	if (n == -EAGAIN) {
		io_drained(&s->io, IO_WRITE);
		*ret_want = IO_WRITE;
	}
	if (n > 0) {
		p->length -= (size_t) n;
		s->sent_bytes += (size_t) n;
		task_self()->sent_bytes += (size_t) n;
	}
	return answer(n);
}
