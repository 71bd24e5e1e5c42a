/* channel.h - the two ends of a connection's bytes, as they are or through TLS (RFC 8446, RFC 5246).
 *
 * What is true of all TLS connections is in a struct tls: whom to trust, what is spoken, the newest session. What is
 * spoken is one version, one group and one kind of cipher, so that every server is made to do the same work. Results
 * are counts or -errno; -EPROTO is a failure of TLS, for which channel_failure() has words.
 */
#pragma once

#include "base/base.h"

#include <openssl/ssl.h>

struct tls {
	SSL_CTX *context; /* NULL: no TLS */
	bool resume;
	SSL_SESSION *newest; /* that a server gave; NULL: none has */
};

struct channel {
	int fd;
	SSL *ssl; /* NULL: as they are */
	bool resuming;
	bool cut_off;	   /* the other end came without a close_notify */
	size_t held_bytes; /* encrypted, but not taken by the socket: they are to be written next */
};

/* Servers have to show a certificate that is in the file, or signed by one that is. With `resume` each connection
 * resumes the newest session, once there is one. 0; -EINVAL with the reason in *ret_error. */
int tls_open(struct tls *t, const char *trusted_file, int version, bool resume, const char **ret_error) _must_check_;
void tls_close(struct tls *t);

/* Takes the descriptor of a connection that is there, for TLS if there is a context. 0 or -ENOMEM. */
int channel_open(struct channel *c, struct tls *t, int fd) _must_check_;
void channel_close(struct channel *c);
/* Goes on with the handshake: 0 when it is done; -EAGAIN; -errno. */
int channel_handshake(struct channel *c) _must_check_;
/* The server did not take the session that was offered: it made a whole handshake. */
bool channel_lost_session(const struct channel *c);
/* How many bytes came or went; receiving, 0 at the end. After -EAGAIN the same bytes have to be sent first. */
ssize_t channel_receive(struct channel *c, unsigned char *buffer, size_t size) _must_check_;
ssize_t channel_send(struct channel *c, const unsigned char *bytes, size_t length) _must_check_;
/* Sends the end of this side, with a close_notify before it. 0; -EAGAIN: to be done again; -errno. */
int channel_finish(struct channel *c) _must_check_;
/* A read of so many bytes may have left some behind, of which no readiness will tell. */
bool channel_may_have_more(const struct channel *c, size_t received, size_t size);
/* Bytes were read from the socket that nobody has received yet. */
bool channel_has_read_ahead(const struct channel *c);
/* What a negative result means. */
const char *channel_failure(int error);
