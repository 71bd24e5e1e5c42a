#include "support/tls_link.h"

#include <openssl/err.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#define PADDING_EXTENSION 65280		/* of those that are left to private use, RFC 8446 section 11 */

void link_fail(const struct link *l, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "tls_peer: %s: ", l->doing ? l->doing : "start");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

/* Keeps what OpenSSL says, and leaves nothing in its queue. */
static void link_note_failure(struct link *l)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	long verified = SSL_get_verify_result(l->ssl);

	if (verified != X509_V_OK && SSL_get_verify_mode(l->ssl) != SSL_VERIFY_NONE)
		reason = X509_verify_cert_error_string(verified);
	snprintf(l->words, sizeof(l->words), "%s", reason ? reason : l->gone == LINK_RESET ? "reset" : "closed");
	ERR_clear_error();
}

/* -- contexts -- */

static void context_ensure(bool done, const char *what)
{
	if (done)
		return;
	fprintf(stderr, "tls_peer: %s: %s\n", what, ERR_reason_error_string(ERR_peek_error()));
	exit(1);
}

static void context_set_alpn(SSL_CTX *context, const char *names)
{
	unsigned char wire[256];
	unsigned length = 0;

	while (*names) {
		size_t n = strcspn(names, ",");
		context_ensure(length + 1 + n <= sizeof(wire), "alpn");
		wire[length++] = (unsigned char) n;
		memcpy(wire + length, names, n);
		length += (unsigned) n;
		names += n + (names[n] == ',');
	}
	context_ensure(SSL_CTX_set_alpn_protos(context, wire, length) == 0, "alpn");
}

/* The secret that the client's records are sealed with once the handshake is over, in the form of NSS key logs. */
static void context_keep_secret(const SSL *ssl, const char *line)
{
	struct link *l = SSL_get_app_data(ssl);
	char label[40], secret[sizeof(l->secret)];

	if (sscanf(line, "%39s %*s %64s", label, secret) == 2 && strcmp(label, "CLIENT_TRAFFIC_SECRET_0") == 0)
		memcpy(l->secret, secret, sizeof(secret));
}

static int context_add_padding(SSL *ssl, unsigned type, unsigned where, const unsigned char **ret, size_t *ret_length,
			       X509 *x, size_t index, int *ret_alert, void *length)
{
	static const unsigned char zeros[65535];

	(void) ssl, (void) type, (void) where, (void) x, (void) index, (void) ret_alert;
	*ret = zeros;
	*ret_length = (size_t) (uintptr_t) length;
	return 1;
}

static void context_set_client(SSL_CTX *context, const struct link_options *o)
{
	SSL_CTX_set_keylog_callback(context, context_keep_secret);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
	if (o->alpn)
		context_set_alpn(context, o->alpn);
	if (o->hello_bytes)
		context_ensure(SSL_CTX_add_custom_ext(context, PADDING_EXTENSION, SSL_EXT_CLIENT_HELLO,
						      context_add_padding, NULL,
						      (void *) (uintptr_t) strtoul(o->hello_bytes, NULL, 10), NULL,
						      NULL),
			       "hello-bytes");
}

