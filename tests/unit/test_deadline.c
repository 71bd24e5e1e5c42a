/* test_deadline.c - time limits as scopes, and shields. */
#include "runtime/runtime.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* -- limits -- */

static int once_and_again(void *arg)
{
	int64_t began_ms = time_now_ms();

	(void) arg;
	{
		DEADLINE(limit, 50);
		assert_int_equal(sleep_for(20), 0);
		assert_int_equal(deadline_left_ms(&limit), 30);
		assert_false(deadline_passed(&limit));
		assert_int_equal(sleep_for(100), -ETIMEDOUT);
		assert_int_equal(time_now_ms() - began_ms, 50);
		assert_true(deadline_passed(&limit));
		assert_int_equal(deadline_left_ms(&limit), 0);
		assert_int_equal(sleep_for(1), -ETIMEDOUT);
		assert_int_equal(task_yield(), -ETIMEDOUT);
		assert_int_equal(task_check(), -ETIMEDOUT);
	}
	assert_int_equal(task_check(), 0);
	assert_int_equal(sleep_for(1), 0);
	return 0;
}

static void once_the_time_is_up_every_call_fails_until_the_block_ends(void **state)
{
	(void) state;
	assert_int_equal(harness_run(once_and_again, NULL), 0);
}

static int nested(void *arg)
{
	(void) arg;
	DEADLINE(outer, 100);
	{
		DEADLINE(inner, 30);
		assert_int_equal(sleep_for(1000), -ETIMEDOUT);
		assert_true(deadline_passed(&inner));
		assert_false(deadline_passed(&outer));
	}
	{
		DEADLINE(inner, 1000);
		assert_int_equal(sleep_for(5000), -ETIMEDOUT);
		assert_false(deadline_passed(&inner));
		assert_true(deadline_passed(&outer));
	}
	assert_int_equal(task_check(), -ETIMEDOUT);
	return 0;
}

static void the_nearest_wins_and_each_can_be_asked(void **state)
{
	(void) state;
	assert_int_equal(harness_run(nested, NULL), 0);
}

static int extremes(void *arg)
{
	(void) arg;
	{
		DEADLINE(none, FOREVER);
		assert_true(deadline_left_ms(&none) == FOREVER);
		assert_int_equal(sleep_for(24 * 3600 * 1000), 0);
	}
	{
		DEADLINE(vast, FOREVER - 1);	/* more than fits behind now: none */
		assert_true(deadline_left_ms(&vast) == FOREVER);
		assert_int_equal(sleep_for(1), 0);
	}
	{
		DEADLINE(nothing, 0);
		assert_int_equal(task_yield(), -ETIMEDOUT);
	}
	{
		DEADLINE(negative, -5);
		assert_int_equal(task_yield(), -ETIMEDOUT);
		assert_int_equal(deadline_left_ms(&negative), 0);
	}
	return 0;
}

static void no_limit_and_no_time_are_limits_too(void **state)
{
	(void) state;
	assert_int_equal(harness_run(extremes, NULL), 0);
}

/* -- rearming -- */

static int rearmed(void *arg)
{
	(void) arg;
	DEADLINE(idle, 100);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(sleep_for(90), 0);
		deadline_rearm(&idle, 100);
	}
	assert_int_equal(sleep_for(101), -ETIMEDOUT);
	assert_true(deadline_passed(&idle));
	deadline_rearm(&idle, 10);
	assert_false(deadline_passed(&idle));
	assert_int_equal(sleep_for(5), 0);
	deadline_rearm(&idle, FOREVER);
	assert_int_equal(sleep_for(5000), 0);
	deadline_rearm(&idle, 1);
	assert_int_equal(sleep_for(5), -ETIMEDOUT);
	return 0;
}

static void a_rearmed_limit_counts_from_then(void **state)
{
	(void) state;
	assert_int_equal(harness_run(rearmed, NULL), 0);
}

static int shortened(void *arg)
{
	int64_t began_ms = time_now_ms();

	(void) arg;
	DEADLINE(limit, 1000);
	assert_int_equal(sleep_for(10), 0);	/* may set a timer for later */
	deadline_rearm(&limit, 20);
	assert_int_equal(sleep_for(500), -ETIMEDOUT);
	assert_int_equal(time_now_ms() - began_ms, 30);
	return 0;
}

static void a_limit_can_be_brought_forward(void **state)
{
	(void) state;
	assert_int_equal(harness_run(shortened, NULL), 0);
}

/* -- shields -- */

