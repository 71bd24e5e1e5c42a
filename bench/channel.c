#include "channel.h"

#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The suite that every server has to have (RFC 8446, 9.1), and the same for 1.2. */
#define SUITES_1_3 "TLS_AES_128_GCM_SHA256"
#define SUITES_1_2 "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
#define GROUPS_1_3 "X25519"
#define GROUPS_1_2 "X25519:P-256" /* those of signatures, too: the second is for certificates only */
#define RECORD_BYTES ((size_t) 16 * 1024)
#define READ_AHEAD_BYTES ((size_t) 64 * 1024)

/* A session is good for nothing once a connection has gone on with it, or the one that it is from ended in an unusual
 * way. So a copy is kept, and copies of that are used. */
static int tls_take_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(t->newest);
	t->newest = SSL_SESSION_dup(session);
	return 0;
}

static bool tls_offer_session(const struct tls *t, SSL *ssl)
{
	SSL_SESSION *copy = SSL_SESSION_dup(t->newest);
	bool done = copy && SSL_set_session(ssl, copy) == 1;

	SSL_SESSION_free(copy);
	return done;
}

static bool tls_set_up(SSL_CTX *context, const char *trusted_file, int version, bool resume)
{
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	if (resume)
		SSL_CTX_sess_set_new_cb(context, tls_take_session);
	/* As few calls of the kernel as can be, and no buffers for connections that are silent. */
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD_BYTES);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	return SSL_CTX_load_verify_file(context, trusted_file) == 1 &&
	       SSL_CTX_set_min_proto_version(context, version) == 1 &&
	       SSL_CTX_set_max_proto_version(context, version) == 1 &&
	       SSL_CTX_set1_groups_list(context, version == TLS1_2_VERSION ? GROUPS_1_2 : GROUPS_1_3) == 1 &&
	       SSL_CTX_set_cipher_list(context, SUITES_1_2) == 1 &&
	       SSL_CTX_set_ciphersuites(context, SUITES_1_3) == 1;
}

int tls_open(struct tls *t, const char *trusted_file, int version, bool resume, const char **ret_error)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context || !tls_set_up(context, trusted_file, version, resume)) {
		*ret_error = channel_failure(-EPROTO);
		SSL_CTX_free(context);
		return -EINVAL;
	}
	*t = (struct tls){.context = context, .resume = resume};
	SSL_CTX_set_app_data(context, t);
	return 0;
}

void tls_close(struct tls *t)
{
	SSL_SESSION_free(t->newest);
	SSL_CTX_free(t->context);
	*t = (struct tls){0};
}

int channel_open(struct channel *c, struct tls *t, int fd)
{
	*c = (struct channel){.fd = fd};
	if (!t->context)
		return 0;
	c->ssl = SSL_new(t->context);
	if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1)
		return -ENOMEM;
	SSL_set_connect_state(c->ssl);
	c->resuming = t->resume && t->newest;
	return c->resuming && !tls_offer_session(t, c->ssl) ? -ENOMEM : 0;
}

void channel_close(struct channel *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	*c = (struct channel){.fd = -1};
}

/* What a call of OpenSSL came to: its result, 0 for the end, or -errno. */
static int channel_result(struct channel *c, int result)
{
	int error = errno;

	if (result > 0)
		return result;
	switch (SSL_get_error(c->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return error ? -error : -ECONNRESET;
	default:
		c->cut_off = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
		return c->cut_off ? 0 : -EPROTO;
	}
}

int channel_handshake(struct channel *c)
{
	if (!c->ssl)
		return 0;
	ERR_clear_error();
	int r = channel_result(c, SSL_do_handshake(c->ssl));
	if (r == 0)
		return -ECONNRESET;
	return r < 0 ? r : 0;
}

bool channel_lost_session(const struct channel *c)
{
	return c->resuming && !SSL_session_reused(c->ssl);
}

ssize_t channel_receive(struct channel *c, unsigned char *buffer, size_t size)
{
	if (!c->ssl) {
		ssize_t n = recv(c->fd, buffer, size, 0);

		return n < 0 ? -errno : n;
	}
	ERR_clear_error();
	return channel_result(c, SSL_read(c->ssl, buffer, (int) MIN(size, (size_t) INT_MAX)));
}

ssize_t channel_send(struct channel *c, const unsigned char *bytes, size_t length)
{
	if (!c->ssl) {
		ssize_t n = send(c->fd, bytes, length, MSG_NOSIGNAL);

		return n < 0 ? -errno : n;
	}
	/* A record at a time: what the socket does not take of it is known to the byte. */
	length = c->held_bytes ? c->held_bytes : MIN(length, RECORD_BYTES);
	ERR_clear_error();
	int r = channel_result(c, SSL_write(c->ssl, bytes, (int) length));
	c->held_bytes = r == -EAGAIN ? length : 0;
	return r == 0 ? -EPIPE : r;
}

int channel_finish(struct channel *c)
{
	if (c->ssl) {
		ERR_clear_error();
		int result = SSL_shutdown(c->ssl);
		int r = result < 0 ? channel_result(c, result) : 0;
		if (r < 0)
			return r;
	}
	return shutdown(c->fd, SHUT_WR) < 0 ? -errno : 0;
}

bool channel_may_have_more(const struct channel *c, size_t received, size_t size)
{
	return c->ssl || received == size;
}

bool channel_has_read_ahead(const struct channel *c)
{
	return c->ssl && SSL_has_pending(c->ssl);
}

const char *channel_failure(int error)
{
	unsigned long first = error == -EPROTO ? ERR_peek_error() : 0;
	const char *reason = ERR_reason_error_string(first);

	if (first && ERR_SYSTEM_ERROR(first))
		return strerror(ERR_GET_REASON(first));
	return reason ? reason : strerror(-error);
}
