/* test_quiet.c - tasks that wait for quiet descriptors sleep: when, until when, and what they find afterwards. */
#include "base/fault.h"
#include "coro/coro.h"
#include "runtime/runtime.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* What io.c says: a waiter sleeps when its descriptor has been quiet for this long, or twice as long at most. */
#define QUIET_MS 500
#define QUIET_PER_TURN 128

#define PENDING 12345

/* A task that waits for its line, and what came of it. The test holds the far end as a plain descriptor. */
struct listener {
	struct io *near;
	int far;
	int64_t patience_ms;
	struct task_handle handle;
	int result;
	int64_t began_ms, asleep_ms, ended_ms;	/* it began to wait, was first seen asleep, has ended */
	char heard[16];
	bool intact;				/* its stack was as it had been */
	bool ran_out;
	int messages;
};

static void open_line(struct listener *l)
{
	int ends[2];

	harness_socketpair(ends);
	assert_int_equal(io_new(ends[0], &l->near), 0);
	io_drained(l->near, IO_READ);
	l->far = ends[1];
}

static void close_line(struct listener *l)
{
	l->near = io_free(l->near);
	close(l->far);
}

static void say(const struct listener *l, const char *words)
{
	assert_int_equal(write(l->far, words, strlen(words)), strlen(words));
}

/* Leaves what it hears in a buffer on its own stack first. */
static int listen_once(void *arg)
{
	struct listener *l = arg;
	unsigned char pattern[200];
	char buffer[sizeof(l->heard)] = "";
	DEADLINE(patience, l->patience_ms);

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (unsigned char) (i * 7 + l->far);
	l->began_ms = time_now_ms();
	l->result = io_wait(l->near, IO_READ);
	if (l->result == 0 && read(io_fd(l->near), buffer, sizeof(buffer) - 1) < 0)
		l->result = -errno;
	l->intact = true;
	for (size_t i = 0; i < sizeof(pattern); i++)
		l->intact &= pattern[i] == (unsigned char) (i * 7 + l->far);
	memcpy(l->heard, buffer, sizeof(buffer));
	l->ran_out = deadline_passed(&patience);
	l->ended_ms = time_now_ms();
	return 0;
}

static int wait_for_room(void *arg)
{
	static const char block[4096];	/* a stack with so much on it would stay awake */
	struct listener *l = arg;

	while (write(io_fd(l->near), block, sizeof(block)) > 0)
		;
	io_drained(l->near, IO_WRITE);
	return l->result = io_wait(l->near, IO_WRITE);
}

/* Until it is cancelled. */
static int listen_on(void *arg)
{
	struct listener *l = arg;
	char buffer[16];

	while ((l->result = io_wait(l->near, IO_READ)) == 0) {
		while (read(io_fd(l->near), buffer, sizeof(buffer)) > 0)
			l->messages++;
		io_drained(l->near, IO_READ);
	}
	return 0;
}

static void start(struct task_group *g, struct listener *l, task_fn *fn, int64_t patience_ms)
{
	*l = (struct listener) { .patience_ms = patience_ms, .result = PENDING };
	open_line(l);
	assert_int_equal(task_spawn(g, "listener", fn, l, &l->handle), 0);
	harness_settle();
}

static bool is_asleep(const struct listener *l)
{
	return coro_is_asleep(&l->handle.task->coro);
}

#define STEP_MS 20

/* Lets so much time pass, and notes in each step who is asleep. */
static void watch_them(struct listener *ls, size_t count, int64_t ms)
{
	for (int64_t i = 0; i < ms; i += STEP_MS) {
		assert_int_equal(sleep_for(STEP_MS), 0);
		for (size_t k = 0; k < count; k++)
			if (ls[k].asleep_ms == 0 && is_asleep(&ls[k]))
				ls[k].asleep_ms = time_now_ms();
	}
}

