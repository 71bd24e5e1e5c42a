/* test_rules.c - the contract of the runtime, rule by rule: docs/RUNTIME.md.
 *
 * The finer points of each module are in that module's test. Proven elsewhere, because they take a whole
 * process: the guards and the alternate stack of rule 19 in test_crash.c, OpenSSL's error queue of rule 16 in
 * the tests of TLS, the idle daemon of rule 25 also in e2e/idle.sh. Rule 20 (no fork under a loop) holds
 * because the daemon does not call fork() at all.
 */
#include "base/memory.h"
#include "runtime/runtime.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int nothing(void *arg)
{
	(void) arg;
	return 0;
}

static int count_up(void *arg)
{
	++*(int *) arg;
	return 0;
}

static int sleeps(void *arg)
{
	int *result = arg;

	*result = sleep_for(1000);
	return *result;
}

/* -- 1 to 5: tasks and groups -- */

static int returns_what_lives_on_its_stack(void *arg)
{
	int results[3] = { 0 };

	(void) arg;
	{
		TASK_GROUP(g, GROUP_EACH);
		for (int i = 0; i < 3; i++)
			assert_int_equal(task_spawn(&g, "member", sleeps, &results[i], NULL), 0);
		harness_settle();
		assert_int_equal(task_count(), 4);
		for (int i = 0; i < 3; i++)
			assert_int_equal(results[i], 0);
	}
	/* Nobody is left, and each had its chance to write into this frame. */
	assert_int_equal(task_count(), 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(results[i], -ECANCELED);
	return 0;
}

static void rule_01_leaving_the_block_of_a_group_cancels_its_members_and_waits(void **state)
{
	(void) state;
	assert_int_equal(harness_run(returns_what_lives_on_its_stack, NULL), 0);
}

static int spawns(void *arg)
{
	struct task_handle unborn;
	int ran = 0;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(task_spawn(&g, "child", count_up, &ran, NULL), 0);
	assert_int_equal(ran, 0);
	assert_int_equal(task_yield(), 0);
	assert_int_equal(ran, 1);

	assert_int_equal(task_spawn(&g, "unborn", count_up, &ran, &unborn), 0);
	task_cancel(unborn);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(ran, 1);
	return 0;
}

static void rule_02_spawning_never_switches_and_the_cancelled_never_start(void **state)
{
	(void) state;
	assert_int_equal(harness_run(spawns, NULL), 0);
}

static int sleeps_10_and_fails(void *arg)
{
	int r = sleep_for(10);

	(void) arg;
	return r < 0 ? r : -EIO;
}

static int policy(void *arg)
{
	static const struct {
		enum group_policy policy;
		int outcome;
		int slept;
	} cases[] = { { GROUP_ALL, -EIO, -ECANCELED }, { GROUP_ANY, -EIO, -ECANCELED }, { GROUP_EACH, 0, 0 } };

	(void) arg;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		int slept = 1;

		TASK_GROUP(g, cases[i].policy);
		assert_int_equal(task_spawn(&g, "sleeper", sleeps, &slept, NULL), 0);
		assert_int_equal(task_spawn(&g, "failure", sleeps_10_and_fails, NULL, NULL), 0);
		assert_int_equal(group_wait(&g), cases[i].outcome);
		assert_int_equal(slept, cases[i].slept);
	}
	{
		TASK_GROUP(g, GROUP_ANY);
		assert_int_equal(task_spawn(&g, "sleeper", sleeps, &(int) { 0 }, NULL), 0);
		assert_int_equal(task_spawn(&g, "success", nothing, NULL, NULL), 0);
		assert_int_equal(group_wait(&g), 0);
	}
	return 0;
}

static void rule_03_policies_all_any_and_each(void **state)
{
	(void) state;
	assert_int_equal(harness_run(policy, NULL), 0);
}

static int marks(void *arg)
{
	int slept[2] = { 0 };
	struct task_handle h[2];

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(task_spawn(&g, "member", sleeps, &slept[i], &h[i]), 0);
	harness_settle();
	group_cancel(&g);
	assert_true(h[0].task->cancelled && h[1].task->cancelled);
	assert_int_equal(slept[0], 0);				/* marked, and nobody has run */
	assert_int_equal(task_spawn(&g, "late", nothing, NULL, NULL), -ECANCELED);
	assert_int_equal(group_wait(&g), -ECANCELED);		/* decided by the cancel, not by what they returned */
	assert_int_equal(slept[0] + slept[1], 2 * -ECANCELED);
	return 0;
}

