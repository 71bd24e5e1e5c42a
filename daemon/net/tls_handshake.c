#include "net/tls_inside.h"

#include "base/memory.h"
#include "net/fd.h"
#include "net/hello.h"
#include "runtime/deadline.h"
#include "runtime/executor.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

/* A handshake is a row of steps: the messages that have come are given to OpenSSL, which answers with a
 * flight of its own and with whether it is done. Each step takes a tenth of a millisecond to several, so it
 * runs in the executor's class for that, on a pool thread: a burst of handshakes does not hold up whoever is
 * connected already. Between steps the bytes go over the stream as plain ones. */

/* How long a peer that was refused may take to read why. */
#define GOODBYE_MS 500
/* How long a socket may take to have room for the rest of a flight. */
#define FULL_RETRY_MS 10
/* Of a name that DNS knows, with its final dot (RFC 1035 section 2.3.4). */
#define HOST_BYTES_MAX 254

/* -- steps -- */

/* Makes the SSL in the first one. */
static int step(void *arg)
{
	struct tls_session *t = arg;

	ERR_clear_error();
	t->step_result = t->ssl ? 0 : t->open(t);
	if (t->step_result >= 0) {
		int r = SSL_do_handshake(t->ssl);
		t->step_result = r == 1 ? 0 : (int) tls_session_result(t, r);
		if (r != 1 && t->step_result == 0)
			t->step_result = -ECONNRESET;
	}
	ERR_clear_error();
	return 0;
}

static void step_here(void *arg)
{
	(void) step(arg);
}

/* Books what the task has waited for anything but the peer. */
static void book(struct tls_session *t, int64_t before_ns)
{
	if (t->stream->waits)
		t->stream->waits->other_ns += task_waited_ns() - before_ns;
}

/* [suspends] Until there is a place among those at work. */
static int take_slot(struct tls_session *t)
{
	if (!t->slots || semaphore_try_acquire(t->slots))
		return 0;
	return (semaphore_acquire)(t->slots);
}

static void give_slot_back(struct tls_session *t)
{
	if (t->slots)
		semaphore_release(t->slots);
}

/* [suspends] One step: 0 done, a want, or -errno. */
static int take_step(struct tls_session *t)
{
	int64_t before_ns = task_waited_ns();
	int r = take_slot(t);

	if (r < 0)
		return r;
	r = executor_run(EXECUTOR_CRYPTO, "TLS handshake", step, t);
	book(t, before_ns);
	/* Without a thread it is done here, late rather than never. */
	if (r == -EAGAIN) {
		call_on_main_stack(step_here, t);
		r = 0;
	}
	give_slot_back(t);
	return r < 0 ? r : t->step_result;
}

/* True of what a server of TLS 1.3 says last, its tickets: nobody waits for them. In TLS 1.2 its Finished is among
 * them, without which the client does not go on. */
static bool may_travel_later(const struct tls_session *t, int step_result)
{
	return step_result == 0 && t->accepts && SSL_version(t->ssl) == TLS1_3_VERSION;
}

/* [suspends] Sends the flight that was gathered. One that may travel later does so with the first answer, which
 * spares both sides a segment, and the client a wake; the kernel holds it for 200 ms, or for as long as it would wait
 * before it sends a segment again. */
static int send_flight(struct tls_session *t, bool later)
{
	_cleanup_(memory_freep) uint8_t *out = TAKE(t->out);
	size_t bytes = t->out_bytes, sent = 0;

	t->out_bytes = 0;
	if (bytes == 0)
		return 0;
	if (later) {
		ssize_t n = fd_write_more(io_fd(&t->stream->io), out, bytes);

		/* What was not taken, and why, is found out below. */
		sent = n > 0 ? (size_t) n : 0;
	}
	return sent < bytes ? (stream_write)(t->stream, out + sent, bytes - sent) : 0;
}

/* [suspends] Waits, holding no buffer, for more of the peer's messages. */
static int receive_more(struct tls_session *t)
{
	_cleanup_(chunk_putp) struct chunk *c = NULL;
	ssize_t n = (stream_read_chunk)(t->stream, &c);

	if (n <= 0)
		return n < 0 ? (int) n : -ECONNRESET;
	t->in = memory_new((size_t) n);
	if (!t->in)
		return -ENOMEM;
	memcpy(t->in, c->bytes + c->begin, (size_t) n);
	t->in_begin = 0;
	t->in_end = (uint32_t) n;
	return 0;
}

/* [suspends] For a flight that goes to the socket by itself, because of kTLS. It was a pool thread that found
 * the socket full, and the event that says otherwise may have come already: so it is just tried again. */
static int wait_for_room(void)
{
	return (sleep_for)(FULL_RETRY_MS);
}

/* [suspends] */
static int negotiate(struct tls_session *t)
{
	for (;;) {
		int result = take_step(t);
		int r = send_flight(t, may_travel_later(t, result));

		if (result == 0)
			return r;
		if (result != TRANSPORT_WANT_READ && result != TRANSPORT_WANT_WRITE)
			return result;
		if (r >= 0)
			r = result == TRANSPORT_WANT_READ ? receive_more(t) : wait_for_room();
		if (r < 0)
			return r;
	}
}

/* -- how it ends -- */

static void fail_with(struct tls_session *t, const char *words)
{
	if (!t->failure)
		t->failure = memory_copy_text(words);
}

/* [suspends] Keeps why it failed, and lets the peer read the alert that says so. */
static int handshake_failed(struct tls_session *t, int r)
{
	if (r == -EPROTO)
		stream_linger(t->stream, GOODBYE_MS);
	else if ((r == -ECONNRESET || r == -EPIPE) && !t->failure)
		fail_with(t, t->accepts ? "client closed during the TLS handshake"
					: "server closed during the TLS handshake");
	return r;
}

