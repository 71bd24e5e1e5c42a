#include "net/tls_inside.h"

#include "base/memory.h"
#include "net/fd.h"

#include <string.h>

/* What OpenSSL reads from and writes to: memory while the handshake is on, then the stream's socket. */

static size_t take_from_memory(struct tls_session *t, char *bytes, size_t length)
{
	size_t n = MIN(length, (size_t) (t->in_end - t->in_begin));

	memcpy(bytes, t->in + t->in_begin, n);
	t->in_begin += (uint32_t) n;
	if (t->in_begin == t->in_end) {
		t->in = memory_free(t->in);
		t->in_begin = t->in_end = 0;
	}
	return n;
}

/* A read that did not fill OpenSSL's buffer has emptied the socket, so that no second one has to find that out. */
static int socket_read(BIO *bio, char *bytes, size_t length, size_t *ret_length)
{
	struct tls_session *t = BIO_get_data(bio);
	struct io *io = &t->stream->io;

	BIO_clear_retry_flags(bio);
	if (UNLIKELY(t->in)) {
		*ret_length = take_from_memory(t, bytes, length);
		return 1;
	}
	if (UNLIKELY(t->refusal)) {
		t->error = -EPROTO;
		return 0;
	}
	/* The end is no reason to try again: OpenSSL asks for it with BIO_CTRL_EOF. */
	if (t->through_memory && t->at_end)
		return 0;
	if (t->through_memory || !io_is_ready(io, IO_READ)) {
		BIO_set_retry_read(bio);
		return 0;
	}

	ssize_t n = fd_read(io_fd(io), bytes, length);
	if (n > 0) {
		if ((size_t) n < length)
			io_read_short(io);
		*ret_length = (size_t) n;
		return 1;
	}
	t->at_end = n == 0;
	if (n == -EAGAIN) {
		io_drained(io, IO_READ);
		BIO_set_retry_read(bio);
	} else if (n < 0) {
		t->error = (int) n;
	}
	return 0;
}

/* During the handshake a flight is gathered; it is sent when the pool thread is done with it. */
static int add_to_memory(struct tls_session *t, const char *bytes, size_t length)
{
	if (length > TLS_FLIGHT_BYTES_MAX - t->out_bytes) {
		t->error = -EMSGSIZE;
		return 0;
	}
	uint8_t *grown = memory_resize(t->out, t->out_bytes + length);
	if (!grown) {
		t->error = -ENOMEM;
		return 0;
	}
	t->out = grown;
	memcpy(t->out + t->out_bytes, bytes, length);
	t->out_bytes += (uint32_t) length;
	return 1;
}

static int socket_write(BIO *bio, const char *bytes, size_t length, size_t *ret_length)
{
	struct tls_session *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (t->through_memory) {
		*ret_length = length;
		return add_to_memory(t, bytes, length);
	}

	int fd = io_fd(&t->stream->io);
	ssize_t n = t->more_follows ? fd_write_more(fd, bytes, length) : fd_write(fd, bytes, length);
	if (n < (ssize_t) length && (n >= 0 || n == -EAGAIN))
		io_drained(&t->stream->io, IO_WRITE);
	if (n >= 0) {
		*ret_length = (size_t) n;
		return 1;
	}
	if (n == -EAGAIN)
		BIO_set_retry_write(bio);
	else
		t->error = (int) n;
	return 0;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
	const struct tls_session *t = BIO_get_data(bio);

	(void) number;
	(void) pointer;
	if (command == BIO_CTRL_EOF)
		return t->at_end;
	return command == BIO_CTRL_FLUSH;
}

static int socket_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *tls_socket_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");

	if (!m)
		return NULL;
	BIO_meth_set_read_ex(m, socket_read);
	BIO_meth_set_write_ex(m, socket_write);
	BIO_meth_set_ctrl(m, socket_control);
	BIO_meth_set_create(m, socket_create);
	return m;
}
