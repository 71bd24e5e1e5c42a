/* test_io.c - waiting for descriptors, on back ends with edges and without. */
#include "runtime/runtime.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A pair of connected sockets; the test holds the far end as a plain descriptor. */
struct line {
	struct io *near;
	int far;
};

static void line_open(struct line *l)
{
	int ends[2];

	harness_socketpair(ends);
	assert_int_equal(io_new(ends[0], &l->near), 0);
	l->far = ends[1];
}

static void line_close(struct line *l)
{
	l->near = io_free(l->near);
	if (l->far >= 0)
		close(l->far);
}

/* Reads what there is, and says that it has. */
static ssize_t drain(struct io *i)
{
	char buffer[4096];
	ssize_t n, sum = 0;

	while ((n = read(io_fd(i), buffer, sizeof(buffer))) > 0)
		sum += n;
	if (n < 0 && errno == EAGAIN)
		io_drained(i, IO_READ);
	return sum;
}

static void fill(struct io *i)
{
	static const char block[65536];

	while (write(io_fd(i), block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	io_drained(i, IO_WRITE);
}

static void empty(int fd)
{
	char buffer[4096];

	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* A task that waits for one direction. */
struct watcher {
	struct io *io;
	enum io_direction direction;
	int result;
	struct task_handle handle;
};

#define PENDING 12345

static int watch(void *arg)
{
	struct watcher *w = arg;

	return w->result = io_wait(w->io, w->direction);
}

static void spawn(struct task_group *g, struct watcher *w, struct io *i, enum io_direction direction)
{
	*w = (struct watcher) { .io = i, .direction = direction, .result = PENDING };
	assert_int_equal(task_spawn(g, "watcher", watch, w, &w->handle), 0);
}

/* -- readiness -- */

static int reads(void *arg)
{
	struct line l;
	struct watcher w;

	(void) arg;
	line_open(&l);
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(io_wait(l.near, IO_READ), 0);	/* believed to be ready until tried */
	assert_int_equal(drain(l.near), 0);
	assert_false(io_is_ready(l.near, IO_READ));
	for (int round = 0; round < 3; round++) {
		spawn(&g, &w, l.near, IO_READ);
		harness_settle();
		assert_int_equal(w.result, PENDING);
		assert_string_equal(w.handle.task->wait_what, "readable");
		say(l.far, "ping");
		assert_int_equal(group_wait(&g), 0);
		assert_true(io_is_ready(l.near, IO_READ));
		assert_int_equal(drain(l.near), 4);
	}
	line_close(&l);
	return 0;
}

static void a_reader_waits_until_there_is_something_to_read(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(reads, NULL), 0);
}

static int writes(void *arg)
{
	struct line l;
	struct watcher w;

	(void) arg;
	line_open(&l);
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(io_wait(l.near, IO_WRITE), 0);
	fill(l.near);
	harness_settle();
	fill(l.near);		/* what else came when it was looked at */
	spawn(&g, &w, l.near, IO_WRITE);
	harness_settle();
	assert_int_equal(w.result, PENDING);
	empty(l.far);
	assert_int_equal(group_wait(&g), 0);
	line_close(&l);
	return 0;
}

static void a_writer_waits_until_there_is_room(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(writes, NULL), 0);
}

static int both_directions(void *arg)
{
	struct line l;
	struct watcher reader, writer;

	(void) arg;
	line_open(&l);
	TASK_GROUP(g, GROUP_ALL);
	drain(l.near);
	fill(l.near);
	spawn(&g, &reader, l.near, IO_READ);
	spawn(&g, &writer, l.near, IO_WRITE);
	harness_settle();
	assert_int_equal(writer.result, PENDING);
	say(l.far, "ping");
	harness_settle();
	assert_int_equal(reader.result, 0);
	assert_int_equal(writer.result, PENDING);
	empty(l.far);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(writer.result, 0);
	line_close(&l);
	return 0;
}

static void both_directions_are_waited_for_apart(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(both_directions, NULL), 0);
}