SSL_CTX *link_context_new(const struct link_options *o, bool server)
{
	SSL_CTX *context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	context_ensure(context, "context");
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (o->version) {
		int version = strcmp(o->version, "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
		SSL_CTX_set_min_proto_version(context, version);
		SSL_CTX_set_max_proto_version(context, version);
	}
	if (o->certificate) {
		const char *key = o->key ? o->key : o->certificate;
		context_ensure(SSL_CTX_use_certificate_chain_file(context, o->certificate) == 1, o->certificate);
		context_ensure(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1, key);
	}
	if (o->ca) {
		context_ensure(SSL_CTX_load_verify_file(context, o->ca) == 1, o->ca);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	if (o->ciphers)
		context_ensure((strncmp(o->ciphers, "TLS_", 4) == 0
					? SSL_CTX_set_ciphersuites(context, o->ciphers)
					: SSL_CTX_set_cipher_list(context, o->ciphers)) == 1,
			       "ciphers");
	if (o->groups)
		context_ensure(SSL_CTX_set1_groups_list(context, o->groups) == 1, "groups");
	if (!server)
		context_set_client(context, o);
	return context;
}

/* -- open and close -- */

static BIO *link_memory(void)
{
	BIO *memory = BIO_new(BIO_s_mem());

	context_ensure(memory, "memory");
	BIO_set_mem_eof_return(memory, -1);
	return memory;
}

static void link_set_name(struct link *l, const char *name)
{
	context_ensure(SSL_set_tlsext_host_name(l->ssl, name) == 1, name);
	if (SSL_get_verify_mode(l->ssl) != SSL_VERIFY_NONE)
		context_ensure(SSL_set1_host(l->ssl, name) == 1, name);
}

void link_open(struct link *l, int fd, SSL_CTX *context, const struct link_options *o, bool server)
{
	const int on = 1;

	*l = (struct link){
		.fd = fd,
		.server = server,
		.in = link_memory(),
		.out = link_memory(),
		.doing = "handshake",
	};
	if (!context)
		return;
	/* What is sent leaves at once; a Unix socket has no such choice, and no need of it. */
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	l->ssl = SSL_new(context);
	context_ensure(l->ssl, "session");
	SSL_set_app_data(l->ssl, l);
	SSL_set_bio(l->ssl, l->in, l->out);
	if (server)
		SSL_set_accept_state(l->ssl);
	else
		SSL_set_connect_state(l->ssl);
	if (!server && o->name)
		link_set_name(l, o->name);
}

void link_close(struct link *l)
{
	if (l->ssl) {
		SSL_free(l->ssl);	/* and the memories with it */
	} else {
		BIO_free(l->in);
		BIO_free(l->out);
	}
	close(l->fd);
	*l = (struct link){.fd = -1};
}

void link_reset(struct link *l)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	link_close(l);
}

/* -- the socket -- */

void link_wait(struct link *l, short events)
{
	struct pollfd wanted = {.fd = l->fd, .events = events};

	if (poll(&wanted, 1, LINK_PATIENCE_MS) <= 0)
		link_fail(l, "%s", events & POLLIN ? "nothing came" : "nobody reads");
}

void link_pull(struct link *l)
{
	unsigned char bytes[LINK_CHUNK_BYTES];
	ssize_t n = recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0)
		BIO_write(l->in, bytes, (int) n);
	else if (n == 0)
		l->gone = LINK_TRUNCATED;
	else if (n < 0 && errno != EAGAIN)
		l->gone = LINK_RESET;
}

/* Takes in what comes while it waits for room: two sides that only write would wait for each other. */
bool link_send_raw(struct link *l, const void *bytes, size_t length)
{
	const unsigned char *at = bytes;

	while (length > 0) {
		ssize_t n = send(l->fd, at, l->trickle ? 1 : length, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN) {
			l->gone = l->gone ? l->gone : LINK_RESET;
			return false;
		}
		if (n < 0) {
			short events = (short) (l->gone ? POLLOUT : POLLIN | POLLOUT);
			struct pollfd wanted = {.fd = l->fd, .events = events};
			if (poll(&wanted, 1, LINK_PATIENCE_MS) <= 0)
				link_fail(l, "nobody reads");
			if (wanted.revents & POLLIN)
				link_pull(l);
			continue;
		}
		at += n;
		length -= (size_t) n;
	}
	return true;
}

size_t link_held(const struct link *l)
{
	return BIO_ctrl_pending(l->out);
}

