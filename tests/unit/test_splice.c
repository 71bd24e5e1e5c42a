/* test_splice.c - bytes through a pipe: what is moved, what is counted, and what cannot be known. */
#include "base/fault.h"
#include "net/fd.h"
#include "net/splice.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct pipe_pool pipes;

/* What `outer` sends, `inner` has to be spliced from, and the other way round. */
struct scene {
	int outer_fd;
	struct stream *inner;
	struct pipe *pipe;
};

static void scene_done(struct scene *s)
{
	s->pipe = pipe_put(s->pipe);
	s->inner = stream_free(s->inner);
	s->outer_fd = fd_close(s->outer_fd);
}

static void scene_open(struct scene *s, bool tcp)
{
	int ends[2];

	if (tcp)
		sockets_tcp_pair(ends);
	else
		harness_socketpair(ends);
	s->outer_fd = ends[0];
	assert_int_equal(stream_new(ends[1], &s->inner), 0);
	s->pipe = pipe_try_get(&pipes);
	assert_non_null(s->pipe);
}

#define SCENE(s, tcp) _cleanup_(scene_done) struct scene s = { .outer_fd = -1 }; scene_open(&s, tcp)

static void run(task_fn *body)
{
	assert_int_equal(harness_run_each_backend(body, NULL), 0);
}

static void fill_pipe(struct pipe *p, size_t length)
{
	static char bytes[50000];

	assert_int_equal(write(p->write_fd, bytes, length), length);
	p->length = length;
}

/* -- moving -- */

static void there_and_back(bool tcp)
{
	uint64_t received = task_self()->received_bytes, sent = task_self()->sent_bytes;
	char buffer[16];
	unsigned want;
	SCENE(s, tcp);

	assert_true(stream_splices_in(s.inner) && stream_splices_out(s.inner));
	assert_int_equal(fd_write(s.outer_fd, "there and back", 14), 14);
	assert_int_equal(stream_splice_in(s.inner, s.pipe), 14);
	assert_int_equal(s.pipe->length, 14);
	assert_int_equal(s.inner->received_bytes, 14);
	assert_int_equal(task_self()->received_bytes - received, 14);
	assert_int_equal(stream_splice_out(s.inner, s.pipe, &want), 14);
	assert_int_equal(s.pipe->length, 0);
	assert_int_equal(s.inner->sent_bytes, 14);
	assert_int_equal(task_self()->sent_bytes - sent, 14);
	assert_int_equal(fd_read(s.outer_fd, buffer, sizeof(buffer)), 14);
	assert_memory_equal(buffer, "there and back", 14);
}

static int there_and_back_each(void *unused)
{
	(void) unused;
	there_and_back(true);
	there_and_back(false);
	return 0;
}

static void bytes_pass_and_are_counted_on_both_sides(void **unused)
{
	(void) unused;
	run(there_and_back_each);
}

/* -- what cannot be known -- */

static int nothing_there(void *unused)
{
	char byte;
	unsigned want = 0;
	SCENE(s, true);

	(void) unused;
	assert_int_equal(stream_splice_in(s.inner, s.pipe), 0);
	assert_true(io_is_ready(&s.inner->io, IO_READ));
	assert_false(s.inner->read_ended);
	assert_int_equal(stream_try_read(s.inner, &byte, 1, &want), -EAGAIN);
	assert_int_equal(want, IO_READ);

	assert_int_equal(fd_finish(s.outer_fd), 0);
	assert_int_equal(io_wait(&s.inner->io, IO_READ), 0);
	assert_int_equal(stream_splice_in(s.inner, s.pipe), 0);
	assert_false(s.inner->read_ended);
	assert_int_equal(stream_try_read(s.inner, &byte, 1, &want), 0);
	assert_true(s.inner->read_ended);
	assert_int_equal(stream_splice_in(s.inner, s.pipe), 0);
	return 0;
}

static void nothing_spliced_says_neither_drained_nor_ended(void **unused)
{
	(void) unused;
	run(nothing_there);
}

/* The kernel neither moves the urgent byte nor what is behind it, and says "the end" when that is behind it too. */
static int urgent_byte(void *unused)
{
	char buffer[16];
	unsigned want;
	SCENE(s, true);

	(void) unused;
	assert_int_equal(fd_write(s.outer_fd, "before", 6), 6);
	assert_int_equal(send(s.outer_fd, "!", 1, MSG_OOB), 1);
	assert_int_equal(fd_write(s.outer_fd, "behind", 6), 6);
	assert_int_equal(fd_finish(s.outer_fd), 0);
	assert_int_equal(stream_splice_in(s.inner, s.pipe), 6);
	assert_int_equal(stream_splice_out(s.inner, s.pipe, &want), 6);
	assert_int_equal(stream_splice_in(s.inner, s.pipe), 0);
	assert_int_equal(stream_try_read(s.inner, buffer, sizeof(buffer), &want), 6);
	assert_memory_equal(buffer, "behind", 6);
	return 0;
}

static void urgent_data_stop_a_splice_but_not_a_read(void **unused)
{
	(void) unused;
	run(urgent_byte);
}

