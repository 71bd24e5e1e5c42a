/* test_stream.c - one connection's bytes: waiting, partial transfers, ends, accounts. */
#include "base/fault.h"
#include "base/memory.h"
#include "net/fd.h"
#include "net/stream.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Two streams, one at each end of a connection. */
struct pair {
	struct stream *near, *far;
};

static void pair_done(struct pair *p)
{
	stream_free(p->near);
	stream_free(p->far);
}

static int pair_open(int ends[2], struct pair *p)
{
	int r = stream_new(ends[0], &p->near);

	if (r < 0)
		fd_close(ends[0]);
	int r2 = stream_new(ends[1], &p->far);
	if (r2 < 0)
		fd_close(ends[1]);
	return MIN(r, r2);
}

static void pair_of_tcp(struct pair *p)
{
	int ends[2];

	sockets_tcp_pair(ends);
	assert_int_equal(pair_open(ends, p), 0);
}

/* Unix sockets: a full one has no timers of its own, so time stays virtual. */
static void pair_with_small_buffers(struct pair *p)
{
	int ends[2];

	harness_socketpair(ends);
	sockets_make_small(ends[0]);
	sockets_make_small(ends[1]);
	assert_int_equal(pair_open(ends, p), 0);
}

#define PAIR(p, open) _cleanup_(pair_done) struct pair p = { NULL, NULL }; open(&p)

static void run(task_fn *body)
{
	assert_int_equal(harness_run_each_backend(body, NULL), 0);
}

static int expect(struct stream *s, const char *words)
{
	char buffer[64];
	ssize_t n = stream_read(s, buffer, sizeof(buffer));

	assert_int_equal(n, strlen(words));
	assert_memory_equal(buffer, words, strlen(words));
	return 0;
}

/* -- reading -- */

static int write_later(void *arg)
{
	assert_int_equal(sleep_for(100), 0);
	assert_int_equal(stream_write(arg, "later", 5), 0);
	assert_int_equal(sleep_for(100), 0);
	return stream_finish(arg);
}

static int reads_what_comes(void *arg)
{
	struct stream_waits waits = { 0 };
	char byte;
	PAIR(p, pair_of_tcp);

	(void) arg;
	TASK_GROUP(group, GROUP_ALL);
	p.near->waits = &waits;
	assert_int_equal(task_spawn(&group, "writer", write_later, p.far, NULL), 0);
	expect(p.near, "later");
	assert_int_equal(waits.read_ns, 100 * NS_PER_MS);
	assert_int_equal(stream_read(p.near, &byte, 1), 0);
	assert_int_equal(stream_read(p.near, &byte, 1), 0);
	assert_true(p.near->read_ended);
	assert_int_equal(waits.read_ns, 200 * NS_PER_MS);
	assert_int_equal(p.near->received_bytes, 5);
	assert_int_equal(p.far->sent_bytes, 5);
	assert_int_equal(task_self()->received_bytes, 5);
	return group_wait(&group);
}

static void a_read_waits_for_bytes_then_for_the_end(void **unused)
{
	(void) unused;
	run(reads_what_comes);
}

static int end_with_bytes(void *arg)
{
	int64_t began_ms = time_now_ms();
	char byte;
	PAIR(p, pair_of_tcp);

	(void) arg;
	assert_int_equal(stream_write(p.far, "x", 1), 0);
	assert_int_equal(stream_finish(p.far), 0);
	assert_int_equal(sleep_for(1), 0);
	expect(p.near, "x");
	assert_int_equal(stream_read(p.near, &byte, 1), 0);
	assert_int_equal(time_now_ms() - began_ms, 1);
	return 0;
}

static void an_end_that_comes_with_the_last_bytes_is_seen_at_once(void **unused)
{
	(void) unused;
	run(end_with_bytes);
}