static int behind_a_shield(void *arg)
{
	int *steps = arg;
	DEADLINE(outer, 1000);

	assert_int_equal(sleep_for(5000), -ECANCELED);
	{
		SHIELD(goodbye, 50);
		assert_int_equal(task_check(), 0);
		assert_int_equal(sleep_for(20), 0);
		assert_int_equal(sleep_for(100), -ETIMEDOUT);
		assert_true(deadline_passed(&goodbye));
		++*steps;
	}
	assert_int_equal(task_check(), -ECANCELED);
	{
		SHIELD(another, 2000);
		assert_int_equal(sleep_for(1500), 0);	/* over the outer limit, which is hidden too */
		assert_false(deadline_passed(&outer));
		{
			DEADLINE(within, 10);
			assert_int_equal(sleep_for(100), -ETIMEDOUT);
			assert_true(deadline_passed(&within));
		}
		assert_int_equal(sleep_for(1), 0);
		++*steps;
	}
	assert_int_equal(sleep_for(1), -ECANCELED);
	return 0;
}

static int cancels_it(void *arg)
{
	int steps = 0;
	struct task_handle h;

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "shielded", behind_a_shield, &steps, &h), 0);
	assert_int_equal(sleep_for(10), 0);
	task_cancel(h);
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(steps, 2);
	return 0;
}

static void a_shield_hides_cancel_and_outer_limits_within_its_own(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancels_it, NULL), 0);
}

static int cancelled_inside(void *arg)
{
	(void) arg;
	int r;

	{
		SHIELD(goodbye, 1000);
		r = sleep_for(100);
		assert_int_equal(r, 0);
	}
	return task_check();
}

static int cancels_inside(void *arg)
{
	struct task_handle h;
	int64_t began_ms = time_now_ms();

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "shielded", cancelled_inside, NULL, &h), 0);
	assert_int_equal(sleep_for(10), 0);
	task_cancel(h);
	assert_int_equal(group_wait(&g), -ECANCELED);
	assert_int_equal(time_now_ms() - began_ms, 100);
	return 0;
}

static void a_cancel_that_comes_inside_a_shield_shows_after_it(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancels_inside, NULL), 0);
}

/* -- cancel and timeout together -- */

static int both_at_once(void *arg)
{
	(void) arg;
	DEADLINE(limit, 10);
	{
		SHIELD(meanwhile, 100);
		assert_int_equal(sleep_for(20), 0);
	}
	assert_int_equal(task_check(), -ETIMEDOUT);
	task_cancel(task_handle_self());
	assert_int_equal(task_check(), -ECANCELED);
	assert_int_equal(sleep_for(1), -ECANCELED);
	return 0;
}

static void cancel_outranks_timeout(void **state)
{
	(void) state;
	assert_int_equal(harness_run(both_at_once, NULL), 0);
}

/* -- at once: a call that had nothing to look at before is told of what has changed since -- */

static struct {
	struct wheel_timer timer;
	struct wait_token token;
} passing;

static void wake(struct wheel_timer *timer)
{
	(void) timer;
	wait_wake(passing.token, 0);
}

/* Lets time pass although nothing may be said: neither a cancel nor a limit ends it. */
static void pass_ms(int64_t ms)
{
	wheel_timer_init(&passing.timer, wake);
	passing.token = wait_begin("time to pass", NULL);
	loop_set_timer(&passing.timer, time_now_ns() + ms * NS_PER_MS);
	(void) wait_park_uninterruptible(passing.token);
}

static int takes_what_is_free(void)
{
	struct semaphore s;

	semaphore_init(&s, "free", 1);
	return semaphore_acquire(&s);
}

static int passes_an_open_gate(void)
{
	struct gate g;

	gate_init(&g, "open");
	gate_open(&g);
	return gate_wait(&g);
}

static int gets_a_buffer(void)
{
	struct chunk *c = NULL;
	int r = chunk_get(&c);

	chunk_put(c);
	return r;
}

static int yields(void)
{
	return task_yield();
}

/* Each call of its own would have something to do at once, and each of them says the same. */
static void assert_all_say(int expected)
{
	int (*const calls[])(void) = {
		wait_enter_with_care, takes_what_is_free, passes_an_open_gate, gets_a_buffer, task_check, yields,
	};

	assert_int_equal(wait_enter(), expected);
	for (size_t i = 0; i < ARRAY_LENGTH(calls); i++)
		assert_int_equal(calls[i](), expected);
	assert_int_equal(wait_enter(), expected);
}

static int rearmed_to_earlier(void *arg)
{
	(void) arg;
	DEADLINE(outer, 1000);
	DEADLINE(inner, FOREVER);
	assert_all_say(0);
	deadline_rearm(&inner, 0);
	assert_all_say(-ETIMEDOUT);
	assert_true(deadline_passed(&inner));
	deadline_rearm(&inner, 20);
	assert_all_say(0);
	pass_ms(20);
	assert_all_say(-ETIMEDOUT);
	deadline_rearm(&inner, FOREVER);
	assert_all_say(0);
	deadline_rearm(&outer, 10);
	assert_all_say(0);
	pass_ms(9);
	assert_all_say(0);
	pass_ms(1);
	assert_all_say(-ETIMEDOUT);
	assert_true(deadline_passed(&outer));
	assert_false(deadline_passed(&inner));
	return 0;
}

