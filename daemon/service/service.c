#include "service/service.h"

#include "base/memory.h"
#include "service/upstream.h"

#include <string.h>

#define MINUTE_MS INT64_C(60000)

/* A service type of your own is one more line here, and a file with its handler. */
const struct service_type service_types[] = {
	{ { "echo", false, 5 * MINUTE_MS }, echo_handle, "nc %h %p", "returns what it is sent (RFC 862)", false },
	{ { "discard", false, 5 * MINUTE_MS }, discard_handle, "nc -N %h %p < FILE", "throws away what it is sent (RFC 863)", false },
	{ { "chargen", false, 5 * MINUTE_MS }, chargen_handle, "nc %h %p | head", "sends characters without end (RFC 864)", true },
	{ { "daytime", false, 5 * MINUTE_MS }, daytime_handle, "nc %h %p", "tells date and time (RFC 867)", true },
	{ { "time", false, 5 * MINUTE_MS }, time_handle, "nc %h %p | od -An -tu4 --endian=big", "tells the seconds since 1900 (RFC 868)", true },
	{ { "http", false, 5 * MINUTE_MS }, http_handle, "curl http://%h:%p/whoami", "answers HTTP/1.1 requests", false },
	{ { "proxy", true, 60 * MINUTE_MS }, proxy_handle, "nc %h %p", "relays to an upstream", false },
	{ { NULL, false, 0 }, NULL, NULL, NULL, false },
};

const struct service_type *service_type_find(const char *name)
{
	for (const struct service_type *t = service_types; t->config.name; t++)
		if (strcmp(t->config.name, name) == 0)
			return t;
	return NULL;
}

int service_new(const struct service_config *sc, struct config *config, struct upstream *upstream, struct service **ret)
{
	struct service *s = memory_new_object(struct service);

	if (!s)
		return -ENOMEM;

	s->references = 1;
	s->type = service_type_find(sc->type);
	s->health_status = 200;
	strncpy(s->name, sc->name, sizeof(s->name) - 1);
	list_init(&s->node);
	list_init(&s->conns);
	semaphore_init(&s->slots, "connection slot of the service", SIZE_MAX);
	service_update(s, sc, config, upstream);
	*ret = s;
	return 0;
}

void service_update(struct service *s, const struct service_config *sc, struct config *config, struct upstream *upstream)
{
	struct config *old_config = s->config;
	struct upstream *old_upstream = s->upstream;

	s->config = config_ref(config);
	s->upstream = upstream ? upstream_ref(upstream) : NULL;
	s->idle_timeout_ms = sc->idle_timeout_ms;
	s->connect_timeout_ms = sc->connect_timeout_ms;
	s->session_timeout_ms = sc->session_timeout_ms;
	s->header_timeout_ms = sc->header_timeout_ms;
	s->max_body_bytes = sc->max_body_bytes;
	s->max_requests = sc->max_requests;
	s->relay.idle_timeout_ms = sc->idle_timeout_ms;
	s->relay.half_close_timeout_ms = sc->half_close_timeout_ms;
	s->allow = sc->allow;
	s->deny = sc->deny;
	semaphore_resize(&s->slots, sc->max_connections ? sc->max_connections : SIZE_MAX);

	upstream_unref(old_upstream);
	config_unref(old_config);
}

struct service *service_ref(struct service *s)
{
	s->references++;
	return s;
}

struct service *service_unref(struct service *s)
{
	if (!s || --s->references > 0)
		return NULL;
	list_remove(&s->node);
	semaphore_done(&s->slots);
	upstream_unref(s->upstream);
	config_unref(s->config);
	return memory_free(s);
}

static bool list_contains(const struct cidr_list *list, const struct endpoint *peer)
{
	for (size_t i = 0; i < list->count; i++)
		if (cidr_contains(&list->items[i], peer))
			return true;
	return false;
}

bool service_admits(const struct service *s, const struct endpoint *peer)
{
	if (list_contains(&s->deny, peer))
		return false;
	return s->allow.count == 0 || list_contains(&s->allow, peer);
}
