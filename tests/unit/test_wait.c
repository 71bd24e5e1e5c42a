/* test_wait.c - the one way to wait: tokens, wakes, interruptions, budgets. */
#include "runtime/runtime.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A task that waits, and what it got. */
struct sleeper {
	struct wait_token token;
	struct task_handle handle;
	bool uninterruptible;
	int64_t patience_ms;
	int result;
	int next;		/* what the call after it said */
	bool woke;
};

static int sleep_until_woken(void *arg)
{
	struct sleeper *s = arg;
	DEADLINE(patience, s->patience_ms);

	s->token = wait_begin("a word", s);
	s->result = s->uninterruptible ? wait_park_uninterruptible(s->token) : wait_park(s->token);
	s->woke = true;
	s->next = task_check();
	return 0;
}

static void put_to_sleep(struct task_group *g, struct sleeper *s, int64_t patience_ms, bool uninterruptible)
{
	*s = (struct sleeper) { .patience_ms = patience_ms, .uninterruptible = uninterruptible };
	assert_int_equal(task_spawn(g, "sleeper", sleep_until_woken, s, &s->handle), 0);
	harness_settle();
	assert_true(wait_is_pending(s->token));
	assert_int_equal(s->handle.task->state, TASK_WAITING);
}

/* -- wakes -- */

static int one_wake(void *arg)
{
	struct sleeper s;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	put_to_sleep(&g, &s, FOREVER, false);
	assert_string_equal(s.handle.task->wait_what, "a word");
	assert_ptr_equal(s.handle.task->wait_object, &s);
	assert_true(wait_wake(s.token, 42));
	assert_false(s.woke);			/* never runs task code */
	assert_false(wait_is_pending(s.token));
	assert_false(wait_wake(s.token, 43));	/* the first one has it */
	harness_settle();
	assert_int_equal(s.result, 42);
	assert_false(wait_wake(s.token, 44));	/* the task has ended */
	return 0;
}

static void a_wait_is_woken_once_with_a_value(void **state)
{
	(void) state;
	assert_int_equal(harness_run(one_wake, NULL), 0);
}

static int before_the_park(void *arg)
{
	struct wait_token w = wait_begin("what came already", NULL);

	(void) arg;
	assert_true(wait_wake(w, 7));
	assert_int_equal(wait_park(w), 7);
	w = wait_begin("what came already", NULL);
	assert_true(wait_wake(w, 8));
	assert_int_equal(wait_park_uninterruptible(w), 8);
	assert_int_equal(task_self()->switches, 1);
	return 0;
}

static void a_wake_before_the_park_is_remembered(void **state)
{
	(void) state;
	assert_int_equal(harness_run(before_the_park, NULL), 0);
}

static int names_one_wait(void *arg)
{
	struct wait_token old = wait_begin("the first", NULL);

	(void) arg;
	assert_true(wait_wake(old, 1));
	assert_int_equal(wait_park(old), 1);

	struct wait_token young = wait_begin("the second", NULL);

	assert_false(wait_wake(old, 2));
	assert_true(wait_is_pending(young));
	wait_abandon(young);
	assert_false(wait_wake(young, 3));
	assert_false(wait_is_pending((struct wait_token) { 0 }));
	assert_false(wait_wake((struct wait_token) { 0 }, 1));
	return 0;
}

static void a_stale_token_is_ignored(void **state)
{
	(void) state;
	assert_int_equal(harness_run(names_one_wait, NULL), 0);
}

static int slot_used_again(void *arg)
{
	struct sleeper old, young;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	put_to_sleep(&g, &old, FOREVER, false);
	assert_true(wait_wake(old.token, 1));
	assert_int_equal(group_wait(&g), 0);
	put_to_sleep(&g, &young, FOREVER, false);
	assert_ptr_equal(young.handle.task, old.handle.task);
	assert_false(wait_wake(old.token, 2));
	assert_true(wait_is_pending(young.token));
	return 0;
}

static void a_token_of_a_task_that_ended_wakes_no_other_in_its_place(void **state)
{
	(void) state;
	assert_int_equal(harness_run(slot_used_again, NULL), 0);
}

/* -- a wake and an interruption in one turn -- */

static int same_turn(void *arg)
{
	struct sleeper granted, cancelled;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	put_to_sleep(&g, &granted, FOREVER, false);
	put_to_sleep(&g, &cancelled, FOREVER, false);
	assert_true(wait_wake(granted.token, 5));
	task_cancel(granted.handle);
	task_cancel(cancelled.handle);
	assert_false(wait_wake(cancelled.token, 5));	/* the giver keeps what it wanted to give */
	harness_settle();
	assert_int_equal(granted.result, 5);
	assert_int_equal(granted.next, -ECANCELED);
	assert_int_equal(cancelled.result, -ECANCELED);
	return 0;
}

static void what_came_first_counts_wake_or_cancel(void **state)
{
	(void) state;
	assert_int_equal(harness_run(same_turn, NULL), 0);
}

static int deadlines_of_waits(void *arg)
{
	struct sleeper late, in_time;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	put_to_sleep(&g, &late, 10, false);
	put_to_sleep(&g, &in_time, 30, false);
	assert_int_equal(sleep_for(20), 0);
	assert_int_equal(late.result, -ETIMEDOUT);
	assert_false(wait_wake(late.token, 1));
	assert_true(wait_wake(in_time.token, 1));
	assert_int_equal(sleep_for(20), 0);
	assert_int_equal(in_time.result, 1);
	return 0;
}