static void let_sleep(struct listener *l)
{
	assert_int_equal(sleep_for(2 * QUIET_MS), 0);
	assert_true(is_asleep(l));
}

/* Virtual time, tasks that are not drowsy. */
static void run(task_fn *body)
{
	if (!harness_can_sleep()) {
		print_message("this flavour cannot set stacks aside\n");
		skip();
	}
	assert_int_equal(harness_run(body, NULL), 0);
	assert_int_equal(coro_asleep(), 0);
	assert_int_equal(coro_aside_bytes(), 0);
}

/* -- when -- */

static int fall_asleep(void *arg)
{
	static const int64_t after_ms[] = { 0, 20, 220, 240, 20, 20, 460 };	/* from the one to the next */
	struct listener ls[ARRAY_LENGTH(after_ms)];
	char words[] = "hello 0";

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	for (size_t i = 0; i < ARRAY_LENGTH(ls); i++) {
		watch_them(ls, i, after_ms[i]);
		start(&g, &ls[i], listen_once, FOREVER);
	}
	watch_them(ls, ARRAY_LENGTH(ls), 3 * QUIET_MS);
	for (size_t i = 0; i < ARRAY_LENGTH(ls); i++) {
		assert_in_range(ls[i].asleep_ms - ls[i].began_ms, QUIET_MS, 2 * QUIET_MS);
		assert_true(is_asleep(&ls[i]));
	}
	assert_int_equal(coro_asleep(), ARRAY_LENGTH(ls));

	for (size_t i = 0; i < ARRAY_LENGTH(ls); i++) {
		words[6] = (char) ('0' + i);
		say(&ls[i], words);
		harness_settle();
		assert_int_equal(coro_asleep(), ARRAY_LENGTH(ls) - i - 1);
		assert_int_equal(ls[i].result, 0);
		assert_string_equal(ls[i].heard, words);
		assert_true(ls[i].intact);
		close_line(&ls[i]);
	}
	return 0;
}

static void who_waits_for_a_quiet_descriptor_sleeps_and_wakes_with_its_bytes(void **state)
{
	(void) state;
	run(fall_asleep);
}

static int stay_busy(void *arg)
{
	struct listener busy, quiet;

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &busy, listen_on, FOREVER);
	start(&g, &quiet, listen_on, FOREVER);
	for (int i = 1; i <= 6; i++) {
		watch_them(&busy, 1, QUIET_MS - STEP_MS);
		say(&busy, "ping");
		harness_settle();
		assert_int_equal(busy.messages, i);
	}
	assert_int_equal(busy.asleep_ms, 0);
	assert_true(is_asleep(&quiet));
	let_sleep(&busy);
	group_cancel(&g);
	assert_int_equal(group_wait(&g), -ECANCELED);
	close_line(&busy);
	close_line(&quiet);
	return 0;
}

static void who_waits_for_a_busy_descriptor_does_not_sleep_until_it_falls_quiet(void **state)
{
	(void) state;
	run(stay_busy);
}

static int listen_on_two(void *arg)
{
	struct listener *ls = arg;
	char buffer[16];

	for (;;) {
		struct io_want wants[] = { { ls[0].near, IO_READ, 0 }, { ls[1].near, IO_READ, 0 } };
		int r = io_wait_any(wants, ARRAY_LENGTH(wants));

		if (r < 0)
			return r;
		for (size_t i = 0; i < ARRAY_LENGTH(wants); i++) {
			while (read(io_fd(ls[i].near), buffer, sizeof(buffer)) > 0)
				ls[i].messages++;
			io_drained(ls[i].near, IO_READ);
		}
	}
}

