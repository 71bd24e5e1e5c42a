/* plan.h - what a new configuration needs that is not there yet: made before anything is changed, so that a failure
 * changes nothing.
 */
#pragma once

#include "service/server.h"

struct plan {
	struct config *config;
	struct tls_profile **profiles;	/* by their place in the configuration; NULL for one that nobody uses */
	struct upstream **upstreams;	/* by their place */
	struct routes **routes;		/* by the place of their service; NULL: it has none */
	struct service **services;	/* by their place; found or new, one reference each */
	struct list ports;		/* new ones; filled by whoever plans the sockets */
};

/* Everything but the ports. -errno; what is wrong with the files of TLS was logged. */
int plan_make(struct server *s, struct plan *plan) _must_check_;
void plan_done(struct plan *plan);
/* What service number n refers to. */
struct service_parts plan_parts(const struct plan *plan, size_t n);
