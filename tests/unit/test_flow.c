/* test_flow.c - one direction: when it copies, when it splices, and that no byte is lost where one becomes the other.
 *
 * A script writes at one end and reads at the other, and has the flow in between go on as far as it can.
 */
#include "base/fault.h"
#include "net/fd.h"
#include "net/flow.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct pipe_pool pipes;

#define FULL ((size_t) CHUNK_BYTES)

struct scene {
	int source_fd, sink_fd;			/* the ends that the script plays */
	struct stream *from, *to;
	struct flow flow;
	size_t said, heard;			/* bytes, each of which depends on its position */
	size_t others_hold;			/* chunks */
};

static void scene_done(struct scene *s)
{
	flow_done(&s->flow);
	s->from = stream_free(s->from);
	s->to = stream_free(s->to);
	s->source_fd = fd_close(s->source_fd);
	s->sink_fd = fd_close(s->sink_fd);
	assert_int_equal(pipes.lent, 0);
	assert_int_equal(pipes.kept, 0);
}

/* The sink is a Unix socket, and so is the source but for what only TCP has. */
static void scene_open(struct scene *s, void source_pair(int ret_ends[2]))
{
	int ends[2];

	source_pair(ends);
	s->source_fd = ends[0];
	assert_int_equal(stream_new(ends[1], &s->from), 0);
	harness_socketpair(ends);
	s->sink_fd = ends[0];
	assert_int_equal(stream_new(ends[1], &s->to), 0);
	flow_init(&s->flow, s->from, s->to, &pipes);
}

#define SCENE(s, source_pair) \
	_cleanup_(scene_done) struct scene s = { .source_fd = -1, .sink_fd = -1 }; scene_open(&s, source_pair)

static void run(task_fn *body)
{
	assert_int_equal(harness_run_each_backend(body, NULL), 0);
}

/* -- what scripts do -- */

static unsigned char byte_at(size_t position)
{
	return (unsigned char) (position * 2654435761u >> 11);
}

static void say(struct scene *s, size_t length)
{
	static unsigned char bytes[256 * 1024];

	for (size_t i = 0; i < length; i++)
		bytes[i] = byte_at(s->said + i);
	assert_int_equal(fd_write(s->source_fd, bytes, length), length);
	s->said += length;
}

/* Reads what there is. */
static void hear(struct scene *s)
{
	static unsigned char bytes[64 * 1024];
	ssize_t n;

	while ((n = fd_read(s->sink_fd, bytes, sizeof(bytes))) > 0)
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(bytes[i], byte_at(s->heard++));
	assert_true(n == 0 || n == -EAGAIN);
}

/* As far as it goes without waiting: FLOW_BLOCKED or -errno. */
static int pump(struct flow *f)
{
	bool progress = false;
	int r;

	do {
		f->moved_bytes = 0;
		r = flow_turn(f, &progress);
		assert_true(!f->chunk || !f->pipe || f->way == FLOW_ONLY_COPIES);
	} while (r == FLOW_DONE);
	return r;
}

static void wait_for(struct flow *f)
{
	assert_int_equal(io_wait(flow_owes(f) ? &f->to->io : &f->from->io, f->want), 0);
}

/* All that was said is heard, and nothing is held any more. */
static void carry(struct scene *s)
{
	while (s->heard < s->said) {
		wait_for(&s->flow);
		assert_int_equal(pump(&s->flow), FLOW_BLOCKED);
		hear(s);
	}
	assert_int_equal(s->flow.state, FLOW_READING);
	assert_false(flow_holds_buffer(&s->flow));
	assert_int_equal(chunk_in_use(), s->others_hold);
	assert_int_equal(pipes.lent, 0);
	assert_int_equal(s->to->sent_bytes, s->said);
	assert_int_equal(s->from->received_bytes, s->said);
}

static void burst(struct scene *s, size_t length)
{
	say(s, length);
	carry(s);
}

/* Blocks once, so that it waits for events from then on, and splices. */
static void come_to_splice(struct scene *s)
{
	assert_int_equal(pump(&s->flow), FLOW_BLOCKED);
	burst(s, 4 * FULL);
	assert_int_equal(s->flow.way, FLOW_SPLICES);
}