static int end_of_file(void *arg)
{
	struct line l;
	struct watcher w;

	(void) arg;
	line_open(&l);
	TASK_GROUP(g, GROUP_ALL);
	drain(l.near);
	spawn(&g, &w, l.near, IO_READ);
	harness_settle();
	close(l.far);
	l.far = -1;
	assert_int_equal(group_wait(&g), 0);
	line_close(&l);
	return 0;
}

static void the_peers_end_is_something_to_read(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(end_of_file, NULL), 0);
}

/* -- who may wait -- */

static int second_waiter(void *arg)
{
	struct line l;
	struct watcher w;

	(void) arg;
	line_open(&l);
	TASK_GROUP(g, GROUP_EACH);
	drain(l.near);
	spawn(&g, &w, l.near, IO_READ);
	harness_settle();
	assert_int_equal(io_wait(l.near, IO_READ), -EBUSY);
	assert_int_equal(io_wait(l.near, IO_WRITE), 0);
	task_cancel(w.handle);
	harness_settle();
	assert_int_equal(w.result, -ECANCELED);
	say(l.far, "ping");
	assert_int_equal(io_wait(l.near, IO_READ), 0);
	line_close(&l);
	return 0;
}

static void a_second_waiter_of_a_direction_is_refused(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(second_waiter, NULL), 0);
}

static int successor(void *arg)
{
	struct line l;
	struct watcher first, second;

	(void) arg;
	line_open(&l);
	TASK_GROUP(g, GROUP_EACH);
	drain(l.near);
	spawn(&g, &first, l.near, IO_READ);
	harness_settle();
	/* The second begins to wait after the first was cancelled, but before that one has run and left. */
	spawn(&g, &second, l.near, IO_READ);
	task_cancel(first.handle);
	harness_settle();
	assert_int_equal(first.result, -ECANCELED);
	assert_int_equal(second.result, PENDING);
	say(l.far, "ping");
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(second.result, 0);
	line_close(&l);
	return 0;
}

static void who_leaves_a_descriptor_does_not_disturb_who_came_after(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(successor, NULL), 0);
}

static int cancelled_or_late(void *arg)
{
	struct line l;
	struct watcher w;

	(void) arg;
	line_open(&l);
	TASK_GROUP(g, GROUP_EACH);
	drain(l.near);
	{
		DEADLINE(patience, 10);
		assert_int_equal(io_wait(l.near, IO_READ), -ETIMEDOUT);
		say(l.far, "late");
		assert_int_equal(io_wait(l.near, IO_READ), -ETIMEDOUT);
	}
	assert_int_equal(io_wait(l.near, IO_READ), 0);
	assert_int_equal(drain(l.near), 4);

	/* Readiness and a cancel in one turn: what came first counts, and nothing is lost either way. */
	spawn(&g, &w, l.near, IO_READ);
	harness_settle();
	task_cancel(w.handle);
	say(l.far, "ping");
	harness_settle();
	assert_int_equal(w.result, -ECANCELED);
	assert_int_equal(io_wait(l.near, IO_READ), 0);
	assert_int_equal(drain(l.near), 4);
	line_close(&l);
	return 0;
}

static void a_wait_that_ended_badly_loses_no_readiness(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(cancelled_or_late, NULL), 0);
}

/* -- closing -- */

static int closed(void *arg)
{
	struct line l;
	struct watcher reader, writer, cancelled;
	int fd;

	(void) arg;
	line_open(&l);
	TASK_GROUP(g, GROUP_EACH);
	drain(l.near);
	fill(l.near);
	spawn(&g, &reader, l.near, IO_READ);
	spawn(&g, &writer, l.near, IO_WRITE);
	harness_settle();
	line_close(&l);
	harness_settle();
	assert_int_equal(reader.result, -EBADF);
	assert_int_equal(writer.result, -EBADF);

	line_open(&l);
	drain(l.near);
	spawn(&g, &cancelled, l.near, IO_READ);
	harness_settle();
	task_cancel(cancelled.handle);
	fd = io_detach(l.near);		/* its waiter has yet to leave, and must not look at it any more */
	harness_settle();
	assert_int_equal(cancelled.result, -EBADF);
	say(l.far, "still open");
	assert_int_equal(read(fd, (char[16]) { 0 }, 16), 10);

	/* The descriptor may be registered again. */
	assert_int_equal(io_new(fd, &l.near), 0);
	drain(l.near);
	say(l.far, "ping");
	assert_int_equal(io_wait(l.near, IO_READ), 0);
	line_close(&l);
	assert_null(io_free(NULL));
	return 0;
}

