/* test_loop.c - turns, time, order, and what the loop says of itself. */
#include "base/log.h"
#include "runtime/runtime.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char diary[64];

static void note(char what)
{
	size_t length = strlen(diary);

	assert_true(length < sizeof(diary) - 1);
	diary[length] = what;
	diary[length + 1] = '\0';
}

static int nothing(void *arg)
{
	(void) arg;
	return 0;
}

/* -- opening and closing -- */

static int opens_another(void *arg)
{
	const struct loop_options options = { 0 };

	(void) arg;
	assert_int_equal(loop_open(&options), -EBUSY);
	return 17;
}

static void there_is_one_loop_and_its_result_is_that_of_the_root_task(void **state)
{
	(void) state;
	assert_int_equal(harness_run(opens_another, NULL), 17);
	assert_int_equal(harness_run(opens_another, NULL), 17);
}

static int writes_to_nobody(void *arg)
{
	int ends[2];

	(void) arg;
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	assert_int_equal(write(ends[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(ends[1]);
	return 0;
}

static void sigpipe_is_ignored(void **state)
{
	(void) state;
	assert_int_equal(harness_run(writes_to_nobody, NULL), 0);
}

static int runs_several_times(void *arg)
{
	(void) arg;
	return (int) task_self()->id;
}

static void a_loop_can_run_more_than_one_root_task_in_turn(void **state)
{
	const struct loop_options options = { .virtual_clock = true };
	int first;

	(void) state;
	assert_int_equal(loop_open(&options), 0);
	first = loop_run("first", runs_several_times, NULL);
	assert_int_equal(loop_run("second", runs_several_times, NULL), first + 1);
	loop_close();
}

/* -- virtual time -- */

static int naps(void *arg)
{
	int r = sleep_for(*(const int *) arg);

	note((char) ('a' + *(const int *) arg / 10));
	return r;
}

static int in_order_of_time(void *arg)
{
	static const int spans[] = { 30, 10, 20, 10, 0 };
	int64_t began_ms = time_now_ms();

	(void) arg;
	diary[0] = '\0';
	TASK_GROUP(g, GROUP_ALL);
	for (size_t i = 0; i < ARRAY_LENGTH(spans); i++)
		assert_int_equal(task_spawn(&g, "napper", naps, (void *) (uintptr_t) &spans[i], NULL), 0);
	assert_int_equal(group_wait(&g), 0);
	assert_string_equal(diary, "abbcd");
	assert_int_equal(time_now_ms() - began_ms, 30);
	return 0;
}

static void virtual_time_jumps_from_timer_to_timer(void **state)
{
	(void) state;
	assert_int_equal(harness_run(in_order_of_time, NULL), 0);
}

static int a_year(void *arg)
{
	int64_t began_ms = time_now_ms();
	uint64_t turns = loop_counters()->turns;

	(void) arg;
	for (int i = 0; i < 365; i++)
		assert_int_equal(sleep_for(24 * 3600 * 1000), 0);
	assert_int_equal(time_now_ms() - began_ms, INT64_C(365) * 24 * 3600 * 1000);
	assert_true(loop_counters()->turns - turns <= 366);
	assert_int_equal(time_read_ns(), time_now_ns());
	return 0;
}

static void a_year_takes_as_many_turns_as_it_has_timers(void **state)
{
	(void) state;
	assert_int_equal(harness_run(a_year, NULL), 0);
}

static int waits_for_nobody(void *arg)
{
	(void) arg;
	return wait_park(wait_begin("a friend", NULL));
}

static void a_deadlock_aborts_with_the_table_of_tasks(void **state)
{
	(void) state;
	harness_dies(waits_for_nobody, NULL, "deadlock: every task waits, and no timer is set");
	harness_dies(waits_for_nobody, NULL, "waiting for a friend");
}

static int stands_still(void *arg)
{
	int64_t began_ns = time_now_ns();

	(void) arg;
	for (int i = 0; i < 100; i++)
		assert_int_equal(task_yield(), 0);
	assert_int_equal(time_now_ns(), began_ns);
	return 0;
}

static void virtual_time_stands_still_while_anything_can_run(void **state)
{
	(void) state;
	assert_int_equal(harness_run(stands_still, NULL), 0);
}

/* -- real time -- */

static int real_nap(void *arg)
{
	struct timespec before, after;
	int64_t began_ns = time_now_ns(), real_ns;

	(void) arg;
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(sleep_for(5), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	real_ns = (after.tv_sec - before.tv_sec) * NS_PER_S + after.tv_nsec - before.tv_nsec;
	/* Never too early, by either clock. */
	assert_true(time_now_ns() - began_ns >= 5 * NS_PER_MS);
	assert_true(real_ns >= 4 * NS_PER_MS);
	return 0;
}

static void the_real_clock_never_fires_early(void **state)
{
	const struct loop_options options = { 0 };

	(void) state;
	assert_int_equal(harness_run_with(&options, real_nap, NULL), 0);
}

static const struct task *stalled;

static void on_stall(const struct task *t, int64_t slice_ns)
{
	assert_true(slice_ns > 2 * NS_PER_MS);
	assert_string_equal(t->name, "root");
	stalled = t;
}

static int stalls(void *arg)
{
	int64_t began_ns = time_read_ns();

	(void) arg;
	assert_int_equal(task_yield(), 0);
	assert_null(stalled);
	while (time_read_ns() - began_ns < 4 * NS_PER_MS)
		;
	assert_int_equal(task_yield(), 0);
	assert_non_null(stalled);
	assert_true(task_self()->longest_slice_ns >= 2 * NS_PER_MS);
	assert_true(task_self()->run_ns >= task_self()->longest_slice_ns);
	assert_true(loop_counters()->longest_slice_ns >= task_self()->longest_slice_ns);
	return 0;
}

static void a_slice_that_takes_too_long_is_told(void **state)
{
	const struct loop_options options = { .stall_warn_ms = 2, .on_stall = on_stall };

	(void) state;
	stalled = NULL;
	assert_int_equal(harness_run_with(&options, stalls, NULL), 0);
}

/* -- turns -- */

static int yields_thrice(void *arg)
{
	char name = *(const char *) arg;

	for (int i = 0; i < 3; i++) {
		note(name);
		assert_int_equal(task_yield(), 0);
	}
	return 0;
}

static int round_robin(void *arg)
{
	(void) arg;
	diary[0] = '\0';
	TASK_GROUP(g, GROUP_ALL);
	for (const char *name = "abc"; *name; name++)
		assert_int_equal(task_spawn(&g, "yielder", yields_thrice, (void *) (uintptr_t) name, NULL), 0);
	assert_int_equal(group_wait(&g), 0);
	assert_string_equal(diary, "abcabcabc");
	return 0;
}

static void who_yields_runs_again_after_all_others(void **state)
{
	(void) state;
	assert_int_equal(harness_run(round_robin, NULL), 0);
}

#define MANY 1000

static int numbers[MANY];
static int written;

static int write_number(void *arg)
{
	int number = *(const int *) arg;

	assert_int_equal(written % MANY, number);
	written++;
	assert_int_equal(task_yield(), 0);
	assert_int_equal(written % MANY, number);
	written++;
	return 0;
}

static int many_in_order(void *arg)
{
	uint64_t turns = loop_counters()->turns;

	(void) arg;
	written = 0;
	TASK_GROUP(g, GROUP_ALL);
	for (int i = 0; i < MANY; i++) {
		numbers[i] = i;
		assert_int_equal(task_spawn(&g, "writer", write_number, &numbers[i], NULL), 0);
	}
	assert_int_equal(group_wait(&g), 0);
	assert_int_equal(written, 2 * MANY);
	/* More than a turn takes: the sockets were looked at in between. */
	assert_true(loop_counters()->turns - turns >= 8);
	return 0;
}

static void order_holds_over_turns_that_are_cut_short(void **state)
{
	(void) state;
	assert_int_equal(harness_run(many_in_order, NULL), 0);
}

static int counted(void *arg)
{
	struct loop_counters before = *loop_counters();

	(void) arg;
	TASK_GROUP(g, GROUP_ALL);
	assert_int_equal(task_spawn(&g, "counted", nothing, NULL, NULL), 0);
	assert_int_equal(task_yield(), 0);
	assert_int_equal(loop_counters()->turns - before.turns, 1);
	assert_int_equal(loop_counters()->polls - before.polls, 1);
	assert_int_equal(loop_counters()->slices - before.slices, 2);
	assert_int_equal(loop_counters()->wakes - before.wakes, 2);
	return 0;
}

static void turns_polls_slices_and_wakes_are_counted(void **state)
{
	(void) state;
	assert_int_equal(harness_run(counted, NULL), 0);
}

/* -- records -- */

static size_t written_bytes(int fd)
{
	int n = 0;

	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	return (size_t) n;
}

static int records(void *arg)
{
	int *ends = arg;

	log_info("one");
	log_info("two");
	assert_int_equal(written_bytes(ends[0]), 0);
	assert_int_equal(task_yield(), 0);
	assert_true(written_bytes(ends[0]) > 0);

	/* Those of the last turn are written too. */
	char content[4096];
	assert_true(read(ends[0], content, sizeof(content)) > 0);
	log_info("three");
	return 0;
}

static void records_of_a_turn_are_written_before_the_next(void **state)
{
	int ends[2], saved = dup(STDERR_FILENO);

	(void) state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	log_open(LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	int r = harness_run(records, ends);
	dup2(saved, STDERR_FILENO);

	assert_int_equal(r, 0);
	assert_true(written_bytes(ends[0]) > 0);
	close(saved);
	close(ends[0]);
	close(ends[1]);
	log_open(LOG_FORMAT_AUTO, LOG_LEVEL_INFO);
}

/* -- failures at the start -- */

static void a_failure_at_the_start_leaves_nothing_open(void **state)
{
	struct harness_scenario s = { .body = nothing };

	(void) state;
	(void) harness_torture(&s);
	(void) harness_torture_faults(&s);
	assert_int_equal(harness_run(nothing, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_is_one_loop_and_its_result_is_that_of_the_root_task),
		cmocka_unit_test(sigpipe_is_ignored),
		cmocka_unit_test(a_loop_can_run_more_than_one_root_task_in_turn),
		cmocka_unit_test(virtual_time_jumps_from_timer_to_timer),
		cmocka_unit_test(a_year_takes_as_many_turns_as_it_has_timers),
		cmocka_unit_test(a_deadlock_aborts_with_the_table_of_tasks),
		cmocka_unit_test(virtual_time_stands_still_while_anything_can_run),
		cmocka_unit_test(the_real_clock_never_fires_early),
		cmocka_unit_test(a_slice_that_takes_too_long_is_told),
		cmocka_unit_test(who_yields_runs_again_after_all_others),
		cmocka_unit_test(order_holds_over_turns_that_are_cut_short),
		cmocka_unit_test(turns_polls_slices_and_wakes_are_counted),
		cmocka_unit_test(records_of_a_turn_are_written_before_the_next),
		cmocka_unit_test(a_failure_at_the_start_leaves_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