/* -- the way -- */

static int up_to_the_threshold(void *unused)
{
	SCENE(s, harness_socketpair);

	(void) unused;
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	burst(&s, 4 * FULL - 1);
	assert_int_equal(s.flow.way, FLOW_COPIES);
	burst(&s, 3 * FULL);
	burst(&s, 3 * FULL);
	assert_int_equal(s.flow.way, FLOW_COPIES);
	burst(&s, 4 * FULL);
	assert_int_equal(s.flow.way, FLOW_SPLICES);

	burst(&s, 5 * FULL);
	assert_int_equal(pipes.kept, 1);
	return 0;
}

static int beyond_the_threshold(void *unused)
{
	SCENE(s, harness_socketpair);

	(void) unused;
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	burst(&s, 4 * FULL + 1);
	assert_int_equal(s.flow.way, FLOW_SPLICES);
	burst(&s, 1);
	burst(&s, 8 * FULL + 77);
	return 0;
}

static void four_full_chunks_in_a_row_make_it_splice(void **unused)
{
	(void) unused;
	run(up_to_the_threshold);
	run(beyond_the_threshold);
}

static int small_pieces(void *unused)
{
	SCENE(s, harness_socketpair);

	(void) unused;
	come_to_splice(&s);
	for (int i = 0; i < 3; i++)
		burst(&s, FULL - 1);
	burst(&s, FULL);
	for (int i = 0; i < 3; i++)
		burst(&s, 1);
	assert_int_equal(s.flow.way, FLOW_SPLICES);
	assert_int_equal(pipes.kept, 1);
	burst(&s, 100);
	assert_int_equal(s.flow.way, FLOW_COPIES);
	assert_int_equal(pipes.kept, 0);
	burst(&s, 3 * FULL);
	assert_int_equal(s.flow.way, FLOW_COPIES);
	burst(&s, 4 * FULL);
	assert_int_equal(s.flow.way, FLOW_SPLICES);
	return 0;
}

static void four_small_splices_in_a_row_make_it_copy(void **unused)
{
	(void) unused;
	run(small_pieces);
}

static int with_a_veil(void *unused)
{
	SCENE(s, harness_socketpair);
	struct transport_ops opaque = *s.to->ops;
	const struct transport_ops *plain = s.to->ops;

	(void) unused;
	opaque.splices_in = opaque.splices_out = false;
	s.to->ops = &opaque;
	flow_init(&s.flow, s.from, s.to, &pipes);
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	burst(&s, 8 * FULL);
	assert_int_equal(s.flow.way, FLOW_ONLY_COPIES);
	s.to->ops = plain;
	return 0;
}

/* -- large chunks -- */

/* The sink does not take all at once, so that it can be seen what the rest is kept in. */
static void see_chunk(struct scene *s, size_t expected_bytes)
{
	sockets_make_small(io_fd(&s->to->io));
	say(s, 8 * FULL);
	wait_for(&s->flow);
	assert_int_equal(pump(&s->flow), FLOW_BLOCKED);
	assert_true(flow_owes(&s->flow));
	assert_int_equal(s->flow.chunk->size_bytes, expected_bytes);
	hear(s);
	carry(s);
}

static int bulk_by_copying(void *unused)
{
	SCENE(s, harness_socketpair);

	(void) unused;
	flow_init(&s.flow, s.from, s.to, NULL);
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	burst(&s, 4 * FULL - 1);
	assert_false(s.flow.large);
	burst(&s, 4 * FULL);
	assert_true(s.flow.large);

	/* A pause does not end it, nor do three small pieces. */
	see_chunk(&s, CHUNK_LARGE_BYTES);
	for (int i = 0; i < 3; i++)
		burst(&s, FULL - 1);
	burst(&s, FULL);
	for (int i = 0; i < 3; i++)
		burst(&s, 1);
	assert_true(s.flow.large);
	burst(&s, 100);
	assert_false(s.flow.large);
	burst(&s, 3 * FULL);
	assert_false(s.flow.large);
	return 0;
}

