/* test_address.c - reading, printing and comparing addresses. */
#include "base/address.h"
#include "base/fault.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#define LABEL_63 "a23456789b123456789c123456789d123456789e123456789f123456789g123"
#define LABEL_61 "a23456789b123456789c123456789d123456789e123456789f123456789g1"
#define NAME_253 LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61
#define BYTES_50 "/123456789/123456789/123456789/123456789/123456789"
#define BYTES_100 BYTES_50 BYTES_50
#define BYTES_250 BYTES_100 BYTES_100 BYTES_50

static struct address parse(const char *text, enum address_use use)
{
	struct address a;
	const char *error = NULL;

	if (address_parse(text, use, &a, &error) < 0)
		fail_msg("%s: %s", text, error);
	assert_null(error);
	return a;
}

static struct address listen_on(const char *text)
{
	return parse(text, ADDRESS_LISTEN);
}

static void assert_refused(const char *text, enum address_use use, const char *expected)
{
	struct address a = { .kind = ADDRESS_IPV6, .port = 4242, .name = "before" }, before = a;
	const char *error = NULL;

	if (address_parse(text, use, &a, &error) != -EINVAL)
		fail_msg("'%s' was accepted, instead of: %s", text, expected);
	assert_string_equal(error, expected);
	assert_memory_equal(&a, &before, sizeof(a));
}

/* -- what is an address -- */

static void a_port_alone_is_every_address(void **unused)
{
	struct address a = listen_on(":7007");

	(void) unused;
	assert_int_equal(a.kind, ADDRESS_ANY);
	assert_int_equal(a.port, 7007);
}

static void four_numbers_are_an_ipv4_address(void **unused)
{
	struct address a = parse("192.0.2.1:80", ADDRESS_CONNECT);

	(void) unused;
	assert_int_equal(a.kind, ADDRESS_IPV4);
	assert_int_equal(ntohl(a.ipv4.s_addr), 0xc0000201);
	assert_int_equal(a.port, 80);
	assert_string_equal(a.name, "");
}

static void brackets_hold_an_ipv6_address(void **unused)
{
	struct address a = parse("[2001:db8::1]:65535", ADDRESS_CONNECT);
	static const uint8_t expected[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };

	(void) unused;
	assert_int_equal(a.kind, ADDRESS_IPV6);
	assert_memory_equal(&a.ipv6, expected, sizeof(expected));
	assert_int_equal(a.port, 65535);
	assert_int_equal(a.scope_id, 0);
}

static void a_mapped_ipv6_address_is_the_ipv4_address(void **unused)
{
	struct address a = listen_on("[::ffff:192.0.2.1]:80"), b = listen_on("192.0.2.1:80");

	(void) unused;
	assert_int_equal(a.kind, ADDRESS_IPV4);
	assert_memory_equal(&a, &b, sizeof(a));
}

static void a_link_local_address_names_its_interface_or_its_index(void **unused)
{
	struct address by_name = listen_on("[fe80::1%lo]:80"), by_index = listen_on("[fe80::1%4294967295]:80");
	struct address multicast = listen_on("[ff02::1%1]:80");

	(void) unused;
	assert_int_equal(by_name.kind, ADDRESS_IPV6);
	assert_int_equal(by_name.scope_id, if_nametoindex("lo"));
	assert_int_equal(by_index.scope_id, UINT32_MAX);
	assert_int_equal(multicast.scope_id, 1);
}

static void what_else_stands_before_the_port_is_a_host_name(void **unused)
{
	static const char *const names[] = {
		"localhost", "a", "example.com", "example.com.", "EXAMPLE.com", "xn--bcher-kva.example", "a-b",
		"_srv._tcp.local",
		"my_service", "1password.com", "3com", "1.2.3.4.com", "10.example", "0xg", "de", "a.0b",
		LABEL_63, LABEL_63 ".de", NAME_253, NAME_253 ".",
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		char text[300];
		struct address a;

		snprintf(text, sizeof(text), "%s:80", names[i]);
		a = parse(text, ADDRESS_CONNECT);
		assert_int_equal(a.kind, ADDRESS_NAME);
		assert_string_equal(a.name, names[i]);
		assert_int_equal(a.port, 80);
	}
}

