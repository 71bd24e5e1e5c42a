/* test_fd.c - system calls on sockets: no wait, no signal, errors as -errno. */
#include "base/fault.h"
#include "net/fd.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static int option_of(int fd, int level, int option)
{
	int value = -1;

	assert_int_equal(fd_option(fd, level, option, &value), 0);
	return value;
}

static void assert_like_ours(int fd)
{
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void a_new_socket_neither_blocks_nor_survives_exec(void **unused)
{
	_cleanup_(fd_closep) int tcp = fd_socket(AF_INET);
	_cleanup_(fd_closep) int local = fd_socket(AF_UNIX);

	(void) unused;
	assert_like_ours(tcp);
	assert_like_ours(local);
	assert_int_equal(option_of(tcp, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	assert_int_equal(option_of(local, SOL_SOCKET, SO_DOMAIN), AF_UNIX);
	assert_int_equal(fd_socket(AF_MAX + 1), -EAFNOSUPPORT);
}

static void an_adopted_descriptor_neither_blocks_nor_survives_exec(void **unused)
{
	_cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void) unused;
	assert_int_equal(fd_adopt(fd), 0);
	assert_like_ours(fd);
	assert_int_equal(fd_adopt(-1), -EBADF);
}

static void closing_keeps_errno_and_takes_no_descriptor_too(void **unused)
{
	int fd = fd_socket(AF_INET);

	(void) unused;
	errno = EXDEV;
	assert_int_equal(fd_close(fd), -1);
	assert_int_equal(fd_close(-1), -1);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void reading_says_bytes_then_nothing_yet_then_the_end(void **unused)
{
	char buffer[8];
	int ends[2];

	(void) unused;
	sockets_tcp_pair(ends);
	assert_int_equal(fd_read(ends[0], buffer, sizeof(buffer)), -EAGAIN);
	assert_int_equal(fd_write(ends[1], "hello", 5), 5);
	assert_int_equal(fd_read(ends[0], buffer, sizeof(buffer)), 5);
	assert_memory_equal(buffer, "hello", 5);
	assert_int_equal(fd_finish(ends[1]), 0);
	assert_int_equal(fd_read(ends[0], buffer, sizeof(buffer)), 0);
	fd_close(ends[0]);
	fd_close(ends[1]);
}

static void parts_are_written_in_their_order(void **unused)
{
	const struct iovec parts[] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
	char buffer[8];
	int ends[2];

	(void) unused;
	harness_socketpair(ends);
	assert_int_equal(fd_writev(ends[0], parts, 3), 5);
	assert_int_equal(fd_read(ends[1], buffer, sizeof(buffer)), 5);
	assert_memory_equal(buffer, "abcde", 5);
	fd_close(ends[0]);
	fd_close(ends[1]);
}

static void writing_to_nobody_is_an_error_and_no_signal(void **unused)
{
	const struct iovec parts[] = { { "a", 1 }, { "b", 1 } };
	int ends[2];

	(void) unused;
	signal(SIGPIPE, SIG_DFL);
	harness_socketpair(ends);
	fd_close(ends[1]);
	assert_int_equal(fd_write(ends[0], "x", 1), -EPIPE);
	assert_int_equal(fd_writev(ends[0], parts, 2), -EPIPE);
	fd_close(ends[0]);
}

static void a_full_socket_takes_a_part_and_then_nothing(void **unused)
{
	static const char bytes[1024 * 1024];
	int ends[2];

	(void) unused;
	harness_socketpair(ends);
	sockets_make_small(ends[0]);

	ssize_t n = fd_write(ends[0], bytes, sizeof(bytes));
	assert_in_range(n, 1, sizeof(bytes) - 1);
	assert_int_equal(fd_write(ends[0], bytes, sizeof(bytes)), -EAGAIN);
	fd_close(ends[0]);
	fd_close(ends[1]);
}

static void a_close_with_reset_is_a_reset_for_the_peer(void **unused)
{
	char buffer[8];
	int ends[2];

	(void) unused;
	sockets_tcp_pair(ends);
	fd_set_reset_on_close(ends[0]);
	fd_close(ends[0]);
	assert_int_equal(fd_read(ends[1], buffer, sizeof(buffer)), -ECONNRESET);
	assert_int_equal(fd_finish(ends[1]), -ENOTCONN);
	fd_close(ends[1]);
}

static void accepted_sockets_are_ours_and_have_the_options_of_the_listener(void **unused)
{
	struct sockaddr_storage storage;
	struct address at = { .kind = ADDRESS_IPV4, .ipv4.s_addr = htonl(INADDR_LOOPBACK) };
	struct endpoint local, peer, accepted_peer;
	char text[ENDPOINT_TEXT_BYTES], other[ENDPOINT_TEXT_BYTES];
	socklen_t length;
	_cleanup_(fd_closep) int listening = fd_socket(AF_INET);
	_cleanup_(fd_closep) int client = fd_socket(AF_INET);

	(void) unused;
	assert_int_equal(address_to_sockaddr(&at, &storage, &length), 0);
	assert_int_equal(fd_bind(listening, (struct sockaddr *) &storage, length), 0);
	assert_int_equal(fd_listen(listening, 8), 0);
	fd_set_stream_options(listening);
	assert_int_equal(fd_accept(listening, &accepted_peer), -EAGAIN);

	assert_int_equal(fd_local_endpoint(listening, &local), 0);
	assert_int_equal(fd_peer_endpoint(client, &peer), -ENOTCONN);
	int r = fd_connect(client, &local.any, sizeof(local.ipv4));
	assert_true(r == 0 || r == -EINPROGRESS);
	_cleanup_(fd_closep) int fd = fd_accept(listening, &accepted_peer);
	assert_like_ours(fd);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(fd_connect_result(client), 0);

	assert_int_equal(fd_local_endpoint(client, &local), 0);
	assert_string_equal(endpoint_print(&accepted_peer, text), endpoint_print(&local, other));
	assert_int_equal(fd_peer_endpoint(client, &peer), 0);
	assert_int_equal(fd_local_endpoint(fd, &local), 0);
	assert_string_equal(endpoint_print(&peer, text), endpoint_print(&local, other));
}

static void a_refused_connection_is_told(void **unused)
{
	const struct sockaddr_in nobody = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(sockets_free_port()),
	};
	_cleanup_(fd_closep) int fd = fd_socket(AF_INET);
	int r = fd_connect(fd, (const struct sockaddr *) &nobody, sizeof(nobody));

	(void) unused;
	if (r == -EINPROGRESS)
		r = fd_connect_result(fd);
	assert_int_equal(r, -ECONNREFUSED);
}

static void the_limit_is_the_soft_one(void **unused)
{
	struct rlimit limit;

	(void) unused;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(fd_limit(), limit.rlim_cur);
}

#ifdef ENABLE_FAULTS
static void every_call_can_be_made_to_fail(void **unused)
{
	struct endpoint e;
	char byte;
	int ends[2];

	(void) unused;
	harness_socketpair(ends);
	const struct iovec part = { &byte, 1 };
	fault_plant(1);
	assert_int_equal(fd_socket(AF_INET), -EMFILE);
	fault_plant(1);
	assert_int_equal(fd_accept(ends[0], &e), -EMFILE);
	fault_plant(1);
	assert_int_equal(fd_read(ends[0], &byte, 1), -ECONNRESET);
	fault_plant(1);
	assert_int_equal(fd_write(ends[0], &byte, 1), -EPIPE);
	fault_plant(1);
	assert_int_equal(fd_writev(ends[0], &part, 1), -EPIPE);
	fault_plant(1);
	assert_int_equal(fd_finish(ends[0]), -ENOTCONN);
	fault_plant_named("accept4", 1, ENFILE, 1);
	assert_int_equal(fd_accept(ends[0], &e), -ENFILE);
	fault_plant(0);
	fd_close(ends[0]);
	fd_close(ends[1]);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_socket_neither_blocks_nor_survives_exec),
		cmocka_unit_test(an_adopted_descriptor_neither_blocks_nor_survives_exec),
		cmocka_unit_test(closing_keeps_errno_and_takes_no_descriptor_too),
		cmocka_unit_test(reading_says_bytes_then_nothing_yet_then_the_end),
		cmocka_unit_test(parts_are_written_in_their_order),
		cmocka_unit_test(writing_to_nobody_is_an_error_and_no_signal),
		cmocka_unit_test(a_full_socket_takes_a_part_and_then_nothing),
		cmocka_unit_test(a_close_with_reset_is_a_reset_for_the_peer),
		cmocka_unit_test(accepted_sockets_are_ours_and_have_the_options_of_the_listener),
		cmocka_unit_test(a_refused_connection_is_told),
		cmocka_unit_test(the_limit_is_the_soft_one),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(every_call_can_be_made_to_fail),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
