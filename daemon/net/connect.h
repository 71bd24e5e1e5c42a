/* connect.h - opening a connection to an address. */
#pragma once

#include "base/address.h"
#include "net/resolve.h"
#include "net/stream.h"

enum connect_hint {
	/* The caller has something to send at once, which then carries the last step of TCP's handshake. If it has
	 * not, a server that waits for that step learns of the connection up to 200 ms late. */
	CONNECT_SPEAKS = 1,
	/* The port is none that a client is given, see fd_port_is_ephemeral(): then the connection cannot have met
	 * itself, and the kernel is not asked. */
	CONNECT_PORT_IS_FIXED = 2,
};

/* [suspends] Connects to the address; a name is resolved first (through `cache` if that is not
 * NULL) and its addresses are tried in turn.
 * Bounded by the deadline scopes around it: each address but the last gets an equal share of the time that is
 * left, so one that swallows packets does not use it up. 0; -errno of the last address tried; -ENOENT for a name
 * that does not exist; -EHOSTUNREACH also when the name servers do not answer and when the kernel's own patience
 * ends; -EINVAL for an address that only listens; -EAGAIN never. A TCP connection that met itself (same address
 * and port at both ends, RFC 9293 section 3.5) is -ECONNREFUSED. `hints` is a mask of connect_hint. */
#define connect_stream(to, cache, hints, ret) AWAIT(connect_stream, (to, cache, hints, ret))
int (connect_stream)(const struct address *to, struct resolve_cache *cache, unsigned hints,
		     struct stream **ret) _must_check_;
