/* test_memory.c - what allocation promises beyond malloc(3). */
#include "base/fault.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct thing {
	char bytes[300];
};

static void assert_zeroed(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(bytes[i], 0);
}

static void new_memory_is_zeroed_even_where_old_content_was(void **unused)
{
	(void) unused;
	for (int round = 0; round < 3; round++) {
		struct thing *t = memory_new_object(struct thing);

		assert_non_null(t);
		assert_zeroed(t->bytes, sizeof(t->bytes));
		memset(t, 0xaa, sizeof(*t));
		assert_null(memory_free(t));
	}
}

static void new_arrays_are_zeroed(void **unused)
{
	_cleanup_(memory_freep) char *array = memory_new_array(7, 100);

	(void) unused;
	assert_non_null(array);
	assert_zeroed(array, 700);
}

static void an_array_whose_size_overflows_is_no_memory(void **unused)
{
	volatile size_t half = SIZE_MAX / 2 + 1;

	(void) unused;
	assert_null(memory_new_array(half, 2));
	assert_null(memory_new_array(2, half));
	assert_null(memory_new_array(SIZE_MAX, SIZE_MAX));
	assert_null(memory_copy_bytes("", half + (half - 1)));
}

static void no_bytes_are_still_an_object(void **unused)
{
	_cleanup_(memory_freep) char *object = memory_new(0), *array = memory_new_array(0, 8);
	_cleanup_(memory_freep) char *resized = memory_resize(NULL, 0);

	(void) unused;
	assert_non_null(object);
	assert_non_null(array);
	assert_non_null(resized);

	resized = memory_resize(TAKE(resized), 0);
	assert_non_null(resized);
}

static void resize_keeps_what_was_there(void **unused)
{
	_cleanup_(memory_freep) char *text = memory_resize(NULL, 4);

	(void) unused;
	assert_non_null(text);
	memcpy(text, "abc", 4);
	for (size_t bytes = 8; bytes <= 1 << 20; bytes *= 8) {
		char *grown = memory_resize(text, bytes);

		assert_non_null(grown);
		text = grown;
		assert_string_equal(text, "abc");
	}
}

static void copies_end_with_nul(void **unused)
{
	_cleanup_(memory_freep) char *whole = memory_copy_text("hello"), *empty = memory_copy_text("");
	_cleanup_(memory_freep) char *part = memory_copy_bytes("hello", 4), *nothing = memory_copy_bytes(NULL, 0);

	(void) unused;
	assert_string_equal(whole, "hello");
	assert_string_equal(empty, "");
	assert_string_equal(part, "hell");
	assert_string_equal(nothing, "");
}

static void copied_bytes_may_hold_nul(void **unused)
{
	_cleanup_(memory_freep) char *copy = memory_copy_bytes("a\0b", 3);

	(void) unused;
	assert_memory_equal(copy, "a\0b", 4);
}

static void freeing_nothing_is_fine(void **unused)
{
	char *none = NULL;

	(void) unused;
	assert_null(memory_free(none));
	memory_freep(&none);
}

#ifdef ENABLE_FAULTS
static void every_function_has_one_point_and_answers_null_when_it_fails(void **unused)
{
	_cleanup_(memory_freep) char *old = memory_copy_text("old");

	(void) unused;
	fault_plant_named("malloc", 1, 0, 5);
	assert_null(memory_new(8));
	assert_null(memory_new_array(2, 8));
	assert_null(memory_resize(old, 100));
	assert_null(memory_copy_text("text"));
	assert_null(memory_copy_bytes("text", 2));
	assert_int_equal(fault_count(), 5);
	fault_plant(0);

	assert_string_equal(old, "old");
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_memory_is_zeroed_even_where_old_content_was),
		cmocka_unit_test(new_arrays_are_zeroed),
		cmocka_unit_test(an_array_whose_size_overflows_is_no_memory),
		cmocka_unit_test(no_bytes_are_still_an_object),
		cmocka_unit_test(resize_keeps_what_was_there),
		cmocka_unit_test(copies_end_with_nul),
		cmocka_unit_test(copied_bytes_may_hold_nul),
		cmocka_unit_test(freeing_nothing_is_fine),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(every_function_has_one_point_and_answers_null_when_it_fails),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
