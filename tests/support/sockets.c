#include "sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int listen_on_loopback(struct sockaddr_in *ret_at)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *) &at, length), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *) &at, &length), 0);
	*ret_at = at;
	return fd;
}

static void finish_end(int fd)
{
	const int on = 1;

	assert_int_equal(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
}

void sockets_tcp_pair(int ret_ends[2])
{
	struct sockaddr_in at;
	int listening = listen_on_loopback(&at);

	ret_ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(ret_ends[0], (struct sockaddr *) &at, sizeof(at)), 0);
	ret_ends[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(ret_ends[1] >= 0);
	close(listening);
	finish_end(ret_ends[0]);
	finish_end(ret_ends[1]);
}

void sockets_make_small(int fd)
{
	const int bytes = 1;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
}

void sockets_reset(int fd)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(fd);
}

uint16_t sockets_free_port(void)
{
	struct sockaddr_in at;

	close(listen_on_loopback(&at));
	return ntohs(at.sin_port);
}