static void a_limit_brought_forward_is_told_at_once(void **state)
{
	(void) state;
	assert_int_equal(harness_run(rearmed_to_earlier, NULL), 0);
}

static int passed_behind_a_shield(void *arg)
{
	(void) arg;
	DEADLINE(outer, 50);
	assert_all_say(0);
	{
		SHIELD(goodbye, 1000);
		assert_all_say(0);
		pass_ms(100);
		assert_all_say(0);
		{
			DEADLINE(within, 10);
			pass_ms(10);
			assert_all_say(-ETIMEDOUT);
			assert_true(deadline_passed(&within));
		}
		assert_all_say(0);
		assert_false(deadline_passed(&outer));
	}
	assert_all_say(-ETIMEDOUT);
	assert_true(deadline_passed(&outer));
	return 0;
}

static void a_limit_that_passed_behind_a_shield_is_told_at_once_after_it(void **state)
{
	(void) state;
	assert_int_equal(harness_run(passed_behind_a_shield, NULL), 0);
}

static int cancelled_behind_shields(void *arg)
{
	(void) arg;
	assert_all_say(0);
	{
		SHIELD(goodbye, 1000);
		assert_all_say(0);
		task_cancel(task_handle_self());
		assert_all_say(0);
		{
			SHIELD(another, 500);
			assert_all_say(0);
			pass_ms(500);
			assert_all_say(-ETIMEDOUT);
		}
		assert_all_say(0);
		pass_ms(500);
		assert_all_say(-ETIMEDOUT);
		assert_true(deadline_passed(&goodbye));
	}
	assert_all_say(-ECANCELED);
	return 0;
}

static void a_cancel_behind_a_shield_is_told_at_once_after_it(void **state)
{
	(void) state;
	assert_int_equal(harness_run(cancelled_behind_shields, NULL), 0);
}

static int scopes_begin_and_end(void *arg)
{
	(void) arg;
	assert_all_say(0);
	{
		DEADLINE(outer, 30);
		assert_all_say(0);
		{
			DEADLINE(inner, 10);
			assert_all_say(0);
			pass_ms(10);
			assert_all_say(-ETIMEDOUT);
			assert_true(deadline_passed(&inner));
		}
		assert_all_say(0);
		{
			DEADLINE(inner, 1000);
			assert_all_say(0);
			pass_ms(20);
			assert_all_say(-ETIMEDOUT);
			assert_false(deadline_passed(&inner));
		}
		assert_all_say(-ETIMEDOUT);
		assert_true(deadline_passed(&outer));
		{
			SHIELD(goodbye, 10);
			assert_all_say(0);
		}
		assert_all_say(-ETIMEDOUT);
	}
	assert_all_say(0);
	{
		DEADLINE(nothing, 0);
		assert_all_say(-ETIMEDOUT);
	}
	assert_all_say(0);
	return 0;
}

static void a_limit_is_told_as_soon_as_its_scope_begins_and_no_longer_than_it_lasts(void **state)
{
	(void) state;
	assert_int_equal(harness_run(scopes_begin_and_end, NULL), 0);
}

/* -- misuse -- */

static int endless_shield(void *arg)
{
	(void) arg;
	SHIELD(goodbye, FOREVER);
	return 0;
}

static int crossed(void *arg)
{
	struct deadline outer, inner;

	(void) arg;
	deadline_begin(&outer, 10);
	deadline_begin(&inner, 10);
	deadline_end(&outer);
	return 0;
}

static void misuse_aborts_by_name(void **state)
{
	(void) state;
	harness_dies(endless_shield, NULL, "task root: a shield needs a bound");
	harness_dies(crossed, NULL, "task root: deadline scopes are not nested");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_the_time_is_up_every_call_fails_until_the_block_ends),
		cmocka_unit_test(the_nearest_wins_and_each_can_be_asked),
		cmocka_unit_test(no_limit_and_no_time_are_limits_too),
		cmocka_unit_test(a_rearmed_limit_counts_from_then),
		cmocka_unit_test(a_limit_can_be_brought_forward),
		cmocka_unit_test(a_shield_hides_cancel_and_outer_limits_within_its_own),
		cmocka_unit_test(a_cancel_that_comes_inside_a_shield_shows_after_it),
		cmocka_unit_test(cancel_outranks_timeout),
		cmocka_unit_test(a_limit_brought_forward_is_told_at_once),
		cmocka_unit_test(a_limit_that_passed_behind_a_shield_is_told_at_once_after_it),
		cmocka_unit_test(a_cancel_behind_a_shield_is_told_at_once_after_it),
		cmocka_unit_test(a_limit_is_told_as_soon_as_its_scope_begins_and_no_longer_than_it_lasts),
		cmocka_unit_test(misuse_aborts_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