static void unix_sockets_have_a_path_or_an_abstract_name(void **unused)
{
	struct address path = parse("unix:/run/a b:c.sock", ADDRESS_CONNECT);
	struct address abstract = parse("unix:@corelay/control", ADDRESS_CONNECT);
	struct address long_path = listen_on("unix:" BYTES_100 "/234567");
	struct address long_name = listen_on("unix:@" BYTES_100 "/234567");

	(void) unused;
	assert_int_equal(path.kind, ADDRESS_UNIX);
	assert_string_equal(path.name, "/run/a b:c.sock");
	assert_int_equal(abstract.kind, ADDRESS_ABSTRACT);
	assert_string_equal(abstract.name, "corelay/control");
	assert_int_equal(strlen(long_path.name), 107);
	assert_int_equal(strlen(long_name.name), 107);
}

static void inherited_sockets_have_a_name(void **unused)
{
	struct address a = listen_on("systemd:echo"), long_name = listen_on("systemd:" BYTES_250 "12345");

	(void) unused;
	assert_int_equal(a.kind, ADDRESS_SYSTEMD);
	assert_string_equal(a.name, "echo");
	assert_int_equal(strlen(long_name.name), 255);
}

static void port_zero_is_for_listeners_only(void **unused)
{
	(void) unused;
	assert_int_equal(listen_on(":0").port, 0);
	assert_int_equal(listen_on("127.0.0.1:0").port, 0);
	assert_int_equal(parse("localhost:1", ADDRESS_CONNECT).port, 1);
	assert_refused("localhost:0", ADDRESS_CONNECT, "port 0 is no port to connect to");
	assert_refused("127.0.0.1:0", ADDRESS_CONNECT, "port 0 is no port to connect to");
	assert_refused("[::1]:0", ADDRESS_CONNECT, "port 0 is no port to connect to");
}

/* -- what is none -- */

struct refusal {
	const char *text, *error;
};

static void assert_all_refused(const struct refusal *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_refused(cases[i].text, ADDRESS_LISTEN, cases[i].error);
		assert_refused(cases[i].text, ADDRESS_CONNECT, cases[i].error);
	}
}

static void a_missing_part_is_named(void **unused)
{
	static const char port[] = "the port is missing, as in localhost:7007";
	static const char bare[] = "a port alone is written with a colon, as in :7007";
	static const char host[] = "the host to connect to is missing, as in localhost:7007";
	static const struct refusal cases[] = {
		{ "", "the address is empty" }, { "localhost", port }, { "127.0.0.1", port }, { "127.0.0.1:", port },
		{ "localhost:", port }, { "[::1]", port }, { "[::1]:", port }, { "7007", bare },
		{ "[::1", "the ']' behind the IPv6 address is missing" },
		{ "[::1:80", "the ']' behind the IPv6 address is missing" },
		{ "unix:", "the path of the Unix socket is missing" }, { "unix:@", "the abstract name is empty" },
	};

	(void) unused;
	assert_all_refused(cases, ARRAY_LENGTH(cases));
	assert_refused(":", ADDRESS_LISTEN, port);
	assert_refused(":", ADDRESS_CONNECT, host);
	assert_refused(":80", ADDRESS_CONNECT, host);
	assert_refused("systemd:", ADDRESS_LISTEN, "the name behind systemd: is missing");
}

static void a_port_is_a_number_up_to_65535_without_leading_zeros(void **unused)
{
	static const char number[] = "the port is not a number", above[] = "the port is above 65535";
	static const char zeros[] = "the port has leading zeros";
	static const struct refusal cases[] = {
		{ "a:http", number }, { "a:-1", number }, { "a:+80", number }, { "a: 80", number },
		{ "a:80 ", number },
		{ "a:80/", number }, { "a:0x50", number }, { "http://a", number }, { "[::1]:x", number },
		{ "a:65536", above }, { "a:99999", above }, { "a:18446744073709551616", above },
		{ "a:18446744073709551696", above }, { "[::1]:65536", above },
		{ "a:080", zeros }, { "a:00", zeros }, { "1.2.3.4:00080", zeros }, { "[::1]:01", zeros },
	};

	(void) unused;
	assert_all_refused(cases, ARRAY_LENGTH(cases));
}

