/* test_tls.c - TLS on streams: handshakes, what they refuse and say, both directions, ends, and what a peer
 * may try. */
#include "base/fault.h"
#include "base/memory.h"
#include "net/fd.h"
#include "net/relay.h"
#include "net/tls_inside.h"
#include "runtime/executor.h"
#include "tests/support/harness.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* -- two ends of a connection, and a context for each -- */

struct pair {
	struct tls_keep *keep;
	struct tls_context *accepting, *connecting;
	struct semaphore slots;
	struct stream *server, *client;
	struct tls_resumption *resumption;	/* borrowed; NULL: none */
	const char *host;			/* that the client connected to; NULL: localhost */
	int server_result, client_result;
};

static struct tls_context *context_of(struct tls_keep *keep, bool accepts)
{
	const struct tls_options options = {
		.name = "test", .self_signed = true, .verify = TLS_VERIFY_OFF, .max_version = TLS_VERSION_1_3,
		.tickets = true, .ticket_lifetime_ms = 3600000,
	};
	struct tls_context *c;
	struct tls_problem problem;

	assert_int_equal(tls_context_new(&options, keep, accepts, !accepts, &c, &problem), 0);
	return c;
}

static void pair_done(struct pair *p)
{
	stream_free(p->server);
	stream_free(p->client);
	tls_context_unref(p->accepting);
	tls_context_unref(p->connecting);
	tls_keep_free(p->keep);
	semaphore_done(&p->slots);
}

static int open_end(int fd, struct stream **ret)
{
	int r = stream_new(fd, ret);

	if (r < 0)
		fd_close(fd);
	return r;
}

static int pair_open(int ends[2], struct pair *p)
{
	semaphore_init(&p->slots, "handshake", 100);
	int r = open_end(ends[0], &p->server);
	int r2 = open_end(ends[1], &p->client);
	return MIN(r, r2);
}

/* Unix sockets: a full one has no timers of its own, so time stays virtual. */
static void pair_of_sockets(struct pair *p)
{
	int ends[2];

	harness_socketpair(ends);
	assert_int_equal(pair_open(ends, p), 0);
	assert_int_equal(tls_keep_new(&p->keep), 0);
	p->accepting = context_of(p->keep, true);
	p->connecting = context_of(p->keep, false);
}

#define PAIR(p) _cleanup_(pair_done) struct pair p = { .keep = NULL }; pair_of_sockets(&p)

static int accept_task(void *arg)
{
	struct pair *p = arg;

	return p->server_result = tls_accept(p->server, p->accepting, &p->slots);
}

static int connect_task(void *arg)
{
	struct pair *p = arg;

	return p->client_result = tls_connect(p->client, p->connecting, p->host ?: "localhost", p->resumption);
}

/* [suspends] */
static void shake(struct pair *p)
{
	TASK_GROUP(both, GROUP_EACH);

	assert_int_equal(task_spawn(&both, "accept", accept_task, p, NULL), 0);
	assert_int_equal(task_spawn(&both, "connect", connect_task, p, NULL), 0);
	assert_int_equal(group_wait(&both), 0);
}

static void shake_well(struct pair *p)
{
	shake(p);
	assert_int_equal(p->server_result, 0);
	assert_int_equal(p->client_result, 0);
}

static void run(task_fn *body)
{
	assert_int_equal(harness_run_each_backend(body, NULL), 0);
}

static void expect(struct stream *s, const char *words)
{
	size_t length = strlen(words), got = 0;
	char buffer[64];

	while (got < length) {
		ssize_t n = stream_read(s, buffer + got, length - got);
		assert_true(n > 0);
		got += (size_t) n;
	}
	assert_memory_equal(buffer, words, length);
}

/* -- handshakes -- */

static int talk(void *arg)
{
	PAIR(p);
	struct tls_description d;

	(void) arg;
	shake_well(&p);
	assert_int_equal(stream_write(p.client, "question", 8), 0);
	expect(p.server, "question");
	assert_int_equal(stream_write(p.server, "answer", 6), 0);
	expect(p.client, "answer");

	assert_true(tls_describe(p.server, &d));
	assert_true(d.established);
	assert_string_equal(d.version, "TLSv1.3");
	assert_string_equal(d.sni, "localhost");
	assert_false(d.resumed);
	assert_string_equal(tls_sni(p.server), "localhost");
	assert_null(tls_failure(p.server));
	assert_int_equal(p.slots.used, 0);
	/* What the handshake took is no payload. */
	assert_int_equal(p.server->received_bytes, 8);
	assert_int_equal(p.server->sent_bytes, 6);
	return 0;
}

static void test_bytes_go_both_ways_after_a_handshake(void **state)
{
	(void) state;
	run(talk);
}

