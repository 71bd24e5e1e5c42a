/* test_relay.c - both directions between two streams: bytes, ends, failures, limits.
 *
 * A script plays the client and the upstream server; the relay runs in a task of its own between them.
 */
#include "base/fault.h"
#include "base/memory.h"
#include "coro/coro.h"
#include "net/fd.h"
#include "net/pipe.h"
#include "net/relay.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct pipe_pool pipes;

#define IDLE_MS 10000
#define HALF_CLOSE_MS 3000
#define ANY_TIME (-1)

struct scene {
	struct stream *client, *upstream;		/* the ends that the script plays */
	struct stream *inner_client, *inner_upstream;	/* the ends between which the relay runs */
	struct relay_limits limits;
	struct task_handle relay;
	struct stream_waits client_waits, upstream_waits;
	struct relay_end end;
	int result;
	int64_t ended_ms;
};

typedef int script_fn(struct scene *s);

struct play {
	script_fn *script;
	bool unix_sockets;
	bool bulk;				/* what the tortured say is spliced */
	bool small_buffers;			/* of Unix sockets: TCP has timers, and they are not virtual */
	int expected;
	struct relay_end expected_end;
	int64_t expected_ms;			/* how long the relay lasted */
};

static void scene_done(struct scene *s)
{
	stream_free(s->client);
	stream_free(s->upstream);
	stream_free(s->inner_client);
	stream_free(s->inner_upstream);
}

static int open_pair(const struct play *p, struct stream **ret_outer, struct stream **ret_inner)
{
	int ends[2];

	if (p->unix_sockets || p->small_buffers)
		harness_socketpair(ends);
	else
		sockets_tcp_pair(ends);
	if (p->small_buffers) {
		sockets_make_small(ends[0]);
		sockets_make_small(ends[1]);
	}

	int r = stream_new(ends[0], ret_outer);
	if (r < 0)
		fd_close(ends[0]);
	int r2 = stream_new(ends[1], ret_inner);
	if (r2 < 0)
		fd_close(ends[1]);
	return MIN(r, r2);
}

static int scene_open(const struct play *p, struct scene *s)
{
	int r = open_pair(p, &s->client, &s->inner_client);

	return r < 0 ? r : open_pair(p, &s->upstream, &s->inner_upstream);
}

static int relay_task(void *arg)
{
	struct scene *s = arg;

	s->inner_client->waits = &s->client_waits;
	s->inner_upstream->waits = &s->upstream_waits;
	s->result = relay_run(s->inner_client, s->inner_upstream, &s->limits, &s->end);
	s->ended_ms = time_now_ms();
	s->inner_client = stream_free(s->inner_client);
	s->inner_upstream = stream_free(s->inner_upstream);
	return 0;
}

static int play_body(void *arg)
{
	const struct play *p = arg;
	_cleanup_(scene_done) struct scene s = {
		.limits = { .idle_timeout_ms = IDLE_MS, .half_close_timeout_ms = HALF_CLOSE_MS,
			    .pipes = &pipes },
	};
	int64_t began_ms = time_now_ms();

	assert_int_equal(scene_open(p, &s), 0);
	TASK_GROUP(group, GROUP_ALL);
	assert_int_equal(task_spawn(&group, "relay", relay_task, &s, &s.relay), 0);
	assert_int_equal(p->script(&s), 0);
	assert_int_equal(group_wait(&group), 0);

	assert_int_equal(s.result, p->expected);
	assert_int_equal(s.end.side, p->expected_end.side);
	assert_int_equal(s.end.writing, p->expected_end.writing);
	assert_int_equal(s.end.half_closed, p->expected_end.half_closed);
	if (p->expected_ms != ANY_TIME)
		assert_int_equal(s.ended_ms - began_ms, p->expected_ms);
	return 0;
}

static void play(const struct play *p)
{
	assert_int_equal(harness_run_each_backend(play_body, (void *) p), 0);
}

/* -- what scripts do -- */

static void say(struct stream *s, const char *words)
{
	assert_int_equal(stream_write(s, words, strlen(words)), 0);
}

static void hear(struct stream *s, const char *words)
{
	char buffer[256];
	size_t length = strlen(words);

	for (size_t heard = 0; heard < length;) {
		ssize_t n = stream_read(s, buffer + heard, length - heard);

		assert_in_range(n, 1, length);
		heard += (size_t) n;
	}
	assert_memory_equal(buffer, words, length);
}

static void hear_the_end(struct stream *s)
{
	char byte;

	assert_int_equal(stream_read(s, &byte, 1), 0);
}

static void hear_a_reset(struct stream *s)
{
	char byte;

	assert_int_equal(stream_read(s, &byte, 1), -ECONNRESET);
}

static void finish(struct stream *s)
{
	assert_int_equal(stream_finish(s), 0);
}

static void reset(struct stream **s)
{
	stream_abort(*s);
	*s = stream_free(*s);
}

static void pause_ms(int64_t ms)
{
	assert_int_equal(sleep_for(ms), 0);
}

