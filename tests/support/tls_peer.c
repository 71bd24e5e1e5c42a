/* tls_peer - the other end of a connection with TLS, for all that openssl s_client and s_server do not do.
 *
 *   tls_peer MODE --to ADDRESS [OPTION...] [TEXT]        connects
 *   tls_peer MODE --listen ADDRESS [OPTION...] [TEXT]    prints where it listens, takes who comes, one after another
 *
 * Modes of both sides:
 *   transfer     --bytes N position-coded bytes each way, in writes of --write N, every byte of them compared: both
 *                sides at once the first time, then the server after the client's end, then the client after the
 *                server's, and so on. With TLS the end is close_notify, and nothing else will do on the other side
 *   stall        stops after --flight N of the handshake and --part N bytes of the next; prints how it was ended
 *   reset        resets there
 *   garbage      sends --bytes N of garbage there; prints how it was ended. --flight 9: behind the handshake
 *   truncate     says TEXT and hears it (as a server: hears something, says TEXT), then ends the stream without
 *                close_notify; prints how the other side ended
 *
 * Of the client:
 *   call         says TEXT, then close_notify, and prints the answer up to the other side's; what TLS agreed on goes
 *                to standard error. --resume: with the session of the call before; --session FILE: with the one kept
 *                there; --until-end: again and again until there is standard input, or its end, printing what TLS
 *                agreed on when the certificate is another one
 *   hear         says TEXT, and no end, and prints what comes up to the other side's end: it has to be close_notify
 *   mixed        --count N good connections, and three times as many with garbage between their steps; prints how
 *                many good ones got their echo
 *   renegotiate  TLS 1.2: asks for another handshake; prints that it was refused
 *   pending      --count N records in one segment, the last flight of the handshake in one with data; hears it all
 *   flood        --count N records --kind empty|alert|oversized|unknown|keyupdate, before the handshake or, with
 *                --inside, sealed behind it (TLS 1.3, TLS_AES_128_GCM_SHA256); prints whether the other side cut it
 *                off or still answers
 *
 * Of the server:
 *   serve        says TEXT to whoever comes, for ever; prints what TLS agreed on
 *
 * --times N: all of that so often. --plain: no TLS on this side. --trickle: each byte of the handshake is a segment
 * of its own. --name NAME, --alpn A,B, --ca FILE (else certificates are not looked at), --certificate FILE,
 * --key FILE, --version 1.2|1.3, --ciphers LIST, --groups LIST, --hello-bytes N (so much longer is the first one).
 *
 * What does not come true within 20 seconds, or otherwise than asked for, ends it with status 1 and a message.
 */
#include "base/address.h"
#include "payload.h"
#include "support/tls_link.h"
#include "support/tls_records.h"

#include <getopt.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define GATHER_BYTES 16384 /* small records leave together, when there are so many of them */

struct tls_peer {
	const char *to, *listen;
	struct link_options link_options;
	const char *text, *kind, *session_file;
	unsigned long bytes, write_bytes, times, flight, part, count;
	int plain, trickle, inside, resume, until_end;
	bool forever;
	int listener;
	SSL_CTX *context;		/* NULL: plain */
	SSL_SESSION *session;		/* the newest of the client; NULL: none yet */
	X509 *seen;			/* the certificate that was printed last; NULL: none */
	struct link link;
	struct payload payload;
};

/* -- the socket -- */

static void peer_parse(struct tls_peer *p, const char *text, enum address_use use, struct sockaddr_storage *ret,
		       socklen_t *ret_length)
{
	struct address a;
	const char *error = "a number for the address, please";

	if (address_parse(text, use, &a, &error) < 0 || address_to_sockaddr(&a, ret, ret_length) < 0)
		link_fail(&p->link, "%s: %s", text, error);
}