static void a_wait_ends_at_its_deadline_and_is_stale_then(void **state)
{
	(void) state;
	assert_int_equal(harness_run(deadlines_of_waits, NULL), 0);
}

static int cannot_be_disturbed(void *arg)
{
	struct sleeper s;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	put_to_sleep(&g, &s, 10, true);
	task_cancel(s.handle);
	assert_int_equal(sleep_for(100), 0);
	assert_false(s.woke);
	assert_true(wait_wake(s.token, 9));
	harness_settle();
	assert_int_equal(s.result, 9);
	assert_int_equal(s.next, -ECANCELED);
	return 0;
}

static void an_uninterruptible_wait_ends_only_with_its_wake(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cannot_be_disturbed, NULL), 0);
}

static int told_beforehand(void *arg)
{
	struct wait_token w;

	(void) arg;
	w = wait_begin("nothing", NULL);
	task_cancel(task_handle_self());
	assert_int_equal(wait_park(w), -ECANCELED);
	assert_false(wait_wake(w, 1));
	assert_int_equal(wait_enter(), -ECANCELED);
	return 0;
}

static void a_park_of_a_cancelled_task_returns_at_once(void **state)
{
	(void) state;
	assert_int_equal(harness_run(told_beforehand, NULL), 0);
}

/* -- sites -- */

static int shows_where(void *arg)
{
	struct task_handle h;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	struct sleeper s = { .patience_ms = FOREVER };

	assert_int_equal(task_spawn(&g, "sleeper", sleep_until_woken, &s, &h), 0);
	assert_int_equal(sleep_for(1), 0);
	assert_string_equal(task_self()->wait_site->call, "sleep_for");
	assert_int_equal(task_self()->wait_site->line, __LINE__ - 2);
	assert_non_null(strstr(task_self()->wait_site->file, "test_wait.c"));
	assert_int_equal((sleep_for)(1), 0);
	assert_int_equal(task_self()->wait_site->line, __LINE__ - 5);	/* a call in parentheses leaves it as it is */
	return 0;
}

static void a_wait_shows_the_callers_file_and_line(void **state)
{
	(void) state;
	assert_int_equal(harness_run(shows_where, NULL), 0);
}

/* -- the budget -- */

static int counts_turns(void *arg)
{
	int *turns = arg;

	while (task_yield() == 0)
		++*turns;
	return 0;
}

static int spends(void *arg)
{
	int turns = 0, before;

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(task_spawn(&g, "other", counts_turns, &turns, NULL), 0);

	/* Operations: each succeeds at once, yet the other task runs in between. */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(wait_enter(), 0);
	assert_true(turns >= 100);
	assert_true(turns <= 200);

	/* Bytes: one operation that moved many uses the budget up. */
	assert_int_equal(task_yield(), 0);
	before = turns;
	assert_int_equal(wait_enter(), 0);
	assert_int_equal(turns, before);
	wait_charge((size_t) 1 << 40);
	assert_int_equal(wait_enter(), 0);
	assert_int_equal(turns, before + 1);
	assert_int_equal(wait_enter(), 0);
	assert_int_equal(turns, before + 1);
	return 0;
}

static void a_task_whose_calls_keep_succeeding_gives_way(void **state)
{
	(void) state;
	assert_int_equal(harness_run(spends, NULL), 0);
}

/* -- misuse -- */

static int begins_twice(void *arg)
{
	(void) arg;
	(void) wait_begin("one thing", NULL);
	(void) wait_begin("another", NULL);
	return 0;
}

static int parks_on_a_stale_token(void *arg)
{
	struct wait_token w = wait_begin("one thing", NULL);

	(void) arg;
	wait_abandon(w);
	return wait_park(w);
}

static int parks_for_another(void *arg)
{
	return wait_park(*(struct wait_token *) arg);
}

static int lends_its_token(void *arg)
{
	struct wait_token w = wait_begin("one thing", NULL);

	(void) arg;
	TASK_GROUP(g, GROUP_EACH);
	assert_int_equal(task_spawn(&g, "borrower", parks_for_another, &w, NULL), 0);
	return wait_park(w);
}

static void misuse_aborts_by_name(void **state)
{
	(void) state;
	harness_dies(begins_twice, NULL, "task root begins a wait for another while it waits for one thing");
	harness_dies(parks_on_a_stale_token, NULL, "task root parks on a stale token");
	harness_dies(lends_its_token, NULL, "task borrower parks on a wait of task root");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_is_woken_once_with_a_value),
		cmocka_unit_test(a_wake_before_the_park_is_remembered),
		cmocka_unit_test(a_stale_token_is_ignored),
		cmocka_unit_test(a_token_of_a_task_that_ended_wakes_no_other_in_its_place),
		cmocka_unit_test(what_came_first_counts_wake_or_cancel),
		cmocka_unit_test(a_wait_ends_at_its_deadline_and_is_stale_then),
		cmocka_unit_test(an_uninterruptible_wait_ends_only_with_its_wake),
		cmocka_unit_test(a_park_of_a_cancelled_task_returns_at_once),
		cmocka_unit_test(a_wait_shows_the_callers_file_and_line),
		cmocka_unit_test(a_task_whose_calls_keep_succeeding_gives_way),
		cmocka_unit_test(misuse_aborts_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