static void rule_04_cancelling_marks_all_members_at_once_and_fixes_the_outcome(void **state)
{
	(void) state;
	assert_int_equal(harness_run(marks, NULL), 0);
}

static int cleaned;

static void clean_up(int *begun)
{
	if (*begun)
		cleaned++;
}

static int has_something_to_clean(void *arg)
{
	_cleanup_(clean_up) _unused_ int begun = 1;

	(void) arg;
	TASK_GROUP(inner, GROUP_EACH);
	int r = task_spawn(&inner, "grandchild", sleeps, &(int) { 0 }, NULL);

	return r < 0 ? r : group_wait(&inner);
}

static int family(void *arg)
{
	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 5; i++)
		assert_int_equal(task_spawn(&g, "child", has_something_to_clean, NULL, NULL), 0);
	return sleep_for(10);
}

static void rule_05_a_task_ends_by_returning_so_its_clean_up_runs(void **state)
{
	(void) state;
	cleaned = 0;
	assert_int_equal(harness_run(family, NULL), 0);
	assert_int_equal(cleaned, 5);
}

/* -- 6 to 10: cancellation and time -- */

struct inventory {
	struct semaphore semaphore;
	struct mutex mutex;
	struct gate gate;
	struct queue *queue, *full;
	struct signals *signals;
	struct io *io;
	int far;
	int jobs;
};

static void inventory_open(struct inventory *v)
{
	static const int numbers[] = { SIGWINCH, 0 };
	int ends[2];

	memset(v, 0, sizeof(*v));
	semaphore_init(&v->semaphore, "free", 1);
	mutex_init(&v->mutex, "free");
	gate_init(&v->gate, "open");
	gate_open(&v->gate);
	assert_int_equal(queue_new("half full", 2, &v->queue), 0);
	assert_int_equal(queue_offer(v->queue, v), 0);
	assert_int_equal(signals_new(numbers, &v->signals), 0);
	kill(getpid(), SIGWINCH);
	harness_socketpair(ends);
	assert_int_equal(io_new(ends[0], &v->io), 0);
	v->far = ends[1];
}

/* Nothing was done: all is as it was. */
static void inventory_check_and_close(struct inventory *v)
{
	assert_int_equal(v->semaphore.used, 0);
	assert_null(v->mutex.holder);
	assert_int_equal(queue_length(v->queue), 1);
	assert_int_equal(v->jobs, 0);
	assert_int_equal(chunk_in_use(), 0);
	{
		SHIELD(look, 1000);
		assert_int_equal(signals_wait(v->signals), SIGWINCH);
	}
	queue_free(v->queue);
	signals_free(v->signals);
	io_free(v->io);
	close(v->far);
}

/* Every [suspends] call of the runtime, each of which could succeed at once. All say the same. */
static void all_calls_say(struct inventory *v, int error)
{
	struct io_want want = { .io = v->io, .want = IO_WRITE };
	struct chunk *chunk;
	bool dropped;
	void *item;

	TASK_GROUP(empty, GROUP_ALL);
	assert_int_equal(task_check(), error);
	assert_int_equal(task_yield(), error);
	assert_int_equal(sleep_for(0), error);
	assert_int_equal(sleep_for(1), error);
	assert_int_equal(semaphore_acquire(&v->semaphore), error);
	assert_int_equal(mutex_lock(&v->mutex), error);
	assert_int_equal(gate_wait(&v->gate), error);
	assert_int_equal(queue_get(v->queue, &item), error);
	assert_int_equal(queue_put(v->queue, v), error);
	assert_int_equal(signals_wait(v->signals), error);
	assert_int_equal(io_wait(v->io, IO_WRITE), error);
	assert_int_equal(io_wait_any(&want, 1), error);
	assert_int_equal(chunk_get(&chunk), error);
	assert_int_equal(executor_run(EXECUTOR_CPU, "nothing", count_up, &v->jobs), error);
	assert_int_equal(executor_run_abandonable(EXECUTOR_CPU, "nothing", count_up, &v->jobs, free, &dropped),
			 error);
	assert_false(dropped);
	assert_int_equal(group_wait(&empty), error);
	assert_int_equal(wait_park(wait_begin("nothing", NULL)), error);
}

static int cancels_itself(void *arg)
{
	struct inventory v;

	(void) arg;
	inventory_open(&v);
	task_cancel(task_handle_self());
	all_calls_say(&v, -ECANCELED);
	all_calls_say(&v, -ECANCELED);
	inventory_check_and_close(&v);
	return 0;
}