/* Writes as much as is taken before nothing moves any more. */
static size_t flood(struct stream *s)
{
	static const char bytes[64 * 1024];
	size_t sent = s->sent_bytes;

	DEADLINE(enough, 100);
	while (stream_write(s, bytes, sizeof(bytes)) == 0)
		;
	return s->sent_bytes - sent;
}

/* Reads and forgets `length` bytes. */
static void swallow(struct stream *s, size_t length)
{
	char buffer[4096];

	while (length > 0) {
		ssize_t n = stream_read(s, buffer, MIN(length, sizeof(buffer)));

		assert_true(n > 0);
		length -= (size_t) n;
	}
}

/* -- bytes and ends -- */

static int talk(struct scene *s)
{
	say(s->client, "question");
	hear(s->upstream, "question");
	say(s->upstream, "answer");
	hear(s->client, "answer");
	assert_int_equal(chunk_in_use(), 0);
	finish(s->client);
	hear_the_end(s->upstream);
	finish(s->upstream);
	hear_the_end(s->client);
	return 0;
}

static void bytes_pass_both_ways_until_both_sides_have_finished(void **unused)
{
	const struct relay_end client_first = { RELAY_CLIENT, false, true };

	(void) unused;
	play(&(struct play) { .script = talk, .expected_end = client_first });
	play(&(struct play) { .script = talk, .expected_end = client_first, .unix_sockets = true });
}

static int client_finishes_first(struct scene *s)
{
	say(s->client, "question");
	finish(s->client);
	hear(s->upstream, "question");
	hear_the_end(s->upstream);
	pause_ms(HALF_CLOSE_MS - 1);
	say(s->upstream, "late ");
	pause_ms(HALF_CLOSE_MS - 1);
	say(s->upstream, "answer");
	hear(s->client, "late answer");
	finish(s->upstream);
	hear_the_end(s->client);
	return 0;
}

static void a_client_that_finishes_first_still_gets_its_answer(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = client_finishes_first,
		.expected_end = { RELAY_CLIENT, false, true },
		.expected_ms = 2 * (HALF_CLOSE_MS - 1),
	});
}

static int upstream_finishes_first(struct scene *s)
{
	say(s->upstream, "greeting");
	finish(s->upstream);
	hear(s->client, "greeting");
	hear_the_end(s->client);
	pause_ms(HALF_CLOSE_MS - 1);
	say(s->client, "more");
	hear(s->upstream, "more");
	finish(s->client);
	hear_the_end(s->upstream);
	return 0;
}

static void an_upstream_that_finishes_first_still_gets_what_the_client_sends(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = upstream_finishes_first,
		.expected_end = { RELAY_UPSTREAM, false, true },
		.expected_ms = HALF_CLOSE_MS - 1,
	});
}

/* The end comes right behind many bytes that nobody reads yet. */
static int end_behind_bytes(struct scene *s)
{
	size_t sent = flood(s->client);

	finish(s->client);
	pause_ms(10);
	swallow(s->upstream, sent);
	hear_the_end(s->upstream);
	finish(s->upstream);
	hear_the_end(s->client);
	return 0;
}

static void the_end_is_passed_on_after_the_last_byte(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = end_behind_bytes,
		.small_buffers = true,
		.expected_end = { RELAY_CLIENT, false, true },
		.expected_ms = 110,
	});
}

/* What a client such as `printf x | nc -N` does: bytes and end in one go, before the relay has looked. */
static int bytes_and_end_at_once(struct scene *s)
{
	int fd = io_fd(&s->client->io);

	assert_int_equal(fd_write(fd, "x", 1), 1);
	assert_int_equal(fd_finish(fd), 0);
	hear(s->upstream, "x");
	hear_the_end(s->upstream);
	finish(s->upstream);
	hear_the_end(s->client);
	return 0;
}

static void an_end_that_comes_with_the_last_bytes_is_seen_at_once(void **unused)
{
	(void) unused;
	play(&(struct play) { .script = bytes_and_end_at_once, .expected_end = { RELAY_CLIENT, false, true } });
}

/* -- failures -- */

static int client_resets(struct scene *s)
{
	say(s->client, "x");
	hear(s->upstream, "x");
	reset(&s->client);
	hear_a_reset(s->upstream);
	return 0;
}

static int upstream_resets(struct scene *s)
{
	say(s->upstream, "x");
	hear(s->client, "x");
	reset(&s->upstream);
	hear_a_reset(s->client);
	return 0;
}

static int upstream_resets_after_the_client_has_finished(struct scene *s)
{
	finish(s->client);
	hear_the_end(s->upstream);
	reset(&s->upstream);
	hear_a_reset(s->client);
	return 0;
}

static void a_reset_of_one_side_is_a_reset_for_the_other(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = client_resets,
		.expected = -ECONNRESET,
		.expected_end = { RELAY_CLIENT, false, false },
	});
	play(&(struct play) {
		.script = upstream_resets,
		.expected = -ECONNRESET,
		.expected_end = { RELAY_UPSTREAM, false, false },
	});
	play(&(struct play) {
		.script = upstream_resets_after_the_client_has_finished,
		.expected = -ECONNRESET,
		.expected_end = { RELAY_UPSTREAM, false, true },
	});
}