static void four_full_chunks_in_a_row_make_the_next_ones_large(void **unused)
{
	(void) unused;
	run(bulk_by_copying);
}

static int no_large_chunk(void *unused)
{
	struct chunk *taken[512];
	size_t n = 0;
	SCENE(s, harness_socketpair);

	(void) unused;
	flow_init(&s.flow, s.from, s.to, NULL);
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	burst(&s, 4 * FULL);
	assert_true(s.flow.large);
	while (n < ARRAY_LENGTH(taken) && (taken[n] = chunk_try_get_large()))
		n++;
	assert_in_range(n, 1, ARRAY_LENGTH(taken) - 1);
	s.others_hold = n;
	see_chunk(&s, CHUNK_BYTES);
	while (n > 0)
		chunk_put(taken[--n]);
	s.others_hold = 0;
	see_chunk(&s, CHUNK_LARGE_BYTES);
	return 0;
}

static int want_a_chunk(void *arg)
{
	struct chunk *c;
	int r = chunk_get(&c);

	(void) arg;
	if (r == 0)
		chunk_put(c);
	return r;
}

/* With an ordinary chunk that was waited for, while others wait for it. */
static int last_chunk(void *unused)
{
	SCENE(s, harness_socketpair);
	struct task_handle other;

	(void) unused;
	flow_init(&s.flow, s.from, s.to, NULL);
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	burst(&s, 4 * FULL);
	assert_true(s.flow.large);
	chunk_set_limit(1);
	s.flow.chunk = chunk_try_get();
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "other", want_a_chunk, NULL, &other), 0);
	say(&s, 2 * FULL);
	wait_for(&s.flow);
	harness_settle();
	assert_true(task_is_alive(other));
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	hear(&s);
	assert_int_equal(s.heard, s.said);
	return group_wait(&g);
}

static void a_chunk_that_others_wait_for_is_not_given_up_for_a_larger_one(void **unused)
{
	(void) unused;
	run(last_chunk);
}

static void without_a_large_chunk_to_be_had_an_ordinary_one_does(void **unused)
{
	(void) unused;
	run(no_large_chunk);
}

static void what_is_not_passed_on_as_it_is_gets_copied(void **unused)
{
	(void) unused;
	run(with_a_veil);
}

static int urgent_byte(void *unused)
{
	SCENE(s, sockets_tcp_pair);

	(void) unused;
	come_to_splice(&s);
	say(&s, 2 * FULL);
	assert_int_equal(send(s.source_fd, "!", 1, MSG_OOB), 1);
	burst(&s, 2 * FULL);
	say(&s, 3 * FULL);
	assert_int_equal(send(s.source_fd, "!", 1, MSG_OOB), 1);
	say(&s, 100);
	assert_int_equal(fd_finish(s.source_fd), 0);
	while (s.flow.state != FLOW_FINISHED) {
		wait_for(&s.flow);
		assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	}
	hear(&s);
	assert_int_equal(s.heard, s.said);
	return 0;
}

static void what_is_behind_urgent_data_comes_all_the_same(void **unused)
{
	(void) unused;
	run(urgent_byte);
}

/* -- a sink that takes little -- */

/* Leaves the flow with bytes in its pipe that the sink does not take. */
static void fill_sink(struct scene *s)
{
	sockets_make_small(io_fd(&s->to->io));
	say(s, 7 * FULL);
	wait_for(&s->flow);
	assert_int_equal(pump(&s->flow), FLOW_BLOCKED);
	assert_true(flow_owes(&s->flow));
	assert_int_equal(s->flow.want, IO_WRITE);
	assert_null(s->flow.chunk);
	assert_true(s->flow.pipe->length > 0);
}

static int slow_sink(void *unused)
{
	SCENE(s, harness_socketpair);

	(void) unused;
	come_to_splice(&s);
	fill_sink(&s);
	size_t received = s.from->received_bytes;
	say(&s, FULL);
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	assert_int_equal(s.from->received_bytes, received);
	assert_int_equal(pipes.lent, 1);
	hear(&s);
	carry(&s);
	return 0;
}

