#include "net/tls_inside.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/fd.h"

#include <openssl/err.h>
#include <string.h>

/* A peer may ask for new keys, or for another handshake, or give a ticket so often, and once more for each
 * MiB that it sends. One of them costs it a few bytes, and us two derivations of keys, an alert, or a session
 * to keep. */
#define EXTRAS_FREE 32
#define EXTRAS_BYTES (1024 * 1024)
/* Opened by one read: each costs about a microsecond, however small it is, and others wait meanwhile. */
#define RECORDS_PER_READ 64

/* -- one call -- */

/* What runs on the main stack, for a result. */
struct call {
	struct tls_session *session;
	ssize_t (*fn)(struct tls_session *t, struct call *call);
	void *bytes;
	const void *source;
	const struct iovec *parts;
	size_t length;
	int count;
	ssize_t result;
};

/* ERR_clear_error() goes through all entries, also those of an empty queue: 13 % of the instructions of a message. */
static void empty_error_queue(void)
{
	if (UNLIKELY(ERR_peek_error()))
		ERR_clear_error();
}

static void run(void *arg)
{
	struct call *call = arg;

	empty_error_queue();
	/* Of this call: what failed in an earlier one, an alert that nobody waited for, was of no matter. */
	call->session->error = 0;
	call->result = call->fn(call->session, call);
	empty_error_queue();
}

static ssize_t call_openssl(struct call *call)
{
	call_on_main_stack(run, call);
	return call->result;
}

void tls_session_fail(struct tls_session *t)
{
	if (!t->failure)
		t->failure = tls_failure_words(t);
	t->broken = true;
}

/* Who has heard our goodbye may close without one of his own, as many do. But when he has said something since, it
 * may be an answer of which the rest is missing. */