static void peer_listen(struct tls_peer *p)
{
	struct sockaddr_storage at;
	socklen_t length;
	struct endpoint local;
	char printed[ENDPOINT_TEXT_BYTES];
	const int on = 1;

	peer_parse(p, p->listen, ADDRESS_LISTEN, &at, &length);
	p->listener = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(p->listener, (struct sockaddr *) &at, length) < 0 || listen(p->listener, 128) < 0)
		link_fail(&p->link, "%s: %s", p->listen, strerror(errno));
	length = sizeof(at);
	getsockname(p->listener, (struct sockaddr *) &at, &length);
	endpoint_from_sockaddr((struct sockaddr *) &at, length, &local);
	printf("%s\n", at.ss_family == AF_UNIX ? p->listen : endpoint_print(&local, printed));
	fflush(stdout);
}

static int peer_connect(struct tls_peer *p)
{
	struct sockaddr_storage to;
	socklen_t length;

	peer_parse(p, p->to, ADDRESS_CONNECT, &to, &length);
	int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *) &to, length) < 0)
		link_fail(&p->link, "connect: %s", strerror(errno));
	return fd;
}

/* However long it takes until somebody comes: whoever started this server ends it. */
static int peer_accept(struct tls_peer *p)
{
	int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		link_fail(&p->link, "accept: %s", strerror(errno));
	return fd;
}

/* A new connection, of which the handshake is yet to be done. */
static void peer_open_link(struct tls_peer *p, struct link *l)
{
	int fd = p->listen ? peer_accept(p) : peer_connect(p);

	link_open(l, fd, p->context, &p->link_options, p->listen);
	l->trickle = p->trickle;
}

static void peer_open(struct tls_peer *p)
{
	peer_open_link(p, &p->link);
}

static int peer_handshake(struct tls_peer *p)
{
	int result = link_handshake(&p->link, (unsigned) p->flight, p->part);

	if (result < 0)
		link_fail(&p->link, "%s", p->link.words);
	return result;
}

/* -- transfer -- */

struct transfer {
	uint64_t sent, received;
	bool may_send, finished, ended;
};

/* Small records are gathered; small writes without TLS are not, because the kernel does that. */
static void transfer_send(struct tls_peer *p, struct link *l, struct transfer *t)
{
	while (t->may_send && !t->finished && link_held(l) < GATHER_BYTES) {
		size_t run;
		const unsigned char *bytes = payload_at(&p->payload, l->server, t->sent, &run);

		run = MIN(run, p->write_bytes);
		run = MIN(run, p->bytes - t->sent);
		link_write(l, bytes, run);
		t->sent += run;
		if (t->sent == p->bytes) {
			link_finish(l);
			t->finished = true;
		}
		if (!l->ssl && (!link_push_some(l) || t->sent % GATHER_BYTES == 0))
			break;
	}
	if (!link_push_some(l))
		link_fail(l, "the other side went after %" PRIu64 " bytes", t->sent);
}

static void transfer_receive(struct tls_peer *p, struct link *l, struct transfer *t)
{
	unsigned char bytes[LINK_CHUNK_BYTES];
	ssize_t n;

	while (!t->ended && (n = link_read_now(l, bytes, sizeof(bytes))) != -EAGAIN) {
		if (n < 0 || (n == 0 && t->received != p->bytes))
			link_fail(l, "%s after %" PRIu64 " bytes", link_ending(l, n), t->received);
		if (n == 0) {
			t->ended = t->may_send = true;
			return;
		}
		size_t right = payload_compare(&p->payload, !l->server, t->received, bytes, (size_t) n);
		if (right < (size_t) n)
			link_fail(l, "byte %" PRIu64 " is wrong", t->received + right);
		t->received += (uint64_t) n;
	}
}

/* Turn 0: both at once; 1: the server after the client's end; 2: the other way round. */
static void mode_transfer(struct tls_peer *p, unsigned long turn)
{
	struct link *l = &p->link;
	struct transfer t = {.may_send = turn % 3 == 0 || (turn % 3 == 2) == l->server};

	link_handshake_whole(l);
	l->doing = (const char *const[]){"both at once", "client first", "server first"}[turn % 3];
	for (;;) {
		transfer_send(p, l, &t);
		transfer_receive(p, l, &t);
		if (t.finished && t.ended && link_held(l) == 0)
			break;
		if (!t.may_send || t.finished || link_held(l) >= GATHER_BYTES)
			link_wait(l, (short) ((t.ended ? 0 : POLLIN) | (link_held(l) > 0 ? POLLOUT : 0)));
	}
	link_close(l);
}