static int one_of_two(void *arg)
{
	struct listener ls[2] = { 0 };

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	open_line(&ls[0]);
	open_line(&ls[1]);
	assert_int_equal(task_spawn(&g, "listener", listen_on_two, ls, &ls[0].handle), 0);
	for (int i = 1; i <= 6; i++) {
		watch_them(ls, 1, QUIET_MS - STEP_MS);
		say(&ls[1], "ping");
		harness_settle();
		assert_int_equal(ls[1].messages, i);
	}
	assert_int_equal(ls[0].asleep_ms, 0);
	let_sleep(&ls[0]);
	say(&ls[0], "pong");
	harness_settle();
	assert_int_equal(ls[0].messages, 1);
	task_cancel(ls[0].handle);
	assert_int_equal(group_wait(&g), 0);
	close_line(&ls[0]);
	close_line(&ls[1]);
	return 0;
}

static void one_busy_descriptor_of_two_keeps_their_waiter_awake(void **state)
{
	(void) state;
	run(one_of_two);
}

static int gate_keeper(void *arg)
{
	return gate_wait((struct gate *) arg);
}

/* Waits first with a group of its own, and then without. */
static int listen_with_a_child(void *arg)
{
	struct listener *l = arg;
	struct gate gate;
	char byte;

	gate_init(&gate, "child's");
	{
		TASK_GROUP(children, GROUP_ALL);
		assert_int_equal(task_spawn(&children, "child", gate_keeper, &gate, NULL), 0);
		assert_int_equal(io_wait(l->near, IO_READ), 0);
		assert_int_equal(read(io_fd(l->near), &byte, 1), 1);
		io_drained(l->near, IO_READ);
		gate_open(&gate);
		assert_int_equal(group_wait(&children), 0);
	}
	gate_done(&gate);
	return listen_once(l);
}

static int own_a_group(void *arg)
{
	struct listener l;

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &l, listen_with_a_child, FOREVER);
	watch_them(&l, 1, 4 * QUIET_MS);
	assert_int_equal(l.asleep_ms, 0);
	say(&l, "x");
	harness_settle();
	let_sleep(&l);
	say(&l, "hello");
	assert_int_equal(group_wait(&g), 0);
	assert_string_equal(l.heard, "hello");
	close_line(&l);
	return 0;
}

static void who_owns_a_group_stays_awake(void **state)
{
	(void) state;
	run(own_a_group);
}

static int want_room(void *arg)
{
	struct listener l;
	char block[4096];

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &l, wait_for_room, FOREVER);
	let_sleep(&l);
	while (recv(l.far, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(l.result, 0);
	close_line(&l);
	return 0;
}

static void who_waits_for_room_sleeps_too(void **state)
{
	(void) state;
	run(want_room);
}

/* -- until when -- */

static int woken_otherwise(void *arg)
{
	struct listener late, cancelled, closed;

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &late, listen_once, 10 * QUIET_MS);
	start(&g, &cancelled, listen_once, FOREVER);
	start(&g, &closed, listen_once, FOREVER);
	let_sleep(&late);
	assert_true(is_asleep(&cancelled));
	assert_true(is_asleep(&closed));
	task_cancel(cancelled.handle);
	closed.near = io_free(closed.near);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(late.result, -ETIMEDOUT);
	assert_true(late.ran_out);
	assert_int_equal(late.ended_ms - late.began_ms, 10 * QUIET_MS);
	assert_int_equal(cancelled.result, -ECANCELED);
	assert_int_equal(cancelled.ended_ms - cancelled.began_ms, 2 * QUIET_MS);
	assert_int_equal(closed.result, -EBADF);
	assert_int_equal(closed.ended_ms - closed.began_ms, 2 * QUIET_MS);
	assert_true(late.intact && cancelled.intact && closed.intact);
	close_line(&late);
	close_line(&cancelled);
	close(closed.far);
	return 0;
}

static void a_deadline_a_cancel_and_a_close_wake_a_sleeper(void **state)
{
	(void) state;
	run(woken_otherwise);
}

static int sleeps_again(void *arg)
{
	struct listener l;

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &l, listen_on, FOREVER);
	for (int i = 1; i <= 3; i++) {
		let_sleep(&l);
		say(&l, "ping");
		harness_settle();
		assert_int_equal(l.messages, i);
		assert_false(is_asleep(&l));
	}
	task_cancel(l.handle);
	assert_int_equal(group_wait(&g), 0);
	close_line(&l);
	return 0;
}