static void note_server_name(struct tls_session *t)
{
	const char *name = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);

	if (name && !t->sni)
		t->sni = memory_copy_text(name);
}

static void refresh(void *context)
{
	tls_context_refresh(context);
}

/* [suspends] */
static int shake_hands(struct tls_session *t)
{
	if (t->accepts)
		call_on_main_stack(refresh, t->context);
	int r = negotiate(t);
	if (r < 0)
		return handshake_failed(t, r);

	t->established = true;
	note_server_name(t);
	return 0;
}

/* Whatever came of it, the stream is one of TLS now. */
static int settle(struct tls_session *t, int64_t began_ns, int r)
{
	t->handshake_ns = time_now_ns() - began_ns;
	tls_session_begin(t);
	return r;
}

/* -- the server's side -- */

/* [suspends] Somebody who speaks HTTP gets an answer that he can read. */
static int answer_http(struct tls_session *t)
{
	static const char answer[] = "HTTP/1.1 400 Bad Request\r\n"
				     "Content-Type: text/plain\r\n"
				     "Content-Length: 39\r\n"
				     "Connection: close\r\n"
				     "\r\n"
				     "This port speaks TLS: use https://...\r\n";

	fail_with(t, "plain HTTP on a TLS port");
	int r = (stream_write)(t->stream, answer, sizeof(answer) - 1);
	return r < 0 ? r : -EPROTO;
}

/* [suspends] The client's first message becomes what OpenSSL reads first. */
static int await_hello(struct tls_session *t)
{
	_cleanup_(hello_bytes_done) struct hello_bytes bytes = { 0 };
	struct hello hello;
	int r = (hello_read)(t->stream, &bytes, &hello);

	if (r < 0) {
		if (r == -ECONNRESET && bytes.length > 0)
			fail_with(t, "client closed during the TLS handshake");
		return r;
	}
	if (hello.kind == HELLO_HTTP)
		return answer_http(t);
	/* What at least began like TLS gets OpenSSL's answer. */
	if (hello.kind == HELLO_OTHER && bytes.bytes[0] != SSL3_RT_HANDSHAKE) {
		fail_with(t, "not TLS");
		return -EPROTO;
	}
	t->in = TAKE(bytes.bytes);
	t->in_end = (uint32_t) bytes.length;
	return 0;
}

static int open_accepting(struct tls_session *t)
{
	int r = tls_session_open(t, t->context->identities[0].ssl);

	if (r >= 0)
		SSL_set_accept_state(t->ssl);
	return r;
}

int (tls_accept)(struct stream *s, struct tls_context *context, struct semaphore *slots)
{
	struct tls_session *t;
	int64_t began_ns = time_now_ns();
	int r = tls_session_new(s, context, true, &t);

	if (r < 0)
		return r;
	t->open = open_accepting;
	t->slots = slots;
	r = await_hello(t);
	if (r == -EPROTO)
		stream_linger(s, GOODBYE_MS);
	if (r >= 0)
		r = shake_hands(t);
	return settle(t, began_ns, r);
}

/* -- the client's side -- */

static bool is_ip_address(const char *host)
{
	struct in6_addr address;

	return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* In a certificate, and in what a server is asked for, a host has no final dot (RFC 6066 section 3); in the name of
 * a server it says that no domain is to be added. The host, or *plain without it; NULL is fine. */
static const char *without_final_dot(const char *host, char plain[HOST_BYTES_MAX + 1])
{
	size_t length = host ? strlen(host) : 0;

	if (length < 2 || length > HOST_BYTES_MAX || host[length - 1] != '.')
		return host;
	memcpy(plain, host, length - 1);
	plain[length - 1] = '\0';
	return plain;
}

/* Whom the server must prove to be, and what it is asked for (RFC 6066 section 3: never an address). */
static int name_server(struct tls_session *t, const char *host)
{
	X509_VERIFY_PARAM *wanted = SSL_get0_param(t->ssl);
	char plain[HOST_BYTES_MAX + 1];
	const char *name = t->context->server_name ? t->context->server_name : without_final_dot(host, plain);
	bool is_address = name && is_ip_address(name);

	if (name && !is_address && SSL_set_tlsext_host_name(t->ssl, name) != 1)
		return -ENOMEM;
	if (!t->context->verifies_server)
		return 0;
	if (!name) {
		fail_with(t, "no name to check the certificate for: set server_name");
		return -EPROTO;
	}
	X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	int set = is_address ? X509_VERIFY_PARAM_set1_ip_asc(wanted, name)
			     : X509_VERIFY_PARAM_set1_host(wanted, name, 0);
	return set == 1 ? 0 : -ENOMEM;
}

static int open_connecting(struct tls_session *t)
{
	int r = tls_session_open(t, t->context->connecting);

	if (r < 0)
		return r;
	SSL_set_connect_state(t->ssl);
	tls_session_resume(t);
	return name_server(t, t->host);
}

int (tls_connect)(struct stream *s, struct tls_context *context, const char *host,
		  struct tls_resumption *resumption)
{
	struct tls_session *t;
	int64_t began_ns = time_now_ns();
	int r = tls_session_new(s, context, false, &t);

	if (r < 0)
		return r;
	t->open = open_connecting;
	t->host = host;
	r = tls_session_offer(t, resumption);
	if (r >= 0)
		r = shake_hands(t);
	t->host = NULL;
	return settle(t, began_ns, r);
}