/* -- calls -- */

static void peer_write_text(struct tls_peer *p)
{
	if (*p->text)
		link_write(&p->link, p->text, strlen(p->text));
	link_push(&p->link);
}

/* Reads so much of an echo as is its length. */
static ssize_t peer_hear(struct link *l, const char *text)
{
	char bytes[LINK_CHUNK_BYTES];
	size_t length = strlen(text), done = 0;

	while (done < length) {
		ssize_t n = link_read(l, bytes, MIN(length - done, sizeof(bytes)));
		if (n <= 0)
			return n;
		if (memcmp(bytes, text + done, (size_t) n) != 0)
			link_fail(l, "got '%.*s'", (int) n, bytes);
		done += (size_t) n;
	}
	return 1;
}

static void peer_hear_or_fail(struct link *l, const char *text)
{
	ssize_t n = peer_hear(l, text);

	if (n <= 0)
		link_fail(l, "no echo: %s", link_ending(l, n));
}

/* What TLS agreed on, as one line of key=value; certificate facts are of the other side. */
static void peer_print_facts(const struct link *l, FILE *to)
{
	X509 *certificate = SSL_get0_peer_certificate(l->ssl);
	const char *name = SSL_get_servername(l->ssl, TLSEXT_NAMETYPE_host_name);
	const unsigned char *alpn;
	unsigned alpn_length;

	SSL_get0_alpn_selected(l->ssl, &alpn, &alpn_length);
	fprintf(to, " version=%s cipher=%s resumed=%s sni=\"%s\" alpn=\"%.*s\"", SSL_get_version(l->ssl),
		SSL_get_cipher_name(l->ssl), SSL_session_reused(l->ssl) ? "yes" : "no", name ? name : "",
		(int) alpn_length, alpn ? (const char *) alpn : "");
	if (certificate) {
		BIO *memory = BIO_new(BIO_s_mem());
		char *text;
		BIO_puts(memory, " serial=");
		i2a_ASN1_INTEGER(memory, X509_get0_serialNumber(certificate));
		BIO_puts(memory, " subject=\"");
		X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
		int length = (int) BIO_get_mem_data(memory, &text);
		fprintf(to, "%.*s\"", length, text);
		BIO_free(memory);
	}
	fputc('\n', to);
	fflush(to);
}

static int peer_keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_peer *p = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(p->session);
	p->session = session;
	return 1;
}

static void peer_load_session(struct tls_peer *p)
{
	FILE *file = p->session_file ? fopen(p->session_file, "re") : NULL;

	if (!file)
		return;
	p->session = PEM_read_SSL_SESSION(file, NULL, NULL, NULL);
	fclose(file);
}

static void peer_save_session(struct tls_peer *p)
{
	FILE *file = p->session_file && p->session ? fopen(p->session_file, "we") : NULL;

	if (!file)
		return;
	PEM_write_SSL_SESSION(file, p->session);
	fclose(file);
}

/* Reads the answer to its clean end, and passes it on unless `quiet`. */
static void peer_read_answer(struct link *l, bool quiet)
{
	char bytes[LINK_CHUNK_BYTES];
	ssize_t n;

	while ((n = link_read(l, bytes, sizeof(bytes))) > 0)
		if (!quiet) {
			fwrite(bytes, 1, (size_t) n, stdout);
			fflush(stdout);
		}
	if (n < 0)
		link_fail(l, "the answer ended: %s", link_ending(l, n));
}

static bool peer_has_seen(const struct tls_peer *p, const X509 *certificate)
{
	return p->seen && certificate && X509_cmp(certificate, p->seen) == 0;
}

/* How many segments with bytes in them have come so far. */
static void peer_print_segments(const struct link *l, FILE *to)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (getsockopt(l->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0)
		fprintf(to, " segments=%u\n", info.tcpi_data_segs_in);
}

