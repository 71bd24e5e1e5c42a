/* test_cidr.c - the ends of connections, and the blocks of addresses that they are matched with. */
#include "base/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct refusal {
	const char *text, *error;
};

/* -- endpoints -- */

/* The other end of a connection from `text`, which is an address. */
static struct endpoint endpoint_at(const char *text)
{
	struct sockaddr_storage storage;
	const char *error = NULL;
	struct endpoint e;
	struct address a;
	socklen_t length;

	if (address_parse(text, ADDRESS_LISTEN, &a, &error) < 0)
		fail_msg("%s: %s", text, error);
	assert_int_equal(address_to_sockaddr(&a, &storage, &length), 0);
	endpoint_from_sockaddr((const struct sockaddr *) &storage, length, &e);
	return e;
}

static void an_endpoint_is_28_bytes(void **unused)
{
	(void) unused;
	assert_int_equal(sizeof(struct endpoint), 28);
}

static void mapped_peers_become_ipv4(void **unused)
{
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6, .sin6_port = htons(5000) };
	struct endpoint e, same = endpoint_at("192.0.2.1:5000");
	char text[ENDPOINT_TEXT_BYTES];

	(void) unused;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &mapped.sin6_addr), 1);
	endpoint_from_sockaddr((const struct sockaddr *) &mapped, sizeof(mapped), &e);
	assert_int_equal(e.any.sa_family, AF_INET);
	assert_string_equal(endpoint_print(&e, text), "192.0.2.1:5000");
	assert_memory_equal(&e, &same, sizeof(e));
}

static void of_a_unix_peer_only_the_family_is_kept(void **unused)
{
	struct endpoint e = endpoint_at("unix:/run/x");
	char text[ENDPOINT_TEXT_BYTES];
	sa_family_t unnamed = AF_UNIX;

	(void) unused;
	assert_string_equal(endpoint_print(&e, text), "unix");
	endpoint_from_sockaddr((const struct sockaddr *) &unnamed, sizeof(unnamed), &e);
	assert_string_equal(endpoint_print(&e, text), "unix");
}

static void an_address_too_short_for_its_family_is_unknown(void **unused)
{
	struct sockaddr_storage storage = { 0 };
	char text[ENDPOINT_TEXT_BYTES];
	static const struct {
		sa_family_t family;
		socklen_t length;
	} cases[] = {
		{ AF_INET, 0 }, { AF_INET, 1 }, { AF_INET, sizeof(struct sockaddr_in) - 1 },
		{ AF_INET6, sizeof(struct sockaddr_in6) - 1 }, { AF_NETLINK, sizeof(storage) }, { AF_UNSPEC, 2 },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct endpoint e;

		storage.ss_family = cases[i].family;
		endpoint_from_sockaddr((const struct sockaddr *) &storage, cases[i].length, &e);
		assert_int_equal(e.any.sa_family, AF_UNSPEC);
		assert_string_equal(endpoint_print(&e, text), "unknown");
	}
}

static void the_longest_endpoint_fits(void **unused)
{
	struct endpoint e = endpoint_at("[fe80::ffff:ffff:ffff:ffff%4294967295]:65535");
	char text[ENDPOINT_TEXT_BYTES];

	(void) unused;
	assert_string_equal(endpoint_print(&e, text), "[fe80::ffff:ffff:ffff:ffff%4294967295]:65535");
}

/* -- blocks -- */

static struct cidr block(const char *text)
{
	const char *error = NULL;
	struct cidr c;

	if (cidr_parse(text, &c, &error) < 0)
		fail_msg("%s: %s", text, error);
	assert_null(error);
	return c;
}