static int read_into_chunk(void *arg)
{
	struct chunk *c = NULL;
	ssize_t n = stream_read_chunk((struct stream *) arg, &c);

	assert_int_equal(n, 5);
	assert_int_equal(chunk_length(c), 5);
	assert_int_equal(chunk_in_use(), 1);
	assert_memory_equal(c->bytes + c->begin, "bytes", 5);
	return stream_write_chunk((struct stream *) arg, c);
}

static int chunk_is_lent_when_there_are_bytes(void *arg)
{
	PAIR(p, pair_of_tcp);
	TASK_GROUP(group, GROUP_ALL);

	(void) arg;
	assert_int_equal(task_spawn(&group, "reader", read_into_chunk, p.near, NULL), 0);
	assert_int_equal(sleep_for(10), 0);
	assert_int_equal(chunk_in_use(), 0);
	assert_int_equal(stream_write(p.far, "bytes", 5), 0);
	expect(p.far, "bytes");
	assert_int_equal(group_wait(&group), 0);
	assert_int_equal(chunk_in_use(), 0);

	struct chunk *c = NULL;
	assert_int_equal(stream_finish(p.far), 0);
	assert_int_equal(stream_read_chunk(p.near, &c), 0);
	assert_null(c);
	return 0;
}

static void a_buffer_is_lent_only_when_there_are_bytes(void **unused)
{
	(void) unused;
	run(chunk_is_lent_when_there_are_bytes);
}

static int reader_waits_for_the_pool(void *arg)
{
	struct chunk *held = NULL;
	PAIR(p, pair_of_tcp);
	TASK_GROUP(group, GROUP_ALL);

	(void) arg;
	chunk_set_limit(1);
	assert_int_equal(chunk_get(&held), 0);
	assert_int_equal(stream_write(p.far, "bytes", 5), 0);
	assert_int_equal(task_spawn(&group, "reader", read_into_chunk, p.near, NULL), 0);
	assert_int_equal(sleep_for(10), 0);
	assert_int_equal(p.near->received_bytes, 0);
	held = chunk_put(held);
	expect(p.far, "bytes");
	return group_wait(&group);
}

static void a_reader_waits_for_a_buffer_when_none_is_free(void **unused)
{
	(void) unused;
	run(reader_waits_for_the_pool);
}

static int reset_is_told(void *arg)
{
	struct chunk *c = NULL;
	PAIR(p, pair_of_tcp);

	(void) arg;
	stream_abort(p.far);
	p.far = stream_free(p.far);
	assert_int_equal(stream_read_chunk(p.near, &c), -ECONNRESET);
	assert_null(c);
	assert_int_equal(stream_write(p.near, "x", 1), -EPIPE);
	assert_int_equal(stream_finish(p.near), -ECONNRESET);
	return 0;
}

static void a_reset_is_told_by_every_call(void **unused)
{
	(void) unused;
	run(reset_is_told);
}

#ifdef ENABLE_FAULTS
static int network_gives_up(void *arg)
{
	char byte;
	PAIR(p, pair_of_tcp);

	(void) arg;
	fault_plant_named("recv", 1, ETIMEDOUT, 1);
	assert_int_equal(stream_read(p.near, &byte, 1), -ECONNRESET);
	fault_plant_named("send", 1, ETIMEDOUT, 1);
	assert_int_equal(stream_write(p.near, "x", 1), -ECONNRESET);
	fault_plant(0);
	return 0;
}

static void a_peer_that_the_network_gave_up_is_no_time_out_of_ours(void **unused)
{
	(void) unused;
	run(network_gives_up);
}
#endif

static int read_one(void *arg)
{
	char byte;
	ssize_t n = stream_read((struct stream *) arg, &byte, 1);

	return n == -ECANCELED ? 0 : (int) n;
}

static int second_reader(void *arg)
{
	char byte;
	PAIR(p, pair_of_tcp);
	TASK_GROUP(group, GROUP_EACH);

	(void) arg;
	assert_int_equal(task_spawn(&group, "reader", read_one, p.near, NULL), 0);
	assert_int_equal(task_yield(), 0);
	assert_int_equal(stream_read(p.near, &byte, 1), -EBUSY);
	return 0;
}