static void mode_call(struct tls_peer *p, unsigned long turn)
{
	struct link *l = &p->link;

	(void) turn;
	if (l->ssl && p->session && (p->resume || p->session_file))
		SSL_set_session(l->ssl, p->session);
	link_handshake_whole(l);
	l->doing = "call";
	link_write(l, p->text, strlen(p->text));
	link_finish(l);
	link_push(l);
	if (l->ssl && !p->until_end)
		peer_print_facts(l, stderr);
	peer_read_answer(l, p->until_end);
	if (!p->until_end)
		peer_print_segments(l, stderr);
	peer_save_session(p);
	if (l->ssl && p->until_end && !peer_has_seen(p, SSL_get0_peer_certificate(l->ssl))) {
		X509_free(p->seen);
		p->seen = SSL_get1_peer_certificate(l->ssl);
		peer_print_facts(l, stdout);
	}
	link_close(l);
}

static void mode_hear(struct tls_peer *p, unsigned long turn)
{
	struct link *l = &p->link;

	(void) turn;
	link_handshake_whole(l);
	l->doing = "hear";
	peer_write_text(p);
	peer_read_answer(l, false);
	link_close(l);
}

static void mode_serve(struct tls_peer *p, unsigned long turn)
{
	struct link *l = &p->link;
	char bytes[LINK_CHUNK_BYTES];

	(void) turn;
	if (l->ssl && link_handshake(l, LINK_ALL_FLIGHTS, 0) != 1) {
		printf(" failure=\"%s\"\n", l->words);
		fflush(stdout);
		link_close(l);
		return;
	}
	if (l->ssl)
		peer_print_facts(l, stdout);
	link_write(l, p->text, strlen(p->text));
	link_finish(l);
	link_push(l);
	while (link_read(l, bytes, sizeof(bytes)) > 0)
		continue;
	link_close(l);
}

/* -- faults -- */

static void peer_say(const char *text)
{
	printf("%s\n", text);
	fflush(stdout);
}

static void mode_stall(struct tls_peer *p, unsigned long turn)
{
	(void) turn;
	peer_handshake(p);
	peer_say(link_wait_gone(&p->link) == LINK_RESET ? "reset" : "closed");
	link_close(&p->link);
}

static void mode_reset(struct tls_peer *p, unsigned long turn)
{
	(void) turn;
	peer_handshake(p);
	link_reset(&p->link);
}

/* Every other time the garbage stands in a record that is well formed, but for its content. */
static void peer_send_garbage(struct tls_peer *p, struct link *l, unsigned long turn)
{
	unsigned char bytes[LINK_CHUNK_BYTES];
	size_t run, length = MIN(p->bytes, sizeof(bytes));

	memcpy(bytes, payload_at(&p->payload, turn, 0, &run), length);
	bytes[0] |= 0x80; /* neither a record nor a letter */
	if (turn % 2) {
		unsigned char record[RECORD_BYTES_MAX];
		size_t content = MIN(length, RECORD_CONTENT_BYTES_MAX);
		length = record_make(NULL, RECORD_HANDSHAKE, bytes, content, record);
		memcpy(bytes, record, length);
	}
	link_send_raw(l, bytes, length);
}

static void mode_garbage(struct tls_peer *p, unsigned long turn)
{
	peer_handshake(p);
	peer_send_garbage(p, &p->link, turn);
	peer_say(link_wait_gone(&p->link) == LINK_RESET ? "reset" : "closed");
	link_close(&p->link);
}

static void mode_truncate(struct tls_peer *p, unsigned long turn)
{
	struct link *l = &p->link;
	char bytes[LINK_CHUNK_BYTES];
	ssize_t n;

	(void) turn;
	link_handshake_whole(l);
	l->doing = "truncate";
	if (l->server && link_read(l, bytes, sizeof(bytes)) <= 0)
		link_fail(l, "nothing was asked");
	peer_write_text(p);
	if (!l->server)
		peer_hear_or_fail(l, p->text);
	shutdown(l->fd, SHUT_WR);
	while ((n = link_read(l, bytes, sizeof(bytes))) > 0)
		continue;
	peer_say(link_ending(l, n));
	link_close(l);
}