static void blocks_print_in_their_shortest_form_and_parse_back(void **unused)
{
	static const char *const cases[][2] = {
		{ "all", "all" }, { "unix", "unix" }, { "10.0.0.0/8", "10.0.0.0/8" }, { "10.1.2.3", "10.1.2.3" },
		{ "10.1.2.3/32", "10.1.2.3" }, { "0.0.0.0/0", "0.0.0.0/0" }, { "128.0.0.0/1", "128.0.0.0/1" },
		{ "10.1.2.2/31", "10.1.2.2/31" }, { "::1", "::1" }, { "::1/128", "::1" }, { "::/0", "::/0" },
		{ "2001:DB8::/32", "2001:db8::/32" }, { "fe80::/10", "fe80::/10" },
		{ "::ffff:10.0.0.0/104", "10.0.0.0/8" }, { "::ffff:10.0.0.1", "10.0.0.1" },
		{ "::ffff:0:0/96", "0.0.0.0/0" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127" },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct cidr c = block(cases[i][0]), back;
		char buffer[ENDPOINT_TEXT_BYTES];

		assert_ptr_equal(cidr_print(&c, buffer), buffer);
		assert_string_equal(buffer, cases[i][1]);
		back = block(buffer);
		assert_memory_equal(&c, &back, sizeof(c));
	}
}

static void every_prefix_length_prints_and_parses_back(void **unused)
{
	(void) unused;
	for (unsigned bits = 0; bits <= 128; bits++) {
		struct cidr c = { .family = AF_INET6, .prefix_bits = bits }, back;
		char buffer[ENDPOINT_TEXT_BYTES];

		for (unsigned bit = 0; bit < bits; bit++)
			c.network[bit / 8] |= (uint8_t) (0x80 >> bit % 8);
		back = block(cidr_print(&c, buffer));
		assert_memory_equal(&c, &back, sizeof(c));
	}
}

static void what_is_not_a_block_is_refused_with_the_reason(void **unused)
{
	static const char none[] = "this is no IPv4 or IPv6 address";
	static const char behind[] = "there are bits set behind the prefix";
	static const char number[] = "the prefix length behind the '/' is not a number";
	static const char length[] = "the prefix is longer than the address";
	static const struct refusal cases[] = {
		{ "", none }, { "/", none }, { "/8", none }, { "localhost", none }, { "10.0.0", none },
		{ "10.0.0.0.0", none },
		{ "010.0.0.1", none }, { "256.0.0.1", none }, { "[::1]", none }, { ":::", none }, { "ALL", none },
		{ "any", none },
		{ " 10.0.0.1", none }, { "10.0.0.1 ", none }, { "10.0.0.1:80", none }, { "fe80::1%lo", none },
		{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", none },
		{ "10.0.0.0/", number }, { "10.0.0.0/x", number }, { "10.0.0.0/-1", number },
		{ "10.0.0.0/08", number },
		{ "10.0.0.0/8/8", number }, { "10.0.0.0/255.0.0.0", number }, { "10.0.0.0/8 ", number },
		{ "10.0.0.0/33", length }, { "::/129", length }, { "10.0.0.0/18446744073709551616", length },
		{ "10.0.0.1/8", behind }, { "10.0.0.1/31", behind }, { "1.0.0.0/0", behind }, { "::1/127", behind },
		{ "::1/0", behind }, { "2001:db8:8000::/32", behind }, { "::ffff:10.0.0.1/104", behind },
		{ "::ffff:0:0/95", behind },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct cidr c = { .family = 42 };
		const char *error = NULL;

		if (cidr_parse(cases[i].text, &c, &error) != -EINVAL)
			fail_msg("'%s' was accepted, instead of: %s", cases[i].text, cases[i].error);
		assert_string_equal(error, cases[i].error);
		assert_int_equal(c.family, 42);
	}
}

static void a_block_contains_what_agrees_in_its_prefix(void **unused)
{
	static const struct {
		const char *block, *address;
		bool contains;
	} cases[] = {
		{ "10.0.0.0/8", "10.0.0.0:1", true }, { "10.0.0.0/8", "10.255.255.255:1", true },
		{ "10.0.0.0/8", "11.0.0.0:1", false }, { "10.0.0.0/8", "9.255.255.255:1", false },
		{ "10.0.0.4/30", "10.0.0.7:1", true }, { "10.0.0.4/30", "10.0.0.8:1", false },
		{ "10.0.0.4/30", "10.0.0.3:1", false },
		{ "128.0.0.0/1", "128.0.0.0:1", true }, { "128.0.0.0/1", "127.255.255.255:1", false },
		{ "10.0.0.1", "10.0.0.1:1", true }, { "10.0.0.1", "10.0.0.2:1", false },
		{ "0.0.0.0/0", "255.1.2.3:1", true },
		{ "0.0.0.0/0", "[::1]:1", false }, { "::/0", "[::1]:1", true }, { "::/0", "10.0.0.1:1", false },
		{ "10.0.0.0/8", "[::ffff:10.1.2.3]:1", true }, { "::ffff:10.0.0.0/104", "10.1.2.3:1", true },
		{ "2001:db8::/33", "[2001:db8:7fff::1]:1", true }, { "2001:db8::/33", "[2001:db8:8000::1]:1", false },
		{ "::1", "[::1]:1", true }, { "::1", "[::2]:1", false }, { "::1", "127.0.0.1:1", false },
		{ "unix", "unix:/run/x", true }, { "unix", "127.0.0.1:1", false },
		{ "0.0.0.0/0", "unix:/run/x", false },
		{ "::/0", "unix:@x", false }, { "all", "unix:@x", true }, { "all", "1.2.3.4:1", true },
		{ "all", "[::]:1", true },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct endpoint e = endpoint_at(cases[i].address);
		struct cidr c = block(cases[i].block);

		if (cidr_contains(&c, &e) != cases[i].contains)
			fail_msg("%s and %s", cases[i].block, cases[i].address);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_is_28_bytes),
		cmocka_unit_test(mapped_peers_become_ipv4),
		cmocka_unit_test(of_a_unix_peer_only_the_family_is_kept),
		cmocka_unit_test(an_address_too_short_for_its_family_is_unknown),
		cmocka_unit_test(the_longest_endpoint_fits),
		cmocka_unit_test(blocks_print_in_their_shortest_form_and_parse_back),
		cmocka_unit_test(every_prefix_length_prints_and_parses_back),
		cmocka_unit_test(what_is_not_a_block_is_refused_with_the_reason),
		cmocka_unit_test(a_block_contains_what_agrees_in_its_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
