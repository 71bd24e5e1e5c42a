/* The choice among the servers of an upstream. */
#include "service/upstream.h"

#include "base/memory.h"
#include "net/connect.h"
#include "net/fd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct spec {
	unsigned weight;
	bool backup;
};

static struct upstream *make(const struct spec *specs, size_t count, uint64_t tries)
{
	struct server_config servers[8] = { 0 };
	struct upstream_config uc = { .name = "u", .servers = servers, .server_count = count, .tries = tries };
	struct upstream *u = NULL;

	for (size_t i = 0; i < count; i++) {
		servers[i].weight = specs[i].weight;
		servers[i].backup = specs[i].backup;
	}
	assert_int_equal(upstream_new(&uc, NULL, &u), 0);
	return u;
}

/* The first choice of `length` connections, as letters. */
static void choices(struct upstream *u, size_t length, char *ret)
{
	for (size_t i = 0; i < length; i++) {
		struct upstream_tried tried = { 0 };

		ret[i] = (char) ('a' + (upstream_pick(u, &tried) - u->servers));
	}
	ret[length] = '\0';
}

static void equal_weights_take_turns(void **state)
{
	struct spec specs[] = { { 1, false }, { 1, false }, { 1, false } };
	struct upstream *u = make(specs, 3, 0);
	char got[16];

	(void) state;
	choices(u, 7, got);
	assert_string_equal(got, "abcabca");
	upstream_unref(u);
}

static void weights_interleave(void **state)
{
	struct spec specs[] = { { 5, false }, { 1, false }, { 1, false } };
	struct upstream *u = make(specs, 3, 0);
	char got[16];

	(void) state;
	choices(u, 14, got);
	assert_string_equal(got, "aabacaaaabacaa");
	upstream_unref(u);
}

static void one_connection_tries_each_server_once_and_backups_last(void **state)
{
	struct spec specs[] = { { 1, true }, { 1, false }, { 3, false } };
	struct upstream *u = make(specs, 3, 0);
	struct upstream_tried tried = { 0 };

	(void) state;
	assert_ptr_equal(upstream_pick(u, &tried), &u->servers[2]);
	assert_ptr_equal(upstream_pick(u, &tried), &u->servers[1]);
	assert_ptr_equal(upstream_pick(u, &tried), &u->servers[0]);
	assert_null(upstream_pick(u, &tried));
	upstream_unref(u);
}

static void backups_are_left_alone_while_a_server_is_left(void **state)
{
	struct spec specs[] = { { 256, true }, { 1, false } };
	struct upstream *u = make(specs, 2, 0);
	char got[16];

	(void) state;
	choices(u, 10, got);
	assert_string_equal(got, "bbbbbbbbbb");
	upstream_unref(u);
}

static void tries_default_to_each_server_once(void **state)
{
	struct spec specs[] = { { 1, false }, { 1, false }, { 1, false } };
	struct upstream *each = make(specs, 3, 0);
	struct upstream *two = make(specs, 3, 2);

	(void) state;
	assert_int_equal(each->tries, 3);
	assert_int_equal(two->tries, 2);
	upstream_unref(each);
	upstream_unref(two);
}

static void shares_follow_the_weights_exactly(void **state)
{
	struct spec specs[] = { { 7, false }, { 3, false }, { 2, false }, { 256, false } };
	struct upstream *u = make(specs, 4, 0);
	unsigned taken[4] = { 0 };

	(void) state;
	for (unsigned i = 0; i < 268 * 10; i++) {
		struct upstream_tried tried = { 0 };

		taken[upstream_pick(u, &tried) - u->servers]++;
	}
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(taken[i], specs[i].weight * 10);
	upstream_unref(u);
}

static void only_where_a_connection_can_meet_itself_the_kernel_is_asked(void **state)
{
	static const char *const texts[] = { "127.0.0.1:1", "127.0.0.1:65535", "name.test:65535", "unix:/run/x" };
	struct server_config servers[ARRAY_LENGTH(texts)] = { 0 };
	struct upstream_config uc = { .name = "u", .servers = servers, .server_count = ARRAY_LENGTH(texts) };
	struct upstream *u = NULL;
	const char *error;
	bool last = fd_port_is_ephemeral(65535), first = fd_port_is_ephemeral(1);

	(void) state;
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
		assert_int_equal(address_parse(texts[i], ADDRESS_CONNECT, &servers[i].address, &error), 0);
	assert_int_equal(upstream_new(&uc, NULL, &u), 0);
	assert_int_equal(u->servers[0].hints, first ? 0 : CONNECT_PORT_IS_FIXED);
	assert_int_equal(u->servers[1].hints, last ? 0 : CONNECT_PORT_IS_FIXED);
	assert_int_equal(u->servers[2].hints, last ? 0 : CONNECT_PORT_IS_FIXED);
	assert_int_equal(u->servers[3].hints, CONNECT_PORT_IS_FIXED);
	upstream_unref(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_weights_take_turns),
		cmocka_unit_test(weights_interleave),
		cmocka_unit_test(one_connection_tries_each_server_once_and_backups_last),
		cmocka_unit_test(backups_are_left_alone_while_a_server_is_left),
		cmocka_unit_test(tries_default_to_each_server_once),
		cmocka_unit_test(shares_follow_the_weights_exactly),
		cmocka_unit_test(only_where_a_connection_can_meet_itself_the_kernel_is_asked),
	};

	return cmocka_run_group_tests_name("upstream", tests, NULL, NULL);
}
