/* fd.h - system calls on sockets, in -errno form, each behind a planted-failure point.
 *
 * Nothing here waits: descriptors are non-blocking and close-on-exec, -EAGAIN is an answer, EINTR is retried.
 * A point has the name of its system call: "accept4", "recv", "send", "sendmsg", "splice"; that of fd_read_pipe() is
 * "read".
 */
#pragma once

#include "base/address.h"
#include "base/base.h"

#include <sys/uio.h>

static inline void fd_closep(const int *fd);
/* Closes it if it is not negative. Returns -1. errno is kept. */
int fd_close(int fd);
static inline void fd_closep(const int *fd)
{
	fd_close(*fd);
}

/* A new stream socket of that family (AF_INET, AF_INET6, AF_UNIX), or -errno. */
int fd_socket(int family) _must_check_;
/* Makes a descriptor that came from elsewhere non-blocking and close-on-exec. */
int fd_adopt(int fd) _must_check_;
/* A socket option that is an int. */
int fd_option(int fd, int level, int option, int *ret) _must_check_;
int fd_set_option(int fd, int level, int option, int value);
int fd_bind(int fd, const struct sockaddr *to, socklen_t length) _must_check_;
int fd_listen(int fd, int backlog) _must_check_;
/* 0; -EINPROGRESS when it goes on (wait for writing, then fd_connect_result()); -EAGAIN: the backlog of a
 * Unix socket is full; -errno. */
int fd_connect(int fd, const struct sockaddr *to, socklen_t length) _must_check_;
/* How a connect that was in progress has ended: 0 or -errno. */
int fd_connect_result(int fd) _must_check_;
/* accept4(2). The new descriptor, or -errno; *ret_peer is set on success. */
int fd_accept(int fd, struct endpoint *ret_peer) _must_check_;
/* Bytes moved; fd_read: 0 is the end of the stream; -errno. No SIGPIPE. */
ssize_t fd_read(int fd, void *buffer, size_t length) _must_check_;
ssize_t fd_write(int fd, const void *bytes, size_t length) _must_check_;
/* The same with a word to the kernel that more is about to be written, to be sent together (MSG_MORE of send(2)).
 * When nothing follows after all, they are sent up to 200 ms later. */
ssize_t fd_write_more(int fd, const void *bytes, size_t length) _must_check_;
ssize_t fd_writev(int fd, const struct iovec *parts, int count) _must_check_;
/* A new pipe: [0] to read from, [1] to write to. */
int fd_pipe(int ret_ends[2]) _must_check_;
/* Asks for a pipe of that many bytes; answers with the size that it has now, which is another one when this user may
 * not have so much, or -errno. */
int fd_resize_pipe(int fd, int bytes) _must_check_;
/* Moves bytes within the kernel; one of the two is a pipe. Bytes moved; 0: the end, or nothing that the kernel
 * would move; -EAGAIN: nothing to move, or no room; -EINVAL: not between these two, or not allowed; -errno. */
ssize_t fd_splice(int from, int to, size_t length) _must_check_;
/* fd_read() for pipes. */
ssize_t fd_read_pipe(int fd, void *buffer, size_t length) _must_check_;
/* shutdown(SHUT_WR): we send no more. -ENOTCONN when the peer is gone. */
int fd_finish(int fd) _must_check_;
/* Makes the coming close() send a reset (SO_LINGER of 0). */
void fd_set_reset_on_close(int fd);
/* TCP_NODELAY and keepalive on a TCP socket; nothing on others. What a listener accepts inherits them. */
void fd_set_stream_options(int fd);
/* Before a connect(2) that something to send follows at once: has TCP put the last step of its handshake into that
 * segment (RFC 9293 section 3.5). It goes by itself when nothing does, within 200 ms. Nothing on other sockets. */
void fd_expect_to_speak(int fd);
/* True when the kernel may give that TCP port to the near end of a connection (ip_local_port_range of ip(7)), or when
 * that cannot be told. It reads a file of /proc. */
bool fd_port_is_ephemeral(uint16_t port);
/* The two ends of a connection; -ENOTCONN while there is none. */
int fd_local_endpoint(int fd, struct endpoint *ret);
int fd_peer_endpoint(int fd, struct endpoint *ret);
/* How many descriptors this process may have: the soft limit RLIMIT_NOFILE. */
size_t fd_limit(void);