static void rule_06_once_cancelled_every_call_fails_again_and_again(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancels_itself, NULL), 0);
}

static int runs_out_of_time(void *arg)
{
	struct inventory v;

	(void) arg;
	inventory_open(&v);
	DEADLINE(outer, 500);
	{
		DEADLINE(inner, 100);
		assert_int_equal(sleep_for(5000), -ETIMEDOUT);
		assert_true(deadline_passed(&inner));
		assert_false(deadline_passed(&outer));
		all_calls_say(&v, -ETIMEDOUT);
		all_calls_say(&v, -ETIMEDOUT);
	}
	assert_int_equal(task_check(), 0);
	{
		DEADLINE(inner, 1000);
		assert_int_equal(sleep_for(5000), -ETIMEDOUT);
		assert_false(deadline_passed(&inner));
		assert_true(deadline_passed(&outer));
	}
	inventory_check_and_close(&v);
	return 0;
}

static void rule_07_deadlines_are_scopes_that_nest_and_can_be_asked(void **state)
{
	(void) state;
	assert_int_equal(harness_run(runs_out_of_time, NULL), 0);
}

static int echoes(void *arg)
{
	struct queue **q = arg;
	void *item;
	int r;

	while ((r = queue_get(q[0], &item)) == 0 && (r = queue_put(q[1], item)) == 0)
		;
	return r;
}

static int thousand_messages(void *arg)
{
	struct queue *q[2];
	const struct wheel_timer *timer = &task_self()->timer;
	int64_t began_ms, set_for_ms = 0;
	uint64_t switches;
	void *item;

	(void) arg;
	assert_int_equal(queue_new("there", 0, &q[0]), 0);
	assert_int_equal(queue_new("and back", 0, &q[1]), 0);
	{
		TASK_GROUP(g, GROUP_EACH);
		assert_int_equal(task_spawn(&g, "echo", echoes, q, NULL), 0);
		DEADLINE(idle, 10000);
		for (int i = 0; i < 1000; i++) {
			assert_int_equal(queue_put(q[0], q), 0);
			assert_int_equal(queue_get(q[1], &item), 0);
			assert_true(wheel_timer_is_set(timer));
			if (i == 0)
				set_for_ms = timer->at_ms;
			/* The timer is where it was put for the first message, whatever was rearmed since. */
			assert_int_equal(timer->at_ms, set_for_ms);
			deadline_rearm(&idle, 20000);
		}

		/* It fires early, looks, and sleeps on: the task is woken once, at the time that counts. */
		began_ms = time_now_ms();
		switches = task_self()->switches;
		assert_int_equal(queue_get(q[1], &item), -ETIMEDOUT);
		assert_int_equal(time_now_ms() - began_ms, 20000);
		assert_true(set_for_ms < began_ms + 20000);
		assert_int_equal(task_self()->switches - switches, 1);
	}
	queue_free(q[0]);
	queue_free(q[1]);
	return 0;
}

static void rule_08_rearming_is_one_store_and_an_early_timer_sleeps_on(void **state)
{
	(void) state;
	assert_int_equal(harness_run(thousand_messages, NULL), 0);
}

struct visitor {
	struct semaphore *semaphore;
	struct task_handle handle;
	int result, next;
};

static int acquires(void *arg)
{
	struct visitor *v = arg;

	v->result = semaphore_acquire(v->semaphore);
	v->next = task_check();
	return 0;
}

static int ranks(void *arg)
{
	struct semaphore s;
	struct visitor granted, cancelled;

	(void) arg;
	{
		DEADLINE(over, 0);
		assert_int_equal(task_yield(), -ETIMEDOUT);		/* timeout before completion */
		SHIELD(meanwhile, 100);
		assert_int_equal(task_yield(), 0);
	}
	semaphore_init(&s, "one", 1);
	assert_true(semaphore_try_acquire(&s));
	granted.semaphore = cancelled.semaphore = &s;
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(task_spawn(&g, "granted", acquires, &granted, &granted.handle), 0);
	assert_int_equal(task_spawn(&g, "cancelled", acquires, &cancelled, &cancelled.handle), 0);
	harness_settle();
	semaphore_release(&s);			/* handed to the first */
	task_cancel(granted.handle);
	task_cancel(cancelled.handle);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(granted.result, 0);
	assert_int_equal(granted.next, -ECANCELED);
	assert_int_equal(cancelled.result, -ECANCELED);
	assert_int_equal(s.used, 1);

	DEADLINE(over, 0);
	task_cancel(task_handle_self());
	assert_int_equal(task_yield(), -ECANCELED);	/* cancel before timeout */
	return 0;
}

