/* test_connect.c - opening connections, by number and by name. */
#include "base/fault.h"
#include "base/memory.h"
#include "net/connect.h"
#include "net/fd.h"
#include "net/listener.h"
#include "net/resolve.h"
#include "tests/support/child.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <fcntl.h>
#include <net/if.h>
#include <linux/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include <cmocka.h>

static struct address address_of(const char *text, enum address_use use)
{
	struct address a;
	const char *error;

	assert_int_equal(address_parse(text, use, &a, &error), 0);
	return a;
}

static struct address at_port(const char *host, uint16_t port)
{
	char text[ADDRESS_TEXT_BYTES];

	snprintf(text, sizeof(text), "%s:%u", host, port);
	return address_of(text, ADDRESS_CONNECT);
}

static struct listener *open_at(const char *text, uint16_t *ret_port)
{
	struct address a = address_of(text, ADDRESS_LISTEN);
	struct listener *l = NULL;
	struct endpoint e;

	assert_int_equal(listener_open(&a, &l), 0);
	assert_int_equal(listener_endpoint(l, &e), 0);
	if (ret_port)
		*ret_port = ntohs(e.ipv4.sin_port);
	return l;
}

static int try_connect(const struct address *to)
{
	struct stream *s = NULL;
	int r = connect_stream(to, NULL, 0, &s);

	if (r < 0)
		assert_null(s);
	stream_free(s);
	return r;
}

static void run(task_fn *body)
{
	assert_int_equal(harness_run_each_backend(body, NULL), 0);
}

/* -- numbers -- */

static int connects(void *arg)
{
	uint16_t port;
	_cleanup_(listener_freep) struct listener *l = open_at("127.0.0.1:0", &port);
	_cleanup_(stream_freep) struct stream *near = NULL;
	_cleanup_(stream_freep) struct stream *far = NULL;
	struct address to = at_port("127.0.0.1", port);
	struct endpoint peer, seen;
	char text[ENDPOINT_TEXT_BYTES], expected[ENDPOINT_TEXT_BYTES], byte;
	int nodelay = 0;

	(void) arg;
	assert_int_equal(connect_stream(&to, NULL, 0, &near), 0);
	assert_int_equal(fd_peer_endpoint(io_fd(&near->io), &peer), 0);
	snprintf(expected, sizeof(expected), "127.0.0.1:%u", port);
	assert_string_equal(endpoint_print(&peer, text), expected);
	assert_int_equal(fd_option(io_fd(&near->io), IPPROTO_TCP, TCP_NODELAY, &nodelay), 0);
	assert_true(nodelay);

	int fd = listener_accept(l, &seen);
	assert_true(fd >= 0);
	assert_int_equal(stream_new(fd, &far), 0);
	assert_int_equal(stream_write(near, "x", 1), 0);
	assert_int_equal(stream_read(far, &byte, 1), 1);
	return 0;
}

/* Segments until the first byte is on its way. The kernel does not wait for ever: on a busy machine it may need one
 * more now and then. */
static unsigned fewest_segments(const struct address *to, bool speaks)
{
	unsigned fewest = 100;

	for (int i = 0; i < 50; i++) {
		_cleanup_(stream_freep) struct stream *s = NULL;
		struct tcp_info info;
		socklen_t length = sizeof(info);

		assert_int_equal(connect_stream(to, NULL, speaks ? CONNECT_SPEAKS : 0, &s), 0);
		assert_int_equal(stream_write(s, "x", 1), 0);
		assert_int_equal(getsockopt(io_fd(&s->io), IPPROTO_TCP, TCP_INFO, &info, &length), 0);
		fewest = MIN(fewest, info.tcpi_segs_out);
	}
	return fewest;
}

static int speak_at_once(void *arg)
{
	uint16_t port;
	_cleanup_(listener_freep) struct listener *l = open_at("127.0.0.1:0", &port);
	struct address to = at_port("127.0.0.1", port);

	(void) arg;
	assert_non_null(l);
	assert_int_equal(fewest_segments(&to, false), 3);
	assert_int_equal(fewest_segments(&to, true), 2);
	return 0;
}