static void what_looks_like_ipv4_has_to_be_ipv4(void **unused)
{
	static const char error[] = "an IPv4 address is four numbers from 0 to 255 without leading zeros";
	static const char *const hosts[] = {
		"256.0.0.1", "1.2.3", "1.2.3.4.5", "127.1", "2130706433", "0", "010.0.0.1", "1.2.3.04", "1.2.3.4.",
		"1..2.3",
		"0x7f000001", "0x7f.0.0.1", "1.2.3.0x4", "0x", "0X7F000001", "999", "host.1", "example.com.42.",
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(hosts); i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s:80", hosts[i]);
		assert_refused(text, ADDRESS_LISTEN, error);
		assert_refused(text, ADDRESS_CONNECT, error);
	}
}

static void ipv6_addresses_are_checked_and_stand_in_brackets(void **unused)
{
	static const char brackets[] = "an IPv6 address stands in brackets, as in [::1]:7007";
	static const char none[] = "this is not an IPv6 address";
	static const struct refusal cases[] = {
		{ "::1", brackets }, { "::1:80", brackets }, { "::", brackets }, { "2001:db8::1", brackets },
		{ "fe80::1%lo:80", brackets }, { "::ffff:1.2.3.4", brackets },
		{ "localhost:80:90", "there is more than one ':'" },
		{ "http://localhost:80", "there is more than one ':'" },
		{ "a:[::1]:80", "there is more than one ':'" },
		{ "[]:80", none }, { "[:::1]:80", none }, { "[12345::]:80", none }, { "[1.2.3.4]:80", none },
		{ "[x]:80", none },
		{ "[::1::1]:80", none }, { "[1:2:3:4:5:6:7]:80", none }, { "[1:2:3:4:5:6:7:8:9]:80", none },
		{ "[ ::1]:80", none },
		{ "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80", none },
		{ "[%lo]:80", none },
		{ "[::1]80", "only ':' and a port may follow the ']'" },
		{ "[::1] :80", "only ':' and a port may follow the ']'" },
		{ "[::1%lo]:80", "only a link-local address takes an interface" },
		{ "[::ffff:1.2.3.4%lo]:80", "only a link-local address takes an interface" },
		{ "[fe80::1]:80", "a link-local address needs its interface, as in [fe80::1%eth0]:7007" },
		{ "[fe80::1%]:80", "there is no such network interface" },
		{ "[fe80::1%0]:80", "there is no such network interface" },
		{ "[fe80::1%4294967296]:80", "there is no such network interface" },
		{ "[fe80::1%no_such_link]:80", "there is no such network interface" },
	};

	(void) unused;
	assert_all_refused(cases, ARRAY_LENGTH(cases));
}

static void host_names_follow_rfc_1123(void **unused)
{
	static const char characters[] = "a host name has only letters, digits, '-', '_' and '.'";
	static const char empty[] = "the host name has an empty part";
	static const char hyphen[] = "a part of the host name begins or ends with '-'";
	static const struct refusal cases[] = {
		{ "a b:80", characters }, { " a:80", characters }, { "a,b:80", characters }, { "a/b:80", characters },
		{ "user@host:80", characters }, { "b\xc3\xbc" "cher:80", characters }, { "a%lo:80", characters },
		{ "*.a:80", characters }, { "::1]:80", "there is more than one ':'" },
		{ ".:80", empty }, { ".a:80", empty }, { "a..b:80", empty }, { "a..:80", empty },
		{ "-a:80", hyphen }, { "a-:80", hyphen }, { "a.-b.c:80", hyphen }, { "a.b-.c:80", hyphen },
		{ "-:80", hyphen },
		{ LABEL_63 "x:80", "a part of the host name is longer than 63 bytes" },
		{ "a." LABEL_63 "x.b:80", "a part of the host name is longer than 63 bytes" },
		{ NAME_253 "x:80", "the host name is longer than 253 bytes" },
		{ NAME_253 "x.:80", "the host name is longer than 253 bytes" },
		{ "*:80", "all addresses are written without '*', as in :7007" },
	};

	(void) unused;
	assert_all_refused(cases, ARRAY_LENGTH(cases));
}

