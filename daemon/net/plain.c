#include "net/transport.h"

#include "net/fd.h"

/* A read that did not fill its buffer has emptied the socket. */
static ssize_t plain_read(struct transport *t, void *buffer, size_t length)
{
	ssize_t n = fd_read(io_fd(t->io), buffer, length);

	if (n == -EAGAIN)
		return TRANSPORT_WANT_READ;
	if (n > 0 && (size_t) n < length)
		io_read_short(t->io);
	return n;
}

static size_t length_of(const struct iovec *parts, int count)
{
	size_t length = 0;

	for (int i = 0; i < count; i++)
		length += parts[i].iov_len;
	return length;
}

/* A write that did not take everything has filled the socket. */
static ssize_t plain_writev(struct transport *t, const struct iovec *parts, int count)
{
	int fd = io_fd(t->io);
	ssize_t n = count == 1 ? fd_write(fd, parts->iov_base, parts->iov_len) : fd_writev(fd, parts, count);

	if (n == -EAGAIN)
		return TRANSPORT_WANT_WRITE;
	if (n >= 0 && (size_t) n < length_of(parts, count))
		io_drained(t->io, IO_WRITE);
	return n;
}

static int plain_finish(struct transport *t)
{
	return fd_finish(io_fd(t->io));
}

static size_t plain_pending(const struct transport *t)
{
	(void) t;
	return 0;
}

static void plain_done(struct transport *t)
{
	(void) t;
}

const struct transport_ops transport_plain = {
	.name = "plain",
	.read = plain_read,
	.writev = plain_writev,
	.finish = plain_finish,
	.pending = plain_pending,
	.transparent = true,
	.done = plain_done,
};