/* An upstream that closes with unread bytes sends a reset; here while the relay still owes it more. */
static int upstream_hangs_up_on_a_flood(struct scene *s)
{
	flood(s->client);
	say(s->upstream, "too large");
	s->upstream = stream_free(s->upstream);
	hear(s->client, "too large");
	hear_a_reset(s->client);
	return 0;
}

static int upstream_hangs_up_on_a_flood_of_tcp(struct scene *s)
{
	while (flood(s->client) > 0)
		;
	say(s->upstream, "too large");
	s->upstream = stream_free(s->upstream);
	hear(s->client, "too large");
	hear_a_reset(s->client);
	return 0;
}

static int upstream_hangs_up_when_buffers_are_short(struct scene *s)
{
	struct chunk *other = NULL;

	chunk_set_limit(1);
	flood(s->client);
	say(s->upstream, "too large");
	s->upstream = stream_free(s->upstream);
	assert_int_equal(chunk_get(&other), 0);
	pause_ms(500);
	other = chunk_put(other);
	hear(s->client, "too large");
	hear_a_reset(s->client);
	return 0;
}

/* The failing write uses the error up, and what is read next looks like a clean end. */
static int upstream_hangs_up_in_silence(struct scene *s)
{
	while (flood(s->client) > 0)
		;
	s->upstream = stream_free(s->upstream);
	hear_a_reset(s->client);
	return 0;
}

static void the_last_words_of_a_side_that_takes_no_more_are_passed_on_before_the_reset(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = upstream_hangs_up_on_a_flood,
		.small_buffers = true,
		.expected = -EPIPE,
		.expected_end = { RELAY_UPSTREAM, true, false },
		.expected_ms = 100,
	});
	play(&(struct play) {
		.script = upstream_hangs_up_when_buffers_are_short,
		.small_buffers = true,
		.expected = -EPIPE,
		.expected_end = { RELAY_UPSTREAM, true, false },
		.expected_ms = 600,
	});
	play(&(struct play) {
		.script = upstream_hangs_up_on_a_flood_of_tcp,
		.expected = -ECONNRESET,
		.expected_end = { RELAY_UPSTREAM, true, false },
		.expected_ms = ANY_TIME,
	});
	play(&(struct play) {
		.script = upstream_hangs_up_in_silence,
		.expected = -ECONNRESET,
		.expected_end = { RELAY_UPSTREAM, true, false },
		.expected_ms = ANY_TIME,
	});
}

static int cancelled_in_the_middle(struct scene *s)
{
	say(s->client, "x");
	hear(s->upstream, "x");
	task_cancel(s->relay);
	hear_a_reset(s->client);
	hear_a_reset(s->upstream);
	return 0;
}

static void a_cancelled_relay_resets_both_sides(void **unused)
{
	(void) unused;
	play(&(struct play) { .script = cancelled_in_the_middle, .expected = -ECANCELED });
}

static int read_first(void *arg)
{
	struct stream *s = arg;
	char byte;
	ssize_t n = stream_read(s, &byte, 1);

	return n == -ECANCELED ? 0 : (int) n;
}

static int two_readers(void *arg)
{
	_cleanup_(scene_done) struct scene s = { .limits = { .idle_timeout_ms = FOREVER } };
	struct relay_end end;

	(void) arg;
	assert_int_equal(scene_open(&(struct play) { .script = NULL }, &s), 0);
	TASK_GROUP(group, GROUP_EACH);
	assert_int_equal(task_spawn(&group, "reader", read_first, s.inner_client, NULL), 0);
	assert_int_equal(task_yield(), 0);
	assert_int_equal(relay_run(s.inner_client, s.inner_upstream, &s.limits, &end), -EBUSY);
	assert_int_equal(end.side, RELAY_NEITHER);
	return 0;
}

static void a_stream_that_somebody_else_reads_is_not_relayed(void **unused)
{
	(void) unused;
	assert_int_equal(harness_run_each_backend(two_readers, NULL), 0);
}

/* -- limits -- */

static int nobody_speaks(struct scene *s)
{
	hear_a_reset(s->client);
	hear_a_reset(s->upstream);
	return 0;
}

static int client_waits_for_an_answer(struct scene *s)
{
	pause_ms(IDLE_MS - 1);
	say(s->client, "x");
	hear(s->upstream, "x");
	hear_a_reset(s->client);
	return 0;
}

static int client_reads_nothing(struct scene *s)
{
	flood(s->upstream);
	hear_a_reset(s->upstream);
	return 0;
}

static void a_relay_without_a_byte_either_way_ends_after_the_idle_time(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = nobody_speaks,
		.expected = -ETIMEDOUT,
		.expected_end = { RELAY_CLIENT, false, false },
		.expected_ms = IDLE_MS,
	});
	play(&(struct play) {
		.script = client_waits_for_an_answer,
		.expected = -ETIMEDOUT,
		.expected_end = { RELAY_UPSTREAM, false, false },
		.expected_ms = 2 * IDLE_MS - 1,
	});
	play(&(struct play) {
		.script = client_reads_nothing,
		.small_buffers = true,
		.expected = -ETIMEDOUT,
		.expected_end = { RELAY_CLIENT, true, false },
		.expected_ms = IDLE_MS,
	});
}