static void who_was_woken_sleeps_again_when_it_is_quiet_again(void **state)
{
	(void) state;
	run(sleeps_again);
}

static int is_silent(void *arg)
{
	struct listener ls[3];

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	for (size_t i = 0; i < ARRAY_LENGTH(ls); i++)
		start(&g, &ls[i], listen_once, FOREVER);
	assert_int_equal(loop_wheel()->count, 1);
	for (size_t i = 0; i < ARRAY_LENGTH(ls); i++)
		let_sleep(&ls[i]);
	assert_int_equal(loop_wheel()->count, 0);
	assert_true(wheel_next_ms(loop_wheel()) == FOREVER);
	for (size_t i = 0; i < ARRAY_LENGTH(ls); i++) {
		say(&ls[i], "hello");
		harness_settle();
		close_line(&ls[i]);
	}
	return 0;
}

static void no_timer_is_left_when_all_sleep(void **state)
{
	(void) state;
	run(is_silent);
}

/* -- a crowd -- */

#define CROWD (2 * QUIET_PER_TURN + 40)

static int crowd(void *arg)
{
	static struct listener ls[CROWD];
	size_t asleep = 0;
	int turns = 0;

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	for (size_t i = 0; i < CROWD; i++)
		start(&g, &ls[i], listen_on, FOREVER);	/* time stands still meanwhile */
	assert_int_equal(sleep_for(2 * QUIET_MS), 0);
	assert_int_equal(coro_asleep(), QUIET_PER_TURN);

	/* One whose turn is yet to come is lively again, and is passed over. */
	struct listener *lively = &ls[CROWD - 1];

	say(lively, "ping");
	harness_settle();
	assert_int_equal(lively->messages, 1);
	while (coro_asleep() < CROWD - 1) {
		size_t before = coro_asleep();

		assert_int_equal(sleep_for(1), 0);
		asleep = coro_asleep();
		assert_in_range(asleep - before, 1, QUIET_PER_TURN);
		assert_true(++turns <= CROWD / QUIET_PER_TURN);
	}
	assert_false(is_asleep(lively));
	let_sleep(lively);
	assert_int_equal(coro_asleep(), CROWD);
	assert_int_equal(loop_wheel()->count, 0);

	for (size_t i = 0; i < CROWD; i++)
		say(&ls[i], "all of you");
	for (int i = 0; i < 8; i++)
		harness_settle();
	assert_int_equal(coro_asleep(), 0);
	for (size_t i = 0; i < CROWD; i++)
		assert_int_equal(ls[i].messages, &ls[i] == lively ? 2 : 1);
	group_cancel(&g);
	assert_int_equal(group_wait(&g), -ECANCELED);
	for (size_t i = 0; i < CROWD; i++)
		close_line(&ls[i]);
	return 0;
}

static void many_quiet_ones_are_put_to_sleep_a_few_per_turn_and_lively_ones_are_passed_over(void **state)
{
	(void) state;
	run(crowd);
}

static int shown_in_the_table(void *arg)
{
	struct listener l;
	char line[512];

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &l, listen_once, 60 * 1000);
	let_sleep(&l);
	size_t length = trace_print(l.handle.task, line, sizeof(line));
	assert_in_range(length, 1, sizeof(line));
	line[MIN(length, sizeof(line) - 1)] = '\0';
	assert_non_null(strstr(line, "listener"));
	assert_non_null(strstr(line, "readable"));
	assert_non_null(strstr(line, "test_quiet.c"));
	assert_true(is_asleep(&l));
	task_cancel(l.handle);
	assert_int_equal(group_wait(&g), 0);
	close_line(&l);
	return 0;
}

static void a_sleeper_is_shown_without_being_woken(void **state)
{
	(void) state;
	run(shown_in_the_table);
}

