#include "net/tls_inside.h"

#include "net/fd.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

/* Of a send buffer a third of which, free, is room for the few records that the kernel may hold back. */
#define SEND_BUFFER_BYTES (256 * 1024)

/* Asked of a socket without a connection: a kernel that knows TLS misses the connection, another one the module
 * (Documentation/networking/tls.rst of Linux). */
const char *tls_kernel_missing(void)
{
	_cleanup_(fd_closep) int fd = fd_socket(AF_INET);

	if (fd < 0)
		return strerrordesc_np(-fd);
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0 || errno == ENOTCONN)
		return NULL;
	return errno == ENOENT ? "the kernel's module tls is not loaded" : strerrordesc_np(errno);
}

/* The kernel takes a record even when TCP has no room for all of it, and sends the rest when there is. What is left
 * when we say that we send no more, or close, it drops (tls_sw_release_resources_tx() of Linux), and there is no way
 * to ask for it. So the last record waits until it surely fits, with all that is before it. Nothing comes after it,
 * so that the buffer need not grow by itself any more. */
bool tls_kernel_has_room(int fd)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	int bytes;

	/* The kernel doubles what is asked for. */
	if (fd_option(fd, SOL_SOCKET, SO_SNDBUF, &bytes) == 0 && bytes < SEND_BUFFER_BYTES)
		fd_set_option(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES / 2);
	return poll(&room, 1, 0) != 0;
}