static void names_of_unix_sockets_have_a_form_and_a_bound(void **unused)
{
	static const char relative[] = "the path of a Unix socket begins with '/', an abstract name with '@'";
	static const struct refusal cases[] = {
		{ "unix:corelay.sock", relative }, { "unix:./corelay.sock", relative }, { "unix:80", relative },
		{ "unix:" BYTES_100 "/2345678", "the path of the Unix socket is longer than 107 bytes" },
		{ "unix:@" BYTES_100 "/2345678", "the abstract name is longer than 107 bytes" },
	};

	(void) unused;
	assert_all_refused(cases, ARRAY_LENGTH(cases));
}

static void names_of_inherited_sockets_have_a_form_and_a_bound(void **unused)
{
	static const char form[] = "the name behind systemd: has a ':' or is not ASCII";
	static const char bound[] = "the name behind systemd: is longer than 255 bytes";
	static const char use[] = "systemd: names a socket to listen on, not one to connect to";

	(void) unused;
	assert_refused("systemd:echo", ADDRESS_CONNECT, use);
	assert_refused("systemd:a:b", ADDRESS_LISTEN, form);
	assert_refused("systemd:\xc3\xa4", ADDRESS_LISTEN, form);
	assert_refused("systemd:" BYTES_250 "123456", ADDRESS_LISTEN, bound);
}

static void control_characters_are_refused_everywhere(void **unused)
{
	static const char error[] = "there is a control character in the address";
	static const struct refusal cases[] = {
		{ "\n", error }, { "localhost:80\n", error }, { "local\thost:80", error },
		{ "unix:/run/\033[31m", error },
		{ "unix:@\x01", error }, { "systemd:a\x7f", error }, { "[::1\r]:80", error },
	};

	(void) unused;
	assert_all_refused(cases, ARRAY_LENGTH(cases));
}

#ifdef ENABLE_FAULTS
static void an_interface_that_cannot_be_looked_up_is_refused(void **unused)
{
	(void) unused;
	fault_plant(1);
	assert_refused("[fe80::1%lo]:80", ADDRESS_LISTEN, "there is no such network interface");
	assert_string_equal(fault_fired(), "if_nametoindex");
	fault_plant(0);
}
#endif

/* -- printing -- */

static void addresses_print_in_their_shortest_form(void **unused)
{
	static const char *const cases[][2] = {
		{ ":80", ":80" }, { "0.0.0.0:0", "0.0.0.0:0" }, { "[::]:80", "[::]:80" },
		{ "[2001:0DB8:0:0:0:0:0:0001]:80", "[2001:db8::1]:80" }, { "[::ffff:10.0.0.1]:80", "10.0.0.1:80" },
		{ "[fe80::1%7]:80", "[fe80::1%7]:80" }, { "Example.com.:80", "Example.com.:80" },
		{ "unix:/run/x", "unix:/run/x" }, { "unix:@x", "unix:@x" }, { "systemd:x", "systemd:x" },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct address a = listen_on(cases[i][0]);
		char buffer[ADDRESS_TEXT_BYTES];

		assert_ptr_equal(address_print(&a, buffer), buffer);
		assert_string_equal(buffer, cases[i][1]);
	}
}

static void a_printed_address_parses_back_to_itself(void **unused)
{
	static const char *const cases[] = {
		":0", ":65535", "255.255.255.255:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		"[::1.2.3.4]:1",
		"[fe80::ffff:ffff:ffff:ffff%4294967295]:65535", "[fe80::1%lo]:80", "localhost:1", NAME_253 ".:65535",
		"unix:" BYTES_100 "/234567", "unix:@" BYTES_100 "/234567", "unix:@@", "systemd:" BYTES_250 "12345",
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct address a = listen_on(cases[i]), back;
		char buffer[ADDRESS_TEXT_BYTES];

		back = listen_on(address_print(&a, buffer));
		assert_memory_equal(&a, &back, sizeof(a));
		assert_true(address_equal(&a, &back));
	}
}