/* -- failures -- */

#ifdef ENABLE_FAULTS
static int no_memory_to_sleep(void *arg)
{
	struct listener l;

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	start(&g, &l, listen_on, FOREVER);
	fault_plant_named("malloc", 1, ENOMEM, UINT64_MAX);
	watch_them(&l, 1, 4 * QUIET_MS);
	assert_string_equal(fault_fired(), "malloc");
	fault_plant(0);
	assert_int_equal(l.asleep_ms, 0);
	assert_int_equal(loop_wheel()->count, 0);	/* it was asked once */
	say(&l, "ping");
	harness_settle();
	assert_int_equal(l.messages, 1);
	let_sleep(&l);
	task_cancel(l.handle);
	assert_int_equal(group_wait(&g), 0);
	close_line(&l);
	return 0;
}

static void without_memory_for_the_copy_it_stays_awake_until_it_is_quiet_again(void **state)
{
	(void) state;
	run(no_memory_to_sleep);
}
#endif

/* -- drowsiness, in which all scenarios of all tests are run too -- */

struct doze {
	int awake, asleep;		/* runs in which the waiter was seen so */
};

static int look_at_a_waiter(void *arg)
{
	struct doze *d = arg;
	struct gate gate;
	struct task_handle h;

	gate_init(&gate, "waiter's");
	TASK_GROUP(g, GROUP_ALL);
	int r = task_spawn(&g, "waiter", gate_keeper, &gate, &h);
	for (int i = 0; i < 4 && r >= 0; i++)
		r = task_yield();
	if (r >= 0 && task_is_alive(h))
		*(coro_is_asleep(&h.task->coro) ? &d->asleep : &d->awake) += 1;
	gate_open(&gate);
	return r < 0 ? r : group_wait(&g);
}

static void everything_is_tortured_awake_and_drowsy(void **state)
{
	struct doze d = { 0 };
	const struct harness_scenario s = { .body = look_at_a_waiter, .arg = &d };

	(void) state;
	if (!harness_can_sleep())
		skip();
	assert_true(harness_torture(&s) > 4);
	assert_true(d.awake > 4);
	assert_true(d.asleep > 4);

#ifdef ENABLE_FAULTS
	d = (struct doze) { 0 };
	assert_true(harness_torture_faults(&s) > 2);
	assert_true(d.awake > 1);
	assert_true(d.asleep > 1);
#endif

	d = (struct doze) { 0 };
	assert_int_equal(harness_run_each_backend(look_at_a_waiter, &d), 0);
	assert_true(d.awake > 0);
	assert_int_equal(d.asleep, d.awake);

	d = (struct doze) { 0 };
	assert_int_equal(harness_run(look_at_a_waiter, &d), 0);
	assert_int_equal(d.asleep, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_for_a_quiet_descriptor_sleeps_and_wakes_with_its_bytes),
		cmocka_unit_test(who_waits_for_a_busy_descriptor_does_not_sleep_until_it_falls_quiet),
		cmocka_unit_test(one_busy_descriptor_of_two_keeps_their_waiter_awake),
		cmocka_unit_test(who_owns_a_group_stays_awake),
		cmocka_unit_test(who_waits_for_room_sleeps_too),
		cmocka_unit_test(a_deadline_a_cancel_and_a_close_wake_a_sleeper),
		cmocka_unit_test(who_was_woken_sleeps_again_when_it_is_quiet_again),
		cmocka_unit_test(no_timer_is_left_when_all_sleep),
		cmocka_unit_test(many_quiet_ones_are_put_to_sleep_a_few_per_turn_and_lively_ones_are_passed_over),
		cmocka_unit_test(a_sleeper_is_shown_without_being_woken),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(without_memory_for_the_copy_it_stays_awake_until_it_is_quiet_again),
#endif
		cmocka_unit_test(everything_is_tortured_awake_and_drowsy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
