/* tls_inside.h - what the files of TLS share, and nobody else sees. */
#pragma once

#include "net/tls.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>

/* A certificate, what leads from it to an authority, and its key. */
struct tls_pair {
	char *file;			/* of the certificate, as it was given; NULL: self-signed */
	X509 *certificate;
	STACK_OF(X509) *chain;
	EVP_PKEY *key;
	size_t identity;		/* that it is part of */
};

/* Certificates for the same names, and what they are chosen by. There is more than one when their keys are of
 * different kinds: OpenSSL takes the one that the client can verify. */
struct tls_identity {
	SSL_CTX *ssl;			/* settings of the section with these certificates */
	char **names;			/* lower case, "*.example.org" too; ends with NULL */
};

struct tls_ring;

/* Immutable once it is made: pool threads read it. What has a lock of its own is the ring. */
struct tls_context {
	unsigned references;		/* of the loop's thread */
	struct tls_pair *pairs;
	size_t pair_count;
	struct tls_identity *identities;/* the first one is the default, and the one for SSL_new() */
	size_t identity_count;
	SSL_CTX *connecting;		/* NULL: it does not connect */
	struct tls_ring *ring;		/* NULL: no tickets */
	bool strict_sni;
	bool verifies_server;
	const char *no_ktls;		/* why the kernel does not encrypt, in words (literal); NULL: it does */
	BIO_METHOD *socket;		/* of tls_socket_method() */
	char *server_name;		/* NULL: none */
	char **client_names;		/* NULL: any */
	uint8_t *alpn;			/* as it is sent: each name behind its length; NULL: none */
	unsigned alpn_bytes;
};

/* Of plaintext, in one record (RFC 8446 section 5.1). */
#define TLS_RECORD_BYTES (16 * 1024)
/* Of a flight of ours: certificates are all that may make it long. */
#define TLS_FLIGHT_BYTES_MAX (256 * 1024)

/* TLS on one stream: stream.session. During the handshake its bytes go through `in` and `out`, so that a pool
 * thread can work on it without touching the socket; from then on they go to the socket directly. */
struct tls_session {
	struct stream *stream;
	struct tls_context *context;	/* one reference */
	SSL *ssl;			/* SSL_get_app_data() leads back here; freed before the context is let go */
	int (*open)(struct tls_session *t);	/* makes it, in the first step of the handshake */
	struct semaphore *slots;	/* one for each that is at work; NULL: no limit */
	const char *host;		/* that was connected to, during the handshake; NULL: unknown */
	uint8_t *in, *out;		/* NULL when empty */
	uint32_t in_begin, in_end;
	uint32_t out_bytes;
	int error;			/* -errno of the socket or of `out`, for what OpenSSL calls a system error */
	int write_error;		/* -errno of the socket: nothing more is written */
	int step_result;		/* of a step of the handshake */
	bool accepts;
	bool established;
	bool through_memory;		/* the socket is not to be touched: the handshake is on */
	bool broken;			/* nothing more is read or written */
	bool at_end;			/* the socket was read to its end */
	bool has_parted, heard_since;	/* we have said goodbye; the peer has said something after that */
	bool more_follows;		/* more than the record that is being written, be it a FIN: sent with it */
	bool kernel_sends;		/* what is written is encrypted by the kernel (kTLS) */
	uint32_t extras;		/* of the peer: key updates, tickets and wishes for another handshake */
	struct tls_resumption *resumption;	/* of whoever connects; NULL: none */
	uint8_t *offered, *learned;	/* out of it, and for it, from the server; NULL: nothing */
	uint32_t offered_bytes, learned_bytes;
	const char *refusal;		/* by a callback of ours, in words (literal) that say more than OpenSSL's */
	char *failure;			/* in words; NULL: none */
	char *sni;			/* that the client asked for, as it came; NULL: none; memory_free() */
	int64_t handshake_ns;
};

/* -- tls_context.c -- */

/* The session that an SSL belongs to. Callbacks of a server need it from the first byte on. */
static inline struct tls_session *tls_session_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* Has the ticket keys follow the clock. On the loop's thread, before a handshake goes to a pool thread. */
void tls_context_refresh(struct tls_context *c);

/* -- a context in the making -- */

struct tls_build {
	const struct tls_options *options;
	struct tls_keep *keep;
	bool accepts, connects;
	struct tls_context *context;
	struct tls_problem *problem;
	/* Whom clients must be signed by; of tls_verify.c. */
	int verify_mode;
	X509_STORE *client_store;
	STACK_OF(X509_NAME) *client_authorities;
	uint8_t session_scope[SSL_MAX_SID_CTX_LENGTH];
};

/* An SSL_CTX with what the section says about both sides. */
int tls_build_ssl(struct tls_build *b, const SSL_METHOD *method, SSL_CTX **ret) _must_check_;

/* Fills the problem in. Returns `error`. */
_printf_(5, 6) int tls_complain(struct tls_problem *p, int error, const char *key, size_t index,
				const char *format, ...);
/* True when that is among the errors of OpenSSL, which it empties. Below other errors, it is what has led to them. */
bool tls_memory_was_short(void);
/* Ends the words with what OpenSSL says and returns -EINVAL; or -ENOMEM, when that was all. */
int tls_complain_openssl(struct tls_problem *p, const char *key, size_t index, const char *words);

/* -- tls_file.c: what the section names, read at once and erased afterwards -- */