static void a_sink_that_takes_no_more_stops_the_source(void **unused)
{
	(void) unused;
	run(slow_sink);
}

static int end_behind_pipe(void *unused)
{
	SCENE(s, harness_socketpair);

	(void) unused;
	come_to_splice(&s);
	fill_sink(&s);
	assert_int_equal(fd_finish(s.source_fd), 0);
	hear(&s);
	while (s.flow.state != FLOW_FINISHED) {
		wait_for(&s.flow);
		assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
		hear(&s);
	}
	assert_int_equal(s.heard, s.said);
	assert_false(flow_holds_buffer(&s.flow));
	assert_int_equal(pipes.kept, 0);
	return 0;
}

static void the_end_comes_behind_what_is_in_the_pipe(void **unused)
{
	(void) unused;
	run(end_behind_pipe);
}

/* A Unix socket that is closed with unread bytes resets. */
static int reset_behind_pipe(void *unused)
{
	SCENE(s, harness_socketpair);
	int r;

	(void) unused;
	come_to_splice(&s);
	fill_sink(&s);
	assert_int_equal(fd_write(io_fd(&s.from->io), "?", 1), 1);
	s.source_fd = fd_close(s.source_fd);
	do {
		hear(&s);
		wait_for(&s.flow);
		r = pump(&s.flow);
	} while (r == FLOW_BLOCKED);
	assert_int_equal(r, -ECONNRESET);
	assert_false(flow_owes(&s.flow));
	hear(&s);
	assert_int_equal(s.heard, s.said);
	flow_break(&s.flow);
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	return 0;
}

static void a_reset_comes_behind_what_is_in_the_pipe(void **unused)
{
	(void) unused;
	run(reset_behind_pipe);
}

static int sink_goes(void *unused)
{
	SCENE(s, harness_socketpair);

	(void) unused;
	come_to_splice(&s);
	fill_sink(&s);
	s.sink_fd = fd_close(s.sink_fd);
	wait_for(&s.flow);
	assert_int_equal(pump(&s.flow), -EPIPE);
	assert_true(flow_owes(&s.flow));
	flow_break(&s.flow);
	assert_false(flow_holds_buffer(&s.flow));
	assert_int_equal(pipes.kept, 0);
	return 0;
}

static void a_sink_that_goes_is_an_error_and_the_pipe_is_closed(void **unused)
{
	(void) unused;
	run(sink_goes);
}

/* -- no pipe -- */

static int pool_is_empty(void *unused)
{
	struct pipe *taken[512];
	size_t n = 0;
	SCENE(s, harness_socketpair);

	(void) unused;
	while (n < ARRAY_LENGTH(taken) && (taken[n] = pipe_try_get(&pipes)))
		n++;
	assert_in_range(n, 1, ARRAY_LENGTH(taken) - 1);
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	for (int i = 0; i < 3; i++) {
		say(&s, 9 * FULL);
		while (s.heard < s.said) {
			wait_for(&s.flow);
			assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
			hear(&s);
		}
	}
	assert_int_equal(pipes.lent, n);
	while (n > 0)
		pipe_put(taken[--n]);
	burst(&s, 4 * FULL);
	burst(&s, 4 * FULL);
	assert_int_equal(s.flow.way, FLOW_SPLICES);
	assert_int_equal(pipes.kept, 1);
	return 0;
}

static void without_a_pipe_to_be_had_it_copies_on(void **unused)
{
	(void) unused;
	run(pool_is_empty);
}

#ifdef ENABLE_FAULTS
static int no_pipe_made(void *unused)
{
	SCENE(s, harness_socketpair);

	(void) unused;
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	fault_plant_named("pipe2", 1, EMFILE, 1);
	burst(&s, 4 * FULL);
	burst(&s, 3 * FULL);
	assert_string_equal(fault_fired(), "pipe2");
	assert_int_equal(s.flow.way, FLOW_COPIES);
	fault_plant(0);
	burst(&s, 8 * FULL);
	assert_int_equal(s.flow.way, FLOW_SPLICES);
	return 0;
}