static int plain_description(void *arg)
{
	PAIR(p);
	struct tls_description d;

	(void) arg;
	assert_false(tls_describe(p.server, &d));
	assert_null(tls_failure(p.server));
	assert_null(tls_sni(p.server));
	return 0;
}

static void test_a_plain_stream_has_no_tls_to_describe(void **state)
{
	(void) state;
	run(plain_description);
}

/* What a client that sends `bytes` in place of a handshake gets to read; the failure is in the server's stream. */
static size_t answer_to(struct pair *p, const void *bytes, size_t length, bool ends, char *answer, size_t size)
{
	TASK_GROUP(server, GROUP_EACH);
	size_t got = 0;
	ssize_t n;

	assert_int_equal(stream_write(p->client, bytes, length), 0);
	if (ends)
		assert_int_equal(stream_finish(p->client), 0);
	assert_int_equal(task_spawn(&server, "accept", accept_task, p, NULL), 0);
	while (!ends && (n = stream_read(p->client, answer + got, size - got - 1)) > 0)
		got += (size_t) n;
	answer[got] = '\0';
	if (!ends)
		assert_int_equal(stream_finish(p->client), 0);
	assert_int_equal(group_wait(&server), 0);
	return got;
}

static int plain_http(void *arg)
{
	PAIR(p);
	char answer[512];
	const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

	(void) arg;
	answer_to(&p, request, strlen(request), false, answer, sizeof(answer));
	assert_int_equal(p.server_result, -EPROTO);
	assert_string_equal(tls_failure(p.server), "plain HTTP on a TLS port");
	assert_non_null(strstr(answer, "HTTP/1.1 400 "));
	const char *body = strstr(answer, "\r\n\r\n") + 4;
	assert_int_equal(strlen(body), 39);
	assert_non_null(strstr(answer, "Content-Length: 39\r\n"));
	return 0;
}

static void test_plain_http_is_answered_in_http(void **state)
{
	(void) state;
	run(plain_http);
}

static int garbage(void *arg)
{
	PAIR(p);
	char answer[512];

	(void) arg;
	assert_int_equal(answer_to(&p, "SSH-2.0-OpenSSH_9.2\r\n", 21, false, answer, sizeof(answer)), 0);
	assert_int_equal(p.server_result, -EPROTO);
	assert_string_equal(tls_failure(p.server), "not TLS");
	assert_int_equal(p.slots.used, 0);
	return 0;
}

static void test_what_is_not_tls_is_told_apart(void **state)
{
	(void) state;
	run(garbage);
}

static int bad_record(void *arg)
{
	PAIR(p);
	char answer[512];
	/* A whole message of the handshake that is no hello. */
	const char bytes[] = "\x16\x03\x01\x00\x08\x02\x00\x00\x04" "abcd";

	(void) arg;
	assert_true(answer_to(&p, bytes, sizeof(bytes) - 1, false, answer, sizeof(answer)) >= 7);
	assert_int_equal(p.server_result, -EPROTO);
	assert_non_null(tls_failure(p.server));
	assert_int_equal(answer[0], 0x15);	/* an alert */
	return 0;
}

static void test_a_bad_message_is_answered_with_an_alert(void **state)
{
	(void) state;
	run(bad_record);
}

static int half_a_hello(void *arg)
{
	PAIR(p);
	char answer[512];

	(void) arg;
	answer_to(&p, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, true, answer, sizeof(answer));
	assert_int_equal(p.server_result, -ECONNRESET);
	assert_string_equal(tls_failure(p.server), "client closed during the TLS handshake");
	return 0;
}

static void test_a_client_that_leaves_half_way_is_named(void **state)
{
	(void) state;
	run(half_a_hello);
}

/* [suspends] The first message of a client. */
static size_t take_hello(char *hello, size_t size)
{
	PAIR(source);
	TASK_GROUP(client, GROUP_EACH);

	assert_int_equal(task_spawn(&client, "client", connect_task, &source, NULL), 0);
	ssize_t length = stream_read(source.server, hello, size);
	assert_true(length > 100);
	group_cancel(&client);
	return (size_t) length;
}

/* Somebody who ends what he sends behind his first message, and goes on listening. */
static int hello_and_end(void *arg)
{
	PAIR(p);
	char hello[2048], answer[512];
	size_t length = take_hello(hello, sizeof(hello));

	(void) arg;
	answer_to(&p, hello, length, true, answer, sizeof(answer));
	assert_int_equal(p.server_result, -ECONNRESET);
	assert_string_equal(tls_failure(p.server), "client closed during the TLS handshake");
	return 0;
}

static void test_a_client_that_ends_behind_its_first_message_is_named(void **state)
{
	(void) state;
	run(hello_and_end);
}

static int silence(void *arg)
{
	PAIR(p);

	(void) arg;
	p.client = stream_free(p.client);
	assert_int_equal(accept_task(&p), -ECONNRESET);
	assert_null(tls_failure(p.server));
	return 0;
}