static void closing_wakes_the_waiters_first(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(closed, NULL), 0);
}

/* -- several -- */

static int any_of_them(void *arg)
{
	struct line a, b;
	struct io_want wants[3];

	(void) arg;
	line_open(&a);
	line_open(&b);
	drain(a.near);
	drain(b.near);
	wants[0] = (struct io_want) { a.near, IO_READ, 0 };
	wants[1] = (struct io_want) { b.near, IO_READ | IO_WRITE, 0 };
	wants[2] = (struct io_want) { a.near, 0, 77 };
	assert_int_equal(io_wait_any(wants, 3), 0);
	assert_int_equal(wants[0].ready, 0);
	assert_int_equal(wants[1].ready, IO_WRITE);
	assert_int_equal(wants[2].ready, 0);

	wants[1].want = IO_READ;
	say(b.far, "ping");
	assert_int_equal(io_wait_any(wants, 2), 0);
	assert_int_equal(wants[0].ready, 0);
	assert_int_equal(wants[1].ready, IO_READ);
	assert_int_equal(drain(b.near), 4);

	say(a.far, "ping");
	say(b.far, "ping");
	harness_settle();
	assert_int_equal(io_wait_any(wants, 2), 0);
	drain(a.near);
	drain(b.near);
	{
		DEADLINE(patience, 10);
		assert_int_equal(io_wait_any(wants, 2), -ETIMEDOUT);
	}
	line_close(&a);
	line_close(&b);
	return 0;
}

static int free_one_and_speak_on_the_other(void *arg)
{
	struct line *lines = arg;

	lines[0].near = io_free(lines[0].near);
	say(lines[1].far, "ping");
	return 0;
}

/* What is not wanted may go at any time. */
static int first_is_not_wanted(void *arg)
{
	struct line lines[2];

	(void) arg;
	line_open(&lines[0]);
	line_open(&lines[1]);
	drain(lines[1].near);

	struct io_want wants[] = { { lines[0].near, 0, 0 }, { lines[1].near, IO_READ, 0 } };
	TASK_GROUP(group, GROUP_ALL);
	assert_int_equal(task_spawn(&group, "other", free_one_and_speak_on_the_other, lines, NULL), 0);
	assert_int_equal(io_wait_any(wants, 2), 0);
	assert_int_equal(wants[1].ready, IO_READ);
	assert_int_equal(group_wait(&group), 0);
	line_close(&lines[0]);
	line_close(&lines[1]);
	return 0;
}

static void what_is_not_wanted_may_go_meanwhile(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(first_is_not_wanted, NULL), 0);
}

static void one_park_waits_for_any_of_several(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(any_of_them, NULL), 0);
}

struct several {
	struct io_want wants[2];
	int result;
};

static int watch_several(void *arg)
{
	struct several *s = arg;

	return s->result = io_wait_any(s->wants, 2);
}

static int one_of_them_closed(void *arg)
{
	struct line a, b;
	struct several s;

	(void) arg;
	line_open(&a);
	line_open(&b);
	drain(a.near);
	drain(b.near);
	s = (struct several) { { { a.near, IO_READ, 0 }, { b.near, IO_READ, 0 } }, PENDING };
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(task_spawn(&g, "watcher", watch_several, &s, NULL), 0);
	harness_settle();
	assert_int_equal(io_wait(b.near, IO_READ), -EBUSY);
	line_close(&a);
	harness_settle();
	assert_int_equal(s.result, -EBADF);
	line_close(&b);
	return 0;
}

static void closing_one_of_several_ends_the_wait(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(one_of_them_closed, NULL), 0);
}

/* -- short reads -- */