static int upstream_never_finishes(struct scene *s)
{
	pause_ms(500);
	finish(s->client);
	hear_the_end(s->upstream);
	pause_ms(HALF_CLOSE_MS - 1);
	say(s->upstream, "x");
	hear(s->client, "x");
	hear_a_reset(s->client);
	assert_int_equal(stream_write(s->upstream, "y", 1), -EPIPE);
	return 0;
}

static void the_half_close_time_is_an_idle_time_too(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = upstream_never_finishes,
		.expected = -ETIMEDOUT,
		.expected_end = { RELAY_UPSTREAM, false, true },
		.expected_ms = 500 + HALF_CLOSE_MS - 1 + HALF_CLOSE_MS,
	});
}

static int limit_is_changed(struct scene *s)
{
	pause_ms(1);
	s->limits.idle_timeout_ms = 700;
	pause_ms(1000);
	say(s->client, "x");
	hear(s->upstream, "x");
	hear_a_reset(s->client);
	return 0;
}

static void a_changed_limit_takes_hold_at_the_next_byte(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = limit_is_changed,
		.expected = -ETIMEDOUT,
		.expected_end = { RELAY_UPSTREAM, false, false },
		.expected_ms = 1701,
	});
}

/* -- buffers and turns -- */

static int slow_reader(struct scene *s)
{
	size_t up = flood(s->client);
	size_t most = 4 * 1024 * 1024;

	assert_in_range(up, 1, most);
	assert_int_equal(chunk_in_use(), 1);
	size_t down = flood(s->upstream);
	assert_in_range(down, 1, most);
	assert_int_equal(chunk_in_use(), 2);
	pause_ms(100);

	/* Whoever is not read is not written to either. */
	assert_int_equal(flood(s->client), 0);

	swallow(s->upstream, up);
	pause_ms(1);
	assert_int_equal(chunk_in_use(), 1);
	swallow(s->client, down);
	pause_ms(1);
	assert_int_equal(chunk_in_use(), 0);
	finish(s->client);
	hear_the_end(s->upstream);
	finish(s->upstream);
	hear_the_end(s->client);
	return 0;
}

static void a_slow_reader_costs_one_buffer_and_stops_the_writer(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = slow_reader,
		.small_buffers = true,
		.expected_end = { RELAY_CLIENT, false, true },
		.expected_ms = 402,
	});
}

/* The relay holds the only buffer there is, for an upstream that takes no more before it is listened to. */
static int one_buffer_for_all(struct scene *s)
{
	chunk_set_limit(1);
	size_t up = flood(s->client);

	say(s->upstream, "answer");
	pause_ms(1000);
	assert_int_equal(chunk_in_use(), 1);
	swallow(s->upstream, up);
	hear(s->client, "answer");
	say(s->client, "bye");
	hear(s->upstream, "bye");
	finish(s->client);
	finish(s->upstream);
	hear_the_end(s->client);
	return 0;
}

static int buffers_come_back(struct scene *s)
{
	struct chunk *other = NULL;

	chunk_set_limit(2);
	assert_int_equal(chunk_get(&other), 0);
	flood(s->client);
	say(s->upstream, "answer");
	pause_ms(1000);
	other = chunk_put(other);
	hear(s->client, "answer");
	task_cancel(s->relay);
	return 0;
}

static int no_buffer_at_all(struct scene *s)
{
	struct chunk *other = NULL;

	chunk_set_limit(1);
	assert_int_equal(chunk_get(&other), 0);
	say(s->client, "x");
	pause_ms(1000);
	other = chunk_put(other);
	hear(s->upstream, "x");
	assert_true(s->client_waits.other_ns >= 1000 * NS_PER_MS);
	task_cancel(s->relay);
	return 0;
}

static void a_relay_short_of_buffers_goes_on_when_there_are_some(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = one_buffer_for_all,
		.small_buffers = true,
		.expected_end = { RELAY_CLIENT, false, true },
		.expected_ms = 1100,
	});
	play(&(struct play) {
		.script = buffers_come_back,
		.small_buffers = true,
		.expected = -ECANCELED,
		.expected_ms = 1100,
	});
	play(&(struct play) { .script = no_buffer_at_all, .expected = -ECANCELED, .expected_ms = 1000 });
}

/* More bytes are there when the relay first runs than it moves in one go; of TCP if the system's limits allow. */
#define MOST_IN_ONE_GO (192 * 1024)
#define MOST_SPLICED_IN_ONE_GO (1152 * 1024)

static void fill(struct scene *s)
{
	static const char bytes[16 * 1024];
	unsigned want;

	while (stream_try_write(s->client, bytes, sizeof(bytes), &want) > 0)
		;
}

static int many_bytes_at_once(struct scene *s)
{
	fill(s);
	assert_int_equal(task_yield(), 0);
	assert_in_range(s->relay.task->received_bytes, 1, MOST_SPLICED_IN_ONE_GO);
	task_cancel(s->relay);
	return 0;
}