static bool is_late_end(const struct tls_session *t)
{
	return t->at_end && t->has_parted && !t->heard_since &&
	       ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

ssize_t tls_session_result(struct tls_session *t, int returned)
{
	int error = SSL_get_error(t->ssl, returned);

	/* Once the peer has said goodbye, OpenSSL says so of a write that the socket has refused, too. */
	if (error == SSL_ERROR_ZERO_RETURN && t->error < 0)
		error = SSL_ERROR_SYSCALL;
	switch (error) {
	case SSL_ERROR_WANT_READ:
		return TRANSPORT_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TRANSPORT_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		t->broken = true;
		if (t->refusal)
			tls_session_fail(t);
		return t->error < 0 ? t->error : -ECONNRESET;
	default:
		if (is_late_end(t))
			return 0;
		tls_session_fail(t);
		/* That a peer who has gone could not be sent the alert is no news. */
		if (t->error == -EPIPE || t->error == -ECONNRESET)
			t->error = 0;
		if (t->error < 0)
			return t->error;
		return t->at_end && !t->established ? -ECONNRESET : -EPROTO;
	}
}

/* -- resumption -- */

void tls_resumption_done(struct tls_resumption *r)
{
	memory_free(r->session);
	tls_context_unref(r->context);
	*r = (struct tls_resumption) { NULL, NULL, 0 };
}

/* A copy, because others of the same server renew it while a pool thread reads. */
int tls_session_offer(struct tls_session *t, struct tls_resumption *r)
{
	t->resumption = r;
	if (!r || !r->session || r->context != t->context)
		return 0;
	t->offered = memory_new(r->session_bytes);
	if (!t->offered)
		return -ENOMEM;
	memcpy(t->offered, r->session, r->session_bytes);
	t->offered_bytes = r->session_bytes;
	return 0;
}

void tls_session_resume(struct tls_session *t)
{
	const unsigned char *bytes = t->offered;
	SSL_SESSION *session = bytes ? d2i_SSL_SESSION(NULL, &bytes, (long) t->offered_bytes) : NULL;

	if (session)
		(void) SSL_set_session(t->ssl, session);
	SSL_SESSION_free(session);
	t->offered = memory_free(t->offered);
}

/* May be on a pool thread: what others share is left alone. The session is kept in its stored form, because
 * OpenSSL marks the object, and what it makes of it, as used when it is resumed, and as bad when a connection
 * ends without a goodbye. */
int tls_session_learn(SSL *ssl, SSL_SESSION *session)
{
	struct tls_session *t = tls_session_of(ssl);
	int bytes = t && t->resumption ? i2d_SSL_SESSION(session, NULL) : 0;
	uint8_t *learned = bytes > 0 ? memory_new((size_t) bytes) : NULL;

	if (!learned)
		return 0;
	unsigned char *end = learned;
	if (i2d_SSL_SESSION(session, &end) != bytes) {
		memory_free(learned);
		return 0;
	}
	memory_free(t->learned);
	t->learned = learned;
	t->learned_bytes = (uint32_t) bytes;
	return 0;
}

/* On the loop's thread, where nobody else looks at it. */
static void pass_on_learned(struct tls_session *t)
{
	tls_resumption_done(t->resumption);
	*t->resumption = (struct tls_resumption) {
		tls_context_ref(t->context), TAKE(t->learned), t->learned_bytes,
	};
}

/* -- the transport -- */

static int why_broken(const struct tls_session *t)
{
	return t->error < 0 ? t->error : -EPROTO;
}

/* What OpenSSL holds already goes along, so that small records are not passed on one by one. What ends it is
 * told by the next read. */
static ssize_t read_more(struct tls_session *t, struct call *call, size_t have)
{
	size_t n;
	int r = 1;

	for (int i = 0; i < RECORDS_PER_READ && have < call->length && SSL_has_pending(t->ssl); i++) {
		r = SSL_read_ex(t->ssl, (char *) call->bytes + have, call->length - have, &n);
		if (r != 1)
			break;
		have += n;
	}
	if (r != 1 && tls_session_result(t, r) == TRANSPORT_WANT_READ)
		return (ssize_t) have;
	t->stream->buffered = r != 1 || t->in || SSL_has_pending(t->ssl);
	return (ssize_t) have;
}

static ssize_t read_some(struct tls_session *t, struct call *call)
{
	size_t n = 0;
	int r = SSL_read_ex(t->ssl, call->bytes, call->length, &n);
	ssize_t result = 0;

	t->stream->buffered = false;
	if (UNLIKELY(r != 1))
		result = tls_session_result(t, r);
	/* Behind that, because a context may go with it, and the error queue is empty then. */
	if (UNLIKELY(t->learned))
		pass_on_learned(t);
	if (UNLIKELY(r != 1))
		return result;
	t->heard_since = t->has_parted;
	return read_more(t, call, n);
}

static ssize_t tls_read(struct stream *s, void *buffer, size_t length)
{
	struct call call = { .session = s->session, .fn = read_some, .bytes = buffer, .length = length };

	return call.session->broken ? why_broken(call.session) : call_openssl(&call);
}

/* When it was the socket that failed, what the peer has said before can still be read. */
static ssize_t failed_to_write(struct tls_session *t, int returned)
{
	ssize_t result = tls_session_result(t, returned);

	if (t->broken && !t->failure) {
		t->broken = false;
		t->error = 0;
		t->write_error = (int) result;
	}
	/* The peer has said its end before, and OpenSSL, writing to the socket by itself, says so of any failure. */
	if (result == 0)
		result = t->write_error = -EPIPE;
	return result;
}

/* A record after the other; the kernel hears of each that more follows, so that it sends them together and
 * wakes the peer once. What did not succeed behind some that did is told by the next write. */
static ssize_t write_some(struct tls_session *t, struct call *call)
{
	const char *next = call->source;
	size_t rest = call->length, n = 0;
	int r;

	do {
		t->more_follows = rest > TLS_RECORD_BYTES;
		r = SSL_write_ex(t->ssl, next, MIN(rest, (size_t) TLS_RECORD_BYTES), &n);
		if (UNLIKELY(r != 1))
			break;
		next += n;
		rest -= n;
	} while (UNLIKELY(rest > 0));
	t->more_follows = false;

	ssize_t failure = r == 1 ? 0 : failed_to_write(t, r);
	return LIKELY(rest < call->length) ? (ssize_t) (call->length - rest) : failure;
}

/* Why nothing can be written any more; 0: it can. */
static int why_mute(const struct tls_session *t)
{
	return t->broken ? why_broken(t) : t->write_error;
}

static ssize_t tls_write(struct stream *s, const void *bytes, size_t length)
{
	struct call call = { .session = s->session, .fn = write_some, .source = bytes, .length = length };
	int r = why_mute(call.session);

	return r < 0 ? r : call_openssl(&call);
}

/* Parts that fit go into one record together. */
static ssize_t write_parts(struct tls_session *t, struct call *call)
{
	char record[TLS_RECORD_BYTES];
	size_t length = 0;

	for (int i = 0; i < call->count && length < sizeof(record); i++) {
		size_t n = MIN(call->parts[i].iov_len, sizeof(record) - length);

		memcpy(record + length, call->parts[i].iov_base, n);
		length += n;
	}
	call->source = record;
	call->length = length;
	return write_some(t, call);
}

static ssize_t tls_writev(struct stream *s, const struct iovec *parts, int count)
{
	struct call call = { .session = s->session, .fn = write_parts, .parts = parts, .count = count };
	int r = why_mute(call.session);

	if (count == 1)
		return tls_write(s, parts[0].iov_base, parts[0].iov_len);
	return r < 0 ? r : call_openssl(&call);
}

/* close_notify says it to TLS. It closes our direction only (RFC 8446 section 6.1), and so does the FIN behind it,
 * which it shares a segment with. */
static ssize_t say_goodbye(struct tls_session *t, struct call *call)
{
	(void) call;
	t->more_follows = true;
	int r = SSL_shutdown(t->ssl);
	t->more_follows = false;

	if (r >= 0)
		t->has_parted = true;
	return r >= 0 ? 0 : failed_to_write(t, r);
}

static int tls_finish(struct stream *s)
{
	struct call call = { .session = s->session, .fn = say_goodbye };
	int r = why_mute(call.session);

	if (r < 0)
		return r;
	if (call.session->kernel_sends && !tls_kernel_has_room(io_fd(&s->io))) {
		io_drained(&s->io, IO_WRITE);
		return TRANSPORT_WANT_WRITE;
	}
	r = (int) call_openssl(&call);
	return r < 0 ? r : fd_finish(io_fd(&s->io));
}

static ssize_t free_ssl(struct tls_session *t, struct call *call)
{
	(void) call;
	SSL_free(t->ssl);
	/* With the last connection a context may go that was replaced long ago. */
	t->context = tls_context_unref(t->context);
	return 0;
}

static void tls_done(struct stream *s)
{
	struct tls_session *t = s->session;
	struct call call = { .session = t, .fn = free_ssl };

	call_openssl(&call);
	memory_free(t->in);
	memory_free(t->out);
	memory_free(t->failure);
	memory_free(t->sni);
	memory_free(t->offered);
	memory_free(t->learned);
	s->session = memory_free(t);
}

static const struct transport_ops transport_tls = {
	.name = "tls",
	.read = tls_read,
	.write = tls_write,
	.writev = tls_writev,
	.finish = tls_finish,
	.done = tls_done,
};

/* The kernel encrypts: what is written goes to the socket as it is. */
static ssize_t kernel_write(struct stream *s, const void *bytes, size_t length)
{
	int r = why_mute(s->session);

	return r < 0 ? r : transport_plain.write(s, bytes, length);
}

static ssize_t kernel_writev(struct stream *s, const struct iovec *parts, int count)
{
	int r = why_mute(s->session);

	return r < 0 ? r : transport_plain.writev(s, parts, count);
}

static const struct transport_ops transport_tls_kernel = {
	.name = "tls, kernel",
	.read = tls_read,
	.write = kernel_write,
	.writev = kernel_writev,
	.finish = tls_finish,
	.splices_out = true,
	.done = tls_done,
};

/* -- the life of a session -- */

struct tls_session *tls_session_on(const struct stream *s)
{
	return s->ops->done == tls_done ? s->session : NULL;
}

int tls_session_new(struct stream *s, struct tls_context *context, bool accepts, struct tls_session **ret)
{
	struct tls_session *t = memory_new_object(struct tls_session);

	if (!t)
		return -ENOMEM;
	t->stream = s;
	t->context = tls_context_ref(context);
	t->accepts = accepts;
	t->through_memory = true;
	s->session = t;
	*ret = t;
	return 0;
}

void tls_session_begin(struct tls_session *t)
{
	struct stream *s = t->stream;

	t->kernel_sends = t->established && BIO_get_ktls_send(SSL_get_wbio(t->ssl));
	s->ops = t->kernel_sends ? &transport_tls_kernel : &transport_tls;
	t->broken = !t->established;
	t->through_memory = false;
	s->read_ended = false;
	s->received_bytes = s->sent_bytes = 0;
	s->buffered = t->established && (t->in || SSL_has_pending(t->ssl));
	if (t->established && t->learned)
		pass_on_learned(t);
	if (t->established && !t->context->no_ktls)
		log_debug("%s: what the %s is sent is encrypted by %s", task_self()->name,
			  t->accepts ? "client" : "server", t->kernel_sends ? "the kernel" : "OpenSSL");
	s->read_needs = IO_READ;
	s->write_needs = IO_WRITE;
}

/* OpenSSL takes in what is no payload without coming back, for as long as there is more of it. */
static void count_extra(struct tls_session *t, const char *refusal)
{
	t->extras++;
	if (t->extras > EXTRAS_FREE + t->stream->received_bytes / EXTRAS_BYTES)
		t->refusal = refusal;
}

/* SSL_set_msg_callback(3). */
static void look_at_message(int sent, int version, int type, const void *bytes, size_t length, SSL *ssl, void *arg)
{
	struct tls_session *t = arg;
	const uint8_t *message = bytes;

	(void) version;
	(void) ssl;
	/* The answer to whoever wants another handshake. */
	if (sent && type == SSL3_RT_ALERT && length == 2 && message[1] == SSL_AD_NO_RENEGOTIATION)
		count_extra(t, "too many renegotiations asked for");
	if (sent || type != SSL3_RT_HANDSHAKE || length == 0)
		return;
	if (message[0] == SSL3_MT_NEWSESSION_TICKET)
		count_extra(t, "too many session tickets");
	if (message[0] != SSL3_MT_KEY_UPDATE)
		return;
	count_extra(t, "too many key updates");
	/* Its answer would come with new keys of ours, which the kernel does not take from OpenSSL 3.0. */
	if (t->kernel_sends && length > 4 && message[4] == SSL_KEY_UPDATE_REQUESTED)
		t->refusal = "new keys asked for, which kTLS cannot have";
}

int tls_session_open(struct tls_session *t, SSL_CTX *settings)
{
	BIO *bio = BIO_new(t->context->socket), *to = bio;
	bool ktls = !t->context->no_ktls;

	t->ssl = SSL_new(settings);
	if (bio)
		BIO_set_data(bio, t);
	/* The kernel gets keys only from OpenSSL's own kind of socket, which is then written to from the start. */
	if (ktls)
		to = BIO_new_socket(io_fd(&t->stream->io), BIO_NOCLOSE);
	if (!t->ssl || !bio || !to) {
		BIO_free(bio);
		if (to != bio)
			BIO_free(to);
		return -ENOMEM;
	}
	if (ktls)
		SSL_set_options(t->ssl, SSL_OP_ENABLE_KTLS);
	SSL_set_bio(t->ssl, bio, to);
	SSL_set_app_data(t->ssl, t);
	SSL_set_msg_callback(t->ssl, look_at_message);
	SSL_set_msg_callback_arg(t->ssl, t);
	return 0;
}
