/* test_crash.c - what a dying process says. Each death is that of a child. */
#include "base/ensure.h"
#include "base/fault.h"
#include "base/log.h"
#include "coro/coro.h"
#include "coro/stack.h"
#include "runtime/crash.h"
#include "runtime/runtime.h"
#include "tests/support/child.h"

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* -- deaths -- */

static __attribute__((noinline)) int recurse(volatile int *depth)
{
	volatile int mine = *depth + 1;

	return mine < INT_MAX ? recurse(&mine) + mine : 0;
}

static int overflow(void *arg)
{
	volatile int depth = 0;

	(void) arg;
	return recurse(&depth);
}

static int touch_nothing(void *arg)
{
	volatile char *stray = (char *) 4096 + 16;

	(void) arg;
	*stray = 1;
	return 0;
}

static int touch_other_guard(void *arg)
{
	struct stack *other = stack_get();

	(void) arg;
	if (other)
		*(volatile char *) (other->bottom - 1) = 1;
	return 0;
}

static void touch(void *arg)
{
	touch_nothing(arg);
}

static int touch_on_main_stack(void *arg)
{
	call_on_main_stack(touch, arg);
	return 0;
}

static int record_and_touch(void *arg)
{
	log_info("last record");
	return touch_nothing(arg);
}

static bool touch_in_pump(struct wait_pump *p)
{
	touch(p);
	return false;
}

static int wake(void *arg)
{
	wait_wake(*(struct wait_token *) arg, 0);
	return 0;
}

static int touch_while_parked(void *arg)
{
	struct wait_pump pump = { .fn = touch_in_pump };
	struct wait_token w = wait_begin("its pump", arg);

	TASK_GROUP(group, GROUP_ALL);
	int r = task_spawn(&group, "waker", wake, &w, NULL);
	return r < 0 ? r : wait_park_pumped(w, &pump);
}

static int fail_ensure(void *arg)
{
	ENSURE(!arg, "this was to be expected");
	ENSURE(arg, "task says goodbye");
	return 0;
}

static int send_quit(void *arg)
{
	(void) arg;
	raise(SIGQUIT);
	return 0;
}

static int send_segv(void *arg)
{
	(void) arg;
	raise(SIGSEGV);
	return 0;
}

static int end_well(void *arg)
{
	(void) arg;
	return 0;
}

/* -- the child -- */

struct death {
	const char *name;
	task_fn *fn;
};

static int sleep_long(void *arg)
{
	(void) arg;
	return sleep_for(3600 * 1000);
}

static int run_among_others(void *arg)
{
	const struct death *d = arg;

	TASK_GROUP(crowd, GROUP_EACH);
	int r = task_spawn(&crowd, "sleeper", sleep_long, NULL, NULL);
	if (r == 0)
		r = task_spawn(&crowd, d->name, d->fn, NULL, NULL);
	if (r == 0)
		r = sleep_for(1000);
	return r;
}