static int many_bytes_to_copy_at_once(struct scene *s)
{
	struct pipe *taken[512];
	size_t n = 0;

	while (n < ARRAY_LENGTH(taken) && (taken[n] = pipe_try_get(&pipes)))
		n++;
	fill(s);
	assert_true(s->client->sent_bytes > MOST_IN_ONE_GO);
	assert_int_equal(task_yield(), 0);
	assert_in_range(s->relay.task->received_bytes, 1, MOST_IN_ONE_GO);
	task_cancel(s->relay);
	while (n > 0)
		pipe_put(taken[--n]);
	return 0;
}

static void a_relay_with_much_to_do_gives_way_to_others(void **unused)
{
	(void) unused;
	play(&(struct play) { .script = many_bytes_at_once, .expected = -ECANCELED, .expected_ms = ANY_TIME });
	play(&(struct play) {
		.script = many_bytes_to_copy_at_once,
		.unix_sockets = true,
		.expected = -ECANCELED,
	});
}

/* -- accounts -- */

static int waits_of_all_kinds(struct scene *s)
{
	pause_ms(100);
	say(s->client, "question");
	hear(s->upstream, "question");
	pause_ms(250);
	say(s->upstream, "answer");
	hear(s->client, "answer");

	size_t sent = flood(s->upstream);	/* 100 ms */
	pause_ms(300);
	swallow(s->client, sent);
	pause_ms(1);
	assert_int_equal(s->client_waits.read_ns, 100 * NS_PER_MS);
	assert_int_equal(s->upstream_waits.read_ns, 250 * NS_PER_MS);
	assert_int_equal(s->client_waits.write_ns, 400 * NS_PER_MS);
	assert_int_equal(s->upstream_waits.write_ns, 0);
	task_cancel(s->relay);
	return 0;
}

static void waits_are_charged_to_who_was_waited_for(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = waits_of_all_kinds,
		.small_buffers = true,
		.expected = -ECANCELED,
		.expected_ms = 751,
	});
}

/* -- pumped: bytes that come and go in small pieces pass without the relay's task being entered -- */

static int pumped_parks;

static void count_pumped_parks(struct task *t)
{
	(void) t;
	pumped_parks += !coro_running();
}

/* Says one piece after the other, each after a pause, and lets the last of them be heard. */
static void converse(struct scene *s, const int64_t *pauses_ms, size_t count)
{
	harness_settle();
	pumped_parks = 0;
	wait_set_hook(count_pumped_parks);
	for (size_t i = 0; i < count; i++) {
		bool from_client = i % 2 == 0;

		pause_ms(pauses_ms[i]);
		say(from_client ? s->client : s->upstream, "piece");
		hear(from_client ? s->upstream : s->client, "piece");
	}
	wait_set_hook(NULL);
	assert_int_equal(pumped_parks, count);
}

static int speaks_now_and_then(struct scene *s)
{
	static const int64_t pauses_ms[] = { IDLE_MS - 1, IDLE_MS - 1, IDLE_MS - 1, IDLE_MS - 1, IDLE_MS - 1 };

	converse(s, pauses_ms, ARRAY_LENGTH(pauses_ms));
	hear_a_reset(s->upstream);
	return 0;
}

static void every_pumped_byte_moves_the_idle_time(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = speaks_now_and_then,
		.expected = -ETIMEDOUT,
		.expected_end = { RELAY_UPSTREAM, false, false },
		.expected_ms = 5 * (IDLE_MS - 1) + IDLE_MS,
	});
}

static int cancelled_after_pumping(struct scene *s)
{
	static const int64_t pauses_ms[] = { 10, 10, 10, 10 };

	converse(s, pauses_ms, ARRAY_LENGTH(pauses_ms));
	task_cancel(s->relay);
	hear_a_reset(s->client);
	hear_a_reset(s->upstream);
	return 0;
}

static void cancel_a_pumped_park(struct task *t)
{
	if (!coro_running())
		task_cancel((struct task_handle) { t, t->id });
}

static int cancelled_while_pumping(struct scene *s)
{
	static const int64_t pauses_ms[] = { 10, 10 };

	converse(s, pauses_ms, ARRAY_LENGTH(pauses_ms));
	wait_set_hook(cancel_a_pumped_park);
	say(s->client, "last words");
	hear(s->upstream, "last words");
	hear_a_reset(s->client);
	hear_a_reset(s->upstream);
	wait_set_hook(NULL);
	return 0;
}

static void a_cancelled_relay_resets_both_sides_although_it_is_pumped(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = cancelled_after_pumping,
		.expected = -ECANCELED,
		.expected_ms = 40,
	});
	play(&(struct play) {
		.script = cancelled_while_pumping,
		.expected = -ECANCELED,
		.expected_ms = 20,
	});
}

static int waits_while_pumped(struct scene *s)
{
	static const int64_t pauses_ms[] = { 100, 250, 30, 7, 1000, 1 };

	converse(s, pauses_ms, ARRAY_LENGTH(pauses_ms));
	assert_int_equal(s->client_waits.read_ns, (100 + 30 + 1000) * NS_PER_MS);
	assert_int_equal(s->upstream_waits.read_ns, (250 + 7 + 1) * NS_PER_MS);
	pause_ms(50);
	task_cancel(s->relay);
	pause_ms(1);
	assert_int_equal(s->client_waits.read_ns + s->upstream_waits.read_ns, (1388 + 50) * NS_PER_MS);
	assert_int_equal(s->client_waits.write_ns + s->client_waits.other_ns, 0);
	assert_int_equal(s->upstream_waits.write_ns + s->upstream_waits.other_ns, 0);
	return 0;
}

