#include "service/plan.h"

#include "base/log.h"
#include "base/memory.h"
#include "service/profile.h"
#include "service/route.h"
#include "service/upstream.h"

#include <stdlib.h>
#include <string.h>

void plan_done(struct plan *plan)
{
	const struct config *config = plan->config;

	port_free_all(&plan->ports);
	for (size_t i = 0; plan->services && i < config->service_count; i++)
		service_unref(plan->services[i]);
	for (size_t i = 0; plan->routes && i < config->service_count; i++)
		routes_unref(plan->routes[i]);
	for (size_t i = 0; plan->upstreams && i < config->upstream_count; i++)
		upstream_unref(plan->upstreams[i]);
	for (size_t i = 0; plan->profiles && i < config->tls_count; i++)
		profile_unref(plan->profiles[i]);
	memory_free(plan->services);
	memory_free(plan->routes);
	memory_free(plan->upstreams);
	memory_free(plan->profiles);
}

static struct tls_profile *profile_of(const struct plan *plan, const struct tls_config *tls)
{
	return tls ? plan->profiles[tls - plan->config->tls] : NULL;
}

struct service_parts plan_parts(const struct plan *plan, size_t n)
{
	const struct service_config *sc = &plan->config->services[n];
	const struct upstream_config *uc = sc->upstream_config;

	return (struct service_parts) {
		.upstream = uc ? plan->upstreams[uc - plan->config->upstreams] : NULL,
		.routes = plan->routes[n],
		.tls = profile_of(plan, sc->tls_config),
	};
}

static int make_arrays(struct plan *plan)
{
	const struct config *config = plan->config;

	/* An array of nothing would look like one without memory. */
	plan->profiles = memory_new_array(config->tls_count + 1, sizeof(*plan->profiles));
	plan->upstreams = memory_new_array(config->upstream_count + 1, sizeof(*plan->upstreams));
	plan->routes = memory_new_array(config->service_count + 1, sizeof(*plan->routes));
	plan->services = memory_new_array(config->service_count + 1, sizeof(*plan->services));
	return plan->profiles && plan->upstreams && plan->routes && plan->services ? 0 : -ENOMEM;
}

/* All that is wrong with the files of TLS is said at once. */
static int make_profiles_saying(struct server *s, struct plan *plan, FILE *diagnostics)
{
	const struct config *config = plan->config;
	int result = 0;

	for (size_t i = 0; i < config->tls_count; i++) {
		if (!config->tls[i].accepts && !config->tls[i].connects)
			continue;
		int r = profile_new(plan->config, &config->tls[i], s->tls_keep, true, diagnostics,
				    &plan->profiles[i]);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			result = r;
	}
	return result;
}

static int make_profiles(struct server *s, struct plan *plan)
{
	if (plan->config->tls_count == 0)
		return 0;
	int r = s->tls_keep ? 0 : tls_keep_new(&s->tls_keep);
	if (r < 0)
		return r;

	char *text = NULL;
	size_t bytes;
	FILE *diagnostics = open_memstream(&text, &bytes);
	if (!diagnostics)
		return -ENOMEM;
	r = make_profiles_saying(s, plan, diagnostics);
	fclose(diagnostics);
	server_log_diagnostics(text);
	free(text);
	return r;
}

static int make_upstreams(struct plan *plan)
{
	const struct config *config = plan->config;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < config->upstream_count; i++)
		r = upstream_new(&config->upstreams[i], profile_of(plan, config->upstreams[i].tls_config),
				 &plan->upstreams[i]);
	return r;
}

static struct service *find_service(struct server *s, const struct service_config *sc)
{
	LIST_EACH (node, &s->services) {
		struct service *service = list_entry(node, struct service, node);

		if (strcmp(service->name, sc->name) == 0 && strcmp(service->type->config.name, sc->type) == 0)
			return service;
	}
	return NULL;
}

static int make_service(struct server *s, struct plan *plan, size_t n)
{
	const struct service_config *sc = &plan->config->services[n];
	struct service *known = find_service(s, sc);

	if (sc->match_sni.count > 0) {
		int r = routes_new(sc, plan->config, plan->upstreams, &plan->routes[n]);
		if (r < 0)
			return r;
	}
	if (known) {
		plan->services[n] = service_ref(known);
		return 0;
	}
	const struct service_parts parts = plan_parts(plan, n);
	return service_new(sc, plan->config, &parts, &plan->services[n]);
}

int plan_make(struct server *s, struct plan *plan)
{
	int r = make_arrays(plan);

	if (r >= 0)
		r = make_profiles(s, plan);
	if (r >= 0)
		r = make_upstreams(plan);
	for (size_t i = 0; r >= 0 && i < plan->config->service_count; i++)
		r = make_service(s, plan, i);
	return r;
}