/* -- good ones among bad ones -- */

static void mixed_bad(struct tls_peer *p, unsigned flights, unsigned long turn)
{
	struct link bad;

	peer_open_link(p, &bad);
	bad.doing = "bad";
	if (link_handshake(&bad, flights, 0) < 0)
		link_fail(&bad, "%s", bad.words);
	peer_send_garbage(p, &bad, turn);
	link_wait_gone(&bad);
	link_close(&bad);
}

/* All good connections are in the midst of something whenever a bad one comes: of the handshake, of the call. */
static void mode_mixed(struct tls_peer *p, unsigned long turn)
{
	struct link *good = calloc(p->count, sizeof(*good));

	(void) turn;
	for (unsigned long i = 0; good && i < p->count; i++) {
		peer_open_link(p, good + i);
		if (link_handshake(good + i, 1, 0) < 0)
			link_fail(good + i, "%s", good[i].words);
		mixed_bad(p, 0, i);
	}
	for (unsigned long i = 0; good && i < p->count; i++) {
		mixed_bad(p, 1, i);
		link_handshake_whole(good + i);
	}
	for (unsigned long i = 0; good && i < p->count; i++) {
		good[i].doing = "good";
		link_write(good + i, p->text, strlen(p->text));
		link_push(good + i);
		mixed_bad(p, LINK_ALL_FLIGHTS, i);
		peer_hear_or_fail(good + i, p->text);
	}
	for (unsigned long i = 0; good && i < p->count; i++) {
		link_finish(good + i);
		link_push(good + i);
		peer_read_answer(good + i, true);
		link_close(good + i);
	}
	free(good);
	printf("%lu\n", p->count);
}

/* -- things that are rare -- */

static void mode_renegotiate(struct tls_peer *p, unsigned long turn)
{
	struct link *l = &p->link;

	(void) turn;
	link_handshake_whole(l);
	peer_write_text(p);
	peer_hear_or_fail(l, p->text);
	l->doing = "renegotiation";
	if (SSL_renegotiate(l->ssl) != 1)
		link_fail(l, "this side does not want to");
	if (link_handshake(l, LINK_ALL_FLIGHTS, 0) >= 0)
		link_fail(l, "it was granted");
	peer_say("refused");
	link_close(l);
}

/* So many records that one segment brings them all: what OpenSSL has read and not given out must not be forgotten. */
static void pending_round(struct tls_peer *p, bool last)
{
	struct link *l = &p->link;

	for (unsigned long i = 0; i < p->count; i++)
		link_write(l, p->text, strlen(p->text));
	if (last)
		link_finish(l);
	link_push(l);
	for (unsigned long i = 0; i < p->count; i++)
		peer_hear_or_fail(l, p->text);
}

static void mode_pending(struct tls_peer *p, unsigned long turn)
{
	struct link *l = &p->link;

	(void) turn;
	/* The client of TLS 1.3 may write with its second flight; that of TLS 1.2 has to wait for an answer to it. */
	if (link_handshake(l, 1, 0) != 0 || !SSL_is_init_finished(l->ssl))
		link_handshake_whole(l);
	l->doing = "pending";
	pending_round(p, false);
	pending_round(p, false);
	pending_round(p, true);
	peer_read_answer(l, true);
	link_close(l);
	peer_say("heard");
}

/* One record of the flood. */
static size_t flood_make(const char *kind, struct record_sealer *sealer, unsigned char *ret)
{
	static const unsigned char zeros[RECORD_CONTENT_BYTES_MAX + 512], warning[] = {1, 90}; /* user_canceled */

	if (strcmp(kind, "alert") == 0)
		return record_make(sealer, RECORD_ALERT, warning, sizeof(warning), ret);
	if (strcmp(kind, "oversized") == 0)
		return record_make(sealer, sealer ? RECORD_DATA : RECORD_HANDSHAKE, zeros, sizeof(zeros), ret);
	if (strcmp(kind, "unknown") == 0)
		return record_make(sealer, RECORD_UNKNOWN, zeros, 1, ret);
	return record_make(sealer, sealer ? RECORD_DATA : RECORD_HANDSHAKE, zeros, 0, ret);
}

