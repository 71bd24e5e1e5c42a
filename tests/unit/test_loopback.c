/* test_loopback.c - what a peer sends comes back to it: bytes, ends, silence, limits. A script plays the peer; the
 * loopback runs in a task of its own. */
#include "base/fault.h"
#include "net/fd.h"
#include "net/loopback.h"
#include "runtime/deadline.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define IDLE_MS 10000
#define PENDING 12345

struct scene {
	struct stream *peer, *inner;
	struct stream_waits waits;
	struct task_handle task;
	int64_t idle_timeout_ms;
	int quiet;		/* how often it said so */
	int result;
	int64_t ended_ms;
};

typedef int script_fn(struct scene *s);

struct play {
	script_fn *script;
	bool unix_sockets;	/* with small buffers, and no timers of TCP */
	int expected;
};

static void scene_done(struct scene *s)
{
	stream_free(s->peer);
	stream_free(s->inner);
}

static int scene_open(const struct play *p, struct scene *s)
{
	int ends[2];

	if (p->unix_sockets) {
		harness_socketpair(ends);
		sockets_make_small(ends[0]);
		sockets_make_small(ends[1]);
	} else {
		sockets_tcp_pair(ends);
	}

	int r = stream_new(ends[0], &s->peer);
	if (r < 0)
		fd_close(ends[0]);
	int r2 = stream_new(ends[1], &s->inner);
	if (r2 < 0)
		fd_close(ends[1]);
	return MIN(r, r2);
}

/* As the echo service does it. */
static int echo_task(void *arg)
{
	struct scene *s = arg;
	DEADLINE(idle, s->idle_timeout_ms);
	int r;

	s->inner->waits = &s->waits;
	do {
		r = stream_wait_to_read(s->inner);
		if (r >= 0)
			r = loopback_run(s->inner, &idle, &s->idle_timeout_ms);
		s->quiet += r == LOOPBACK_QUIET;
	} while (r == LOOPBACK_QUIET);
	s->result = r;
	s->ended_ms = time_now_ms();
	s->inner = stream_free(s->inner);
	return 0;
}

static int play_body(void *arg)
{
	const struct play *p = arg;
	_cleanup_(scene_done) struct scene s = { .idle_timeout_ms = IDLE_MS, .result = PENDING };

	assert_int_equal(scene_open(p, &s), 0);
	TASK_GROUP(group, GROUP_ALL);
	assert_int_equal(task_spawn(&group, "echo", echo_task, &s, &s.task), 0);
	assert_int_equal(p->script(&s), 0);
	assert_int_equal(group_wait(&group), 0);
	assert_int_equal(s.result, p->expected);
	assert_int_equal(chunk_in_use(), 0);
	chunk_set_limit(4096);
	return 0;
}

static void play(script_fn *script, bool unix_sockets, int expected)
{
	struct play p = { script, unix_sockets, expected };

	assert_int_equal(harness_run_each_backend(play_body, &p), 0);
}

/* -- what scripts do -- */

static unsigned char byte_at(size_t position)
{
	return (unsigned char) (position * 2654435761u >> 11);
}

/* Says that many bytes, the first of which has that position. */
static int say(struct stream *s, size_t position, size_t length)
{
	unsigned char bytes[4096];

	while (length > 0) {
		size_t part = MIN(length, sizeof(bytes));

		for (size_t i = 0; i < part; i++)
			bytes[i] = byte_at(position + i);
		int r = stream_write(s, bytes, part);
		if (r < 0)
			return r;
		position += part;
		length -= part;
	}
	return 0;
}

static int hear(struct stream *s, size_t position, size_t length)
{
	unsigned char bytes[4096];

	while (length > 0) {
		ssize_t n = stream_read(s, bytes, MIN(length, sizeof(bytes)));

		if (n <= 0)
			return n < 0 ? (int) n : -EPIPE;
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(bytes[i], byte_at(position++));
		length -= (size_t) n;
	}
	return 0;
}