static void test_a_client_that_says_nothing_has_not_failed(void **state)
{
	(void) state;
	run(silence);
}

static int unverified(void *arg)
{
	PAIR(p);
	const struct tls_options options = { .name = "strict", .max_version = TLS_VERSION_1_3 };
	struct tls_problem problem;

	(void) arg;
	tls_context_unref(p.connecting);
	p.connecting = NULL;
	assert_int_equal(tls_context_new(&options, p.keep, false, true, &p.connecting, &problem), 0);
	shake(&p);
	assert_int_equal(p.client_result, -EPROTO);
	assert_non_null(strstr(tls_failure(p.client), "server certificate: self-signed certificate"));
	assert_int_equal(p.server_result, -EPROTO);
	assert_non_null(strstr(tls_failure(p.server), "client refused: unknown CA"));
	char byte;
	assert_int_equal(stream_read(p.server, &byte, 1), -EPROTO);
	assert_true(stream_write(p.server, "x", 1) < 0);
	return 0;
}

static void test_a_server_that_nobody_vouches_for_is_refused(void **state)
{
	(void) state;
	run(unverified);
}

static int ask_with_a_dot(void *arg)
{
	static const struct { const char *host, *asked; } cases[] = {
		{ "web.test.", "web.test" }, { "web.test", "web.test" }, { "127.0.0.1", NULL }, { "::1", NULL },
	};

	(void) arg;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		PAIR(p);

		p.host = cases[i].host;
		shake_well(&p);
		if (cases[i].asked)
			assert_string_equal(tls_sni(p.server), cases[i].asked);
		else
			assert_null(tls_sni(p.server));
	}
	return 0;
}

static void test_a_server_is_asked_for_its_name_without_a_final_dot(void **state)
{
	(void) state;
	run(ask_with_a_dot);
}

/* -- resumption -- */

static bool was_resumed(const struct stream *s)
{
	struct tls_description d;

	assert_true(tls_describe(s, &d));
	return d.resumed;
}

/* A session of the pair, with a message that brings the ticket along. */
static bool resumes(struct pair *p)
{
	shake_well(p);
	assert_int_equal(stream_write(p->server, "x", 1), 0);
	expect(p->client, "x");
	assert_int_equal(was_resumed(p->client), was_resumed(p->server));
	return was_resumed(p->server);
}

static int resumption(void *arg)
{
	_cleanup_(tls_resumption_done) struct tls_resumption learned = { NULL, NULL, 0 };
	struct tls_context *accepting, *connecting;
	PAIR(first);

	(void) arg;
	first.resumption = &learned;
	accepting = first.accepting;
	connecting = first.connecting;
	assert_false(resumes(&first));
	assert_non_null(learned.session);

	for (int i = 0; i < 3; i++) {
		PAIR(next);
		tls_context_unref(next.accepting);
		next.accepting = tls_context_ref(accepting);
		tls_context_unref(next.connecting);
		next.connecting = tls_context_ref(connecting);
		next.resumption = &learned;
		assert_true(resumes(&next));
	}

	/* Another context may verify otherwise: it begins anew. */
	PAIR(other);
	tls_context_unref(other.accepting);
	other.accepting = tls_context_ref(accepting);
	other.resumption = &learned;
	assert_false(resumes(&other));
	return 0;
}

static void test_a_client_resumes_what_it_learned_under_the_same_context_only(void **state)
{
	(void) state;
	run(resumption);
}

/* Asking for another key exchange signs nothing yet. */
static int second_hello(void *arg)
{
	PAIR(p);
	struct executor_counters counters;

	(void) arg;
	executor_counters(&counters);
	uint64_t before = counters.done[EXECUTOR_CRYPTO];
	assert_int_equal(SSL_CTX_set1_groups_list(p.accepting->identities[0].ssl, "P-256"), 1);
	shake_well(&p);
	executor_counters(&counters);
	/* Three on each side: hello, another hello, the rest. */
	assert_int_equal(counters.done[EXECUTOR_CRYPTO] - before, 6);
	return 0;
}

static void test_every_step_of_a_handshake_is_a_job(void **state)
{
	(void) state;
	run(second_hello);
}

/* -- slots -- */

static int slots(void *arg)
{
	PAIR(a);
	PAIR(b);
	TASK_GROUP(first, GROUP_EACH);

	(void) arg;
	semaphore_resize(&a.slots, 1);
	/* A silent client takes none. */
	assert_int_equal(task_spawn(&first, "silent", accept_task, &a, NULL), 0);
	harness_settle();
	assert_int_equal(a.slots.used, 0);

	/* One that is there makes the next one wait. */
	assert_true(semaphore_try_acquire(&a.slots));
	TASK_GROUP(second, GROUP_EACH);
	assert_int_equal(task_spawn(&second, "client", connect_task, &a, NULL), 0);
	harness_settle();
	assert_int_equal(group_count(&first), 1);
	semaphore_release(&a.slots);
	assert_int_equal(group_wait(&second), 0);
	assert_int_equal(group_wait(&first), 0);
	assert_int_equal(a.server_result, 0);
	assert_int_equal(a.slots.used, 0);
	return 0;
}