static void an_address_that_was_never_set_prints_as_nothing(void **unused)
{
	struct address a = { 0 };
	char buffer[ADDRESS_TEXT_BYTES] = "#";

	(void) unused;
	assert_string_equal(address_print(&a, buffer), "");
}

/* -- comparing -- */

static void addresses_are_compared_in_both_directions(void **unused)
{
	static const struct {
		const char *a, *b;
		bool equal, overlaps;
	} cases[] = {
		{ ":80", ":80", true, true }, { ":80", ":81", false, false }, { ":80", "0.0.0.0:80", false, true },
		{ ":80", "[::]:80", false, true }, { ":80", "127.0.0.1:80", false, true },
		{ ":80", "[::1]:80", false, true },
		{ ":80", "localhost:80", false, true }, { ":80", "127.0.0.1:81", false, false },
		{ "127.0.0.1:80", "127.0.0.1:80", true, true }, { "127.0.0.1:80", "127.0.0.1:81", false, false },
		{ "127.0.0.1:80", "127.0.0.2:80", false, false }, { "127.0.0.1:80", "0.0.0.0:80", false, true },
		{ "127.0.0.1:80", "[::]:80", false, false }, { "127.0.0.1:80", "[::1]:80", false, false },
		{ "0.0.0.0:80", "[::]:80", false, false }, { "[::1]:80", "[::]:80", false, true },
		{ "[::1]:80", "[0:0:0::1]:80", true, true }, { "[::1]:80", "[::2]:80", false, false },
		{ "[fe80::1%1]:80", "[fe80::1%2]:80", false, false },
		{ "[fe80::1%1]:80", "[fe80::1%lo]:80", true, true },
		{ "localhost:80", "LocalHost:80", true, true }, { "localhost:80", "localhost:81", false, false },
		{ "localhost:80", "127.0.0.1:80", false, false },
		{ ":0", ":0", true, false }, { "127.0.0.1:0", "127.0.0.1:0", true, false },
		{ ":0", "127.0.0.1:0", false, false },
		{ "unix:/a", "unix:/a", true, true }, { "unix:/a", "unix:/A", false, false },
		{ "unix:/a", "unix:@/a", false, false }, { "unix:@a", "unix:@a", true, true },
		{ "unix:/a", ":80", false, false },
		{ "systemd:a", "systemd:a", true, true }, { "systemd:a", "systemd:b", false, false },
		{ "systemd:a", ":80", false, false },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct address a = listen_on(cases[i].a), b = listen_on(cases[i].b);

		if (address_equal(&a, &b) != cases[i].equal || address_equal(&b, &a) != cases[i].equal)
			fail_msg("equal: %s and %s", cases[i].a, cases[i].b);
		if (address_overlaps(&a, &b) != cases[i].overlaps || address_overlaps(&b, &a) != cases[i].overlaps)
			fail_msg("overlap: %s and %s", cases[i].a, cases[i].b);
	}
}

/* -- the kernel's form -- */

static void ip_addresses_become_sockaddrs(void **unused)
{
	static const char *const cases[][2] = {
		{ "192.0.2.1:80", "192.0.2.1:80" }, { "[2001:db8::1]:80", "[2001:db8::1]:80" },
		{ ":7007", "[::]:7007" },
		{ "[fe80::1%3]:80", "[fe80::1%3]:80" },
	};

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct address a = listen_on(cases[i][0]);
		size_t expected = a.kind == ADDRESS_IPV4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
		struct sockaddr_storage storage;
		char text[ENDPOINT_TEXT_BYTES];
		struct endpoint e;
		socklen_t length;

		memset(&storage, 0xff, sizeof(storage));
		assert_int_equal(address_to_sockaddr(&a, &storage, &length), 0);
		assert_int_equal(length, expected);
		endpoint_from_sockaddr((const struct sockaddr *) &storage, length, &e);
		assert_string_equal(endpoint_print(&e, text), cases[i][1]);
	}
}

