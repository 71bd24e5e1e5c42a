/* resolve.h - host names to addresses, off the loop.
 *
 * getaddrinfo() on an executor thread of the class dns, abandonable, so nsswitch.conf and hosts(5) are honoured. Names
 * that are numbers never get here.
 */
#pragma once

#include "runtime/wait.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define RESOLVE_ADDRESSES 16	/* of a name with more the first ones are used */

struct resolved {
	unsigned count;				/* at least 1 */
	struct {
		struct sockaddr_storage storage;
		socklen_t length;
	} address[RESOLVE_ADDRESSES];		/* in the order of RFC 6724 */
};

/* [suspends] *ret is memory for memory_free(). -ENOENT: no such name; -EAGAIN: the name servers do not answer
 * now; -ENAMETOOLONG, -ENOMEM, -ECANCELED, -ETIMEDOUT, -errno. */
#define resolve_name(host, port, ret) AWAIT(resolve_name, (host, port, ret))
int (resolve_name)(const char *host, uint16_t port, struct resolved **ret) _must_check_;
