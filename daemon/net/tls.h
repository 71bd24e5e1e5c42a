/* tls.h - puts TLS under a stream: after a handshake the stream reads and writes as before, and whoever uses
 * it cannot tell (RFC 8446, RFC 5246).
 *
 * All of OpenSSL runs on the main stack or, for what is expensive, on a pool thread, never on a task's. What
 * went wrong is kept in words for the record of the connection.
 */
#pragma once

#include "net/stream.h"
#include "net/tls_context.h"
#include "runtime/sync.h"

/* [suspends] The server's side of a handshake, bounded by the scopes around it. `slots` limits how many are
 * at work at once: whose messages are being looked at, or wait for that; not those that wait for their
 * clients. 0; -EPROTO with tls_failure() saying why; -ECONNRESET, -EPIPE: the peer is gone; -ETIMEDOUT,
 * -ECANCELED, -ENOMEM, -errno. After a failure the stream is good for nothing but stream_free() and the calls
 * below. */
#define tls_accept(s, context, slots) AWAIT(tls_accept, (s, context, slots))
int (tls_accept)(struct stream *s, struct tls_context *context, struct semaphore *slots) _must_check_;

/* What was learned from a server for the next connection to it, which is then cheap (RFC 8446 section 2.2).
 * All zero: nothing yet. Good for one server and one name only, because a resumed session is not verified
 * again; another context begins anew. */
struct tls_resumption {
	struct tls_context *context;	/* one reference */
	uint8_t *session;		/* as it is stored (i2d_SSL_SESSION(3)) */
	uint32_t session_bytes;
};
void tls_resumption_done(struct tls_resumption *r);

/* [suspends] The client's side. `host` is what was connected to, a name or an address without a port; NULL: unknown.
 * `resumption` (NULL: none) is used and renewed as long as the stream lives. The same results. */
#define tls_connect(s, context, host, resumption) AWAIT(tls_connect, (s, context, host, resumption))
int (tls_connect)(struct stream *s, struct tls_context *context, const char *host,
		  struct tls_resumption *resumption) _must_check_;

/* Why TLS failed on this stream, in words ("no shared cipher"); NULL: it did not. */
const char *tls_failure(const struct stream *s);

bool tls_is_established(const struct stream *s);
/* What was agreed on. False, and nothing is filled in, for a stream without TLS. Deep: on the main stack
 * only. Texts are as the peer sent them: escape them. */
struct tls_description {
	bool established;
	const char *version;			/* "TLSv1.3" */
	const char *cipher;
	bool resumed;
	int64_t handshake_ns;
	char sni[256];				/* that the client asked for, or "" */
	char alpn[256];				/* that was chosen, or "" */
	char subject[256];			/* of the peer's certificate, RFC 2253, or "" */
};
bool tls_describe(const struct stream *s, struct tls_description *ret);
/* The name that the client asked for, or NULL; lasts as long as the stream. */
const char *tls_sni(const struct stream *s);

/* Dies when the error queue of this thread is not empty: what one connection leaves there kills another one.
 * For a hook at every switch, see wait_set_hook(). */
void tls_check_error_queue(void);