static void rule_09_cancel_outranks_timeout_outranks_completion_but_a_grant_wins(void **state)
{
	(void) state;
	assert_int_equal(harness_run(ranks, NULL), 0);
}

static int says_goodbye(void *arg)
{
	(void) arg;
	DEADLINE(outer, 0);
	task_cancel(task_handle_self());
	{
		SHIELD(goodbye, 50);
		assert_int_equal(sleep_for(20), 0);
		assert_int_equal(sleep_for(1000), -ETIMEDOUT);
		assert_true(deadline_passed(&goodbye));
		assert_int_equal(deadline_left_ms(&goodbye), 0);
	}
	assert_int_equal(sleep_for(1), -ECANCELED);
	return 0;
}

static int endless_goodbye(void *arg)
{
	(void) arg;
	SHIELD(goodbye, FOREVER);
	return 0;
}

static void rule_10_a_shield_hides_cancel_and_limits_and_has_its_own_bound(void **state)
{
	(void) state;
	assert_int_equal(harness_run(says_goodbye, NULL), 0);
	harness_dies(endless_goodbye, NULL, "a shield needs a bound");
}

/* -- 11 to 15: waiting -- */

static int one_of_two_sources(void *arg)
{
	struct wait_token source[2], w;

	(void) arg;
	/* Several sources hold one token; the first to wake gives its value, the other finds it stale. */
	w = source[0] = source[1] = wait_begin("either", NULL);
	assert_true(wait_wake(source[1], 2));
	assert_false(wait_wake(source[0], 1));
	assert_int_equal(wait_park(w), 2);		/* it came before the park and was remembered */

	/* The next wait of the same task is another one. */
	w = wait_begin("another", NULL);
	assert_false(wait_wake(source[0], 1));
	assert_true(wait_is_pending(w));
	assert_true(wait_wake(w, 3));
	assert_int_equal(wait_park(w), 3);
	return 0;
}

static void rule_11_a_wake_names_one_wait_and_may_come_before_the_park(void **state)
{
	(void) state;
	assert_int_equal(harness_run(one_of_two_sources, NULL), 0);
}

struct watcher {
	struct io *io;
	int result;
};

static int watches(void *arg)
{
	struct watcher *w = arg;

	return w->result = io_wait(w->io, IO_READ);
}

static int two_watchers(void *arg)
{
	struct watcher w = { .result = 1 };
	int ends[2];

	(void) arg;
	harness_socketpair(ends);
	assert_int_equal(io_new(ends[0], &w.io), 0);
	io_drained(w.io, IO_READ);
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(task_spawn(&g, "watcher", watches, &w, NULL), 0);
	harness_settle();
	assert_int_equal(io_wait(w.io, IO_READ), -EBUSY);
	assert_int_equal(io_wait(w.io, IO_WRITE), 0);
	io_free(w.io);
	assert_int_equal(w.result, 1);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(w.result, -EBADF);
	close(ends[1]);
	return 0;
}

static void rule_12_one_waiter_per_direction_and_closing_wakes_it(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(two_watchers, NULL), 0);
}

static int hands_over(void *arg)
{
	struct semaphore s;
	struct visitor v[3];

	(void) arg;
	semaphore_init(&s, "one", 1);
	assert_true(semaphore_try_acquire(&s));
	TASK_GROUP(g, GROUP_EACH);
	for (int i = 0; i < 3; i++) {
		v[i] = (struct visitor) { .semaphore = &s, .result = 1 };
		assert_int_equal(task_spawn(&g, "visitor", acquires, &v[i], &v[i].handle), 0);
	}
	harness_settle();
	task_cancel(v[0].handle);
	semaphore_release(&s);
	assert_false(semaphore_try_acquire(&s));	/* it has an owner already: the second, past the first */
	harness_settle();
	assert_int_equal(v[0].result, -ECANCELED);
	assert_int_equal(v[1].result, 0);
	assert_int_equal(v[2].result, 1);
	semaphore_release(&s);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(v[2].result, 0);
	return 0;
}

static void rule_13_hand_over_is_direct_in_order_and_never_swallowed(void **state)
{
	(void) state;
	assert_int_equal(harness_run(hands_over, NULL), 0);
}

/* A client that floods the loop with requests that can always be served, and a hundred that ask one at a time. */
#define PINGERS 100
#define ROUNDS 20