static int short_reads(void *arg)
{
	char buffer[64];
	int ends[2];
	struct io *i;

	(void) arg;
	sockets_tcp_pair(ends);
	assert_int_equal(io_new(ends[0], &i), 0);
	drain(i);
	assert_int_equal(write(ends[1], "ping", 4), 4);
	assert_int_equal(io_wait(i, IO_READ), 0);
	assert_int_equal(read(ends[0], buffer, sizeof(buffer)), 4);
	io_read_short(i);

	/* Whatever happened to it together with the data, it is looked at again; and it is not for ever. */
	sockets_reset(ends[1]);
	assert_int_equal(io_wait(i, IO_READ), 0);
	assert_int_equal(read(ends[0], buffer, sizeof(buffer)), -1);
	assert_int_equal(errno, ECONNRESET);
	io_free(i);
	return 0;
}

static void a_reset_behind_a_short_read_is_noticed(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(short_reads, NULL), 0);
}

static int unreported(void *arg)
{
	char buffer[64];
	struct line l;
	int64_t began_ms;

	(void) arg;
	line_open(&l);
	drain(l.near);
	say(l.far, "ping");
	assert_int_equal(io_wait(l.near, IO_READ), 0);
	harness_settle();
	/* As if the edge had been lost: data lies there, and the bit says that there is none. */
	assert_int_equal(read(io_fd(l.near), buffer, 2), 2);
	io_read_short(l.near);
	began_ms = time_now_ms();
	assert_int_equal(io_wait(l.near, IO_READ), 0);
	if (loop_is_edge_triggered())
		assert_in_range(time_now_ms() - began_ms, 1, 1000);
	assert_int_equal(drain(l.near), 2);

	/* It was a single look: time goes on with no timer set. */
	assert_int_equal(sleep_for(2000), 0);
	assert_true(wheel_next_ms(loop_wheel()) == FOREVER);
	line_close(&l);
	return 0;
}

static void a_quiet_descriptor_gets_one_confirming_look(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(unreported, NULL), 0);
}

static int looked_at_while_busy(void *arg)
{
	char buffer[64];
	struct line l;

	(void) arg;
	line_open(&l);
	drain(l.near);
	for (int i = 0; i < 100; i++) {
		say(l.far, "ping");
		assert_int_equal(io_wait(l.near, IO_READ), 0);
		assert_int_equal(read(io_fd(l.near), buffer, sizeof(buffer)), 4);
		io_read_short(l.near);
		assert_true(loop_wheel()->count <= 1);
		assert_int_equal(sleep_for(100), 0);
	}
	assert_int_equal(sleep_for(5000), 0);
	assert_int_equal(loop_wheel()->count, 0);
	line_close(&l);
	return 0;
}

static void the_confirming_look_is_one_timer_and_ends_by_itself(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(looked_at_while_busy, NULL), 0);
}

/* -- wakes: noted as the poll reports them, given when it is over -- */

static int both_ways_at_once(void *arg)
{
	struct watcher gone;
	struct line l;

	(void) arg;
	line_open(&l);
	TASK_GROUP(g, GROUP_EACH);
	struct io_want want = { .io = l.near, .want = IO_READ | IO_WRITE };

	/* The tokens of waits that are over lie there still, and wake nobody. */
	drain(l.near);
	fill(l.near);
	for (int direction = IO_READ; direction <= IO_WRITE; direction++) {
		spawn(&g, &gone, l.near, (enum io_direction) direction);
		harness_settle();
		task_cancel(gone.handle);
		harness_settle();
		assert_int_equal(gone.result, -ECANCELED);
	}
	uint64_t wakes = loop_counters()->wakes;
	empty(l.far);
	say(l.far, "ping");
	assert_int_equal(task_yield(), 0);
	assert_int_equal(loop_counters()->wakes, wakes + 1);

	/* One that waits for both is woken when the first of them is reported. */
	drain(l.near);
	fill(l.near);
	uint64_t switches = task_self()->switches;
	empty(l.far);
	say(l.far, "ping");
	assert_int_equal(io_wait_any(&want, 1), 0);
	assert_int_equal(task_self()->switches, switches + 1);
	if (loop_is_edge_triggered())
		assert_int_equal(want.ready, IO_READ | IO_WRITE);
	line_close(&l);
	return 0;
}