static void who_speaks_at_once_has_the_handshake_end_with_what_he_says(void **unused)
{
	(void) unused;
	assert_int_equal(harness_run_each_backend(speak_at_once, NULL), 0);
}

static void a_connection_is_opened_and_its_peer_told(void **unused)
{
	(void) unused;
	run(connects);
}

static int refused(void *arg)
{
	struct address to = at_port("127.0.0.1", sockets_free_port());
	struct address nowhere = { .kind = ADDRESS_SYSTEMD, .name = "web" };
	struct address no_path = { .kind = ADDRESS_UNIX, .name = "/nonexistent/socket" };

	(void) arg;
	assert_int_equal(try_connect(&to), -ECONNREFUSED);
	assert_int_equal(try_connect(&nowhere), -EINVAL);
	assert_int_equal(try_connect(&no_path), -ENOENT);
	task_cancel(task_handle_self());
	assert_int_equal(try_connect(&to), -ECANCELED);
	return 0;
}

static void a_connection_that_is_not_possible_fails_with_the_reason(void **unused)
{
	(void) unused;
	run(refused);
}

#define ONLY_PORT 40000
#define NOT_ALLOWED 77

/* A network of its own, where every port of loopback is free. */
static void enter_own_network(void)
{
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (unshare(CLONE_NEWNET) < 0)
		_exit(NOT_ALLOWED);
	_cleanup_(fd_closep) int any = fd_socket(AF_INET);
	if (ioctl(any, SIOCSIFFLAGS, &loopback) < 0)
		_exit(NOT_ALLOWED);
}

/* Puts text into a file of the system, as far as this process sees it. */
static void write_file(const char *path, const char *text)
{
	_cleanup_(fd_closep) int file = open(path, O_WRONLY | O_CLOEXEC);

	if (file < 0 || write(file, text, strlen(text)) < 0)
		_exit(NOT_ALLOWED);
}

static void in_a_child(void (*fn)(void *arg))
{
	static struct child_end end;

	child_run(fn, NULL, &end);
	if (WIFEXITED(end.status) && WEXITSTATUS(end.status) == NOT_ALLOWED) {
		print_message("namespaces may not be made here\n");
		skip();
	}
	if (end.status != 0)
		fail_msg("child ended with %d: %s", end.status, end.text);
}

static int connect_to_only_port(void *arg)
{
	struct address to = { .kind = ADDRESS_IPV4, .ipv4.s_addr = htonl(INADDR_LOOPBACK), .port = ONLY_PORT };
	struct stream *s = NULL;

	(void) arg;
	return connect_stream(&to, NULL, 0, &s);
}

/* Nobody listens on the port, and the kernel has no other one to connect from: without care that succeeds. */
static void meet_oneself(void *arg)
{
	const struct loop_options options = { .virtual_clock = true };

	(void) arg;
	enter_own_network();
	write_file("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000");
	if (!fd_port_is_ephemeral(ONLY_PORT))
		_exit(2);
	if (loop_open(&options) < 0 || loop_run("root", connect_to_only_port, NULL) != -ECONNREFUSED)
		_exit(1);
	loop_close();
}

static void a_connection_that_met_itself_is_refused(void **unused)
{
	(void) unused;
	in_a_child(meet_oneself);
}

static void know_the_range(void *arg)
{
	(void) arg;
	enter_own_network();
	write_file("/proc/sys/net/ipv4/ip_local_port_range", "39998 40001");
	if (fd_port_is_ephemeral(39997) || !fd_port_is_ephemeral(39998) || !fd_port_is_ephemeral(40001) ||
	    fd_port_is_ephemeral(40002))
		_exit(1);
}

static void ports_that_clients_are_given_are_told_from_others(void **unused)
{
	(void) unused;
	in_a_child(know_the_range);
}