/* False: it was cut off. */
static bool flood_records(struct tls_peer *p, struct link *l, struct record_sealer *sealer)
{
	unsigned char bytes[2 * RECORD_BYTES_MAX];
	size_t length = 0;

	for (unsigned long i = 0; i < p->count; i++) {
		length += flood_make(p->kind, sealer, bytes + length);
		if (length > sizeof(bytes) - RECORD_BYTES_MAX || i + 1 == p->count) {
			if (!link_send_raw(l, bytes, length))
				return false;
			length = 0;
		}
	}
	return true;
}

/* Each of these asks for an answer, and none is read meanwhile. */
static bool flood_key_updates(struct tls_peer *p, struct link *l)
{
	for (unsigned long i = 0; i < p->count; i++) {
		if (SSL_key_update(l->ssl, SSL_KEY_UPDATE_REQUESTED) != 1 || SSL_do_handshake(l->ssl) != 1)
			link_fail(l, "no key update");
		if ((link_held(l) >= GATHER_BYTES || i + 1 == p->count) && !link_push(l))
			return false;
	}
	return true;
}

/* What follows the flood, when it was let in: a call, sealed with the same keys. */
static bool flood_call(struct tls_peer *p, struct link *l, struct record_sealer *sealer)
{
	unsigned char record[RECORD_BYTES_MAX];

	if (!p->inside && link_handshake(l, LINK_ALL_FLIGHTS, 0) != 1)
		return false;
	if (sealer)
		link_send_raw(l, record, record_make(sealer, RECORD_DATA, p->text, strlen(p->text), record));
	else
		peer_write_text(p);
	return peer_hear(l, p->text) == 1;
}

static void mode_flood(struct tls_peer *p, unsigned long turn)
{
	struct link *l = &p->link;
	struct record_sealer sealer;
	bool updates = strcmp(p->kind, "keyupdate") == 0, sealed = p->inside && !updates, taken;

	(void) turn;
	if (p->inside)
		link_handshake_whole(l);
	l->doing = "flood";
	if (sealed && !record_sealer_init(&sealer, l->secret))
		link_fail(l, "no secret");
	taken = updates ? flood_key_updates(p, l) : flood_records(p, l, sealed ? &sealer : NULL);
	peer_say(taken && flood_call(p, l, sealed ? &sealer : NULL) ? "answers" : "cut off");
	link_close(l);
}

/* -- the command line -- */

static const struct {
	const char *name;
	void (*run)(struct tls_peer *p, unsigned long turn);
	bool connects, accepts;
	bool opens_itself;
} modes[] = {
	{"transfer", mode_transfer, true, true, false},   {"stall", mode_stall, true, true, false},
	{"reset", mode_reset, true, true, false},	  {"garbage", mode_garbage, true, true, false},
	{"truncate", mode_truncate, true, true, false},	  {"call", mode_call, true, false, false},
	{"mixed", mode_mixed, true, false, true},	  {"renegotiate", mode_renegotiate, true, false, false},
	{"pending", mode_pending, true, false, false},	  {"flood", mode_flood, true, false, false},
	{"serve", mode_serve, false, true, false},	  {"hear", mode_hear, true, false, false},
};

static _noreturn_ void peer_usage(void)
{
	fputs("usage: tls_peer MODE --to|--listen ADDRESS [OPTION...] [TEXT]; the modes are in its source\n", stderr);
	exit(EX_USAGE);
}

static void peer_set_number(unsigned long *number, const char *text)
{
	char *end;

	*number = strtoul(text, &end, 10);
	if (end == text || *end)
		peer_usage();
}

