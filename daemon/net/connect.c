#include "net/connect.h"

#include "base/memory.h"
#include "net/fd.h"
#include "net/resolve.h"
#include "runtime/deadline.h"
#include "runtime/loop.h"

#include <string.h>

/* How long to wait for room in the backlog of a Unix socket, which is nothing that one can be woken by. */
#define UNIX_RETRY_MS 10

static in_port_t port_of(const struct endpoint *e)
{
	switch (e->any.sa_family) {
	case AF_INET:
		return e->ipv4.sin_port;
	case AF_INET6:
		return e->ipv6.sin6_port;
	default:
		return 0;
	}
}

static bool same_host(const struct endpoint *a, const struct endpoint *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	if (a->any.sa_family == AF_INET)
		return a->ipv4.sin_addr.s_addr == b->ipv4.sin_addr.s_addr;
	return memcmp(&a->ipv6.sin6_addr, &b->ipv6.sin6_addr, sizeof(a->ipv6.sin6_addr)) == 0;
}

/* Has the socket connected to itself? A port of the ephemeral range that nobody listens on can be chosen as our
 * own. */
static bool met_itself(int fd, const struct sockaddr *to, socklen_t length)
{
	struct endpoint target, local, peer;

	endpoint_from_sockaddr(to, length, &target);
	if (port_of(&target) == 0 || fd_local_endpoint(fd, &local) < 0 || port_of(&local) != port_of(&target))
		return false;
	return fd_peer_endpoint(fd, &peer) >= 0 && same_host(&local, &peer);
}

/* When the network gave up by itself: a time-out up here would be one of ours. */
static int unlike_a_deadline(int r)
{
	return r == -ETIMEDOUT ? -EHOSTUNREACH : r;
}

/* 0, -EINPROGRESS or another -errno. */
static int start(int fd, const struct sockaddr *to, socklen_t length)
{
	int r;

	while ((r = fd_connect(fd, to, length)) == -EAGAIN) {
		if (to->sa_family != AF_UNIX)
			return -EADDRNOTAVAIL;
		r = (sleep_for)(UNIX_RETRY_MS);
		if (r < 0)
			return r;
	}
	return unlike_a_deadline(r);
}

/* Waits for a connect in progress. A wake-up may be a false one: then there is neither an error nor a peer yet. */
static int wait_until_connected(struct stream *s)
{
	int fd = io_fd(&s->io);
	struct endpoint peer;
	int r;

	/* Until the server has said something there is nothing to read, and no read has to find that out. */
	io_drained(&s->io, IO_READ);
	for (;;) {
		io_drained(&s->io, IO_WRITE);
		r = (io_wait)(&s->io, IO_WRITE);
		if (r < 0)
			return r;
		if (io_may_only_write(&s->io))
			return 0;
		r = fd_peer_endpoint(fd, &peer);
		if (r != -ENOTCONN)
			return r;
		r = unlike_a_deadline(fd_connect_result(fd));
		if (r < 0)
			return r;
	}
}

static int connect_one(const struct sockaddr *to, socklen_t length, unsigned hints, struct stream **ret)
{
	_cleanup_(stream_freep) struct stream *s = NULL;
	_cleanup_(fd_closep) int fd = fd_socket(to->sa_family);

	if (fd < 0)
		return fd;
	fd_set_stream_options(fd);
	if (hints & CONNECT_SPEAKS)
		fd_expect_to_speak(fd);
	int began = start(fd, to, length);
	if (began < 0 && began != -EINPROGRESS)
		return began;

	/* Registered only now: a socket that is not yet connecting would report a hang-up. */
	int r = stream_new(fd, &s);
	if (r < 0)
		return r;
	int socket = fd;
	fd = -1;

	if (began < 0) {
		r = wait_until_connected(s);
		if (r < 0)
			return r;
	}
	if (!(hints & CONNECT_PORT_IS_FIXED) && met_itself(socket, to, length)) {
		stream_abort(s);
		return -ECONNREFUSED;
	}
	*ret = TAKE(s);
	return 0;
}

/* An equal part, for each of `left` addresses, of the time that the scopes leave. */
static int64_t share_ms(unsigned left)
{
	int64_t nearest_ns = deadline_nearest_ns(task_self());

	if (nearest_ns == FOREVER || left == 1)
		return FOREVER;
	return MAX((nearest_ns - time_now_ns()) / NS_PER_MS / left, INT64_C(1));
}

static int connect_nth(const struct resolved *found, unsigned n, unsigned hints, struct stream **ret)
{
	DEADLINE(share, share_ms(found->count - n));

	return connect_one((struct sockaddr *) &found->address[n].storage, found->address[n].length, hints, ret);
}

static int connect_name(const struct address *to, struct resolve_cache *cache, unsigned hints, struct stream **ret)
{
	_cleanup_(memory_freep) struct resolved *found = NULL;
	int r = cache ? resolve_cached(cache, to->name, to->port, &found)
		      : (resolve_name)(to->name, to->port, &found);

	if (r < 0)
		return r == -EAGAIN ? -EHOSTUNREACH : r;
	for (unsigned n = 0; n < found->count; n++) {
		r = connect_nth(found, n, hints, ret);
		if (r >= 0)
			return r;

		/* Was it that address, or are we ourselves told to stop? */
		int told = task_check();
		if (told < 0)
			return told;
	}
	return r;
}

int (connect_stream)(const struct address *to, struct resolve_cache *cache, unsigned hints, struct stream **ret)
{
	struct sockaddr_storage storage;
	socklen_t length;
	int r = wait_enter();

	if (r < 0)
		return r;
	if (to->kind == ADDRESS_NAME)
		return connect_name(to, cache, hints, ret);
	r = address_to_sockaddr(to, &storage, &length);
	if (r < 0)
		return r;
	return connect_one((struct sockaddr *) &storage, length, hints, ret);
}
