/* test_fault.c - planting failures, in any build.
 *
 * Without --enable-faults the library has no plan to test, so the module is compiled into this program.
 */
#ifndef ENABLE_FAULTS
#define ENABLE_FAULTS
#include "base/fault.c"
#endif

#include "base/ensure.h"
#include "base/fault.h"
#include "tests/support/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int plant_nothing(void **unused)
{
	(void) unused;
	fault_plant(0);
	unsetenv("CORELAY_FAULTS");
	return 0;
}

static void points_pass_and_are_counted_when_nothing_is_planted(void **unused)
{
	(void) unused;
	fault_plant(0);
	assert_int_equal(fault_point("read", EIO), 0);
	assert_int_equal(fault_point("write", EPIPE), 0);
	assert_int_equal(fault_count(), 2);
	assert_null(fault_fired());
}

static void the_planted_point_fails_once_with_its_own_error(void **unused)
{
	(void) unused;
	fault_plant(2);
	assert_int_equal(fault_point("read", EIO), 0);
	assert_null(fault_fired());
	assert_int_equal(fault_point("write", EPIPE), -EPIPE);
	assert_string_equal(fault_fired(), "write");
	assert_int_equal(fault_point("write", EPIPE), 0);
	assert_int_equal(fault_count(), 3);
}

static void every_point_of_a_scenario_can_be_made_to_fail_in_turn(void **unused)
{
	static const char *const scenario[] = { "socket", "bind", "malloc", "listen" };

	(void) unused;
	for (size_t nth = 1; nth <= ARRAY_LENGTH(scenario); nth++) {
		fault_plant(nth);
		for (size_t i = 0; i < ARRAY_LENGTH(scenario); i++)
			assert_int_equal(fault_point(scenario[i], EIO), i + 1 == nth ? -EIO : 0);
		assert_string_equal(fault_fired(), scenario[nth - 1]);
	}
}

static void a_named_plan_counts_and_fails_points_of_that_name_only(void **unused)
{
	(void) unused;
	fault_plant_named("malloc", 2, 0, 1);
	assert_int_equal(fault_point("malloc", ENOMEM), 0);
	assert_int_equal(fault_point("read", EIO), 0);
	assert_int_equal(fault_point("read", EIO), 0);
	assert_int_equal(fault_count(), 1);
	assert_int_equal(fault_point("malloc", ENOMEM), -ENOMEM);
	assert_int_equal(fault_point("malloc", ENOMEM), 0);
	assert_int_equal(fault_count(), 3);
}

static void a_named_plan_can_fail_several_times_and_with_another_error(void **unused)
{
	(void) unused;
	fault_plant_named("accept4", 2, ENFILE, 3);
	assert_int_equal(fault_point("accept4", EMFILE), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fault_point("accept4", EMFILE), -ENFILE);
	assert_int_equal(fault_point("accept4", EMFILE), 0);
}

static void a_plan_without_end_fails_for_ever(void **unused)
{
	(void) unused;
	fault_plant_named("read", 1, 0, UINT64_MAX);
	for (int i = 0; i < 100; i++)
		assert_int_equal(fault_point("read", EIO), -EIO);
}

static void a_new_plan_forgets_the_old_one(void **unused)
{
	(void) unused;
	fault_plant_named("read", 1, ENOENT, 2);
	assert_int_equal(fault_point("read", EIO), -ENOENT);
	fault_plant(2);
	assert_null(fault_fired());
	assert_int_equal(fault_count(), 0);
	assert_int_equal(fault_point("read", EIO), 0);
	assert_int_equal(fault_point("write", EPIPE), -EPIPE);
}

static void the_environment_can_name_a_point(void **unused)
{
	(void) unused;
	setenv("CORELAY_FAULTS", "bind", 1);
	fault_plant_from_environment();
	assert_int_equal(fault_point("socket", EMFILE), 0);
	assert_int_equal(fault_point("bind", EADDRINUSE), -EADDRINUSE);
	assert_int_equal(fault_point("bind", EADDRINUSE), 0);
}

static void the_environment_can_say_when_and_how_often(void **unused)
{
	(void) unused;
	setenv("CORELAY_FAULTS", "read:2:2", 1);
	fault_plant_from_environment();
	assert_int_equal(fault_point("read", EIO), 0);
	assert_int_equal(fault_point("read", EIO), -EIO);
	assert_int_equal(fault_point("read", EIO), -EIO);
	assert_int_equal(fault_point("read", EIO), 0);
}

static void the_environment_can_leave_the_name_open(void **unused)
{
	(void) unused;
	setenv("CORELAY_FAULTS", ":2", 1);
	fault_plant_from_environment();
	assert_int_equal(fault_point("socket", EMFILE), 0);
	assert_int_equal(fault_point("bind", EADDRINUSE), -EADDRINUSE);
}

static void without_the_variable_the_plan_stays(void **unused)
{
	(void) unused;
	fault_plant(1);
	fault_plant_from_environment();
	assert_int_equal(fault_point("read", EIO), -EIO);
}

static void plant_from(void *arg)
{
	setenv("CORELAY_FAULTS", arg, 1);
	fault_plant_from_environment();
}

static void an_unreadable_variable_aborts_and_says_why(void **unused)
{
	static const char *const cases[][2] = {
		{ "read:x", "'x' is not a number" },
		{ "read:", "'' is not a number" },
		{ "read:1:-1", "'-1' is not a number" },
		{ "read:1:1:1", "more fields than name:nth:times" },
		{ "a_name_that_is_much_too_long_for_any_point_there_could_be_in_the_daemon", "is too long" },
		{ "a_variable_that_is_even_longer_than_the_longest_name_and_the_two_largest_numbers_there_are"
		  "_could_be:18446744073709551615:18446744073709551615", "CORELAY_FAULTS is too long" },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct child_end end;

		child_run(plant_from, (void *) cases[i][0], &end);
		assert_true(child_died_of(&end, SIGABRT));
		assert_non_null(strstr(end.text, cases[i][1]));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, plant_nothing, plant_nothing)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(points_pass_and_are_counted_when_nothing_is_planted),
		TEST(the_planted_point_fails_once_with_its_own_error),
		TEST(every_point_of_a_scenario_can_be_made_to_fail_in_turn),
		TEST(a_named_plan_counts_and_fails_points_of_that_name_only),
		TEST(a_named_plan_can_fail_several_times_and_with_another_error),
		TEST(a_plan_without_end_fails_for_ever),
		TEST(a_new_plan_forgets_the_old_one),
		TEST(the_environment_can_name_a_point),
		TEST(the_environment_can_say_when_and_how_often),
		TEST(the_environment_can_leave_the_name_open),
		TEST(without_the_variable_the_plan_stays),
		TEST(an_unreadable_variable_aborts_and_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