static void a_second_reader_is_refused(void **unused)
{
	(void) unused;
	run(second_reader);
}

/* -- writing -- */

#define MANY_BYTES (300 * 1000)

static int read_slowly(void *arg)
{
	struct stream *s = arg;
	char buffer[1000];
	size_t received = 0;
	ssize_t n;

	while ((n = stream_read(s, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buffer[i], (char) ((received + (size_t) i) % 251));
		received += (size_t) n;
		if (received < 20 * 1000)
			assert_int_equal(sleep_for(1), 0);
	}
	assert_int_equal(received, MANY_BYTES);
	return (int) n;
}

static int write_in_parts(void *arg)
{
	struct stream_waits waits = { 0 };
	_cleanup_(memory_freep) char *bytes = memory_new(MANY_BYTES);
	PAIR(p, pair_with_small_buffers);

	(void) arg;
	for (size_t i = 0; i < MANY_BYTES; i++)
		bytes[i] = (char) (i % 251);
	struct iovec parts[] = {
		{ bytes, 0 }, { bytes, 1 }, { bytes + 1, 99999 },
		{ NULL, 0 },  { bytes + 100000, 100000 }, { bytes, 0 },
	};

	TASK_GROUP(group, GROUP_ALL);
	assert_int_equal(task_spawn(&group, "reader", read_slowly, p.far, NULL), 0);
	p.near->waits = &waits;
	assert_int_equal(stream_writev(p.near, parts, ARRAY_LENGTH(parts)), 0);
	assert_int_equal(p.near->sent_bytes, 200000);
	assert_true(waits.write_ns > NS_PER_MS);
	assert_int_equal(stream_write(p.near, bytes + 200000, 100000), 0);
	assert_int_equal(stream_write(p.near, bytes, 0), 0);
	assert_int_equal(stream_finish(p.near), 0);
	assert_int_equal(task_self()->sent_bytes, MANY_BYTES);
	return group_wait(&group);
}

static void a_write_goes_on_until_all_is_out(void **unused)
{
	(void) unused;
	run(write_in_parts);
}

static int stuck_write_times_out(void *arg)
{
	static const char bytes[1024 * 1024];
	struct chunk *c = NULL;
	PAIR(p, pair_with_small_buffers);

	(void) arg;
	DEADLINE(limit, 50);
	assert_int_equal(stream_write(p.near, bytes, sizeof(bytes)), -ETIMEDOUT);
	assert_in_range(p.near->sent_bytes, 1, sizeof(bytes) - 1);
	assert_true(deadline_passed(&limit));
	deadline_rearm(&limit, 50);
	assert_int_equal(chunk_get(&c), 0);
	c->end = 1000;
	assert_int_equal(stream_write_chunk(p.near, c), -ETIMEDOUT);
	assert_int_equal(chunk_in_use(), 0);
	return 0;
}

static void a_write_that_gets_stuck_times_out_and_says_how_much_went(void **unused)
{
	(void) unused;
	run(stuck_write_times_out);
}

static int finished_writer(void *arg)
{
	char byte;
	PAIR(p, pair_of_tcp);

	(void) arg;
	assert_int_equal(stream_finish(p.near), 0);
	assert_int_equal(stream_finish(p.near), 0);
	assert_int_equal(stream_write(p.near, "x", 1), -EPIPE);
	assert_int_equal(stream_read(p.far, &byte, 1), 0);
	assert_int_equal(stream_write(p.far, "still", 5), 0);
	expect(p.near, "still");
	return 0;
}

static void after_the_finish_we_still_read(void **unused)
{
	(void) unused;
	run(finished_writer);
}

/* -- cancel, budget -- */

static int cancelled_reader(void *arg)
{
	struct stream *s = arg;
	char byte;
	ssize_t n = stream_read(s, &byte, 1);

	assert_int_equal(n, 1);		/* was granted before the cancel */
	assert_int_equal(byte, 'a');
	assert_int_equal(stream_read(s, &byte, 1), -ECANCELED);
	assert_int_equal(stream_write(s, "x", 1), -ECANCELED);
	assert_int_equal(stream_finish(s), -ECANCELED);
	assert_int_equal(s->received_bytes, 1);
	return 0;
}

/* Cancels somebody when the socket has become readable for them, but before they run. */
static int cancel_after_wake(void *arg)
{
	struct task_handle *reader = arg;

	while (reader->task->state == TASK_WAITING)
		assert_int_equal(task_yield(), 0);
	task_cancel(*reader);
	return 0;
}

static int grant_then_cancel(void *arg)
{
	struct task_handle reader;
	PAIR(p, pair_of_tcp);
	TASK_GROUP(group, GROUP_EACH);

	(void) arg;
	assert_int_equal(task_spawn(&group, "reader", cancelled_reader, p.near, &reader), 0);
	assert_int_equal(sleep_for(1), 0);
	assert_int_equal(task_spawn(&group, "canceller", cancel_after_wake, &reader, NULL), 0);
	assert_int_equal(task_yield(), 0);
	assert_int_equal(stream_write(p.far, "ab", 2), 0);
	assert_int_equal(group_wait(&group), 0);
	assert_int_equal(group.failed, 0);
	return 0;
}

static void a_grant_wins_over_a_cancel_and_the_next_call_does_nothing(void **unused)
{
	(void) unused;
	run(grant_then_cancel);
}

static int read_all(void *arg)
{
	struct stream *s = arg;
	char byte;
	ssize_t n;

	while ((n = stream_read(s, &byte, 1)) > 0)
		;
	return (int) n;
}

/* The reader's calls always succeed at once; still it does not run for long. */
static int busy_reader(void *arg)
{
	static const char bytes[10000];
	PAIR(p, pair_of_tcp);
	TASK_GROUP(group, GROUP_ALL);

	(void) arg;
	assert_int_equal(stream_write(p.far, bytes, sizeof(bytes)), 0);
	assert_int_equal(stream_finish(p.far), 0);
	assert_int_equal(task_spawn(&group, "reader", read_all, p.near, NULL), 0);
	for (int turns = 0; turns < 10; turns++) {
		uint64_t before = p.near->received_bytes;

		assert_int_equal(task_yield(), 0);
		assert_in_range(p.near->received_bytes - before, 1, 16);
	}
	return group_wait(&group);
}

static void a_task_whose_reads_succeed_at_once_gives_way(void **unused)
{
	(void) unused;
	run(busy_reader);
}

/* -- goodbyes -- */

static int reads_the_reply(void *arg)
{
	struct stream *s = arg;

	assert_int_equal(sleep_for(100), 0);
	expect(s, "413 too large");
	assert_int_equal(read_one(s), 0);
	return stream_finish(s);
}

static int linger(void *arg)
{
	static const char bytes[50 * 1000];
	int64_t began_ms = time_now_ms();
	PAIR(p, pair_of_tcp);
	TASK_GROUP(group, GROUP_ALL);

	(void) arg;
	assert_int_equal(stream_write(p.far, bytes, sizeof(bytes)), 0);
	assert_int_equal(stream_write(p.near, "413 too large", 13), 0);
	assert_int_equal(task_spawn(&group, "client", reads_the_reply, p.far, NULL), 0);
	task_cancel(task_handle_self());
	stream_linger(p.near, 1000);
	assert_int_equal(time_now_ms() - began_ms, 100);
	p.near = stream_free(p.near);
	SHIELD(rest, 1000);
	return group_wait(&group);
}

static void a_lingering_goodbye_saves_the_last_reply_even_when_cancelled(void **unused)
{
	(void) unused;
	run(linger);
}

static int linger_in_vain(void *arg)
{
	static const char bytes[64 * 1024];
	int64_t began_ms = time_now_ms();
	PAIR(quiet, pair_of_tcp);
	PAIR(loud, pair_of_tcp);

	(void) arg;
	stream_linger(quiet.near, 500);
	assert_int_equal(time_now_ms() - began_ms, 500);

	for (int i = 0; i < 8; i++)
		assert_int_equal(stream_write(loud.far, bytes, sizeof(bytes)), 0);
	stream_linger(loud.near, 500);
	assert_int_equal(time_now_ms() - began_ms, 500);
	assert_in_range(loud.near->received_bytes, LINGER_BYTES, LINGER_BYTES + CHUNK_BYTES);
	return 0;
}

static void a_goodbye_has_bounds_of_time_and_bytes(void **unused)
{
	(void) unused;
	run(linger_in_vain);
}

/* -- transports -- */

/* A transport that, like TLS, may want to write in order to read, and holds bytes of its own. */
struct odd {
	int reads_refused, writes_refused, finishes_refused;
	size_t held;
	bool done;
};

static ssize_t odd_read(struct stream *s, void *buffer, size_t length)
{
	struct odd *o = s->session;

	if (o->reads_refused-- > 0)
		return TRANSPORT_WANT_WRITE;
	if (o->held == 0)
		return TRANSPORT_WANT_READ;
	length = MIN(length, o->held);
	o->held -= length;
	s->buffered = o->held > 0;
	memset(buffer, 'o', length);
	return (ssize_t) length;
}

static ssize_t odd_write(struct stream *s, const void *bytes, size_t length)
{
	struct odd *o = s->session;

	(void) bytes;
	return o->writes_refused-- > 0 ? TRANSPORT_WANT_READ : (ssize_t) length;
}

static int odd_finish(struct stream *s)
{
	struct odd *o = s->session;

	return o->finishes_refused-- > 0 ? TRANSPORT_WANT_READ : 0;
}

static void odd_done(struct stream *s)
{
	struct odd *o = s->session;

	o->done = true;
}

static const struct transport_ops odd_ops = {
	.name = "odd",
	.read = odd_read,
	.write = odd_write,
	.finish = odd_finish,
	.done = odd_done,
};

static int odd_wants(void *arg)
{
	struct odd odd = { .reads_refused = 1, .writes_refused = 1, .finishes_refused = 1, .held = 3 };
	char buffer[8];
	{
		PAIR(p, pair_of_tcp);

		(void) arg;
		p.near->ops = &odd_ops;
		p.near->session = &odd;

		/* Wants to write first, which is possible. */
		DEADLINE(limit, 1000);
		assert_int_equal(stream_read(p.near, buffer, 2), 2);
		assert_false(deadline_passed(&limit));

		/* Bytes of its own need no readiness. */
		io_drained(&p.near->io, IO_READ);
		assert_int_equal(stream_read(p.near, buffer, sizeof(buffer)), 1);

		/* Wants to read first, which nothing makes possible before the peer has written. */
		assert_int_equal(stream_write(p.near, "x", 1), -ETIMEDOUT);
		deadline_rearm(&limit, 1000);
		assert_int_equal(stream_write(p.far, "y", 1), 0);
		assert_int_equal(stream_write(p.near, "x", 1), 0);
		assert_int_equal(fd_read(io_fd(&p.near->io), buffer, sizeof(buffer)), 1);
		assert_int_equal(stream_finish(p.near), -ETIMEDOUT);
		deadline_rearm(&limit, 1000);
		assert_int_equal(stream_write(p.far, "y", 1), 0);
		assert_int_equal(stream_finish(p.near), 0);
	}
	assert_true(odd.done);
	return 0;
}

static void a_transport_may_want_the_other_direction(void **unused)
{
	(void) unused;
	run(odd_wants);
}

/* -- everything, with something done to it -- */

static int echo_all(struct stream *s)
{
	struct chunk *c;
	ssize_t n;

	while ((n = stream_read_chunk(s, &c)) > 0) {
		int r = stream_write_chunk(s, c);
		if (r < 0)
			return r;
	}
	return n < 0 ? (int) n : stream_finish(s);
}

static int echo_and_close(void *arg)
{
	struct pair *p = arg;
	int r = echo_all(p->far);

	p->far = stream_free(p->far);
	return r;
}

static int read_and_keep_account(void *arg)
{
	struct pair *p = arg;
	struct stream_waits waits = { 0 };
	char byte;

	p->near->waits = &waits;
	return (int) stream_read(p->near, &byte, 1);
}

static int freed_under_a_reader_that_is_cancelled(void *arg)
{
	PAIR(p, pair_of_tcp);
	struct task_handle reader;

	(void) arg;
	TASK_GROUP(group, GROUP_EACH);
	assert_int_equal(task_spawn(&group, "reader", read_and_keep_account, &p, &reader), 0);
	harness_settle();
	task_cancel(reader);
	p.near = stream_free(p.near);
	return group_wait(&group);
}

static void a_reader_that_is_cancelled_as_its_stream_goes_does_not_touch_it(void **unused)
{
	(void) unused;
	run(freed_under_a_reader_that_is_cancelled);
}

static int echo_round(void *arg)
{
	_cleanup_(pair_done) struct pair p = { NULL, NULL };
	char buffer[16];
	int ends[2];

	(void) arg;
	harness_socketpair(ends);
	int r = pair_open(ends, &p);
	if (r < 0)
		return r;
	TASK_GROUP(group, GROUP_ALL);
	r = task_spawn(&group, "echo", echo_and_close, &p, NULL);
	for (int i = 0; r >= 0 && i < 3; i++) {
		r = stream_write(p.near, "round", 5);
		if (r >= 0)
			r = (int) stream_read(p.near, buffer, sizeof(buffer));
	}
	if (r >= 0)
		stream_linger(p.near, 100);
	p.near = stream_free(p.near);
	return r < 0 ? r : group_wait(&group);
}

static void nothing_is_left_whatever_happens(void **unused)
{
	const struct harness_scenario s = { .body = echo_round };

	(void) unused;
	assert_true(harness_torture(&s) > 3);
#ifdef ENABLE_FAULTS
	assert_true(harness_torture_faults(&s) > 10);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_waits_for_bytes_then_for_the_end),
		cmocka_unit_test(an_end_that_comes_with_the_last_bytes_is_seen_at_once),
		cmocka_unit_test(a_buffer_is_lent_only_when_there_are_bytes),
		cmocka_unit_test(a_reader_waits_for_a_buffer_when_none_is_free),
		cmocka_unit_test(a_reset_is_told_by_every_call),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(a_peer_that_the_network_gave_up_is_no_time_out_of_ours),
#endif
		cmocka_unit_test(a_second_reader_is_refused),
		cmocka_unit_test(a_write_goes_on_until_all_is_out),
		cmocka_unit_test(a_write_that_gets_stuck_times_out_and_says_how_much_went),
		cmocka_unit_test(after_the_finish_we_still_read),
		cmocka_unit_test(a_grant_wins_over_a_cancel_and_the_next_call_does_nothing),
		cmocka_unit_test(a_task_whose_reads_succeed_at_once_gives_way),
		cmocka_unit_test(a_lingering_goodbye_saves_the_last_reply_even_when_cancelled),
		cmocka_unit_test(a_goodbye_has_bounds_of_time_and_bytes),
		cmocka_unit_test(a_transport_may_want_the_other_direction),
		cmocka_unit_test(a_reader_that_is_cancelled_as_its_stream_goes_does_not_touch_it),
		cmocka_unit_test(nothing_is_left_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
