#include "net/listener.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "net/fd.h"
#include "net/inherit.h"
#include "net/resolve.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct listener {
	struct address address;
	size_t count;
	struct io *sockets[LISTENER_SOCKETS];
	size_t turn;			/* the socket that is asked first */
	unsigned in_a_row;		/* accepts since it last gave way */
	unsigned users;			/* tasks inside listener_accept() */
	bool closed;			/* freed, but a user has yet to leave */
	dev_t path_device;		/* of the Unix socket that was made here, to know it again */
	ino_t path_inode;		/* 0: there is none */
};

/* -- opening -- */

/* Does somebody answer there? */
static bool path_is_in_use(const struct sockaddr *at, socklen_t length)
{
	_cleanup_(fd_closep) int probe = fd_socket(AF_UNIX);

	return probe < 0 || fd_connect(probe, at, length) != -ECONNREFUSED;
}

/* Binds a path whose last owner may have died without removing it. */
static int bind_path(int fd, const char *path, const struct sockaddr *at, socklen_t length)
{
	struct stat what;
	int r = fd_bind(fd, at, length);

	if (r != -EADDRINUSE)
		return r;
	if (lstat(path, &what) < 0 || !S_ISSOCK(what.st_mode) || path_is_in_use(at, length))
		return -EADDRINUSE;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	return fd_bind(fd, at, length);
}

static int set_options(int fd, const struct address *at, int family)
{
	int r = family == AF_UNIX ? 0 : fd_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (r >= 0 && family == AF_INET6)
		r = fd_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, at->kind != ADDRESS_ANY);
	if (r >= 0)
		fd_set_stream_options(fd);
	return r;
}

/* A descriptor that listens at `to`, which is what `at` says or has been resolved to; or -errno. */
static int open_socket_at(const struct address *at, const struct sockaddr *to, socklen_t length)
{
	_cleanup_(fd_closep) int fd = fd_socket(to->sa_family);
	if (fd < 0)
		return fd;
	int r = set_options(fd, at, to->sa_family);
	if (r < 0)
		return r;
	r = at->kind == ADDRESS_UNIX ? bind_path(fd, at->name, to, length) : fd_bind(fd, to, length);
	if (r < 0)
		return r;

	r = fd_listen(fd, LISTENER_BACKLOG);
	if (r < 0)
		return r;
	r = fd;
	fd = -1;
	return r;
}

static int open_socket(const struct address *at)
{
	struct sockaddr_storage to;
	socklen_t length;
	int r = address_to_sockaddr(at, &to, &length);

	return r < 0 ? r : open_socket_at(at, (struct sockaddr *) &to, length);
}

static bool means_no_ipv6(int error)
{
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}

static int open_descriptor(const struct address *at)
{
	int fd = open_socket(at);

	if (at->kind == ADDRESS_ANY && means_no_ipv6(fd)) {
		const struct address ipv4 = { .kind = ADDRESS_IPV4, .port = at->port };

		return open_socket(&ipv4);
	}
	return fd;
}

/* A service manager's socket is not ours to close: a later listener may want it. */
static void let_go(const struct listener *l, int fd)
{
	if (l->address.kind == ADDRESS_SYSTEMD)
		inherit_give_back(fd);
	else
		fd_close(fd);
}

/* Takes the descriptor over in every case. */
static int add_socket(struct listener *l, int fd)
{
	int r = io_new(fd, &l->sockets[l->count]);

	if (r < 0) {
		let_go(l, fd);
		return r;
	}
	l->count++;
	return 0;
}