struct tls_file {
	char *bytes;			/* NUL behind them */
	size_t length;
};
void tls_file_done(struct tls_file *f);

/* Something of the operator's for a message: escaped, and only its end when it is long. */
struct tls_quoted {
	char text[128];
};
struct tls_quoted tls_quote(const char *text);

/* Where a file is: "credential:NAME" is in the folder of the service manager. */
int tls_file_path(struct tls_problem *p, const char *key, size_t index, const char *given, char **ret) _must_check_;
/* A secret one is refused when others can read it or write it. -EINVAL, -ENOENT, ... with *p; -ENOMEM. */
int tls_file_read(struct tls_problem *p, const char *key, size_t index, const char *given, bool is_secret,
		  struct tls_file *ret) _must_check_;
/* All certificates in it, one at least; the caller's. */
int tls_file_certificates(struct tls_problem *p, const char *key, size_t index, const char *given,
			  const struct tls_file *f, STACK_OF(X509) **ret) _must_check_;
int tls_file_key(struct tls_problem *p, size_t index, const char *given, const struct tls_file *f,
		 EVP_PKEY **ret) _must_check_;

/* -- tls_certificate.c -- */

/* Reads the pairs of the section, or takes the one of the keep. */
int tls_pairs_read(struct tls_build *b) _must_check_;
/* Sorts them by their names into identities. */
int tls_pairs_identify(struct tls_build *b) _must_check_;
/* Has all of them presented to servers. */
int tls_pairs_present(struct tls_build *b, SSL_CTX *ssl) _must_check_;
void tls_pairs_done(struct tls_context *c);
/* Lists that end with NULL. */
char **tls_names_free(char **names);

/* -- tls_verify.c -- */

/* Reads whom clients must be signed by. */
int tls_verify_read(struct tls_build *b) _must_check_;
void tls_verify_done(struct tls_build *b);
/* Has clients verified, as it was read. */
int tls_verify_clients(struct tls_build *b, SSL_CTX *ssl) _must_check_;
/* Has servers verified; which name they must have is said for each connection. */
int tls_verify_servers(struct tls_build *b, SSL_CTX *ssl) _must_check_;

/* -- tls_keep.c, tls_ticket.c -- */

struct tls_keep {
	struct tls_ring *rings;
	X509 *certificate;		/* self-signed; NULL: not wanted so far */
	EVP_PKEY *key;
};
/* The self-signed pair, made when there is none or it is over; borrowed. */
int tls_keep_pair(struct tls_keep *keep, X509 **ret_certificate, EVP_PKEY **ret_key) _must_check_;

/* The ring of that section, made when there is none; one reference, the caller's. */
int tls_ring_get(struct tls_keep *keep, const char *section, int64_t lifetime_ms, struct tls_ring **ret) _must_check_;
struct tls_ring *tls_ring_unref(struct tls_ring *ring);
/* Drops those of the keep. */
void tls_rings_done(struct tls_keep *keep);
/* Moves on to the epoch that an instant of tls_ring_now() lies in. On the loop's thread. */
void tls_ring_roll(struct tls_ring *ring, int64_t now_ns);
int64_t tls_ring_now(void);
/* Has tickets made with the keys of the context's ring; without one there are none. */
int tls_ring_use(const struct tls_context *c, const struct tls_options *o, SSL_CTX *ssl) _must_check_;

/* -- tls_kernel.c -- */

/* Why this kernel does not encrypt TLS (kTLS), in words (literal); NULL: it does. The kernel loads its
 * module by itself for privileged processes only. */
const char *tls_kernel_missing(void);
/* Whether a socket for which the kernel encrypts takes one more small record, and sends all that it has taken even
 * when it is closed then. False: wait until it can be written to. Only before the last record. */
bool tls_kernel_has_room(int fd);

/* -- tls_socket.c -- */

/* How OpenSSL reads and writes a stream; free with BIO_meth_free(). NULL without memory. */
BIO_METHOD *tls_socket_method(void) _must_check_;

/* -- tls_session.c -- */

/* The session of a stream; NULL for a plain one. */
struct tls_session *tls_session_on(const struct stream *s);
/* A session that hangs on the stream, which goes on as a plain one until tls_session_begin(). */
int tls_session_new(struct stream *s, struct tls_context *context, bool accepts,
		    struct tls_session **ret) _must_check_;
/* Makes its SSL. -ENOMEM. */
int tls_session_open(struct tls_session *t, SSL_CTX *settings) _must_check_;
/* From now on the stream is moved by TLS; without a handshake that succeeded, it fails to be. */
void tls_session_begin(struct tls_session *t);
/* Takes what was learned before along. -ENOMEM. */
int tls_session_offer(struct tls_session *t, struct tls_resumption *r) _must_check_;
/* Has a client go on with what was learned before. */
void tls_session_resume(struct tls_session *t);
/* Callback of clients: keeps what the server gave for the next time. */
int tls_session_learn(SSL *ssl, SSL_SESSION *session);
/* What a call on the SSL that did not succeed means: 0 for the end, a want, -errno. Right after it, on its thread. */
ssize_t tls_session_result(struct tls_session *t, int returned);
/* Keeps the words for what is in the error queue now. */
void tls_session_fail(struct tls_session *t);

/* -- tls_failure.c -- */

/* What the error queue of this thread and the verification say of the session's last call, in words, and empties the
 * queue. The caller's (free with memory_free()); NULL without memory. */
char *tls_failure_words(const struct tls_session *t);
