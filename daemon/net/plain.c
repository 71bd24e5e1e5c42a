#include "net/fd.h"
#include "net/stream.h"

/* A read that did not fill its buffer has emptied the socket. */
static ssize_t plain_read(struct stream *s, void *buffer, size_t length)
{
	ssize_t n = fd_read(io_fd(&s->io), buffer, length);

	if (n > 0 && (size_t) n < length)
		io_read_short(&s->io);
	return n == -EAGAIN ? TRANSPORT_WANT_READ : n;
}

/* A write that did not take everything has filled the socket. */
static ssize_t wrote(struct stream *s, ssize_t n, size_t length)
{
	if (LIKELY(n == (ssize_t) length))
		return n;
	if (n >= 0)
		io_drained(&s->io, IO_WRITE);
	return n == -EAGAIN ? TRANSPORT_WANT_WRITE : n;
}

static ssize_t plain_write(struct stream *s, const void *bytes, size_t length)
{
	return wrote(s, fd_write(io_fd(&s->io), bytes, length), length);
}

static ssize_t plain_writev(struct stream *s, const struct iovec *parts, int count)
{
	size_t length = 0;

	for (int i = 0; i < count; i++)
		length += parts[i].iov_len;
	return wrote(s, fd_writev(io_fd(&s->io), parts, count), length);
}

static int plain_finish(struct stream *s)
{
	return fd_finish(io_fd(&s->io));
}

const struct transport_ops transport_plain = {
	.name = "plain",
	.read = plain_read,
	.write = plain_write,
	.writev = plain_writev,
	.finish = plain_finish,
	.splices_in = true,
	.splices_out = true,
};