/* -- a Unix socket whose backlog is full -- */

static int accept_after_a_while(void *arg)
{
	struct endpoint peer;

	assert_int_equal(sleep_for(100), 0);
	for (;;) {
		int fd = listener_accept((struct listener *) arg, &peer);

		if (fd < 0)
			return fd == -ECANCELED ? 0 : fd;
		fd_close(fd);
	}
}

static int full_backlog(void *arg)
{
	char text[64];

	(void) arg;
	snprintf(text, sizeof(text), "unix:@test_connect.%d", getpid());
	_cleanup_(listener_freep) struct listener *l = open_at(text, NULL);
	struct address to = address_of(text, ADDRESS_CONNECT);
	assert_int_equal(fd_listen(listener_fd(l), 1), 0);
	assert_int_equal(try_connect(&to), 0);
	assert_int_equal(try_connect(&to), 0);

	int64_t began_ms = time_now_ms();
	{
		DEADLINE(limit, 50);
		assert_int_equal(try_connect(&to), -ETIMEDOUT);
	}
	assert_int_equal(time_now_ms() - began_ms, 50);

	TASK_GROUP(group, GROUP_EACH);
	assert_int_equal(task_spawn(&group, "acceptor", accept_after_a_while, l, NULL), 0);
	assert_int_equal(try_connect(&to), 0);
	assert_in_range(time_now_ms() - began_ms, 150, 160);
	return 0;
}

static void a_full_backlog_of_a_unix_socket_is_waited_for(void **unused)
{
	(void) unused;
	run(full_backlog);
}

/* -- a peer that does not answer -- */

/* Fills a backlog of TCP, so that the kernel drops what comes next and a connect hangs. */
struct silent {
	int listening;
	int fillers[4];
	uint16_t port;
};

static void silent_done(struct silent *s)
{
	for (size_t i = 0; i < ARRAY_LENGTH(s->fillers); i++)
		fd_close(s->fillers[i]);
	fd_close(s->listening);
}

static void silent_open(struct silent *s, uint32_t host, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(host), .sin_port = htons(port) };
	struct endpoint e;

	s->listening = fd_socket(AF_INET);
	assert_int_equal(fd_bind(s->listening, (struct sockaddr *) &at, sizeof(at)), 0);
	assert_int_equal(fd_listen(s->listening, 0), 0);
	assert_int_equal(fd_local_endpoint(s->listening, &e), 0);
	s->port = ntohs(e.ipv4.sin_port);
	for (size_t i = 0; i < ARRAY_LENGTH(s->fillers); i++) {
		s->fillers[i] = fd_socket(AF_INET);
		int r = fd_connect(s->fillers[i], &e.any, sizeof(e.ipv4));
		assert_true(r == 0 || r == -EINPROGRESS);
	}
}

static int no_answer(void *arg)
{
	_cleanup_(silent_done) struct silent s;
	int64_t began_ms = time_now_ms();

	(void) arg;
	silent_open(&s, INADDR_LOOPBACK, 0);
	struct address to = at_port("127.0.0.1", s.port);
	DEADLINE(limit, 300);
	assert_int_equal(try_connect(&to), -ETIMEDOUT);
	assert_int_equal(time_now_ms() - began_ms, 300);
	return 0;
}

static void a_peer_that_does_not_answer_is_given_up_when_the_time_is_up(void **unused)
{
	(void) unused;
	run(no_answer);
}

/* -- names -- */

static int connects_by_name(void *arg)
{
	uint16_t port;
	_cleanup_(listener_freep) _unused_ struct listener *l = open_at("127.0.0.1:0", &port);
	_cleanup_(stream_freep) struct stream *s = NULL;
	struct address to = { .kind = ADDRESS_NAME, .port = port, .name = "localhost" };
	struct endpoint peer;

	(void) arg;
	assert_int_equal(connect_stream(&to, NULL, 0, &s), 0);
	assert_int_equal(fd_peer_endpoint(io_fd(&s->io), &peer), 0);
	assert_int_equal(peer.any.sa_family, AF_INET);
	to.port = sockets_free_port();
	assert_int_equal(try_connect(&to), -ECONNREFUSED);
	return 0;
}