static void die(void *arg)
{
	const struct loop_options options = { .virtual_clock = true };

	log_open(LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	if (crash_install() < 0 || loop_open(&options) < 0)
		_exit(5);
	if (loop_run("main", run_among_others, arg) < 0)
		_exit(6);
	loop_close();
	crash_remove();
}

static struct child_end end;

static void assert_dies(const char *name, task_fn *fn, int number)
{
	struct death d = { name, fn };

	child_run(die, &d, &end);
	if (!child_died_of(&end, number))
		print_error("status %#x, and said:\n%s\n", (unsigned) end.status, end.text);
	assert_true(child_died_of(&end, number));
}

static void assert_said(const char *words)
{
	if (!strstr(end.text, words))
		print_error("missing \"%s\" in:\n%s\n", words, end.text);
	assert_non_null(strstr(end.text, words));
}

/* -- rules -- */

static void recursion_in_a_task_ends_in_a_message_with_its_name(void **state)
{
	char words[128];

	(void) state;
	assert_dies("conn-17 echo", overflow, SIGSEGV);
	snprintf(words, sizeof(words), "stack overflow in task 3 'conn-17 echo' (guard of its %d KiB stack)\n",
		 STACK_BYTES / 1024);
	assert_said(words);
	assert_said("task 3 'conn-17 echo' of 1 in crowd: running since ");
	assert_null(strstr(end.text, "sleeper"));
}

static void a_stray_access_is_named_with_address_and_task(void **state)
{
	(void) state;
	assert_dies("stray", touch_nothing, SIGSEGV);
	assert_said("fatal signal SIGSEGV at address 0x1010 in task 3 'stray'\n");
}

static void a_stray_access_to_another_guard_is_no_overflow(void **state)
{
	(void) state;
	assert_dies("stray", touch_other_guard, SIGSEGV);
	assert_said(" in task 3 'stray', in the guard of the stack of nobody\n");
	assert_null(strstr(end.text, "overflow"));
}

static void a_death_on_the_main_stack_names_the_task_it_worked_for(void **state)
{
	(void) state;
	assert_dies("caller", touch_on_main_stack, SIGSEGV);
	assert_said("fatal signal SIGSEGV at address 0x1010 in task 3 'caller' (on the main stack)\n");
}

static void a_death_in_a_pump_names_the_task_whose_place_it_takes(void **state)
{
	(void) state;
	assert_dies("pumped", touch_while_parked, SIGSEGV);
	assert_said("fatal signal SIGSEGV at address 0x1010 in task 3 'pumped' (on the main stack)\n");
}

static void an_assertion_that_fails_names_the_task(void **state)
{
	(void) state;
	assert_dies("misuser", fail_ensure, SIGABRT);
	assert_said("does not hold: task says goodbye\n");
	assert_said("fatal signal SIGABRT in task 3 'misuser'\n");
}

static void records_that_were_gathered_are_written_first(void **state)
{
	const char *record;

	(void) state;
	assert_dies("recorder", record_and_touch, SIGSEGV);
	assert_said("level=info msg=\"last record\"\n");
	record = strstr(end.text, "last record");
	assert_true(record < strstr(end.text, "fatal signal"));
}

static void a_signal_that_was_sent_kills_too(void **state)
{
	(void) state;
	assert_dies("sender", send_segv, SIGSEGV);
	assert_said("fatal signal SIGSEGV in task 3 'sender'\n");
}

static void die_outside(void *arg)
{
	if (crash_install() == 0)
		touch(arg);
}

static void a_death_outside_of_tasks_says_so(void **state)
{
	(void) state;
	child_run(die_outside, NULL, &end);
	assert_true(child_died_of(&end, SIGSEGV));
	assert_string_equal(end.text, "fatal signal SIGSEGV at address 0x1010 in the main context\n");
}

static void quit_shows_every_task_with_what_it_waits_for_and_kills(void **state)
{
	(void) state;
	assert_dies("quitter", send_quit, SIGQUIT);
	assert_said("3 tasks\n");
	assert_said("task 1 'main' in root: waiting for time to pass in sleep_for at ");
	assert_said("task 2 'sleeper' of 1 in crowd: waiting for time to pass in sleep_for at ");
	assert_said("test_crash.c:");
	assert_said("task 3 'quitter' of 1 in crowd: running since ");
}

static void nothing_is_said_when_all_goes_well(void **state)
{
	struct death d = { "good", end_well };

	(void) state;
	child_run(die, &d, &end);
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.text, "");
}

static void removal_brings_the_default_actions_back(void **state)
{
	struct sigaction action;
	stack_t stack;

	(void) state;
	assert_int_equal(crash_install(), 0);
	assert_int_equal(crash_install(), 0);
	assert_int_equal(sigaction(SIGSEGV, NULL, &action), 0);
	assert_true(action.sa_flags & SA_ONSTACK);
	assert_true(action.sa_flags & (int) SA_RESETHAND);
	assert_int_equal(sigaltstack(NULL, &stack), 0);
	assert_true(stack.ss_size >= 64 * 1024);

	crash_remove();
	crash_remove();
	assert_int_equal(sigaction(SIGSEGV, NULL, &action), 0);
	assert_ptr_equal(action.sa_handler, SIG_DFL);
	assert_int_equal(sigaltstack(NULL, &stack), 0);
	assert_true(stack.ss_flags & SS_DISABLE);
}

#ifdef ENABLE_FAULTS
static void installing_leaves_nothing_behind_when_it_fails(void **state)
{
	const char *const points[] = { "mmap", "sigaltstack", "sigaction" };
	struct sigaction action;
	stack_t stack;

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(points); i++) {
		fault_plant_named(points[i], i == 2 ? 3 : 1, EPERM, 1);
		assert_int_equal(crash_install(), -EPERM);
		fault_plant(0);
		assert_int_equal(sigaction(SIGSEGV, NULL, &action), 0);
		assert_false(action.sa_flags & SA_ONSTACK);
		assert_int_equal(sigaltstack(NULL, &stack), 0);
		assert_true(stack.ss_flags & SS_DISABLE);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recursion_in_a_task_ends_in_a_message_with_its_name),
		cmocka_unit_test(a_stray_access_is_named_with_address_and_task),
		cmocka_unit_test(a_stray_access_to_another_guard_is_no_overflow),
		cmocka_unit_test(a_death_on_the_main_stack_names_the_task_it_worked_for),
		cmocka_unit_test(a_death_in_a_pump_names_the_task_whose_place_it_takes),
		cmocka_unit_test(an_assertion_that_fails_names_the_task),
		cmocka_unit_test(records_that_were_gathered_are_written_first),
		cmocka_unit_test(a_signal_that_was_sent_kills_too),
		cmocka_unit_test(a_death_outside_of_tasks_says_so),
		cmocka_unit_test(quit_shows_every_task_with_what_it_waits_for_and_kills),
		cmocka_unit_test(nothing_is_said_when_all_goes_well),
		cmocka_unit_test(removal_brings_the_default_actions_back),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(installing_leaves_nothing_behind_when_it_fails),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