static void waits_are_charged_by_each_pump(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = waits_while_pumped,
		.unix_sockets = true,
		.expected = -ECANCELED,
		.expected_ms = 1388 + 50,
	});
}

/* -- many bytes -- */

#define MANY_BYTES (1024 * 1024)
#define MANY_SINGLE_BYTES (32 * 1024)

struct transfer {
	struct stream *from, *to;
	size_t portion;			/* bytes per write */
	size_t length;
	uint32_t seed;
};

static unsigned char next_byte(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return (unsigned char) (*state >> 24);
}

static int send_many(void *arg)
{
	const struct transfer *t = arg;
	_cleanup_(memory_freep) unsigned char *bytes = memory_new(t->portion);
	uint32_t state = t->seed;

	assert_non_null(bytes);
	for (size_t sent = 0; sent < t->length; sent += t->portion) {
		for (size_t i = 0; i < t->portion; i++)
			bytes[i] = next_byte(&state);
		assert_int_equal(stream_write(t->from, bytes, t->portion), 0);
	}
	return stream_finish(t->from);
}

static int receive_many(void *arg)
{
	const struct transfer *t = arg;
	unsigned char bytes[5000];
	uint32_t state = t->seed;
	size_t received = 0;
	ssize_t n;

	while ((n = stream_read(t->to, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(bytes[i], next_byte(&state));
		received += (size_t) n;
	}
	assert_int_equal(received, t->length);
	return (int) n;
}

static size_t length_for(size_t portion)
{
	return portion == 1 ? MANY_SINGLE_BYTES : MANY_BYTES;
}

static int exchange(struct scene *s, size_t up_portion, size_t down_portion)
{
	struct transfer up = { s->client, s->upstream, up_portion, length_for(up_portion), 1 };
	struct transfer down = { s->upstream, s->client, down_portion, length_for(down_portion), 2 };

	TASK_GROUP(all, GROUP_ALL);
	assert_int_equal(task_spawn(&all, "send up", send_many, &up, NULL), 0);
	assert_int_equal(task_spawn(&all, "send down", send_many, &down, NULL), 0);
	assert_int_equal(task_spawn(&all, "receive up", receive_many, &up, NULL), 0);
	assert_int_equal(task_spawn(&all, "receive down", receive_many, &down, NULL), 0);
	return group_wait(&all);
}

static int large_up_single_bytes_down(struct scene *s)
{
	return exchange(s, 64 * 1024, 1);
}

static int single_bytes_up_large_down(struct scene *s)
{
	return exchange(s, 1, 64 * 1024);
}

static int large_both_ways(struct scene *s)
{
	return exchange(s, 64 * 1024, 64 * 1024);
}

static int large_both_ways_without_pipes(struct scene *s)
{
	struct pipe *taken[512];
	size_t n = 0;

	while (n < ARRAY_LENGTH(taken) && (taken[n] = pipe_try_get(&pipes)))
		n++;
	int r = large_both_ways(s);
	assert_int_equal(pipes.lent, n);
	while (n > 0)
		pipe_put(taken[--n]);
	return r;
}

static int large_up_after_the_end_of_down(struct scene *s)
{
	struct transfer up = { s->client, s->upstream, 64 * 1024, MANY_BYTES, 3 };

	finish(s->upstream);
	hear_the_end(s->client);
	TASK_GROUP(all, GROUP_ALL);
	assert_int_equal(task_spawn(&all, "send up", send_many, &up, NULL), 0);
	assert_int_equal(task_spawn(&all, "receive up", receive_many, &up, NULL), 0);
	return group_wait(&all);
}

static void many_bytes_each_way_at_once_arrive_byte_for_byte(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = large_up_single_bytes_down,
		.expected_end = { RELAY_CLIENT, false, true },
	});
	play(&(struct play) {
		.script = single_bytes_up_large_down,
		.unix_sockets = true,
		.expected_end = { RELAY_UPSTREAM, false, true },
	});
	play(&(struct play) {
		.script = large_both_ways,
		.small_buffers = true,
		.expected_end = { RELAY_CLIENT, false, true },
	});
	play(&(struct play) {
		.script = large_both_ways,
		.unix_sockets = true,
		.expected_end = { RELAY_CLIENT, false, true },
	});
	play(&(struct play) {
		.script = large_both_ways_without_pipes,
		.unix_sockets = true,
		.expected_end = { RELAY_CLIENT, false, true },
	});
	play(&(struct play) {
		.script = large_up_after_the_end_of_down,
		.unix_sockets = true,
		.expected_end = { RELAY_UPSTREAM, false, true },
	});
}

/* -- spliced -- */