static int stalled(void *arg)
{
	PAIR(p);
	char hello[2048], flight[512];
	size_t length = take_hello(hello, sizeof(hello));

	(void) arg;
	semaphore_resize(&p.slots, 1);
	TASK_GROUP(server, GROUP_EACH);
	assert_int_equal(task_spawn(&server, "accept", accept_task, &p, NULL), 0);
	assert_int_equal(stream_write(p.client, hello, length), 0);
	assert_true(stream_read(p.client, flight, sizeof(flight)) > 0);
	harness_settle();
	assert_int_equal(group_count(&server), 1);
	assert_int_equal(p.slots.used, 0);
	return 0;
}

static void test_a_handshake_that_waits_for_its_client_takes_no_place(void **state)
{
	(void) state;
	run(stalled);
}

static void test_handshakes_at_work_are_limited(void **state)
{
	(void) state;
	run(slots);
}

/* -- data -- */

#define BULK_BYTES (300 * 1024)

struct flood {
	struct stream *s;
	size_t piece_bytes, bytes;
};

static uint8_t byte_at(size_t position)
{
	return (uint8_t) (position ^ position >> 8 ^ position >> 16);
}

static int send_bulk(void *arg)
{
	struct flood *f = arg;
	_cleanup_(memory_freep) uint8_t *piece = memory_new(f->piece_bytes);

	assert_non_null(piece);
	for (size_t sent = 0; sent < f->bytes;) {
		size_t n = MIN(f->piece_bytes, f->bytes - sent);

		for (size_t i = 0; i < n; i++)
			piece[i] = byte_at(sent + i);
		int r = stream_write(f->s, piece, n);
		if (r < 0)
			return r;
		sent += n;
	}
	return stream_finish(f->s);
}

static int receive_bulk(void *arg)
{
	struct flood *f = arg;

	for (;;) {
		_cleanup_(chunk_putp) struct chunk *c = NULL;
		ssize_t n = stream_read_chunk(f->s, &c);

		if (n <= 0)
			return (int) n;
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(c->bytes[c->begin + i], byte_at(f->bytes + (size_t) i));
		f->bytes += (size_t) n;
	}
}

/* Both directions at once, each ending by itself. */
static void exchange(struct stream *a, struct stream *b, size_t piece_bytes, size_t bytes)
{
	struct flood sends[2] = { { a, piece_bytes, bytes }, { b, piece_bytes, bytes } };
	struct flood receives[2] = { { a, 0, 0 }, { b, 0, 0 } };
	TASK_GROUP(all, GROUP_ALL);

	for (int i = 0; i < 2; i++) {
		assert_int_equal(task_spawn(&all, "send", send_bulk, &sends[i], NULL), 0);
		assert_int_equal(task_spawn(&all, "receive", receive_bulk, &receives[i], NULL), 0);
	}
	assert_int_equal(group_wait(&all), 0);
	assert_int_equal(receives[0].bytes, bytes);
	assert_int_equal(receives[1].bytes, bytes);
}

static int bulk(void *arg)
{
	static const size_t pieces[] = { 1000, 16 * 1024, 16 * 1024 + 1, 64 * 1024 };

	(void) arg;
	for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
		PAIR(p);

		shake_well(&p);
		exchange(p.server, p.client, pieces[i], BULK_BYTES);
	}
	return 0;
}

static void test_every_byte_arrives_in_both_directions_with_half_close(void **state)
{
	(void) state;
	run(bulk);
}

static int single_bytes(void *arg)
{
	PAIR(p);

	(void) arg;
	shake_well(&p);
	exchange(p.server, p.client, 1, 2000);
	return 0;
}

static void test_records_of_one_byte_arrive_too(void **state)
{
	(void) state;
	run(single_bytes);
}

/* Many records come in one segment; they are read without the socket ever becoming readable again. */
static int pending(void *arg)
{
	PAIR(p);
	char byte;

	(void) arg;
	shake_well(&p);
	for (int i = 0; i < 100; i++)
		assert_int_equal(stream_write(p.client, &"0123456789"[i % 10], 1), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(stream_read(p.server, &byte, 1), 1);
		assert_int_equal(byte, '0' + i % 10);
	}
	assert_int_equal(stream_write(p.client, "abc", 3), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(stream_read(p.server, &byte, 1), 1);
		assert_int_equal(byte, 'a' + i);
	}
	return 0;
}

static void test_bytes_that_openssl_holds_count_as_readable(void **state)
{
	(void) state;
	run(pending);
}