static int pending_bytes(void *unused)
{
	SCENE(s, false);

	(void) unused;
	s.inner->buffered = true;
	assert_int_equal(fd_write(s.outer_fd, "later", 5), 5);
	assert_int_equal(stream_splice_in(s.inner, s.pipe), 0);
	s.inner->buffered = false;
	assert_int_equal(stream_splice_in(s.inner, s.pipe), 5);
	return 0;
}

static void bytes_that_the_transport_has_already_are_not_overtaken(void **unused)
{
	(void) unused;
	run(pending_bytes);
}

/* -- full -- */

static int full_socket(void *unused)
{
	char buffer[4096];
	unsigned want = 0;
	size_t filled = 0;
	ssize_t n;
	SCENE(s, false);

	(void) unused;
	do {
		assert_true(io_is_ready(&s.inner->io, IO_WRITE));
		if (s.pipe->length == 0) {
			fill_pipe(s.pipe, 50000);
			filled += 50000;
		}
		n = stream_splice_out(s.inner, s.pipe, &want);
	} while (n > 0);
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(want, IO_WRITE);
	assert_false(io_is_ready(&s.inner->io, IO_WRITE));
	assert_int_equal(s.pipe->length + s.inner->sent_bytes, filled);

	want = 0;
	assert_int_equal(stream_splice_out(s.inner, s.pipe, &want), -EAGAIN);
	assert_int_equal(want, IO_WRITE);
	while (s.pipe->length > 0) {
		while (fd_read(s.outer_fd, buffer, sizeof(buffer)) > 0)
			;
		assert_int_equal(io_wait(&s.inner->io, IO_WRITE), 0);
		n = stream_splice_out(s.inner, s.pipe, &want);
		assert_true(n > 0 || n == -EAGAIN);
	}
	return 0;
}

static void a_full_socket_leaves_the_rest_in_the_pipe(void **unused)
{
	(void) unused;
	run(full_socket);
}

/* -- failures -- */

static int resets(void *unused)
{
	unsigned want;
	SCENE(s, true);

	(void) unused;
	fill_pipe(s.pipe, 100);
	fd_set_reset_on_close(s.outer_fd);
	s.outer_fd = fd_close(s.outer_fd);
	struct pipe *empty = pipe_try_get(&pipes);
	assert_int_equal(stream_splice_in(s.inner, empty), -ECONNRESET);
	assert_int_equal(stream_splice_out(s.inner, s.pipe, &want), -EPIPE);
	assert_int_equal(s.pipe->length, 100);
	pipe_put(empty);
	return 0;
}

static int finished_before(void *unused)
{
	unsigned want;
	SCENE(s, true);

	(void) unused;
	fill_pipe(s.pipe, 100);
	assert_int_equal(stream_finish(s.inner), 0);
	assert_int_equal(stream_splice_out(s.inner, s.pipe, &want), -EPIPE);
	return 0;
}

static void a_peer_that_is_gone_is_an_error(void **unused)
{
	(void) unused;
	run(resets);
	run(finished_before);
}

#ifdef ENABLE_FAULTS
static int network_gives_up(void *unused)
{
	unsigned want;
	SCENE(s, true);

	(void) unused;
	fault_plant_named("splice", 1, ETIMEDOUT, 2);
	assert_int_equal(stream_splice_in(s.inner, s.pipe), -ECONNRESET);
	fill_pipe(s.pipe, 1);
	assert_int_equal(stream_splice_out(s.inner, s.pipe, &want), -ECONNRESET);
	fault_plant(0);
	return 0;
}

static void a_time_out_of_the_network_is_none_of_ours(void **unused)
{
	(void) unused;
	run(network_gives_up);
}
#endif

/* -- misuse -- */

static int splices_into_bytes(void *unused)
{
	SCENE(s, true);

	(void) unused;
	fill_pipe(s.pipe, 1);
	return (int) stream_splice_in(s.inner, s.pipe);
}

static int splices_nothing_out(void *unused)
{
	unsigned want;
	SCENE(s, true);

	(void) unused;
	return (int) stream_splice_out(s.inner, s.pipe, &want);
}

static void a_pipe_is_filled_empty_and_emptied_filled(void **unused)
{
	(void) unused;
	harness_dies(splices_into_bytes, NULL, "1 bytes in a pipe that is to be filled");
	harness_dies(splices_nothing_out, NULL, "an empty pipe cannot tell");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_and_are_counted_on_both_sides),
		cmocka_unit_test(nothing_spliced_says_neither_drained_nor_ended),
		cmocka_unit_test(urgent_data_stop_a_splice_but_not_a_read),
		cmocka_unit_test(bytes_that_the_transport_has_already_are_not_overtaken),
		cmocka_unit_test(a_full_socket_leaves_the_rest_in_the_pipe),
		cmocka_unit_test(a_peer_that_is_gone_is_an_error),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(a_time_out_of_the_network_is_none_of_ours),
#endif
		cmocka_unit_test(a_pipe_is_filled_empty_and_emptied_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