static int slow_reader_of_much(struct scene *s)
{
	size_t up = flood(s->client);

	assert_int_equal(chunk_in_use(), 0);
	assert_int_equal(pipes.lent, 1);
	size_t down = flood(s->upstream);
	assert_int_equal(chunk_in_use(), 0);
	assert_int_equal(pipes.lent, 2);
	pause_ms(100);
	assert_int_equal(flood(s->client), 0);

	swallow(s->upstream, up);
	pause_ms(1);
	assert_int_equal(pipes.lent, 1);
	swallow(s->client, down);
	pause_ms(1);
	assert_int_equal(pipes.lent, 0);
	assert_int_equal(chunk_in_use(), 0);
	finish(s->client);
	hear_the_end(s->upstream);
	assert_true(s->upstream_waits.write_ns > 0);
	finish(s->upstream);
	hear_the_end(s->client);
	return 0;
}

static void a_slow_reader_of_much_costs_one_pipe_and_stops_the_writer(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = slow_reader_of_much,
		.unix_sockets = true,
		.expected_end = { RELAY_CLIENT, false, true },
		.expected_ms = 402,
	});
	play(&(struct play) {
		.script = client_reads_nothing,
		.unix_sockets = true,
		.expected = -ETIMEDOUT,
		.expected_end = { RELAY_CLIENT, true, false },
		.expected_ms = IDLE_MS,
	});
	play(&(struct play) {
		.script = end_behind_bytes,
		.unix_sockets = true,
		.expected_end = { RELAY_CLIENT, false, true },
		.expected_ms = 110,
	});
}

/* Holds virtual time to the pace of the kernel's, which TCP needs when its windows are full. */
static int tick(void *arg)
{
	(void) arg;
	while (sleep_for(1) == 0)
		;
	return 0;
}

/* The relay owes nothing any more when it sees the reset, which then overtakes what upstream has not read. */
static int client_resets_behind_a_full_pipe(struct scene *s)
{
	char buffer[4096];
	size_t heard = 0;
	ssize_t n;
	struct task_handle ticks;

	TASK_GROUP(group, GROUP_ALL);
	assert_int_equal(task_spawn(&group, "ticks", tick, NULL, &ticks), 0);
	while (flood(s->client) > 0)
		;
	assert_int_equal(pipes.lent, 1);
	/* What lies in the relay's socket may still be read behind a reset. */
	size_t sent = s->client->sent_bytes;
	reset(&s->client);
	while ((n = stream_read(s->upstream, buffer, sizeof(buffer))) > 0)
		heard += (size_t) n;
	assert_int_equal(n, -ECONNRESET);
	assert_in_range(heard, 1, sent);
	task_cancel(ticks);
	return 0;
}

static void a_reset_comes_after_what_is_in_the_pipe(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = client_resets_behind_a_full_pipe,
		.expected = -ECONNRESET,
		.expected_end = { RELAY_CLIENT, false, false },
		.expected_ms = ANY_TIME,
	});
}

static int cancelled_with_full_pipes(struct scene *s)
{
	flood(s->client);
	flood(s->upstream);
	assert_int_equal(pipes.lent, 2);
	task_cancel(s->relay);
	pause_ms(1);
	assert_int_equal(pipes.lent, 0);
	assert_int_equal(pipes.kept, 0);
	return 0;
}

static void a_cancelled_relay_closes_its_pipes(void **unused)
{
	(void) unused;
	play(&(struct play) {
		.script = cancelled_with_full_pipes,
		.unix_sockets = true,
		.expected = -ECANCELED,
		.expected_ms = 200,
	});
}

/* -- everything, with something done to it -- */

static int scripted_client(void *arg)
{
	struct scene *s = arg;
	char buffer[16];
	int r = stream_write(s->client, "question", 8);

	if (r >= 0)
		r = stream_finish(s->client);
	while (r >= 0) {
		ssize_t n = stream_read(s->client, buffer, sizeof(buffer));
		if (n <= 0)
			return (int) n;
	}
	return r;
}

static int scripted_upstream(void *arg)
{
	struct scene *s = arg;
	char buffer[16];
	ssize_t n;

	while ((n = stream_read(s->upstream, buffer, sizeof(buffer))) > 0) {
		int r = stream_write(s->upstream, buffer, (size_t) n);
		if (r < 0)
			return r;
	}
	return n < 0 ? (int) n : stream_finish(s->upstream);
}

/* More than the threshold of splicing, and less than a socket holds. */
#define BULK_BYTES (128 * 1024)

static unsigned char byte_at(size_t position)
{
	return (unsigned char) (position * 2654435761u >> 11);
}

/* Reads to the end and looks at every byte. */
static ssize_t hear_bulk(struct stream *s, size_t *ret_heard)
{
	unsigned char buffer[4096];
	ssize_t n;

	while ((n = stream_read(s, buffer, sizeof(buffer))) > 0)
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(buffer[i], byte_at((*ret_heard)++));
	return n;
}

static int say_bulk(struct stream *s)
{
	static unsigned char bytes[BULK_BYTES];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = byte_at(i);
	int r = stream_write(s, bytes, sizeof(bytes));
	return r < 0 ? r : stream_finish(s);
}