struct flood {
	uint64_t operations;
	bool over;
};

struct peer {
	struct io *io;
	struct flood *flood;
	uint64_t longest_gap;		/* flood operations between two pings of this pinger */
};

/* One byte in, one byte out; the bit says whether it must wait, as a stream would. */
static int transfer(struct io *i, enum io_direction direction)
{
	char byte = 'x';

	for (;;) {
		int r = wait_enter();
		if (r < 0)
			return r;
		ssize_t n = direction == IO_READ ? read(io_fd(i), &byte, 1) : write(io_fd(i), &byte, 1);
		if (n >= 0) {
			wait_charge(1);
			return (int) n;
		}
		if (errno != EAGAIN)
			return -errno;
		io_drained(i, direction);
		r = io_wait(i, direction);
		if (r < 0)
			return r;
	}
}

static int floods(void *arg)
{
	struct flood *f = arg;

	while (!f->over) {
		int r = wait_enter();	/* an operation that succeeds at once */
		if (r < 0)
			return r;
		f->operations++;
	}
	return 0;
}

static int pongs(void *arg)
{
	struct peer *p = arg;
	int r;

	while ((r = transfer(p->io, IO_READ)) > 0 && (r = transfer(p->io, IO_WRITE)) > 0)
		;
	return r;
}

static int pings(void *arg)
{
	struct peer *p = arg;
	uint64_t last = p->flood->operations;

	for (int i = 0; i < ROUNDS; i++) {
		int r = transfer(p->io, IO_WRITE);
		if (r > 0)
			r = transfer(p->io, IO_READ);
		if (r <= 0)
			return r < 0 ? r : -EPIPE;
		p->longest_gap = MAX(p->longest_gap, p->flood->operations - last);
		last = p->flood->operations;
	}
	return 0;
}

static int flood_and_pingers(void *arg)
{
	static struct peer pingers[PINGERS], pongers[PINGERS];
	struct flood flood = { 0 };

	(void) arg;
	{
		TASK_GROUP(servers, GROUP_EACH);
		assert_int_equal(task_spawn(&servers, "flood", floods, &flood, NULL), 0);
		{
			TASK_GROUP(clients, GROUP_ALL);
			for (int i = 0; i < PINGERS; i++) {
				int ends[2];

				harness_socketpair(ends);
				pingers[i] = (struct peer) { .flood = &flood };
				pongers[i] = (struct peer) { .flood = &flood };
				assert_int_equal(io_new(ends[0], &pingers[i].io), 0);
				assert_int_equal(io_new(ends[1], &pongers[i].io), 0);
				assert_int_equal(task_spawn(&servers, "ponger", pongs, &pongers[i], NULL), 0);
				assert_int_equal(task_spawn(&clients, "pinger", pings, &pingers[i], NULL), 0);
			}
			assert_int_equal(group_wait(&clients), 0);
		}
		flood.over = true;
	}
	/* It did flood; yet a round trip takes a handful of turns, and in each the flood has its budget of 8. */
	assert_true(flood.operations > 8 * ROUNDS);
	for (int i = 0; i < PINGERS; i++) {
		assert_in_range(pingers[i].longest_gap, 1, 100);
		io_free(pingers[i].io);
		io_free(pongers[i].io);
	}
	return 0;
}

static void rule_14_a_flood_gives_way_so_a_hundred_pingers_are_served(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(flood_and_pingers, NULL), 0);
}

struct snapshot {
	uint64_t turn_of_waker, turn_of_woken;
	struct wait_token token;
};

static int is_woken(void *arg)
{
	struct snapshot *s = arg;
	int r;

	s->token = wait_begin("the waker", NULL);
	r = wait_park(s->token);
	s->turn_of_woken = loop_counters()->turns;
	return r;
}

static int wakes(void *arg)
{
	struct snapshot *s = arg;

	s->turn_of_waker = loop_counters()->turns;
	assert_true(wait_wake(s->token, 0));
	return 0;
}

static int drains_by_snapshot(void *arg)
{
	struct snapshot s = { 0 };

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "woken", is_woken, &s, NULL), 0);
	harness_settle();
	assert_int_equal(task_spawn(&g, "waker", wakes, &s, NULL), 0);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(s.turn_of_woken, s.turn_of_waker + 1);
	return 0;
}

static void rule_14_what_becomes_ready_during_a_turn_runs_in_the_next(void **state)
{
	(void) state;
	assert_int_equal(harness_run(drains_by_snapshot, NULL), 0);
}