static void a_task_that_is_reported_twice_is_woken_once(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(both_ways_at_once, NULL), 0);
}

/* More than a poll can note, each at an end of its own. */
#define REPORTED 1200

struct end {
	struct io *io;
	struct task_handle handle;
	int heard;
};

static int listens(void *arg)
{
	struct end *e = arg;
	int r;

	while ((r = io_wait(e->io, IO_READ)) == 0)
		e->heard += (int) drain(e->io);
	return r == -ECANCELED ? 0 : r;
}

static size_t count_ready(const struct end *ends)
{
	size_t n = 0;

	for (size_t i = 0; i < REPORTED; i++)
		n += ends[i].handle.task->state == TASK_READY;
	return n;
}

static int many_in_one_poll(void *arg)
{
	static struct end ends[REPORTED];
	size_t most_ready = 0;

	(void) arg;
	if (loop_max_fds() < REPORTED + 64)
		return 0;			/* select(2) has no room for so many */
	memset(ends, 0, sizeof(ends));
	TASK_GROUP(g, GROUP_EACH);
	for (size_t i = 0; i < REPORTED; i += 2) {
		int fds[2];

		harness_socketpair(fds);
		for (size_t k = 0; k < 2; k++) {
			assert_int_equal(io_new(fds[k], &ends[i + k].io), 0);
			assert_int_equal(task_spawn(&g, "end", listens, &ends[i + k], &ends[i + k].handle), 0);
		}
	}
	for (int i = 0; i < 10; i++)
		harness_settle();
	assert_int_equal(count_ready(ends), 0);

	/* The array that libevent polls into grows with what it has seen. */
	for (int round = 1; round <= 4; round++) {
		for (size_t i = 0; i < REPORTED; i++)
			say(io_fd(ends[i].io), "x");
		for (int i = 0; i < 20; i++) {
			assert_int_equal(task_yield(), 0);
			most_ready = MAX(most_ready, count_ready(ends));
		}
		for (size_t i = 0; i < REPORTED; i++)
			assert_int_equal(ends[i].heard, round);
	}
	if (loop_is_edge_triggered())
		assert_int_equal(most_ready, REPORTED);
	group_cancel(&g);
	(void) group_wait(&g);
	for (size_t i = 0; i < REPORTED; i++)
		io_free(ends[i].io);
	return 0;
}

/* Raises the limit of descriptors, and returns what it was. Skips the test where that is forbidden. */
static struct rlimit allow_descriptors(rlim_t count)
{
	struct rlimit before, raised;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	if (before.rlim_max < count)
		skip();
	raised = (struct rlimit) { MAX(before.rlim_cur, count), before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &raised), 0);
	return before;
}

