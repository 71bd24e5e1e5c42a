/* test_list.c - order, removal and what a node says of itself. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct item {
	char name;
	struct list link;
};

#define ITEM(name_) { .name = (name_) }

static void link_all(struct list *head, struct item *items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		list_append(head, &items[i].link);
}

/* Compares the names in the list with `expected`, forwards and backwards. */
static void assert_order(struct list *head, const char *expected)
{
	size_t length = strlen(expected), at = 0;

	LIST_EACH (node, head) {
		assert_true(at < length);
		assert_int_equal(list_entry(node, struct item, link)->name, expected[at]);
		at++;
	}
	assert_int_equal(at, length);

	for (struct list *node = head->previous; node != head; node = node->previous) {
		assert_true(at > 0);
		assert_int_equal(list_entry(node, struct item, link)->name, expected[--at]);
	}
	assert_int_equal(at, 0);
}

static void a_new_list_is_empty(void **unused)
{
	struct list head = LIST_INIT(head), other;

	(void) unused;
	list_init(&other);
	assert_true(list_is_empty(&head));
	assert_true(list_is_empty(&other));
	assert_order(&head, "");
	assert_null(list_take_first(&head));
}

static void append_adds_behind_the_last_and_prepend_before_the_first(void **unused)
{
	struct item items[] = { ITEM('a'), ITEM('b'), ITEM('c') };
	struct list head = LIST_INIT(head);

	(void) unused;
	list_append(&head, &items[1].link);
	list_append(&head, &items[2].link);
	list_prepend(&head, &items[0].link);
	assert_order(&head, "abc");
}

static void insert_before_puts_a_node_in_front_of_the_position(void **unused)
{
	struct item items[] = { ITEM('a'), ITEM('c') }, between = ITEM('b');
	struct list head = LIST_INIT(head);

	(void) unused;
	link_all(&head, items, ARRAY_LENGTH(items));
	list_insert_before(&items[1].link, &between.link);
	assert_order(&head, "abc");
}

static void a_removed_node_is_linked_nowhere_and_may_be_removed_again(void **unused)
{
	struct item items[] = { ITEM('a'), ITEM('b'), ITEM('c') };
	struct list head = LIST_INIT(head);

	(void) unused;
	link_all(&head, items, ARRAY_LENGTH(items));
	assert_true(list_is_linked(&items[1].link));

	list_remove(&items[1].link);
	assert_false(list_is_linked(&items[1].link));
	list_remove(&items[1].link);
	assert_order(&head, "ac");

	list_remove(&items[0].link);
	list_remove(&items[2].link);
	assert_true(list_is_empty(&head));
}

static void take_first_takes_in_order_of_arrival(void **unused)
{
	struct item items[] = { ITEM('a'), ITEM('b') };
	struct list head = LIST_INIT(head);

	(void) unused;
	link_all(&head, items, ARRAY_LENGTH(items));
	assert_ptr_equal(list_take_first(&head), &items[0].link);
	assert_false(list_is_linked(&items[0].link));
	assert_order(&head, "b");
	assert_ptr_equal(list_take_first(&head), &items[1].link);
	assert_null(list_take_first(&head));
}

static void splice_moves_all_behind_those_that_were_there(void **unused)
{
	struct item first[] = { ITEM('a'), ITEM('b') }, second[] = { ITEM('c'), ITEM('d') };
	struct list to = LIST_INIT(to), from = LIST_INIT(from);

	(void) unused;
	link_all(&to, first, ARRAY_LENGTH(first));
	link_all(&from, second, ARRAY_LENGTH(second));
	list_splice(&to, &from);
	assert_order(&to, "abcd");
	assert_true(list_is_empty(&from));
}

static void splice_works_when_either_list_is_empty(void **unused)
{
	struct item items[] = { ITEM('a'), ITEM('b') };
	struct list to = LIST_INIT(to), from = LIST_INIT(from);

	(void) unused;
	list_splice(&to, &from);
	assert_true(list_is_empty(&to));

	link_all(&from, items, ARRAY_LENGTH(items));
	list_splice(&to, &from);
	assert_order(&to, "ab");
	list_splice(&to, &from);
	assert_order(&to, "ab");
}

static void the_safe_walk_lets_its_body_remove_the_node_it_is_at(void **unused)
{
	struct item items[] = { ITEM('a'), ITEM('b'), ITEM('c'), ITEM('d') };
	struct list head = LIST_INIT(head);

	(void) unused;
	link_all(&head, items, ARRAY_LENGTH(items));
	LIST_EACH_SAFE (node, &head)
		if (list_entry(node, struct item, link)->name != 'c')
			list_remove(node);
	assert_order(&head, "c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_list_is_empty),
		cmocka_unit_test(append_adds_behind_the_last_and_prepend_before_the_first),
		cmocka_unit_test(insert_before_puts_a_node_in_front_of_the_position),
		cmocka_unit_test(a_removed_node_is_linked_nowhere_and_may_be_removed_again),
		cmocka_unit_test(take_first_takes_in_order_of_arrival),
		cmocka_unit_test(splice_moves_all_behind_those_that_were_there),
		cmocka_unit_test(splice_works_when_either_list_is_empty),
		cmocka_unit_test(the_safe_walk_lets_its_body_remove_the_node_it_is_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