struct callback {
	struct wheel_timer timer;
	struct wait_token token;
	bool happened, has_run;
};

static void timer_wakes(struct wheel_timer *timer)
{
	struct callback *c = container_of(timer, struct callback, timer);

	assert_null(task_current());
	assert_true(wait_wake(c->token, 0));
	assert_false(c->has_run);
	assert_int_equal(c->token.task->state, TASK_READY);
	c->happened = true;
}

static int woken_by_a_callback(void *arg)
{
	struct callback *c = arg;
	int r;

	c->token = wait_begin("a callback", NULL);
	wheel_timer_init(&c->timer, timer_wakes);
	wheel_set(loop_wheel(), &c->timer, time_now_ms() + 10);
	r = wait_park(c->token);
	c->has_run = true;
	return r;
}

static void rule_15_callbacks_never_run_task_code(void **state)
{
	struct callback c = { 0 };

	(void) state;
	assert_int_equal(harness_run(woken_by_a_callback, &c), 0);
	assert_true(c.happened && c.has_run);
}

/* -- 16 to 20: staying in one's lane -- */

static int knows_its_thread(void *arg)
{
	*(pid_t *) arg = gettid();
	return 0;
}

static int stays_put(void *arg)
{
	pid_t mine = gettid(), other = 0;

	(void) arg;
	assert_int_equal(mine, getpid());
	for (int i = 0; i < 10; i++) {
		assert_int_equal(executor_run(EXECUTOR_CPU, "looking around", knows_its_thread, &other), 0);
		assert_int_not_equal(other, mine);
		assert_int_equal(gettid(), mine);
		assert_int_equal(task_yield(), 0);
		assert_int_equal(gettid(), mine);
	}
	return 0;
}

static void rule_16_tasks_never_change_thread(void **state)
{
	(void) state;
	assert_int_equal(harness_run(stays_put, NULL), 0);
}

static int suspends_under_a_lock(void *arg)
{
	(void) arg;
	NOSUSPEND(foreign_lock);
	return sleep_for(1);
}

static void rule_17_a_suspension_in_a_nosuspend_section_aborts(void **state)
{
	(void) state;
	harness_dies(suspends_under_a_lock, NULL, "task root: a [suspends] call inside a NOSUSPEND section");
}

#define DEEP (4 * STACK_BYTES)

static void goes_deep(void *arg)
{
	volatile char deep[DEEP];

	deep[0] = 1;
	deep[DEEP - 1] = 1;
	assert_null(stack_of_address((const void *) deep));
	*(int *) arg = deep[0] + deep[DEEP - 1];
}

static int calls_deep(void *arg)
{
	int result = 0;

	(void) arg;
	assert_ptr_equal(stack_of_address(__builtin_frame_address(0)), task_self()->coro.stack);
	call_on_main_stack(goes_deep, &result);
	assert_int_equal(result, 2);
	return 0;
}

static void rule_18_deep_calls_run_on_the_main_stack(void **state)
{
	(void) state;
	assert_int_equal(harness_run(calls_deep, NULL), 0);
}

static int reads_a_signal(void *arg)
{
	static const int numbers[] = { SIGWINCH, 0 };
	_cleanup_(signals_freep) struct signals *s = NULL;
	sigset_t now;

	(void) arg;
	assert_int_equal(signals_new(numbers, &s), 0);
	sigprocmask(SIG_BLOCK, NULL, &now);
	assert_true(sigismember(&now, SIGWINCH));
	kill(getpid(), SIGWINCH);
	assert_int_equal(signals_wait(s), SIGWINCH);
	return 0;
}

static void rule_19_signals_are_read_from_a_descriptor_and_blocked(void **state)
{
	(void) state;
	assert_int_equal(harness_run(reads_a_signal, NULL), 0);
}

/* -- 21 to 23: executor -- */

struct slow {
	atomic_bool may_end;
	int calls;
	enum executor_class class;
	int result, next;
	struct task_handle handle;
};

static int slow_job(void *arg)
{
	struct slow *s = arg;

	while (!atomic_load(&s->may_end))
		usleep(100);
	s->calls++;
	return 7;
}

static int runs_slow_job(void *arg)
{
	struct slow *s = arg;

	s->result = executor_run(s->class, "slow", slow_job, s);
	s->next = task_check();
	return 0;
}

static void spawn_slow(struct task_group *g, struct slow *s, enum executor_class class)
{
	*s = (struct slow) { .class = class, .result = 1 };
	assert_int_equal(task_spawn(g, "client", runs_slow_job, s, &s->handle), 0);
}

