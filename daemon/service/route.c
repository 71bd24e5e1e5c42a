#include "service/route.h"

#include "base/memory.h"
#include "net/hello.h"
#include "service/upstream.h"

struct route {
	const char *pattern;
	struct upstream *upstream;	/* one reference */
};

struct routes {
	unsigned references;
	struct config *config;		/* keeps the patterns alive */
	size_t count;
	struct route items[];
};

int routes_new(const struct service_config *sc, struct config *config, struct upstream *const *upstreams,
	       struct routes **ret)
{
	size_t count = sc->match_sni.count;
	struct routes *r = memory_new(sizeof(*r) + count * sizeof(r->items[0]));

	if (!r)
		return -ENOMEM;
	r->references = 1;
	r->config = config_ref(config);
	r->count = count;
	for (size_t i = 0; i < count; i++) {
		const struct sni_route *route = &sc->match_sni.items[i];

		r->items[i].pattern = route->pattern;
		r->items[i].upstream = upstream_ref(upstreams[route->upstream_config - config->upstreams]);
	}
	*ret = r;
	return 0;
}

struct routes *routes_ref(struct routes *r)
{
	r->references++;
	return r;
}

struct routes *routes_unref(struct routes *r)
{
	if (!r || --r->references > 0)
		return NULL;
	for (size_t i = 0; i < r->count; i++)
		upstream_unref(r->items[i].upstream);
	config_unref(r->config);
	return memory_free(r);
}

struct upstream *routes_find(const struct routes *r, const char *name)
{
	for (int wild = 0; wild <= 1; wild++)
		for (size_t i = 0; i < r->count; i++) {
			const struct route *route = &r->items[i];

			if ((route->pattern[0] == '*') == (wild == 1) && hello_name_matches(name, route->pattern))
				return route->upstream;
		}
	return NULL;
}
