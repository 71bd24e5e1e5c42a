#include "net/fd.h"

#include "base/ensure.h"
#include "base/fault.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Evaluates a system call again as long as a signal interrupts it. */
#define RETRY(call)                                                                                        \
	({                                                                                                 \
		__typeof__(call) result_;                                                                  \
		do                                                                                         \
			result_ = (call);                                                                  \
		while (result_ < 0 && errno == EINTR);                                                     \
		result_;                                                                                   \
	})

int fd_close(int fd)
{
	int saved = errno;

	/* Not repeated on EINTR: Linux has let go of the descriptor by then, close(2). */
	if (fd >= 0 && close(fd) < 0)
		ENSURE(errno != EBADF, "descriptor %d is closed twice", fd);
	errno = saved;
	return -1;
}

int fd_socket(int family)
{
	int r = fault_point("socket", EMFILE);

	if (r < 0)
		return r;
	r = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return r < 0 ? -errno : r;
}

int fd_adopt(int fd)
{
	int r = fault_point("fcntl", EBADF);

	if (r < 0)
		return r;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;

	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int fd_option(int fd, int level, int option, int *ret)
{
	socklen_t length = sizeof(*ret);
	int r = fault_point("getsockopt", ENOBUFS);

	if (r < 0)
		return r;
	return getsockopt(fd, level, option, ret, &length) < 0 ? -errno : 0;
}

int fd_set_option(int fd, int level, int option, int value)
{
	int r = fault_point("setsockopt", ENOBUFS);

	if (r < 0)
		return r;
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

int fd_bind(int fd, const struct sockaddr *to, socklen_t length)
{
	int r = fault_point("bind", EADDRINUSE);

	if (r < 0)
		return r;
	return bind(fd, to, length) < 0 ? -errno : 0;
}

int fd_listen(int fd, int backlog)
{
	int r = fault_point("listen", EADDRINUSE);

	if (r < 0)
		return r;
	return listen(fd, backlog) < 0 ? -errno : 0;
}

int fd_connect(int fd, const struct sockaddr *to, socklen_t length)
{
	int r = fault_point("connect", ENETUNREACH);

	if (r < 0)
		return r;
	if (connect(fd, to, length) == 0)
		return 0;
	/* An interrupted connect goes on by itself, connect(2). */
	return errno == EINTR ? -EINPROGRESS : -errno;
}

int fd_connect_result(int fd)
{
	int error = 0;
	int r = fd_option(fd, SOL_SOCKET, SO_ERROR, &error);

	return r < 0 ? r : -error;
}

int fd_accept(int fd, struct endpoint *ret_peer)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	int r = fault_point("accept4", EMFILE);

	if (r < 0)
		return r;
	r = RETRY(accept4(fd, (struct sockaddr *) &peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
	if (r < 0)
		return -errno;
	endpoint_from_sockaddr((struct sockaddr *) &peer, length, ret_peer);
	return r;
}

ssize_t fd_read(int fd, void *buffer, size_t length)
{
	int r = fault_point("recv", ECONNRESET);

	if (r < 0)
		return r;

	ssize_t n = RETRY(recv(fd, buffer, length, 0));
	return n < 0 ? -errno : n;
}

static ssize_t send_bytes(int fd, const void *bytes, size_t length, int flags)
{
	int r = fault_point("send", EPIPE);

	if (r < 0)
		return r;

	ssize_t n = RETRY(send(fd, bytes, length, MSG_NOSIGNAL | flags));
	return n < 0 ? -errno : n;
}

ssize_t fd_write(int fd, const void *bytes, size_t length)
{
	return send_bytes(fd, bytes, length, 0);
}

ssize_t fd_write_more(int fd, const void *bytes, size_t length)
{
	return send_bytes(fd, bytes, length, MSG_MORE);
}

ssize_t fd_writev(int fd, const struct iovec *parts, int count)
{
	const struct msghdr message = { .msg_iov = (struct iovec *) parts, .msg_iovlen = (size_t) count };
	int r = fault_point("sendmsg", EPIPE);

	if (r < 0)
		return r;

	ssize_t n = RETRY(sendmsg(fd, &message, MSG_NOSIGNAL));
	return n < 0 ? -errno : n;
}

int fd_pipe(int ret_ends[2])
{
	int r = fault_point("pipe2", EMFILE);

	if (r < 0)
		return r;
	return pipe2(ret_ends, O_NONBLOCK | O_CLOEXEC) < 0 ? -errno : 0;
}

int fd_resize_pipe(int fd, int bytes)
{
	int r = fault_point("fcntl", EPERM);

	if (r == 0)
		r = fcntl(fd, F_SETPIPE_SZ, bytes);
	if (r < 0)
		r = fcntl(fd, F_GETPIPE_SZ);
	return r < 0 ? -errno : r;
}

/* No flag keeps SIGPIPE away here: that the process ignores it does, loop_open(). */
ssize_t fd_splice(int from, int to, size_t length)
{
	int r = fault_point("splice", EINVAL);

	if (r < 0)
		return r;

	ssize_t n = RETRY(splice(from, NULL, to, NULL, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
	/* ENOSYS and EPERM are how a sandbox forbids it. */
	if (n < 0 && (errno == ENOSYS || errno == EPERM))
		return -EINVAL;
	return n < 0 ? -errno : n;
}

ssize_t fd_read_pipe(int fd, void *buffer, size_t length)
{
	int r = fault_point("read", EIO);

	if (r < 0)
		return r;

	ssize_t n = RETRY(read(fd, buffer, length));
	return n < 0 ? -errno : n;
}

int fd_finish(int fd)
{
	int r = fault_point("shutdown", ENOTCONN);

	if (r < 0)
		return r;
	return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

void fd_set_reset_on_close(int fd)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	/* Fails only where there is no such thing as a reset. */
	(void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void fd_set_stream_options(int fd)
{
	if (fd_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) >= 0)
		fd_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

void fd_expect_to_speak(int fd)
{
	fd_set_option(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
}

bool fd_port_is_ephemeral(uint16_t port)
{
	FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned lowest = 0, highest = UINT16_MAX;

	if (range) {
		if (fscanf(range, "%u %u", &lowest, &highest) != 2)
			highest = UINT16_MAX;
		fclose(range);
	}
	return lowest <= port && port <= highest;
}

int fd_local_endpoint(int fd, struct endpoint *ret)
{
	struct sockaddr_storage local;
	socklen_t length = sizeof(local);
	int r = fault_point("getsockname", ENOBUFS);

	if (r < 0)
		return r;
	if (getsockname(fd, (struct sockaddr *) &local, &length) < 0)
		return -errno;
	endpoint_from_sockaddr((struct sockaddr *) &local, length, ret);
	return 0;
}

int fd_peer_endpoint(int fd, struct endpoint *ret)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	int r = fault_point("getpeername", ENOBUFS);

	if (r < 0)
		return r;
	if (getpeername(fd, (struct sockaddr *) &peer, &length) < 0)
		return -errno;
	endpoint_from_sockaddr((struct sockaddr *) &peer, length, ret);
	return 0;
}

size_t fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	return limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : limit.rlim_cur;
}