static void a_connection_is_opened_by_name(void **unused)
{
	(void) unused;
	run(connects_by_name);
}

/* A name with two addresses, of which one does not answer: -1 when the connection failed, else how long it took. */
static int64_t connect_to_one_of_two(uint32_t silent_host, const char *live_host)
{
	struct address to = { .kind = ADDRESS_NAME, .port = ONLY_PORT, .name = "two.test" };
	struct address at = at_port(live_host, ONLY_PORT);
	_cleanup_(silent_done) struct silent silent;
	_cleanup_(listener_freep) struct listener *l = NULL;
	int64_t began_ms = time_now_ms();

	silent_open(&silent, silent_host, ONLY_PORT);
	if (listener_open(&at, &l) < 0)
		return -1;
	DEADLINE(limit, 1000);
	return try_connect(&to) < 0 ? -1 : time_now_ms() - began_ms;
}

/* Whichever address comes first, once it is the silent one. */
static int connects_in_time(void *arg)
{
	int64_t first_ms = connect_to_one_of_two(INADDR_LOOPBACK + 1, "127.0.0.3");
	int64_t second_ms = connect_to_one_of_two(INADDR_LOOPBACK + 2, "127.0.0.2");

	(void) arg;
	fprintf(stderr, "%lld ms and %lld ms", (long long) first_ms, (long long) second_ms);
	return first_ms >= 0 && second_ms >= 0 && first_ms + second_ms == 500 ? 0 : -EPROTO;
}

static void know_two_addresses(void *arg)
{
	const struct loop_options options = { .virtual_clock = true };
	char hosts[] = "/tmp/test_connect.XXXXXX";

	(void) arg;
	enter_own_network();
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(NOT_ALLOWED);
	fd_close(mkstemp(hosts));
	write_file(hosts, "127.0.0.2 two.test\n127.0.0.3 two.test\n");
	int r = mount(hosts, "/etc/hosts", NULL, MS_BIND, NULL);
	unlink(hosts);
	if (r < 0)
		_exit(NOT_ALLOWED);
	if (loop_open(&options) < 0 || loop_run("root", connects_in_time, NULL) < 0)
		_exit(1);
	loop_close();
}

static void a_silent_address_uses_up_only_its_share_of_the_time(void **unused)
{
	(void) unused;
	in_a_child(know_two_addresses);
}

static int resolves(void *arg)
{
	_cleanup_(memory_freep) struct resolved *found = NULL;
	struct resolved *none = NULL;
	char long_name[ADDRESS_NAME_BYTES + 1];

	(void) arg;
	assert_int_equal(resolve_name("localhost", 7, &found), 0);
	assert_in_range(found->count, 1, RESOLVE_ADDRESSES);
	for (unsigned i = 0; i < found->count; i++) {
		struct endpoint e;
		char text[ENDPOINT_TEXT_BYTES];

		endpoint_from_sockaddr((struct sockaddr *) &found->address[i].storage, found->address[i].length, &e);
		endpoint_print(&e, text);
		assert_true(strcmp(text, "127.0.0.1:7") == 0 || strcmp(text, "[::1]:7") == 0);
	}

	/* No label has more than 63 bytes (RFC 1035 section 2.3.4), so no name server needs to be asked. */
	memset(long_name, 'a', sizeof(long_name));
	long_name[70] = '\0';
	assert_int_equal(resolve_name(long_name, 7, &none), -ENOENT);
	long_name[70] = 'a';
	long_name[ADDRESS_NAME_BYTES] = '\0';
	assert_int_equal(resolve_name(long_name, 7, &none), -ENAMETOOLONG);
	task_cancel(task_handle_self());
	assert_int_equal(resolve_name("localhost", 7, &none), -ECANCELED);
	assert_null(none);
	return 0;
}