static int parts(void *arg)
{
	PAIR(p);
	struct iovec iov[3] = { { (void *) "one ", 4 }, { (void *) "two ", 4 }, { (void *) "three", 5 } };

	(void) arg;
	shake_well(&p);
	assert_int_equal(stream_writev(p.client, iov, 3), 0);
	expect(p.server, "one two three");
	return 0;
}

static void test_parts_are_written_in_order(void **state)
{
	(void) state;
	run(parts);
}

/* -- ends -- */

static int truncation(void *arg)
{
	PAIR(p);
	char byte;

	(void) arg;
	shake_well(&p);
	assert_int_equal(stream_write(p.client, "x", 1), 0);
	assert_int_equal(fd_finish(io_fd(&p.client->io)), 0);
	expect(p.server, "x");
	assert_int_equal(stream_read(p.server, &byte, 1), -EPROTO);
	assert_string_equal(tls_failure(p.server), "client closed without close_notify");
	return 0;
}

static void test_an_end_without_close_notify_is_a_failure(void **state)
{
	(void) state;
	run(truncation);
}

/* Many clients just close when they have read our end. */
static int late_end(void *arg)
{
	PAIR(p);
	char byte;

	(void) arg;
	shake_well(&p);
	assert_int_equal(stream_finish(p.server), 0);
	assert_int_equal(stream_read(p.client, &byte, 1), 0);
	assert_int_equal(fd_finish(io_fd(&p.client->io)), 0);
	assert_int_equal(stream_read(p.server, &byte, 1), 0);
	assert_null(tls_failure(p.server));
	return 0;
}

static void test_whoever_has_our_end_may_close_without_close_notify(void **state)
{
	(void) state;
	run(late_end);
}

/* What came behind our end may be a part of what should have come. */
static int cut_off_answer(void *arg)
{
	PAIR(p);
	char byte;

	(void) arg;
	shake_well(&p);
	assert_int_equal(stream_finish(p.client), 0);
	assert_int_equal(stream_read(p.server, &byte, 1), 0);
	assert_int_equal(stream_write(p.server, "some", 4), 0);
	assert_int_equal(fd_finish(io_fd(&p.server->io)), 0);
	expect(p.client, "some");
	assert_int_equal(stream_read(p.client, &byte, 1), -EPROTO);
	assert_string_equal(tls_failure(p.client), "server closed without close_notify");
	return 0;
}

static void test_an_answer_to_our_end_has_to_end_with_close_notify(void **state)
{
	(void) state;
	run(cut_off_answer);
}

static int half_close(void *arg)
{
	PAIR(p);
	char byte;

	(void) arg;
	shake_well(&p);
	assert_int_equal(stream_finish(p.client), 0);
	assert_int_equal(stream_read(p.server, &byte, 1), 0);
	assert_int_equal(stream_write(p.server, "still here", 10), 0);
	expect(p.client, "still here");
	assert_int_equal(stream_finish(p.server), 0);
	assert_int_equal(stream_read(p.client, &byte, 1), 0);
	assert_int_equal(stream_write(p.client, "x", 1), -EPIPE);
	return 0;
}

static void test_one_direction_ends_and_the_other_goes_on(void **state)
{
	(void) state;
	run(half_close);
}

/* The goodbye was read already when the writing fails. */
static void write_behind_goodbye(struct pair *p)
{
	char byte;

	shake_well(p);
	assert_int_equal(stream_finish(p->client), 0);
	assert_int_equal(stream_read(p->server, &byte, 1), 0);
	p->client = stream_free(p->client);
	assert_int_equal(stream_write(p->server, "nobody hears", 12), -EPIPE);
	assert_int_equal(stream_write(p->server, "nobody hears", 12), -EPIPE);
}

static int reset_behind_goodbye(void *arg)
{
	PAIR(p);

	(void) arg;
	write_behind_goodbye(&p);
	return 0;
}

/* The kernel was to encrypt, and would not: OpenSSL writes to the socket by itself. */
static int reset_behind_goodbye_without_our_socket(void *arg)
{
	PAIR(p);

	(void) arg;
	p.accepting->no_ktls = NULL;
	write_behind_goodbye(&p);
	return 0;
}

static void test_writing_to_one_who_said_goodbye_and_went_fails(void **state)
{
	(void) state;
	run(reset_behind_goodbye);
	run(reset_behind_goodbye_without_our_socket);
}

#ifdef ENABLE_FAULTS
static int failure_behind_first_record(void *arg)
{
	static const uint8_t bytes[4 * TLS_RECORD_BYTES];
	PAIR(p);

	(void) arg;
	shake_well(&p);
	fault_plant_named("send", 2, EPIPE, 1);
	assert_int_equal(stream_write(p.client, bytes, sizeof(bytes)), -EPIPE);
	fault_plant(0);
	assert_int_equal(p.client->sent_bytes, TLS_RECORD_BYTES);
	assert_int_equal(stream_write(p.client, bytes, 1), -EPIPE);
	return 0;
}
#endif

