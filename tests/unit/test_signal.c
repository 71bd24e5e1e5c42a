/* test_signal.c - signals as something a task waits for. */
#include "runtime/runtime.h"
#include "../support/harness.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const int user_signals[] = { SIGUSR1, SIGUSR2, 0 };

static bool is_blocked(int number)
{
	sigset_t now;

	sigprocmask(SIG_BLOCK, NULL, &now);
	return sigismember(&now, number);
}

static void unblock(void)
{
	sigset_t all;

	sigemptyset(&all);
	sigaddset(&all, SIGUSR1);
	sigaddset(&all, SIGUSR2);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
}

static void take_what_is_pending(void *arg, int result)
{
	const struct timespec at_once = { 0 };
	sigset_t set;

	(void) arg;
	(void) result;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	while (is_blocked(SIGUSR1) && sigtimedwait(&set, NULL, &at_once) > 0)
		;
}

static int receives(void *arg)
{
	_cleanup_(signals_freep) struct signals *s = NULL;

	(void) arg;
	assert_int_equal(signals_new(user_signals, &s), 0);
	assert_true(is_blocked(SIGUSR1) && is_blocked(SIGUSR2));
	assert_false(is_blocked(SIGTERM));
	kill(getpid(), SIGUSR2);
	assert_int_equal(signals_wait(s), SIGUSR2);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	assert_int_equal(signals_wait(s), SIGUSR1);	/* the kernel gives pending ones lowest first */
	assert_int_equal(signals_wait(s), SIGUSR2);
	return 0;
}

static void a_signal_is_returned_and_kills_nobody(void **state)
{
	(void) state;
	assert_int_equal(harness_run(receives, NULL), 0);
	/* One that comes when nobody listens any more does no harm either. */
	kill(getpid(), SIGUSR1);
	take_what_is_pending(NULL, 0);
	unblock();
}

static int sends_later(void *arg)
{
	int r = sleep_for(50);

	(void) arg;
	kill(getpid(), SIGUSR1);
	return r;
}

static int waits(void *arg)
{
	_cleanup_(signals_freep) struct signals *s = NULL;

	(void) arg;
	assert_int_equal(signals_new(user_signals, &s), 0);
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "sender", sends_later, NULL, NULL), 0);
	assert_int_equal(signals_wait(s), SIGUSR1);
	{
		DEADLINE(patience, 100);
		assert_int_equal(signals_wait(s), -ETIMEDOUT);
		kill(getpid(), SIGUSR1);
		assert_int_equal(signals_wait(s), -ETIMEDOUT);	/* and has taken nothing */
	}
	assert_int_equal(signals_wait(s), SIGUSR1);
	return group_wait(&g);
}

static void a_task_waits_for_it_like_for_anything_else(void **state)
{
	(void) state;
	assert_int_equal(harness_run_each_backend(waits, NULL), 0);
	unblock();
}

static int impossible(void *arg)
{
	static const int numbers[] = { SIGUSR1, 12345, 0 };
	struct signals *s = NULL;

	(void) arg;
	assert_int_equal(signals_new(numbers, &s), -EINVAL);
	assert_null(s);
	assert_false(is_blocked(SIGUSR1));
	return 0;
}

static void an_impossible_number_is_refused_and_blocks_nothing(void **state)
{
	(void) state;
	assert_int_equal(harness_run(impossible, NULL), 0);
}

static int one_of_each(void *arg)
{
	_cleanup_(signals_freep) struct signals *s = NULL;
	int r = signals_new(user_signals, &s);

	(void) arg;
	if (r < 0)
		return r;
	TASK_GROUP(g, GROUP_EACH);
	r = task_spawn(&g, "sender", sends_later, NULL, NULL);
	if (r == 0)
		r = signals_wait(s);
	return r;
}

static void block(void *arg)
{
	sigset_t set;

	(void) arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void a_cancel_a_timeout_or_a_failure_anywhere_leaks_nothing(void **state)
{
	struct harness_scenario s = { .body = one_of_each, .prepare = block, .check = take_what_is_pending };

	(void) state;
	assert_true(harness_torture(&s) >= 2);
	(void) harness_torture_faults(&s);
	unblock();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_is_returned_and_kills_nobody),
		cmocka_unit_test(a_task_waits_for_it_like_for_anything_else),
		cmocka_unit_test(an_impossible_number_is_refused_and_blocks_nothing),
		cmocka_unit_test(a_cancel_a_timeout_or_a_failure_anywhere_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
