/* test_trace.c - the table of all tasks. */
#include "coro/stack.h"
#include "runtime/line.h"
#include "runtime/runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* -- lines -- */

static void numbers_and_addresses_are_written_in_full(void **state)
{
	char text[80];
	struct line l = LINE_INIT(text, sizeof(text));

	(void) state;
	line_number(&l, 0);
	line_text(&l, " ");
	line_number(&l, UINT64_MAX);
	line_text(&l, " ");
	line_address(&l, (void *) 0xc0ffee10);
	assert_string_equal(text, "0 18446744073709551615 0xc0ffee10");
	assert_int_equal(l.length, strlen(text));
}

static void spans_have_three_decimals_in_milliseconds_or_seconds(void **state)
{
	const struct {
		int64_t ns;
		const char *text;
	} spans[] = {
		{ 0, "0.000ms" },
		{ 1999, "0.001ms" },
		{ 45 * NS_PER_MS + 67000, "45.067ms" },
		{ NS_PER_S - 1, "999.999ms" },
		{ NS_PER_S, "1.000s" },
		{ 90 * NS_PER_S + 5 * NS_PER_MS, "90.005s" },
		{ -1, "0.000ms" },
		{ INT64_MAX, "9223372036.854s" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(spans); i++) {
		char text[32];
		struct line l = LINE_INIT(text, sizeof(text));

		line_ns(&l, spans[i].ns);
		assert_string_equal(text, spans[i].text);
	}
}

static void a_line_is_cut_to_its_buffer_and_shows_no_control_bytes(void **state)
{
	char text[8];
	struct line l = LINE_INIT(text, sizeof(text));

	(void) state;
	line_text(&l, "a\033[\n");
	line_text(&l, NULL);
	line_text(&l, "bcdef");
	assert_string_equal(text, "a?[??bc");
	assert_int_equal(l.length, 7);
}

/* -- tasks -- */

struct scene {
	char line[512], table[4096];
	size_t cut;
};

static int sleep_a_minute(void *arg)
{
	(void) arg;
	DEADLINE(limit, 90 * 1000);
	return sleep_for(60 * 1000);
}

static void read_table(char *text, size_t size)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	trace_write(fileno(file));
	rewind(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

static int watch_sleepers(void *arg)
{
	struct scene *s = arg;
	struct task_handle sleeper;
	char small[16];

	TASK_GROUP(sleepers, GROUP_EACH);
	assert_int_equal(task_spawn(&sleepers, "tired\n", sleep_a_minute, NULL, &sleeper), 0);
	assert_int_equal(sleep_for(1500), 0);
	assert_int_equal(task_spawn(&sleepers, "unborn", sleep_a_minute, NULL, NULL), 0);
	trace_print(sleeper.task, s->line, sizeof(s->line));
	s->cut = trace_print(sleeper.task, small, sizeof(small));
	read_table(s->table, sizeof(s->table));
	assert_int_equal(strlen(small), s->cut);
	assert_int_equal(strncmp(small, s->line, s->cut), 0);
	return 0;
}

static struct scene watch(void)
{
	const struct loop_options options = { .virtual_clock = true };
	struct scene s;

	assert_int_equal(loop_open(&options), 0);
	assert_int_equal(loop_run("watcher", watch_sleepers, &s), 0);
	loop_close();
	return s;
}

static void assert_has(const char *text, const char *words)
{
	if (!strstr(text, words))
		print_error("missing \"%s\" in:\n%s\n", words, text);
	assert_non_null(strstr(text, words));
}

static void a_line_says_who_waits_for_what_where_and_how_long(void **state)
{
	struct scene s = watch();

	(void) state;
	assert_has(s.line, " 'tired?' of ");
	assert_has(s.line, " in sleepers: waiting for time to pass in sleep_for at ");
	assert_has(s.line, "test_trace.c:");
	assert_has(s.line, " since 1.500s, deadline in 58.500s, age 1.500s, ran ");
	assert_has(s.line, ", switches 1, received 0, sent 0, stack ");
	assert_null(strchr(s.line, '\n'));
}

static void a_line_is_cut_to_size(void **state)
{
	(void) state;
	assert_int_equal(watch().cut, 15);
}

static void the_table_has_every_task_and_its_state(void **state)
{
	struct scene s = watch();
	size_t lines = 0;

	(void) state;
	for (const char *p = s.table; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 4);
	assert_ptr_equal(strstr(s.table, "3 tasks\n"), s.table);
	assert_has(s.table, "'watcher' in root: running since ");
	assert_has(s.table, "'tired?' of ");
	assert_has(s.table, "'unborn' of ");
	assert_has(s.table, ": new in task_spawn at ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_and_addresses_are_written_in_full),
		cmocka_unit_test(spans_have_three_decimals_in_milliseconds_or_seconds),
		cmocka_unit_test(a_line_is_cut_to_its_buffer_and_shows_no_control_bytes),
		cmocka_unit_test(a_line_says_who_waits_for_what_where_and_how_long),
		cmocka_unit_test(a_line_is_cut_to_size),
		cmocka_unit_test(the_table_has_every_task_and_its_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