bool link_push_some(struct link *l)
{
	unsigned char sent[LINK_CHUNK_BYTES];
	char *bytes;

	while (link_held(l) > 0) {
		size_t length = MIN((size_t) BIO_get_mem_data(l->out, &bytes), sizeof(sent));
		ssize_t n = send(l->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN;
		BIO_read(l->out, sent, (int) n);
	}
	return true;
}

/* At most so many bytes of what is held. */
static bool link_push_part(struct link *l, size_t length)
{
	unsigned char bytes[LINK_CHUNK_BYTES];
	int n;

	while (length > 0 && (n = BIO_read(l->out, bytes, (int) MIN(length, sizeof(bytes)))) > 0) {
		if (!link_send_raw(l, bytes, (size_t) n))
			return false;
		length -= (size_t) n;
	}
	return true;
}

bool link_push(struct link *l)
{
	return link_push_part(l, SIZE_MAX);
}

int link_wait_gone(struct link *l)
{
	while (!l->gone) {
		link_wait(l, POLLIN);
		link_pull(l);
	}
	return l->gone;
}

/* -- TLS -- */

int link_handshake(struct link *l, unsigned flights, size_t part)
{
	for (;;) {
		ERR_clear_error();
		int result = SSL_do_handshake(l->ssl);
		int error = SSL_get_error(l->ssl, result);

		if (result != 1 && error != SSL_ERROR_WANT_READ) {
			link_note_failure(l);
			link_push(l);	/* the alert that says so */
			return -1;
		}
		if (link_held(l) > 0) {
			if (l->flights == flights) {
				link_push_part(l, part);
				return 0;
			}
			l->flights++;
			link_push(l);
		}
		if (result == 1)
			return 1;
		if (l->gone && BIO_ctrl_pending(l->in) == 0) {
			link_note_failure(l);
			return -1;
		}
		if (!l->gone) {
			link_wait(l, POLLIN);
			link_pull(l);
		}
	}
}

void link_handshake_whole(struct link *l)
{
	if (l->ssl && link_handshake(l, LINK_ALL_FLIGHTS, 0) != 1)
		link_fail(l, "%s", l->words);
}

void link_write(struct link *l, const void *bytes, size_t length)
{
	const unsigned char *at = bytes;
	size_t n;

	while (length > 0) {
		ERR_clear_error();
		if (!l->ssl)
			n = (size_t) BIO_write(l->out, at, (int) length);
		else if (SSL_write_ex(l->ssl, at, length, &n) != 1) {
			link_note_failure(l);
			link_fail(l, "writing: %s", l->words);
		}
		at += n;
		length -= n;
	}
}

void link_finish(struct link *l)
{
	ERR_clear_error();
	if (l->ssl) {
		if (SSL_shutdown(l->ssl) < 0) {
			link_note_failure(l);
			link_fail(l, "close_notify: %s", l->words);
		}
		return;
	}
	link_push(l);
	if (shutdown(l->fd, SHUT_WR) < 0)
		link_fail(l, "shutdown: %s", strerror(errno));
}

/* What is in memory already: bytes; 0: the end; -EAGAIN: nothing; -EPROTO. */
static ssize_t link_read_memory(struct link *l, void *bytes, size_t length)
{
	int n;

	if (!l->ssl) {
		n = BIO_read(l->in, bytes, (int) length);
		return n > 0 ? n : l->gone == LINK_TRUNCATED ? 0 : -EAGAIN;
	}
	ERR_clear_error();
	n = SSL_read(l->ssl, bytes, (int) length);
	if (n > 0)
		return n;
	switch (SSL_get_error(l->ssl, n)) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	default:
		link_note_failure(l);
		return -EPROTO;
	}
}

ssize_t link_read_now(struct link *l, void *bytes, size_t length)
{
	ssize_t n;

	while ((n = link_read_memory(l, bytes, length)) == -EAGAIN) {
		if (l->gone)
			return l->gone;
		link_pull(l);
		if (BIO_ctrl_pending(l->in) == 0 && !l->gone)
			return -EAGAIN;
	}
	return n;
}

ssize_t link_read(struct link *l, void *bytes, size_t length)
{
	ssize_t n;

	while ((n = link_read_now(l, bytes, length)) == -EAGAIN) {
		link_push(l);	/* what TLS had to answer, if anything */
		link_wait(l, POLLIN);
	}
	return n;
}

const char *link_ending(const struct link *l, ssize_t result)
{
	switch (result) {
	case 0:
		return l->ssl ? "close_notify" : "end";
	case LINK_TRUNCATED:
		return "truncated";
	case LINK_RESET:
		return "reset";
	default:
		return result < 0 && l->words[0] ? l->words : "bytes";
	}
}