static int hear_the_end(struct stream *s)
{
	char byte;
	ssize_t n = stream_read(s, &byte, 1);

	return n > 0 ? -EBADMSG : (int) n;
}

/* Writes until nothing moves any more. Returns how much was taken. */
static size_t flood(struct stream *s)
{
	size_t before = s->sent_bytes;
	DEADLINE(enough, 100);

	while (say(s, s->sent_bytes, 4096) == 0)
		;
	return s->sent_bytes - before;
}

/* -- bytes and ends -- */

static int messages(struct scene *s)
{
	size_t position = 0;

	for (size_t length = 1; length < 100 * 1024; length = length * 3 + 1) {
		assert_int_equal(say(s->peer, position, length), 0);
		assert_int_equal(hear(s->peer, position, length), 0);
		position += length;
	}
	assert_int_equal(s->quiet, 0);
	assert_int_equal(stream_finish(s->peer), 0);
	assert_int_equal(hear_the_end(s->peer), 0);
	return 0;
}

static void every_message_comes_back_and_the_end_after_it(void **unused)
{
	(void) unused;
	play(messages, false, 0);
}

static int end_behind_a_flood(struct scene *s)
{
	size_t sent = flood(s->peer);

	assert_true(sent > 0);
	assert_int_equal(s->result, PENDING);
	assert_int_equal(hear(s->peer, 0, sent), 0);
	assert_int_equal(stream_finish(s->peer), 0);
	return hear_the_end(s->peer);
}

static void what_a_slow_reader_is_owed_comes_whole_before_the_end(void **unused)
{
	(void) unused;
	play(end_behind_a_flood, true, 0);
	play(end_behind_a_flood, false, 0);
}

static int reset_it(struct scene *s)
{
	assert_int_equal(say(s->peer, 0, 10), 0);
	assert_int_equal(hear(s->peer, 0, 10), 0);
	stream_abort(s->peer);
	s->peer = stream_free(s->peer);
	return 0;
}

static void a_reset_is_an_error(void **unused)
{
	(void) unused;
	play(reset_it, false, -ECONNRESET);
}

static int reset_behind_bytes(struct scene *s)
{
	assert_int_equal(say(s->peer, 0, 10), 0);
	assert_int_equal(hear(s->peer, 0, 10), 0);
	assert_int_equal(say(s->peer, 0, 10), 0);
	stream_abort(s->peer);
	s->peer = stream_free(s->peer);
	return 0;
}

static void a_reset_together_with_bytes_is_an_error(void **unused)
{
	(void) unused;
	play(reset_behind_bytes, false, -ECONNRESET);
}

/* -- silence -- */

static int fall_silent_twice(struct scene *s)
{
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(say(s->peer, 0, 10), 0);
		assert_int_equal(hear(s->peer, 0, 10), 0);
		assert_int_equal(sleep_for(3000), 0);
		assert_int_equal(s->quiet, i);
		assert_int_equal(s->result, PENDING);
		assert_int_equal(chunk_in_use(), 0);
	}
	assert_int_equal(say(s->peer, 7, 10), 0);
	assert_int_equal(hear(s->peer, 7, 10), 0);
	assert_int_equal(stream_finish(s->peer), 0);
	return hear_the_end(s->peer);
}

static void it_retires_when_the_peer_is_quiet_and_is_there_when_it_speaks_again(void **unused)
{
	(void) unused;
	play(fall_silent_twice, false, 0);
}

static int fall_silent_for_good(struct scene *s)
{
	int64_t began_ms = time_now_ms();

	assert_int_equal(sleep_for(IDLE_MS - 1000), 0);
	assert_int_equal(say(s->peer, 0, 10), 0);
	assert_int_equal(hear(s->peer, 0, 10), 0);
	assert_int_equal(hear_the_end(s->peer), 0);
	assert_in_range(time_now_ms() - began_ms, 2 * IDLE_MS - 1001, 2 * IDLE_MS - 990);
	return 0;
}