static void until_running(enum executor_class class, unsigned jobs)
{
	struct executor_counters c;

	do {
		assert_int_equal(task_yield(), 0);
		executor_counters(&c);
	} while (c.running[class] != jobs);
}

static int begun_and_queued(void *arg)
{
	struct slow begun, queued;

	(void) arg;
	executor_configure(&(struct executor_options) { .threads = 1, .limit = { [EXECUTOR_CPU] = 2 } });
	TASK_GROUP(g, GROUP_EACH);
	spawn_slow(&g, &begun, EXECUTOR_CPU);
	spawn_slow(&g, &queued, EXECUTOR_CPU);
	until_running(EXECUTOR_CPU, 1);
	harness_settle();
	task_cancel(queued.handle);
	task_cancel(begun.handle);
	harness_settle();
	assert_int_equal(queued.result, -ECANCELED);
	assert_int_equal(begun.result, 1);
	atomic_store(&begun.may_end, true);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(begun.result, 7);
	assert_int_equal(begun.next, -ECANCELED);
	assert_int_equal(queued.calls, 0);
	return 0;
}

static void rule_21_a_queued_job_can_be_cancelled_and_a_begun_one_is_waited_for(void **state)
{
	(void) state;
	assert_int_equal(harness_run(begun_and_queued, NULL), 0);
}

static int full_class(void *arg)
{
	struct slow dns[2];
	struct executor_counters c;
	pid_t other;

	(void) arg;
	executor_counters(&c);
	assert_int_equal(c.threads, 0);		/* nothing offloaded, no thread */
	executor_configure(
		&(struct executor_options) { .threads = 2, .processors = 2, .limit = { [EXECUTOR_DNS] = 1 } });
	TASK_GROUP(g, GROUP_EACH);
	spawn_slow(&g, &dns[0], EXECUTOR_DNS);
	spawn_slow(&g, &dns[1], EXECUTOR_DNS);
	until_running(EXECUTOR_DNS, 1);
	harness_settle();
	executor_counters(&c);
	assert_int_equal(c.queued[EXECUTOR_DNS], 0);
	assert_int_equal(c.threads, 1);
	assert_int_equal(dns[1].handle.task->state, TASK_WAITING);	/* the task waits, not a job */
	assert_int_equal(executor_run(EXECUTOR_CRYPTO, "signing", knows_its_thread, &other), 0);
	atomic_store(&dns[0].may_end, true);
	atomic_store(&dns[1].may_end, true);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(dns[1].result, 7);
	return 0;
}

static void rule_22_threads_start_when_needed_and_a_full_class_makes_the_task_wait(void **state)
{
	(void) state;
	assert_int_equal(harness_run(full_class, NULL), 0);
}

static int is_shut_down(void *arg)
{
	struct slow s;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	spawn_slow(&g, &s, EXECUTOR_FILE);
	until_running(EXECUTOR_FILE, 1);
	atomic_store(&s.may_end, true);
	assert_int_equal(executor_shutdown(60000, NULL), 0);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(s.result, 7);
	assert_int_equal(executor_run(EXECUTOR_FILE, "late", slow_job, &s), -ESHUTDOWN);
	return 0;
}

/* That the eventfd is written only when the list was empty is counted in test_executor.c. */
static void rule_23_at_shutdown_the_intake_closes_and_what_runs_is_awaited(void **state)
{
	(void) state;
	assert_int_equal(harness_run(is_shut_down, NULL), 0);
}

/* -- 24 and 25: being seen -- */

static int is_looked_at(void *arg)
{
	int *line = arg;
	DEADLINE(limit, 60000);

	task_rename("the one looked at");
	*line = __LINE__ + 1;
	return sleep_for(1000);
}

static void look(const struct task *t, void *context)
{
	const int *line = context;
	const struct task *parent = t->group->owner;

	if (!parent)
		return;
	assert_int_not_equal(t->id, parent->id);
	assert_string_equal(t->name, "the one looked at");
	assert_int_equal(t->parent_id, parent->id);
	assert_string_equal(t->group->name, "g");
	assert_int_equal(t->state, TASK_WAITING);
	assert_string_equal(t->wait_what, "time to pass");
	assert_string_equal(t->wait_site->call, "sleep_for");
	assert_int_equal(t->wait_site->line, *line);
	assert_int_equal(t->wait_since_ns, t->created_ns);
	assert_string_equal(t->spawn_site->call, "task_spawn");
	assert_int_equal(t->switches, 1);
	assert_true(t->wait_until_ns < t->created_ns + 2000 * NS_PER_MS);
	assert_false(t->cancelled);
	assert_true(coro_depth_bytes(&t->coro) > 0);
}

