/* test_ensure.c - the last words of a process. */
#include "base/ensure.h"
#include "tests/support/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void misuse(void *arg)
{
	ENSURE(arg == NULL, "task '%s' holds %d locks", (const char *) arg, 2);
}

static void a_condition_that_holds_does_nothing(void **unused)
{
	struct child_end end;

	(void) unused;
	child_run(misuse, NULL, &end);
	assert_true(child_exited(&end, 0));
	assert_string_equal(end.text, "");
}

static void a_condition_that_does_not_hold_aborts_and_says_what_was_found(void **unused)
{
	struct child_end end;

	(void) unused;
	child_run(misuse, (void *) "echo", &end);
	assert_true(child_died_of(&end, SIGABRT));
	assert_non_null(strstr(end.text, "test_ensure.c:14: arg == NULL does not hold: task 'echo' holds 2 locks\n"));
}

static void hostile_bytes_in_the_message_are_escaped(void **unused)
{
	struct child_end end;

	(void) unused;
	child_run(misuse, (void *) "\033[2J\n", &end);
	assert_true(child_died_of(&end, SIGABRT));
	assert_non_null(strstr(end.text, "task '\\x1b[2J\\n' holds"));
	assert_ptr_equal(strchr(end.text, '\n'), end.text + strlen(end.text) - 1);
}

static void a_long_message_is_cut_and_still_a_line(void **unused)
{
	struct child_end end;
	char name[2000];

	(void) unused;
	memset(name, '\r', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	child_run(misuse, name, &end);
	assert_true(child_died_of(&end, SIGABRT));
	assert_in_range(strlen(end.text), 512, 1024);
	assert_ptr_equal(strchr(end.text, '\n'), end.text + strlen(end.text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_condition_that_holds_does_nothing),
		cmocka_unit_test(a_condition_that_does_not_hold_aborts_and_says_what_was_found),
		cmocka_unit_test(hostile_bytes_in_the_message_are_escaped),
		cmocka_unit_test(a_long_message_is_cut_and_still_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