static void test_a_failure_behind_the_first_record_of_a_write_is_told(void **state)
{
	(void) state;
#ifdef ENABLE_FAULTS
	run(failure_behind_first_record);
#else
	print_message("needs a build with --enable-faults\n");
	skip();
#endif
}

/* Who goes away has often said why before. */
static int last_words(void *arg)
{
	PAIR(p);
	char byte;

	(void) arg;
	shake_well(&p);
	assert_int_equal(stream_write(p.client, "go away", 7), 0);
	assert_int_equal(stream_finish(p.client), 0);
	p.client = stream_free(p.client);
	assert_int_equal(stream_write(p.server, "a request", 9), -EPIPE);
	assert_int_equal(stream_finish(p.server), -EPIPE);
	expect(p.server, "go away");
	assert_int_equal(stream_read(p.server, &byte, 1), 0);
	assert_int_equal(stream_write(p.server, "a request", 9), -EPIPE);
	return 0;
}

static void test_what_came_before_writing_failed_can_be_read(void **state)
{
	(void) state;
	run(last_words);
}

/* -- what a peer may try -- */

static void ask_for_keys(void *arg)
{
	const struct tls_session *t = ((struct stream *) arg)->session;

	assert_int_equal(SSL_key_update(t->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
	assert_int_equal(SSL_do_handshake(t->ssl), 1);
}

static int key_updates(void *arg)
{
	PAIR(p);
	char byte;

	(void) arg;
	shake_well(&p);
	for (int i = 0; i < 20; i++)
		call_on_main_stack(ask_for_keys, p.client);
	assert_int_equal(stream_write(p.client, "x", 1), 0);
	expect(p.server, "x");

	for (int i = 0; i < 150; i++)
		call_on_main_stack(ask_for_keys, p.client);
	ssize_t n = stream_read(p.server, &byte, 1);
	assert_int_equal(n, -EPROTO);
	assert_string_equal(tls_failure(p.server), "too many key updates");
	return 0;
}

static void test_a_flood_of_key_updates_is_cut_off(void **state)
{
	(void) state;
	run(key_updates);
}

/* What a client with TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 seals with (RFC 5246 sections 6.3 and 8.1, RFC 5288). */
struct sealer {
	SSL *ssl;
	unsigned char key[16], iv[12];
	uint64_t sequence;
};

static void sealer_init(struct sealer *s)
{
	unsigned char master[48], client[32], server[32], block[16 + 16 + 4 + 4];
	EVP_KDF *prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *kdf = EVP_KDF_CTX_new(prf);

	SSL_SESSION_get_master_key(SSL_get_session(s->ssl), master, sizeof(master));
	SSL_get_client_random(s->ssl, client, sizeof(client));
	SSL_get_server_random(s->ssl, server, sizeof(server));
	OSSL_PARAM of[] = {
		OSSL_PARAM_construct_utf8_string("digest", (char[]) { "SHA256" }, 0),
		OSSL_PARAM_construct_octet_string("secret", master, sizeof(master)),
		OSSL_PARAM_construct_octet_string("seed", (char[]) { "key expansion" }, 13),
		OSSL_PARAM_construct_octet_string("seed", server, sizeof(server)),
		OSSL_PARAM_construct_octet_string("seed", client, sizeof(client)),
		OSSL_PARAM_construct_end(),
	};
	assert_int_equal(EVP_KDF_derive(kdf, block, sizeof(block), of), 1);
	EVP_KDF_CTX_free(kdf);
	EVP_KDF_free(prf);
	memcpy(s->key, block, 16);
	memcpy(s->iv, block + 32, 4);
	s->sequence = 1;			/* behind the client's Finished */
}

/* A record of handshake with a ClientHello that is empty. Its nonce is its number. */
static void seal_hello(struct sealer *s, unsigned char ret[5 + 8 + 4 + 16])
{
	static const unsigned char head[5] = { SSL3_RT_HANDSHAKE, 3, 3, 0, 8 + 4 + 16 };
	static const unsigned char hello[4] = { SSL3_MT_CLIENT_HELLO, 0, 0, 0 };
	unsigned char known[13] = { [8] = SSL3_RT_HANDSHAKE, 3, 3, 0, sizeof(hello) };
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	for (int i = 0; i < 8; i++)
		s->iv[4 + i] = known[i] = (unsigned char) (s->sequence >> (56 - 8 * i));
	s->sequence++;
	memcpy(ret, head, 5);
	memcpy(ret + 5, s->iv + 4, 8);
	assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, s->key, s->iv), 1);
	assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, known, sizeof(known)), 1);
	assert_int_equal(EVP_EncryptUpdate(c, ret + 13, &n, hello, sizeof(hello)), 1);
	assert_int_equal(EVP_EncryptFinal_ex(c, ret + 17, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, ret + 17), 1);
	EVP_CIPHER_CTX_free(c);
}

