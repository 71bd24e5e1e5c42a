/* route.h - which upstream a proxied client gets, by the name that it asks for in its first message of TLS. */
#pragma once

#include "config/config.h"

struct upstream;

/* Immutable. Lives as long as a service or a connection uses it. */
struct routes;

/* The routes of a service: its upstreams, by their place in the configuration, are referred to; the patterns are
 * borrowed from `config`, which is referred to too. */
int routes_new(const struct service_config *sc, struct config *config, struct upstream *const *upstreams,
	       struct routes **ret) _must_check_;
struct routes *routes_ref(struct routes *r);
struct routes *routes_unref(struct routes *r);
DEFINE_CLEANUP(struct routes *, routes_unref)

/* The upstream for the name: that of the same name, else that of the first *.pattern that fits, else NULL. */
struct upstream *routes_find(const struct routes *r, const char *name);
