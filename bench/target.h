/* target.h - where to connect to, and a non-blocking socket on the way there. */
#pragma once

#include "base/address.h"

struct target {
	char text[ADDRESS_TEXT_BYTES];
	struct sockaddr_storage to;
	socklen_t length;
	bool spread_sources; /* IPv4 loopback: any 127.x.x.x may be the source */
};

/* Reads an address, resolving a name at once. 0 or -EINVAL with *ret_error. */
int target_parse(const char *text, struct target *ret, const char **ret_error) _must_check_;
/* Starts the connection `number`. A descriptor, with *ret_connected telling whether it is through already; -EAGAIN:
 * the backlog of the Unix socket is full, try again; -errno. */
int target_connect(const struct target *t, uint64_t number, bool *ret_connected) _must_check_;