static void a_pipe_that_cannot_be_made_is_tried_again_later(void **unused)
{
	(void) unused;
	run(no_pipe_made);
}

static int source_refuses(void *unused)
{
	SCENE(s, harness_socketpair);

	(void) unused;
	come_to_splice(&s);
	fault_plant_named("splice", 1, EINVAL, 1);
	burst(&s, 9 * FULL + 5);
	assert_non_null(fault_fired());
	fault_plant(0);
	assert_int_equal(s.flow.way, FLOW_ONLY_COPIES);
	burst(&s, 9 * FULL);
	assert_int_equal(s.flow.way, FLOW_ONLY_COPIES);
	assert_int_equal(pipes.kept, 0);
	return 0;
}

static int sink_refuses(void *unused)
{
	SCENE(s, harness_socketpair);

	(void) unused;
	come_to_splice(&s);
	fault_plant_named("splice", 2, EINVAL, 1);
	burst(&s, 9 * FULL + 5);
	assert_non_null(fault_fired());
	fault_plant(0);
	assert_int_equal(s.flow.way, FLOW_ONLY_COPIES);
	burst(&s, 9 * FULL);
	return 0;
}

static int sink_refuses_without_a_chunk(void *unused)
{
	struct chunk *other = NULL;
	SCENE(s, harness_socketpair);

	(void) unused;
	chunk_set_limit(1);
	come_to_splice(&s);
	assert_int_equal(chunk_get(&other), 0);
	fault_plant_named("splice", 2, EINVAL, 1);
	say(&s, 6 * FULL);
	wait_for(&s.flow);
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	assert_non_null(fault_fired());
	fault_plant(0);
	assert_true(s.flow.starved);
	assert_true(flow_owes(&s.flow));
	other = chunk_put(other);
	assert_int_equal(pump(&s.flow), FLOW_BLOCKED);
	assert_false(s.flow.starved);
	hear(&s);
	carry(&s);
	return 0;
}

static void a_side_that_refuses_to_splice_gets_every_byte_copied_for_good(void **unused)
{
	(void) unused;
	run(source_refuses);
	run(sink_refuses);
	run(sink_refuses_without_a_chunk);
}

static int source_fails(void *unused)
{
	SCENE(s, harness_socketpair);

	(void) unused;
	come_to_splice(&s);
	say(&s, FULL);
	wait_for(&s.flow);
	fault_plant_named("splice", 1, ECONNRESET, 1);
	assert_int_equal(pump(&s.flow), -ECONNRESET);
	assert_false(flow_owes(&s.flow));
	fault_plant(0);
	return 0;
}

static void a_failure_to_splice_is_one_to_read_or_to_write(void **unused)
{
	(void) unused;
	run(source_fails);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_full_chunks_in_a_row_make_it_splice),
		cmocka_unit_test(four_small_splices_in_a_row_make_it_copy),
		cmocka_unit_test(what_is_not_passed_on_as_it_is_gets_copied),
		cmocka_unit_test(four_full_chunks_in_a_row_make_the_next_ones_large),
		cmocka_unit_test(without_a_large_chunk_to_be_had_an_ordinary_one_does),
		cmocka_unit_test(a_chunk_that_others_wait_for_is_not_given_up_for_a_larger_one),
		cmocka_unit_test(what_is_behind_urgent_data_comes_all_the_same),
		cmocka_unit_test(a_sink_that_takes_no_more_stops_the_source),
		cmocka_unit_test(the_end_comes_behind_what_is_in_the_pipe),
		cmocka_unit_test(a_reset_comes_behind_what_is_in_the_pipe),
		cmocka_unit_test(a_sink_that_goes_is_an_error_and_the_pipe_is_closed),
		cmocka_unit_test(without_a_pipe_to_be_had_it_copies_on),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(a_pipe_that_cannot_be_made_is_tried_again_later),
		cmocka_unit_test(a_side_that_refuses_to_splice_gets_every_byte_copied_for_good),
		cmocka_unit_test(a_failure_to_splice_is_one_to_read_or_to_write),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