static void renegotiate(void *arg)
{
	struct stream *client = arg;
	struct sealer s = { .ssl = ((struct tls_session *) client->session)->ssl };
	unsigned char record[5 + 8 + 4 + 16];

	sealer_init(&s);
	for (int i = 0; i < 100; i++) {
		seal_hello(&s, record);
		assert_int_equal(fd_write(io_fd(&client->io), record, sizeof(record)), sizeof(record));
	}
}

static int renegotiations(void *arg)
{
	PAIR(p);
	char byte;

	(void) arg;
	assert_int_equal(SSL_CTX_set_max_proto_version(p.connecting->connecting, TLS1_2_VERSION), 1);
	shake_well(&p);
	call_on_main_stack(renegotiate, p.client);
	assert_int_equal(stream_read(p.server, &byte, 1), -EPROTO);
	assert_string_equal(tls_failure(p.server), "too many renegotiations asked for");
	return 0;
}

static void test_a_flood_of_renegotiations_is_cut_off(void **state)
{
	(void) state;
	run(renegotiations);
}

static void give_ticket(void *arg)
{
	const struct tls_session *t = ((struct stream *) arg)->session;

	assert_int_equal(SSL_new_session_ticket(t->ssl), 1);
	assert_int_equal(SSL_do_handshake(t->ssl), 1);
}

static int tickets(void *arg)
{
	PAIR(p);
	char byte;

	(void) arg;
	shake_well(&p);
	for (int i = 0; i < 100; i++)
		call_on_main_stack(give_ticket, p.server);
	assert_int_equal(stream_read(p.client, &byte, 1), -EPROTO);
	assert_string_equal(tls_failure(p.client), "too many session tickets");
	return 0;
}

static void test_a_flood_of_tickets_is_cut_off(void **state)
{
	(void) state;
	run(tickets);
}

/* -- whatever happens -- */

static void check_queue(struct task *t)
{
	(void) t;
	tls_check_error_queue();
}

static void test_the_error_queue_is_empty_at_every_switch(void **state)
{
	(void) state;
	wait_set_hook(check_queue);
	run(talk);
	run(plain_http);
	run(bad_record);
	run(half_a_hello);
	run(unverified);
	run(truncation);
	run(key_updates);
	wait_set_hook(NULL);
}

struct scene {
	struct tls_keep *keep;
	struct tls_context *accepting, *connecting;
};

static int serve_in_scene(void *arg)
{
	struct pair *p = arg;
	int r = accept_task(p);

	while (r >= 0) {
		_cleanup_(chunk_putp) struct chunk *c = NULL;
		ssize_t n = stream_read_chunk(p->server, &c);

		if (n <= 0)
			return n < 0 ? (int) n : stream_finish(p->server);
		r = stream_write_chunk(p->server, TAKE(c));
	}
	return r;
}

static int ask_in_scene(void *arg)
{
	struct pair *p = arg;
	char buffer[16];
	int r = connect_task(p);

	if (r >= 0)
		r = stream_write(p->client, "hello", 5);
	if (r >= 0)
		r = stream_finish(p->client);
	while (r >= 0) {
		ssize_t n = stream_read(p->client, buffer, sizeof(buffer));

		if (n <= 0)
			return (int) n;
	}
	return r;
}

/* A whole session, both ends: it may fail, but nothing is left of it and nobody waits for ever. */
static int whole_session(void *arg)
{
	const struct scene *scene = arg;
	_cleanup_(pair_done) struct pair p = { .keep = NULL };
	int ends[2];

	harness_socketpair(ends);
	int r = pair_open(ends, &p);
	if (r < 0)
		return r;
	p.accepting = tls_context_ref(scene->accepting);
	p.connecting = tls_context_ref(scene->connecting);

	TASK_GROUP(both, GROUP_ALL);
	r = task_spawn(&both, "server", serve_in_scene, &p, NULL);
	if (r >= 0)
		r = task_spawn(&both, "client", ask_in_scene, &p, NULL);
	return r < 0 ? r : group_wait(&both);
}

static int whole_session_on_one_processor(void *arg)
{
	executor_configure(&(struct executor_options) { .processors = 1 });
	return whole_session(arg);
}

static void make_scene(struct scene *s)
{
	assert_int_equal(tls_keep_new(&s->keep), 0);
	s->accepting = context_of(s->keep, true);
	s->connecting = context_of(s->keep, false);
}

static void scene_done(struct scene *s)
{
	tls_context_unref(s->accepting);
	tls_context_unref(s->connecting);
	tls_keep_free(s->keep);
	tls_check_error_queue();
}