static int looks(void *arg)
{
	char text[400];
	struct task_handle h;
	int line = 0;

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "child", is_looked_at, &line, &h), 0);
	harness_settle();
	task_each(look, &line);
	assert_true(trace_print(h.task, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "the one looked at"));
	assert_non_null(strstr(text, "sleep_for"));
	return group_wait(&g);
}

static void rule_24_every_task_says_who_it_is_and_what_it_waits_for(void **state)
{
	(void) state;
	assert_int_equal(harness_run(looks, NULL), 0);
}

static int idles(void *arg)
{
	struct task_handle h[50];
	int results[50];
	uint64_t turns;
	int ends[2];
	struct io *i;

	(void) arg;
	harness_socketpair(ends);
	assert_int_equal(io_new(ends[0], &i), 0);
	TASK_GROUP(g, GROUP_EACH);
	for (size_t n = 0; n < ARRAY_LENGTH(h); n++)
		assert_int_equal(task_spawn(&g, "idle", sleeps, &results[n], &h[n]), 0);
	harness_settle();
	/* Fifty tasks wait for later, one for a socket, and the loop turns once: when the first has waited enough. */
	turns = loop_counters()->turns;
	{
		DEADLINE(patience, 20);
		io_drained(i, IO_READ);
		assert_int_equal(io_wait(i, IO_READ), -ETIMEDOUT);
	}
	assert_true(loop_counters()->turns - turns <= 3);
	io_free(i);
	close(ends[1]);
	return 0;
}

static void rule_25_the_loop_is_silent_when_idle(void **state)
{
	const struct loop_options real = { 0 };

	(void) state;
	assert_int_equal(harness_run_with(&real, idles, NULL), 0);
	assert_int_equal(harness_run(idles, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_01_leaving_the_block_of_a_group_cancels_its_members_and_waits),
		cmocka_unit_test(rule_02_spawning_never_switches_and_the_cancelled_never_start),
		cmocka_unit_test(rule_03_policies_all_any_and_each),
		cmocka_unit_test(rule_04_cancelling_marks_all_members_at_once_and_fixes_the_outcome),
		cmocka_unit_test(rule_05_a_task_ends_by_returning_so_its_clean_up_runs),
		cmocka_unit_test(rule_06_once_cancelled_every_call_fails_again_and_again),
		cmocka_unit_test(rule_07_deadlines_are_scopes_that_nest_and_can_be_asked),
		cmocka_unit_test(rule_08_rearming_is_one_store_and_an_early_timer_sleeps_on),
		cmocka_unit_test(rule_09_cancel_outranks_timeout_outranks_completion_but_a_grant_wins),
		cmocka_unit_test(rule_10_a_shield_hides_cancel_and_limits_and_has_its_own_bound),
		cmocka_unit_test(rule_11_a_wake_names_one_wait_and_may_come_before_the_park),
		cmocka_unit_test(rule_12_one_waiter_per_direction_and_closing_wakes_it),
		cmocka_unit_test(rule_13_hand_over_is_direct_in_order_and_never_swallowed),
		cmocka_unit_test(rule_14_a_flood_gives_way_so_a_hundred_pingers_are_served),
		cmocka_unit_test(rule_14_what_becomes_ready_during_a_turn_runs_in_the_next),
		cmocka_unit_test(rule_15_callbacks_never_run_task_code),
		cmocka_unit_test(rule_16_tasks_never_change_thread),
		cmocka_unit_test(rule_17_a_suspension_in_a_nosuspend_section_aborts),
		cmocka_unit_test(rule_18_deep_calls_run_on_the_main_stack),
		cmocka_unit_test(rule_19_signals_are_read_from_a_descriptor_and_blocked),
		cmocka_unit_test(rule_21_a_queued_job_can_be_cancelled_and_a_begun_one_is_waited_for),
		cmocka_unit_test(rule_22_threads_start_when_needed_and_a_full_class_makes_the_task_wait),
		cmocka_unit_test(rule_23_at_shutdown_the_intake_closes_and_what_runs_is_awaited),
		cmocka_unit_test(rule_24_every_task_says_who_it_is_and_what_it_waits_for),
		cmocka_unit_test(rule_25_the_loop_is_silent_when_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