static void peer_read_options(struct tls_peer *p, int argc, char **argv)
{
	struct link_options *o = &p->link_options;
	const struct {
		const char *name;
		const char **text;
		unsigned long *number;
		int *flag;
	} options[] = {
		{"to", &p->to, NULL, NULL},
		{"listen", &p->listen, NULL, NULL},
		{"name", &o->name, NULL, NULL},
		{"alpn", &o->alpn, NULL, NULL},
		{"ca", &o->ca, NULL, NULL},
		{"certificate", &o->certificate, NULL, NULL},
		{"key", &o->key, NULL, NULL},
		{"version", &o->version, NULL, NULL},
		{"ciphers", &o->ciphers, NULL, NULL},
		{"groups", &o->groups, NULL, NULL},
		{"hello-bytes", &o->hello_bytes, NULL, NULL},
		{"kind", &p->kind, NULL, NULL},
		{"session", &p->session_file, NULL, NULL},
		{"bytes", NULL, &p->bytes, NULL},
		{"write", NULL, &p->write_bytes, NULL},
		{"times", NULL, &p->times, NULL},
		{"flight", NULL, &p->flight, NULL},
		{"part", NULL, &p->part, NULL},
		{"count", NULL, &p->count, NULL},
		{"plain", NULL, NULL, &p->plain},
		{"trickle", NULL, NULL, &p->trickle},
		{"inside", NULL, NULL, &p->inside},
		{"resume", NULL, NULL, &p->resume},
		{"until-end", NULL, NULL, &p->until_end},
	};
	struct option table[ARRAY_LENGTH(options) + 1] = {0};
	int chosen, result;

	for (size_t i = 0; i < ARRAY_LENGTH(options); i++)
		table[i] = (struct option){
			.name = options[i].name,
			.has_arg = options[i].flag ? no_argument : required_argument,
		};
	while ((result = getopt_long(argc, argv, "", table, &chosen)) == 0) {
		if (options[chosen].flag)
			*options[chosen].flag = 1;
		else if (options[chosen].number)
			peer_set_number(options[chosen].number, optarg);
		else
			*options[chosen].text = optarg;
	}
	if (optind < argc)
		p->text = argv[optind++];
	if (result != -1 || optind != argc || !p->to == !p->listen || p->write_bytes == 0)
		peer_usage();
}

/* Standard input has ended, or says something. */
static bool peer_is_stopped(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) > 0;
}

static void peer_run(struct tls_peer *p, size_t mode)
{
	unsigned long turn = 0;

	for (; p->until_end ? !peer_is_stopped() : p->forever || turn < p->times; turn++) {
		if (!modes[mode].opens_itself)
			peer_open(p);
		modes[mode].run(p, turn);
	}
	if (p->until_end)
		printf(" calls=%lu\n", turn);
}

int main(int argc, char **argv)
{
	static struct tls_peer p = {
		.text = "hello",
		.kind = "empty",
		.bytes = 1 << 20,
		.write_bytes = 65536,
		.times = 1,
		.flight = LINK_ALL_FLIGHTS,
		.count = 100,
	};
	size_t mode = 0;

	if (argc < 2)
		peer_usage();
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a test that is killed cannot clean up */
	while (mode < ARRAY_LENGTH(modes) && strcmp(modes[mode].name, argv[1]) != 0)
		mode++;
	peer_read_options(&p, argc - 1, argv + 1);
	if (mode == ARRAY_LENGTH(modes) || !(p.listen ? modes[mode].accepts : modes[mode].connects))
		peer_usage();
	p.forever = modes[mode].run == mode_serve;
	payload_init(&p.payload);
	if (!p.plain) {
		p.context = link_context_new(&p.link_options, p.listen);
		SSL_CTX_set_app_data(p.context, &p);
		if (!p.listen)
			SSL_CTX_sess_set_new_cb(p.context, peer_keep_session);
		peer_load_session(&p);
	}
	if (p.listen)
		peer_listen(&p);
	peer_run(&p, mode);
	SSL_SESSION_free(p.session);
	X509_free(p.seen);
	SSL_CTX_free(p.context);
	return 0;
}