static void all_that_one_poll_reports_are_woken_in_its_turn(void **state)
{
	struct rlimit before = allow_descriptors(REPORTED + 64);

	(void) state;
	assert_int_equal(harness_run(many_in_one_poll, NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* -- refusals and torture -- */

static int regular_file(void *arg)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct io *i = NULL;

	(void) arg;
	assert_true(fd >= 0);
	assert_int_equal(io_new(fd, &i), -EPERM);	/* epoll_ctl(2) */
	assert_null(i);
	assert_int_equal(close(fd), 0);			/* still the caller's */
	return 0;
}

static void what_epoll_refuses_stays_the_callers(void **state)
{
	(void) state;
	if (getenv("EVENT_NOEPOLL")) {
		print_message("epoll is forbidden by EVENT_NOEPOLL\n");
		skip();
	}
	assert_int_equal(harness_run(regular_file, NULL), 0);
}

/* Gives back what it reads, and hangs up when it ends. */
static int answers(void *arg)
{
	_cleanup_(io_freep) struct io *i = TAKE(*(struct io **) arg);
	DEADLINE(limit, FOREVER);

	for (;;) {
		char buffer[16];
		ssize_t n = read(io_fd(i), buffer, sizeof(buffer));

		if (n == 0)
			return 0;
		if (n > 0) {
			if (write(io_fd(i), buffer, (size_t) n) != n)
				return -EPIPE;
			continue;
		}
		assert_int_equal(errno, EAGAIN);
		io_drained(i, IO_READ);
		int r = io_wait(i, IO_READ);
		if (r < 0)
			return r;
	}
}

static int asks(struct io *i)
{
	char buffer[16];
	int r = 0;

	for (int round = 0; round < 3 && r == 0; round++) {
		if (write(io_fd(i), "ping", 4) != 4)
			return -EPIPE;
		io_drained(i, IO_READ);
		r = io_wait(i, IO_READ);
		if (r == 0 && read(io_fd(i), buffer, sizeof(buffer)) != 4)
			return -EPIPE;
	}
	return r;
}

static int conversation(void *arg)
{
	_cleanup_(io_freep) struct io *a = NULL;
	_cleanup_(io_freep) struct io *b = NULL;
	int ends[2];
	int r;

	(void) arg;
	harness_socketpair(ends);
	r = io_new(ends[0], &a);
	if (r < 0)
		close(ends[0]);
	int r2 = io_new(ends[1], &b);
	if (r2 < 0)
		close(ends[1]);
	if (r < 0 || r2 < 0)
		return MIN(r, r2);

	TASK_GROUP(g, GROUP_EACH);
	r = task_spawn(&g, "answers", answers, &b, NULL);
	return r < 0 ? r : asks(a);
}

#define MANY_FDS (FD_SETSIZE + 8)

static int too_high_for_select(void *arg)
{
	struct io *i = NULL;
	int ends[2];

	(void) arg;
	harness_socketpair(ends);
	int high = fcntl(ends[0], F_DUPFD_CLOEXEC, FD_SETSIZE);
	assert_true(high >= FD_SETSIZE);
	if (loop_max_fds() == SIZE_MAX) {
		assert_int_equal(io_new(high, &i), 0);
		assert_int_equal(io_detach(i), high);
	} else {
		assert_int_equal(io_new(high, &i), -EMFILE);
	}
	close(high);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void a_descriptor_that_select_has_no_room_for_is_refused(void **state)
{
	struct rlimit before = allow_descriptors(MANY_FDS);

	(void) state;
	assert_int_equal(harness_run_each_backend(too_high_for_select, NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void a_conversation_leaks_nothing_wherever_it_is_broken_off(void **state)
{
	struct harness_scenario s = { .body = conversation };

	(void) state;
	assert_true(harness_torture(&s) >= 4);
	(void) harness_torture_faults(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_waits_until_there_is_something_to_read),
		cmocka_unit_test(a_writer_waits_until_there_is_room),
		cmocka_unit_test(both_directions_are_waited_for_apart),
		cmocka_unit_test(the_peers_end_is_something_to_read),
		cmocka_unit_test(a_second_waiter_of_a_direction_is_refused),
		cmocka_unit_test(who_leaves_a_descriptor_does_not_disturb_who_came_after),
		cmocka_unit_test(a_wait_that_ended_badly_loses_no_readiness),
		cmocka_unit_test(closing_wakes_the_waiters_first),
		cmocka_unit_test(one_park_waits_for_any_of_several),
		cmocka_unit_test(what_is_not_wanted_may_go_meanwhile),
		cmocka_unit_test(closing_one_of_several_ends_the_wait),
		cmocka_unit_test(a_reset_behind_a_short_read_is_noticed),
		cmocka_unit_test(a_quiet_descriptor_gets_one_confirming_look),
		cmocka_unit_test(the_confirming_look_is_one_timer_and_ends_by_itself),
		cmocka_unit_test(a_task_that_is_reported_twice_is_woken_once),
		cmocka_unit_test(all_that_one_poll_reports_are_woken_in_its_turn),
		cmocka_unit_test(what_epoll_refuses_stays_the_callers),
		cmocka_unit_test(a_descriptor_that_select_has_no_room_for_is_refused),
		cmocka_unit_test(a_conversation_leaks_nothing_wherever_it_is_broken_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