static int bulk_client(void *arg)
{
	struct scene *s = arg;
	size_t heard = 0;
	int r = say_bulk(s->client);

	if (r >= 0)
		r = (int) hear_bulk(s->client, &heard);
	if (r == 0)
		assert_int_equal(heard, BULK_BYTES);
	return r;
}

static int bulk_upstream(void *arg)
{
	struct scene *s = arg;
	size_t heard = 0;
	int r = (int) hear_bulk(s->upstream, &heard);

	if (r < 0)
		return r;
	assert_int_equal(heard, BULK_BYTES);
	return say_bulk(s->upstream);
}

static int conversation(void *arg)
{
	_cleanup_(scene_done) struct scene s = {
		.limits = { .idle_timeout_ms = IDLE_MS, .half_close_timeout_ms = HALF_CLOSE_MS,
			    .pipes = &pipes },
	};
	const struct play *p = arg;
	int r = scene_open(p, &s);

	if (r < 0)
		return r;
	TASK_GROUP(all, GROUP_ALL);
	r = task_spawn(&all, "relay", relay_task, &s, NULL);
	if (r >= 0)
		r = task_spawn(&all, "client", p->bulk ? bulk_client : scripted_client, &s, NULL);
	if (r >= 0)
		r = task_spawn(&all, "upstream", p->bulk ? bulk_upstream : scripted_upstream, &s, NULL);
	return r < 0 ? r : group_wait(&all);
}

static void nothing_is_left_wherever_it_is_cancelled_or_timed_out(void **unused)
{
	const struct harness_scenario tcp = { .body = conversation, .arg = &(struct play) { .script = NULL } };
	const struct harness_scenario local = {
		.body = conversation,
		.arg = &(struct play) { .unix_sockets = true },
	};
	const struct harness_scenario bulk = { .body = conversation, .arg = &(struct play) { .bulk = true } };

	(void) unused;
	assert_true(harness_torture(&tcp) > 3);
	assert_true(harness_torture(&local) > 3);
	assert_true(harness_torture(&bulk) > 3);
}

#ifdef ENABLE_FAULTS
static void nothing_is_left_whichever_call_fails(void **unused)
{
	const struct harness_scenario s = { .body = conversation, .arg = &(struct play) { .script = NULL } };

	(void) unused;
	assert_true(harness_torture_faults(&s) > 10);
}

static void nothing_is_left_nor_lost_whichever_call_of_a_splicing_relay_fails(void **unused)
{
	struct play bulk = { .bulk = true };
	const struct harness_scenario s = { .body = conversation, .arg = &bulk };

	(void) unused;
	fault_plant_named("splice", UINT64_MAX, EINVAL, 1);
	assert_int_equal(harness_run_each_backend(conversation, &bulk), 0);
	assert_true(fault_count() > 3 * 2);
	assert_true(harness_torture_faults(&s) > 20);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_both_ways_until_both_sides_have_finished),
		cmocka_unit_test(a_client_that_finishes_first_still_gets_its_answer),
		cmocka_unit_test(an_upstream_that_finishes_first_still_gets_what_the_client_sends),
		cmocka_unit_test(the_end_is_passed_on_after_the_last_byte),
		cmocka_unit_test(an_end_that_comes_with_the_last_bytes_is_seen_at_once),
		cmocka_unit_test(a_reset_of_one_side_is_a_reset_for_the_other),
		cmocka_unit_test(the_last_words_of_a_side_that_takes_no_more_are_passed_on_before_the_reset),
		cmocka_unit_test(a_cancelled_relay_resets_both_sides),
		cmocka_unit_test(a_stream_that_somebody_else_reads_is_not_relayed),
		cmocka_unit_test(a_relay_without_a_byte_either_way_ends_after_the_idle_time),
		cmocka_unit_test(the_half_close_time_is_an_idle_time_too),
		cmocka_unit_test(a_changed_limit_takes_hold_at_the_next_byte),
		cmocka_unit_test(a_slow_reader_costs_one_buffer_and_stops_the_writer),
		cmocka_unit_test(a_relay_short_of_buffers_goes_on_when_there_are_some),
		cmocka_unit_test(a_relay_with_much_to_do_gives_way_to_others),
		cmocka_unit_test(waits_are_charged_to_who_was_waited_for),
		cmocka_unit_test(every_pumped_byte_moves_the_idle_time),
		cmocka_unit_test(a_cancelled_relay_resets_both_sides_although_it_is_pumped),
		cmocka_unit_test(waits_are_charged_by_each_pump),
		cmocka_unit_test(many_bytes_each_way_at_once_arrive_byte_for_byte),
		cmocka_unit_test(a_slow_reader_of_much_costs_one_pipe_and_stops_the_writer),
		cmocka_unit_test(a_reset_comes_after_what_is_in_the_pipe),
		cmocka_unit_test(a_cancelled_relay_closes_its_pipes),
		cmocka_unit_test(nothing_is_left_wherever_it_is_cancelled_or_timed_out),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(nothing_is_left_whichever_call_fails),
		cmocka_unit_test(nothing_is_left_nor_lost_whichever_call_of_a_splicing_relay_fails),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