static void a_name_is_resolved_off_the_loop(void **unused)
{
	(void) unused;
	assert_int_equal(harness_run(resolves, NULL), 0);
}

#ifdef ENABLE_FAULTS
static int name_servers_are_silent(void *arg)
{
	struct address to = { .kind = ADDRESS_NAME, .port = 7, .name = "localhost" };

	(void) arg;
	fault_plant_named("getaddrinfo", 1, 0, 1);
	assert_int_equal(try_connect(&to), -EHOSTUNREACH);
	fault_plant_named("getaddrinfo", 1, ENOENT, 1);
	assert_int_equal(try_connect(&to), -ENOENT);
	fault_plant(0);
	return 0;
}

static int the_kernel_gives_up(void *arg)
{
	struct address to = at_port("127.0.0.1", 9);

	(void) arg;
	fault_plant_named("connect", 1, ETIMEDOUT, 1);
	assert_int_equal(try_connect(&to), -EHOSTUNREACH);
	fault_plant(0);
	return 0;
}

static void a_time_out_of_the_kernels_is_not_taken_for_a_deadline(void **unused)
{
	(void) unused;
	assert_int_equal(harness_run(the_kernel_gives_up, NULL), 0);
}

static void a_name_that_cannot_be_resolved_now_is_a_host_that_cannot_be_reached(void **unused)
{
	(void) unused;
	assert_int_equal(harness_run(name_servers_are_silent, NULL), 0);
}
#endif

/* -- everything, with something done to it -- */

static int one_connection(void *arg)
{
	struct address to = { .kind = ADDRESS_IPV4, .ipv4.s_addr = htonl(INADDR_LOOPBACK) };
	_cleanup_(listener_freep) struct listener *l = NULL;
	_cleanup_(stream_freep) struct stream *s = NULL;
	const bool *by_name = arg;
	struct endpoint e;
	int r = listener_open(&to, &l);

	if (r >= 0)
		r = listener_endpoint(l, &e);
	if (r < 0)
		return r;
	if (*by_name)
		to = (struct address) { .kind = ADDRESS_NAME, .name = "localhost" };
	to.port = ntohs(e.ipv4.sin_port);
	return connect_stream(&to, NULL, 0, &s);
}

static void nothing_is_left_whatever_happens(void **unused)
{
	bool by_name = false;
	const struct harness_scenario s = { .body = one_connection, .arg = &by_name };

	(void) unused;
	harness_torture(&s);
#ifdef ENABLE_FAULTS
	assert_true(harness_torture_faults(&s) > 10);
#endif
	by_name = true;
	assert_true(harness_torture(&s) > 0);
#ifdef ENABLE_FAULTS
	assert_true(harness_torture_faults(&s) > 10);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_is_opened_and_its_peer_told),
		cmocka_unit_test(who_speaks_at_once_has_the_handshake_end_with_what_he_says),
		cmocka_unit_test(a_connection_that_is_not_possible_fails_with_the_reason),
		cmocka_unit_test(a_connection_that_met_itself_is_refused),
		cmocka_unit_test(ports_that_clients_are_given_are_told_from_others),
		cmocka_unit_test(a_full_backlog_of_a_unix_socket_is_waited_for),
		cmocka_unit_test(a_peer_that_does_not_answer_is_given_up_when_the_time_is_up),
		cmocka_unit_test(a_connection_is_opened_by_name),
		cmocka_unit_test(a_silent_address_uses_up_only_its_share_of_the_time),
		cmocka_unit_test(a_name_is_resolved_off_the_loop),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(a_time_out_of_the_kernels_is_not_taken_for_a_deadline),
		cmocka_unit_test(a_name_that_cannot_be_resolved_now_is_a_host_that_cannot_be_reached),
#endif
		cmocka_unit_test(nothing_is_left_whatever_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
