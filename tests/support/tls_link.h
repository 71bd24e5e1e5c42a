/* tls_link.h - one end of a connection, with TLS on it or without, whose every byte is in the hands of a test.
 *
 * OpenSSL never sees the socket. What it wants to send waits in memory, where a test may hold it back, cut it, mix
 * it with garbage or send it byte by byte, and where one flight of the handshake can be told from the next. Every
 * wait is bounded. A program that gets something else than it asked for ends, with status 1 and a message.
 */
#pragma once

#include "base/base.h"

#include <openssl/ssl.h>

#define LINK_PATIENCE_MS 20000
#define LINK_CHUNK_BYTES 65536
#define LINK_ALL_FLIGHTS UINT_MAX

/* How a direction ended, beside 0, which is a clean end (close_notify, or the end of a plain stream), and -EPROTO. */
#define LINK_TRUNCATED (-EPIPE)		/* the stream ended, without close_notify */
#define LINK_RESET (-ECONNRESET)

struct link_options {
	const char *name;		/* client: the server that it asks for */
	const char *alpn;		/* client: names between commas */
	const char *ca;			/* who may sign the other side's certificate; NULL: it is not looked at */
	const char *certificate, *key;
	const char *version;		/* "1.2" or "1.3", and no other */
	const char *ciphers, *groups;
	const char *hello_bytes;	/* client: how much longer than needed its first message is */
};

struct link {
	int fd;
	bool server;
	bool trickle;			/* each byte is a segment of its own */
	SSL *ssl;			/* NULL: a plain connection */
	BIO *in, *out;			/* what came in and was not read; what was written and not sent */
	int gone;			/* LINK_TRUNCATED, LINK_RESET: nothing more will come; 0: it may */
	unsigned flights;		/* of the handshake, that this side has sent */
	const char *doing;		/* for messages */
	char words[200];		/* what OpenSSL says of the last failure */
	char secret[65];		/* client, TLS 1.3: the secret of what it sends, in hexadecimal */
};

SSL_CTX *link_context_new(const struct link_options *o, bool server);
/* Takes the descriptor, and puts TLS on it, of which nothing is sent yet. No context: a plain connection. */
void link_open(struct link *l, int fd, SSL_CTX *context, const struct link_options *o, bool server);
void link_close(struct link *l);
/* Closes with a reset. */
void link_reset(struct link *l);
_noreturn_ _printf_(2, 3) void link_fail(const struct link *l, const char *format, ...);

/* Goes on with the handshake until it has sent so many flights in all, and `part` bytes of the next one. 1: the
 * handshake is done; 0: it stopped there; -1: it failed, l->words says why. */
int link_handshake(struct link *l, unsigned flights, size_t part);
/* The whole of it, or the program ends. */
void link_handshake_whole(struct link *l);

/* Adds to what is to be sent: on a connection with TLS as one record (of 16 KiB at most). */
void link_write(struct link *l, const void *bytes, size_t length);
/* Adds the end of this direction: close_notify, or the end of a plain stream behind what is to be sent. */
void link_finish(struct link *l);
size_t link_held(const struct link *l);
/* Sends what there is room for now, or all of it. False: the other side has gone. */
bool link_push_some(struct link *l);
bool link_push(struct link *l);
/* Sends bytes as they are, past TLS. */
bool link_send_raw(struct link *l, const void *bytes, size_t length);

/* Bytes; 0, LINK_TRUNCATED, LINK_RESET: the end; -EPROTO: l->words; -EAGAIN, of the first one only: nothing is
 * there. */
ssize_t link_read_now(struct link *l, void *bytes, size_t length);
ssize_t link_read(struct link *l, void *bytes, size_t length);
/* Takes in what the socket has. */
void link_pull(struct link *l);
/* Waits for these events of poll(2); ends the program when its patience does. */
void link_wait(struct link *l, short events);
/* Reads until the other side ends, in whichever way, without asking TLS what it was: LINK_TRUNCATED or LINK_RESET. */
int link_wait_gone(struct link *l);
/* In one word: close_notify (or end), truncated, reset, or what OpenSSL says. */
const char *link_ending(const struct link *l, ssize_t result);