static int take_inherited(struct listener *l)
{
	while (l->count < LISTENER_SOCKETS) {
		int fd = inherit_take(l->address.name);

		if (fd < 0)
			return l->count > 0 ? 0 : fd;
		fd_set_stream_options(fd);

		int r = add_socket(l, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make(struct listener *l)
{
	struct stat made;
	int fd = open_descriptor(&l->address);

	if (fd < 0)
		return fd;
	if (l->address.kind == ADDRESS_UNIX && lstat(l->address.name, &made) == 0) {
		l->path_device = made.st_dev;
		l->path_inode = made.st_ino;
	}
	return add_socket(l, fd);
}

/* A name is all the addresses that it has; those of a family that is off here are left out. */
static int make_by_name(struct listener *l)
{
	_cleanup_(memory_freep) struct resolved *found = NULL;
	int r = (resolve_name)(l->address.name, l->address.port, &found);

	if (r < 0)
		return r == -EAGAIN ? -EHOSTUNREACH : r;
	for (unsigned n = 0; n < found->count && l->count < LISTENER_SOCKETS; n++) {
		struct sockaddr *to = (struct sockaddr *) &found->address[n].storage;
		int fd = open_socket_at(&l->address, to, found->address[n].length);

		if (to->sa_family == AF_INET6 && means_no_ipv6(fd))
			continue;
		r = fd < 0 ? fd : add_socket(l, fd);
		if (r < 0)
			return r;
	}
	return l->count > 0 ? 0 : -EADDRNOTAVAIL;
}

static int fill(struct listener *l)
{
	switch (l->address.kind) {
	case ADDRESS_SYSTEMD:
		return take_inherited(l);
	case ADDRESS_NAME:
		return make_by_name(l);
	default:
		return make(l);
	}
}

int (listener_open)(const struct address *at, struct listener **ret)
{
	_cleanup_(listener_freep) struct listener *l = memory_new_object(struct listener);

	if (!l)
		return -ENOMEM;
	l->address = *at;

	int r = fill(l);
	if (r < 0)
		return r;
	*ret = TAKE(l);
	return 0;
}

/* Removes the path unless somebody else has put a socket of theirs there meanwhile. */
static void remove_path(const struct listener *l)
{
	struct stat found;

	if (l->path_inode != 0 && lstat(l->address.name, &found) == 0 && found.st_dev == l->path_device &&
	    found.st_ino == l->path_inode)
		(void) unlink(l->address.name);
}

struct listener *listener_free(struct listener *l)
{
	if (!l)
		return NULL;
	ENSURE(!l->closed, "a listener is closed twice");
	remove_path(l);
	l->closed = true;
	for (size_t i = 0; i < l->count; i++)
		let_go(l, io_detach(l->sockets[i]));
	return l->users == 0 ? memory_free(l) : NULL;
}

/* -- accepting -- */

/* What accept(2) says of the one connection at hand, or of a network that comes back: the next one may be fine. */
static bool concerns_one_connection(int error)
{
	switch (error) {
	case -ECONNABORTED:
	case -ECONNRESET:
	case -EHOSTDOWN:
	case -EHOSTUNREACH:
	case -ENETDOWN:
	case -ENETUNREACH:
	case -ENONET:
	case -ENOPROTOOPT:
	case -EOPNOTSUPP:
	case -EPERM:
	case -EPROTO:
	case -ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

/* A descriptor; -EAGAIN when no socket has a connection. Starts behind the last one that had, so that none is left
 * out. */
static int try_accept(struct listener *l, struct endpoint *ret_peer)
{
	for (size_t i = 0; i < l->count; i++) {
		struct io *socket = l->sockets[(l->turn + i) % l->count];

		if (!io_is_ready(socket, IO_READ))
			continue;

		int r = fd_accept(io_fd(socket), ret_peer);
		if (r != -EAGAIN) {
			l->turn = (l->turn + i + 1) % l->count;
			return r;
		}
		io_drained(socket, IO_READ);
	}
	return -EAGAIN;
}

static int wait_for_connection(struct listener *l)
{
	struct io_want wants[LISTENER_SOCKETS];

	for (size_t i = 0; i < l->count; i++)
		wants[i] = (struct io_want) { .io = l->sockets[i], .want = IO_READ };
	l->in_a_row = 0;
	return (io_wait_any)(wants, l->count);
}

static int give_way(struct listener *l)
{
	l->in_a_row = 0;
	return task_yield();
}

static int accept_next(struct listener *l, struct endpoint *ret_peer)
{
	int r = wait_enter();

	while (r >= 0 && !l->closed) {
		if (l->in_a_row >= LISTENER_BATCH) {
			r = give_way(l);
			continue;
		}
		int fd = try_accept(l, ret_peer);
		if (fd == -EAGAIN) {
			r = wait_for_connection(l);
			continue;
		}
		l->in_a_row++;
		if (!concerns_one_connection(fd))
			return fd;
	}
	return r < 0 ? r : -EBADF;
}

int (listener_accept)(struct listener *l, struct endpoint *ret_peer)
{
	l->users++;
	int r = accept_next(l, ret_peer);
	l->users--;
	if (l->closed && l->users == 0)
		memory_free(l);
	return r;
}

/* -- looking -- */

const struct address *listener_address(const struct listener *l)
{
	return &l->address;
}

int listener_endpoint(const struct listener *l, struct endpoint *ret)
{
	return fd_local_endpoint(listener_fd(l), ret);
}

int listener_fd(const struct listener *l)
{
	return io_fd(l->sockets[0]);
}
