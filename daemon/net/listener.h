/* listener.h - sockets that accept connections.
 *
 * Opened here or inherited from the service manager (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES;
 * matched by name, never by position). A socket unit gives one name to all its sockets, so a listener takes
 * every inherited socket of its name and accepts from each in turn.
 */
#pragma once

#include "base/address.h"
#include "runtime/io.h"

struct listener;

#define LISTENER_BACKLOG 4096
#define LISTENER_BATCH 4	/* accepts per wake-up: small batches measure faster */
#define LISTENER_SOCKETS 8	/* inherited sockets of one name; more stay unclaimed */

/* [suspends] for a NAME only, which is resolved. Binds and listens. ANY listens on both families with one IPv6
 * socket, or on IPv4 alone where IPv6 is off. A path of a Unix socket that nobody listens on any more is replaced;
 * one that is in use is -EADDRINUSE. SYSTEMD takes the inherited sockets of that name: -ENOENT when there are none.
 * NAME listens on all the addresses that it has: -ENOENT when it does not exist, -EHOSTUNREACH when no name server
 * answers. -errno otherwise. */
#define listener_open(at, ret) AWAIT(listener_open, (at, ret))
int (listener_open)(const struct address *at, struct listener **ret) _must_check_;
/* Wakes who waits in it with -EBADF and closes it; removes the path of a Unix socket that it made. Inherited sockets
 * stay open, for the next listener of that name. Returns NULL. */
struct listener *listener_free(struct listener *l);
DEFINE_CLEANUP(struct listener *, listener_free)

/* [suspends] The next connection: a descriptor, now the caller's, and who it is. Connections that were gone again
 * before they were accepted are skipped. After LISTENER_BATCH connections in a row it gives way. -EMFILE,
 * -ENFILE, -ENOBUFS, -ENOMEM: pause before the next call; -EBADF: closed; -ECANCELED, -ETIMEDOUT. */
#define listener_accept(l, ret_peer) AWAIT(listener_accept, (l, ret_peer))
int (listener_accept)(struct listener *l, struct endpoint *ret_peer) _must_check_;

const struct address *listener_address(const struct listener *l);
/* Where it listens, with the port in use when the address asked for port 0 or was inherited. Of several inherited
 * sockets this is the first, and so is listener_fd(). */
int listener_endpoint(const struct listener *l, struct endpoint *ret);
int listener_fd(const struct listener *l);

/* Takes the descriptors that the service manager passed in out of the environment; to be called once at start,
 * before listeners are opened. Returns how many: 0 when there are none, or when they are for another process.
 * -EINVAL, -E2BIG: the variables make no sense; -ENOTSOCK: one of them is no listening stream socket; -errno. */
int listener_inherit(void);
/* Inherited sockets that no listener asked for: their names, in a static array ending with NULL; for a warning. */
const char *const *listener_unclaimed(void);
