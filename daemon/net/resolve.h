/* resolve.h - host names to addresses, off the loop.
 *
 * getaddrinfo() on an executor thread of the class dns, abandonable, so nsswitch.conf and hosts(5) are honoured.
 * Names that are numbers never get here.
 */
#pragma once

#include "runtime/sync.h"

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

/* What is known of one name, kept by whoever asks for it often. Addresses are fresh for RESOLVE_FRESH_MS, because
 * getaddrinfo() does not tell their time to live. One task at a time asks; meanwhile, and while the name servers do
 * not answer, the old addresses are used on (RFC 8767). A name that no longer exists is forgotten. */
#define RESOLVE_FRESH_MS 10000
#define RESOLVE_RETRY_MS 2000		/* the next question after one that was not answered */
#define RESOLVE_PATIENCE_MS 1800	/* how long old addresses wait for an answer, RFC 8767 section 5 */
struct resolve_cache {
	struct resolved *known;
	int64_t fresh_until_ns;
	struct mutex asking;
};
void resolve_cache_init(struct resolve_cache *c);
void resolve_cache_done(struct resolve_cache *c);
/* [suspends] As resolve_name(), through the cache. */
int resolve_cached(struct resolve_cache *c, const char *host, uint16_t port, struct resolved **ret) _must_check_;