static void the_idle_timeout_counts_from_the_last_byte(void **unused)
{
	(void) unused;
	play(fall_silent_for_good, false, -ETIMEDOUT);
}

static int never_read(struct scene *s)
{
	assert_true(flood(s->peer) > 0);
	assert_int_equal(sleep_for(IDLE_MS / 2), 0);
	assert_int_equal(s->result, PENDING);
	assert_int_equal(s->quiet, 0);
	assert_int_equal(chunk_in_use(), 1);
	assert_int_equal(sleep_for(IDLE_MS), 0);
	assert_int_equal(s->result, -ETIMEDOUT);
	assert_true(s->waits.write_ns >= (IDLE_MS - 200) * NS_PER_MS);
	return 0;
}

static void who_is_owed_something_is_not_quiet_and_times_out(void **unused)
{
	(void) unused;
	play(never_read, true, -ETIMEDOUT);
}

/* -- buffers -- */

static int share_one_buffer(struct scene *s)
{
	struct chunk *other = NULL;

	chunk_set_limit(1);
	assert_int_equal(say(s->peer, 0, 10), 0);
	assert_int_equal(hear(s->peer, 0, 10), 0);
	assert_int_equal(chunk_get(&other), 0);
	assert_int_equal(say(s->peer, 10, 10), 0);
	assert_int_equal(sleep_for(500), 0);
	assert_int_equal(s->peer->received_bytes, 10);
	chunk_put(other);
	assert_int_equal(hear(s->peer, 10, 10), 0);
	assert_true(s->waits.other_ns >= 400 * NS_PER_MS);
	assert_int_equal(stream_finish(s->peer), 0);
	return hear_the_end(s->peer);
}

static void it_waits_for_a_buffer_when_all_are_lent(void **unused)
{
	(void) unused;
	play(share_one_buffer, false, 0);
}

/* -- everything, with something done to it -- */

static int peer_task(void *arg)
{
	struct scene *s = arg;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < 3; i++) {
		r = say(s->peer, i * 10, 10);
		if (r >= 0)
			r = hear(s->peer, i * 10, 10);
		if (r >= 0 && i == 1)
			r = sleep_for(2500);
	}
	if (r >= 0)
		r = stream_finish(s->peer);
	return r < 0 ? r : hear_the_end(s->peer);
}

static int conversation(void *arg)
{
	const struct play *p = arg;
	_cleanup_(scene_done) struct scene s = { .idle_timeout_ms = IDLE_MS };
	int r = scene_open(p, &s);

	if (r < 0)
		return r;
	TASK_GROUP(all, GROUP_ALL);
	r = task_spawn(&all, "echo", echo_task, &s, NULL);
	if (r >= 0)
		r = task_spawn(&all, "peer", peer_task, &s, NULL);
	return r < 0 ? r : group_wait(&all);
}

static void nothing_is_left_wherever_it_is_broken_off(void **unused)
{
	const struct harness_scenario tcp = { .body = conversation, .arg = &(struct play) { 0 } };
	const struct harness_scenario local = {
		.body = conversation,
		.arg = &(struct play) { .unix_sockets = true },
	};

	(void) unused;
	assert_true(harness_torture(&tcp) > 3);
	assert_true(harness_torture(&local) > 3);
#ifdef ENABLE_FAULTS
	assert_true(harness_torture_faults(&tcp) > 10);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back_and_the_end_after_it),
		cmocka_unit_test(what_a_slow_reader_is_owed_comes_whole_before_the_end),
		cmocka_unit_test(a_reset_is_an_error),
		cmocka_unit_test(a_reset_together_with_bytes_is_an_error),
		cmocka_unit_test(it_retires_when_the_peer_is_quiet_and_is_there_when_it_speaks_again),
		cmocka_unit_test(the_idle_timeout_counts_from_the_last_byte),
		cmocka_unit_test(who_is_owed_something_is_not_quiet_and_times_out),
		cmocka_unit_test(it_waits_for_a_buffer_when_all_are_lent),
		cmocka_unit_test(nothing_is_left_wherever_it_is_broken_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