static void unix_names_become_sockaddrs_of_the_right_length(void **unused)
{
	const size_t start = offsetof(struct sockaddr_un, sun_path);
	struct address path = listen_on("unix:/run/x"), abstract = listen_on("unix:@x");
	struct address longest = listen_on("unix:" BYTES_100 "/234567");
	struct address longest_name = listen_on("unix:@" BYTES_100 "/234567");
	struct sockaddr_storage storage;
	struct sockaddr_un un;
	socklen_t length;

	(void) unused;
	assert_int_equal(address_to_sockaddr(&path, &storage, &length), 0);
	memcpy(&un, &storage, sizeof(un));
	assert_int_equal(un.sun_family, AF_UNIX);
	assert_int_equal(length, start + 7);
	assert_string_equal(un.sun_path, "/run/x");

	assert_int_equal(address_to_sockaddr(&abstract, &storage, &length), 0);
	memcpy(&un, &storage, sizeof(un));
	assert_int_equal(length, start + 2);
	assert_memory_equal(un.sun_path, "\0x", 3);

	assert_int_equal(address_to_sockaddr(&longest, &storage, &length), 0);
	memcpy(&un, &storage, sizeof(un));
	assert_int_equal(length, sizeof(struct sockaddr_un));
	assert_string_equal(un.sun_path, longest.name);

	assert_int_equal(address_to_sockaddr(&longest_name, &storage, &length), 0);
	memcpy(&un, &storage, sizeof(un));
	assert_int_equal(length, sizeof(struct sockaddr_un));
	assert_int_equal(un.sun_path[0], '\0');
	assert_memory_equal(un.sun_path + 1, longest_name.name, 107);
}

static void names_to_resolve_or_inherit_have_no_sockaddr(void **unused)
{
	static const char *const cases[] = { "localhost:80", "systemd:echo" };

	(void) unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct address a = listen_on(cases[i]);
		struct sockaddr_storage storage = { .ss_family = 4242 };
		socklen_t length = 42;

		assert_int_equal(address_to_sockaddr(&a, &storage, &length), -EINVAL);
		assert_int_equal(storage.ss_family, 4242);
		assert_int_equal(length, 42);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_alone_is_every_address),
		cmocka_unit_test(four_numbers_are_an_ipv4_address),
		cmocka_unit_test(brackets_hold_an_ipv6_address),
		cmocka_unit_test(a_mapped_ipv6_address_is_the_ipv4_address),
		cmocka_unit_test(a_link_local_address_names_its_interface_or_its_index),
		cmocka_unit_test(what_else_stands_before_the_port_is_a_host_name),
		cmocka_unit_test(unix_sockets_have_a_path_or_an_abstract_name),
		cmocka_unit_test(inherited_sockets_have_a_name),
		cmocka_unit_test(port_zero_is_for_listeners_only),
		cmocka_unit_test(a_missing_part_is_named),
		cmocka_unit_test(a_port_is_a_number_up_to_65535_without_leading_zeros),
		cmocka_unit_test(what_looks_like_ipv4_has_to_be_ipv4),
		cmocka_unit_test(ipv6_addresses_are_checked_and_stand_in_brackets),
		cmocka_unit_test(host_names_follow_rfc_1123),
		cmocka_unit_test(names_of_unix_sockets_have_a_form_and_a_bound),
		cmocka_unit_test(names_of_inherited_sockets_have_a_form_and_a_bound),
		cmocka_unit_test(control_characters_are_refused_everywhere),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(an_interface_that_cannot_be_looked_up_is_refused),
#endif
		cmocka_unit_test(addresses_print_in_their_shortest_form),
		cmocka_unit_test(a_printed_address_parses_back_to_itself),
		cmocka_unit_test(an_address_that_was_never_set_prints_as_nothing),
		cmocka_unit_test(addresses_are_compared_in_both_directions),
		cmocka_unit_test(ip_addresses_become_sockaddrs),
		cmocka_unit_test(unix_names_become_sockaddrs_of_the_right_length),
		cmocka_unit_test(names_to_resolve_or_inherit_have_no_sockaddr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