static void test_a_session_survives_a_cancel_at_every_suspension(void **state)
{
	_cleanup_(scene_done) struct scene scene = { .keep = NULL };
	const struct harness_scenario torture = { .body = whole_session, .arg = &scene };
	const struct harness_scenario alone = { .body = whole_session_on_one_processor, .arg = &scene };

	(void) state;
	make_scene(&scene);
	assert_true(harness_torture(&torture) > 5);
	assert_true(harness_torture(&alone) > 5);
}

static void test_a_session_survives_each_planted_failure(void **state)
{
	_cleanup_(scene_done) struct scene scene = { .keep = NULL };
	const struct harness_scenario torture = { .body = whole_session, .arg = &scene };

	(void) state;
	make_scene(&scene);
	(void) harness_torture_faults(&torture);
}

/* -- relays -- */

/* Client and server of the outside world, with a relay between them that has TLS on either side, on both or
 * on none. */
struct relayed {
	struct pair left, right;
};

/* Closing is what says the last of the ends. */
static int relay_task(void *arg)
{
	struct relayed *r = arg;
	const struct relay_limits limits = { .idle_timeout_ms = 60000, .half_close_timeout_ms = 60000 };
	struct relay_end end;
	int result = relay_run(r->left.server, r->right.client, &limits, &end);

	r->left.server = stream_free(r->left.server);
	r->right.client = stream_free(r->right.client);
	return result;
}

static void relayed_done(struct relayed *r)
{
	pair_done(&r->left);
	pair_done(&r->right);
}

static int relay_between(void *arg)
{
	(void) arg;
	for (int mode = 0; mode < 4; mode++) {
		_cleanup_(relayed_done) struct relayed r = { .left.keep = NULL };
		TASK_GROUP(relay, GROUP_ALL);

		pair_of_sockets(&r.left);
		pair_of_sockets(&r.right);
		if (mode & 1)
			shake_well(&r.left);
		if (mode & 2)
			shake_well(&r.right);
		assert_int_equal(task_spawn(&relay, "relay", relay_task, &r, NULL), 0);
		exchange(r.left.client, r.right.server, 5000, BULK_BYTES);
		assert_int_equal(group_wait(&relay), 0);
	}
	return 0;
}

static void test_a_relay_does_not_tell_tls_from_plain(void **state)
{
	(void) state;
	run(relay_between);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_go_both_ways_after_a_handshake),
		cmocka_unit_test(test_a_plain_stream_has_no_tls_to_describe),
		cmocka_unit_test(test_plain_http_is_answered_in_http),
		cmocka_unit_test(test_what_is_not_tls_is_told_apart),
		cmocka_unit_test(test_a_bad_message_is_answered_with_an_alert),
		cmocka_unit_test(test_a_client_that_leaves_half_way_is_named),
		cmocka_unit_test(test_a_client_that_ends_behind_its_first_message_is_named),
		cmocka_unit_test(test_a_client_that_says_nothing_has_not_failed),
		cmocka_unit_test(test_a_server_that_nobody_vouches_for_is_refused),
		cmocka_unit_test(test_a_server_is_asked_for_its_name_without_a_final_dot),
		cmocka_unit_test(test_a_client_resumes_what_it_learned_under_the_same_context_only),
		cmocka_unit_test(test_every_step_of_a_handshake_is_a_job),
		cmocka_unit_test(test_handshakes_at_work_are_limited),
		cmocka_unit_test(test_a_handshake_that_waits_for_its_client_takes_no_place),
		cmocka_unit_test(test_every_byte_arrives_in_both_directions_with_half_close),
		cmocka_unit_test(test_records_of_one_byte_arrive_too),
		cmocka_unit_test(test_bytes_that_openssl_holds_count_as_readable),
		cmocka_unit_test(test_parts_are_written_in_order),
		cmocka_unit_test(test_an_end_without_close_notify_is_a_failure),
		cmocka_unit_test(test_whoever_has_our_end_may_close_without_close_notify),
		cmocka_unit_test(test_an_answer_to_our_end_has_to_end_with_close_notify),
		cmocka_unit_test(test_one_direction_ends_and_the_other_goes_on),
		cmocka_unit_test(test_writing_to_one_who_said_goodbye_and_went_fails),
		cmocka_unit_test(test_a_failure_behind_the_first_record_of_a_write_is_told),
		cmocka_unit_test(test_what_came_before_writing_failed_can_be_read),
		cmocka_unit_test(test_a_flood_of_key_updates_is_cut_off),
		cmocka_unit_test(test_a_flood_of_renegotiations_is_cut_off),
		cmocka_unit_test(test_a_flood_of_tickets_is_cut_off),
		cmocka_unit_test(test_the_error_queue_is_empty_at_every_switch),
		cmocka_unit_test(test_a_session_survives_a_cancel_at_every_suspension),
		cmocka_unit_test(test_a_session_survives_each_planted_failure),
		cmocka_unit_test(test_a_relay_does_not_tell_tls_from_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
