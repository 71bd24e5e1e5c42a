/* upstream.h - a group of servers that a proxy may connect to, and the choice among them.
 *
 * Smooth weighted round robin: each server gains its weight per choice, the richest is taken and pays the sum
 * of all, so choices interleave (5:1:1 gives a a b a c a a). Backups are chosen when no other server is left
 * to try. A reload makes new upstreams; old ones live as long as connections use them.
 */
#pragma once

#include "config/config.h"
#include "net/resolve.h"
#include "net/tls.h"

struct tls_profile;

struct upstream_server {
	struct address address;
	char text[ADDRESS_TEXT_BYTES];	/* of the address */
	unsigned weight;
	int64_t credit;			/* of the smooth round robin */
	bool backup;
	unsigned hints;			/* what is known beforehand of connections to it: a mask of connect_hint */
	struct resolve_cache names;	/* of an address that is a name */
	struct tls_resumption resumption;
	uint64_t active, connected, failed;
};

struct upstream {
	unsigned references;
	char name[CONFIG_NAME_BYTES];
	uint64_t tries;			/* at most so many servers per connection */
	struct tls_profile *tls;	/* NULL: plain */
	size_t server_count;
	struct upstream_server servers[];
};

/* The servers that one connection has tried. */
#define UPSTREAM_SERVERS_MAX 1024	/* as many as the configuration takes */
struct upstream_tried {
	uint64_t bits[UPSTREAM_SERVERS_MAX / 64];
};

/* `tls` (NULL: plain) is referred to. */
int upstream_new(const struct upstream_config *uc, struct tls_profile *tls, struct upstream **ret) _must_check_;
struct upstream *upstream_ref(struct upstream *u);
struct upstream *upstream_unref(struct upstream *u);
DEFINE_CLEANUP(struct upstream *, upstream_unref)

/* The next server that is not in `tried`, and puts it there; NULL when none is left. */
struct upstream_server *upstream_pick(struct upstream *u, struct upstream_tried *tried);
