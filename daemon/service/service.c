#include "service/service.h"

#include "base/memory.h"
#include "service/profile.h"
#include "service/route.h"
#include "service/upstream.h"

#include <string.h>

#define MINUTE_MS INT64_C(60000)

/* A service type of your own is one more line here, and a file with its handler. */
const struct service_type service_types[] = {
	{
		.config = { .name = "echo", .idle_timeout_ms = 5 * MINUTE_MS },
		.handle = echo_handle,
		.try_it = "nc %h %p",
		.what = "returns what it is sent (RFC 862)",
	},
	{
		.config = { .name = "discard", .idle_timeout_ms = 5 * MINUTE_MS },
		.handle = discard_handle,
		.try_it = "nc -N %h %p < FILE",
		.what = "throws away what it is sent (RFC 863)",
	},
	{
		.config = { .name = "chargen", .idle_timeout_ms = 5 * MINUTE_MS },
		.handle = chargen_handle,
		.try_it = "nc %h %p | head",
		.what = "sends characters without end (RFC 864)",
		.speaks_first = true,
	},
	{
		.config = { .name = "daytime", .idle_timeout_ms = 5 * MINUTE_MS },
		.handle = daytime_handle,
		.try_it = "nc %h %p",
		.what = "tells date and time (RFC 867)",
		.speaks_first = true,
	},
	{
		.config = { .name = "time", .idle_timeout_ms = 5 * MINUTE_MS },
		.handle = time_handle,
		.try_it = "nc %h %p | od -An -tu4 --endian=big",
		.what = "tells the seconds since 1900 (RFC 868)",
		.speaks_first = true,
	},
	{
		.config = { .name = "http", .idle_timeout_ms = 5 * MINUTE_MS },
		.handle = http_handle,
		.try_it = "curl http://%h:%p/whoami",
		.what = "answers HTTP/1.1 requests",
	},
	{
		.config = { .name = "proxy", .needs_upstream = true, .idle_timeout_ms = 60 * MINUTE_MS },
		.handle = proxy_handle,
		.try_it = "nc %h %p",
		.what = "relays to an upstream",
	},
	{ .config = { .name = NULL } },
};

const struct service_type *service_type_find(const char *name)
{
	for (const struct service_type *t = service_types; t->config.name; t++)
		if (strcmp(t->config.name, name) == 0)
			return t;
	return NULL;
}

/* Prints where connections of the service come in, if there is no other place where they could: one address that is
 * neither a wildcard, nor of a port that the kernel chooses, nor of another's socket. Else nothing. */
static void print_only_place(const struct address_list *listen, char buffer[ENDPOINT_TEXT_BYTES])
{
	struct sockaddr_storage storage;
	struct endpoint local;
	socklen_t length;

	buffer[0] = '\0';
	if (listen->count != 1)
		return;

	const struct address *at = &listen->items[0];
	bool is_one_host = (at->kind == ADDRESS_IPV4 && at->ipv4.s_addr != INADDR_ANY) ||
			   (at->kind == ADDRESS_IPV6 && !IN6_IS_ADDR_UNSPECIFIED(&at->ipv6));
	if (!is_one_host || at->port == 0 || address_to_sockaddr(at, &storage, &length) < 0)
		return;
	endpoint_from_sockaddr((struct sockaddr *) &storage, length, &local);
	endpoint_print(&local, buffer);
}

/* Once a reload has moved it there are connections of two places. */
static void forget_moved_place(struct service *s, const struct address_list *listen)
{
	char now[ENDPOINT_TEXT_BYTES];

	print_only_place(listen, now);
	if (strcmp(now, s->local) != 0)
		s->local[0] = '\0';
}

int service_new(const struct service_config *sc, struct config *config, const struct service_parts *parts,
		struct service **ret)
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
	print_only_place(&sc->listen, s->local);
	service_update(s, sc, config, parts);
	*ret = s;
	return 0;
}

/* Lets go of what it refers to. */
static void drop_parts(struct config *config, const struct service_parts *parts)
{
	upstream_unref(parts->upstream);
	routes_unref(parts->routes);
	profile_unref(parts->tls);
	config_unref(config);
}

void service_update(struct service *s, const struct service_config *sc, struct config *config,
		    const struct service_parts *parts)
{
	struct config *old_config = s->config;
	const struct service_parts old = { s->upstream, s->routes, s->tls };

	forget_moved_place(s, &sc->listen);
	s->config = config_ref(config);
	s->upstream = parts->upstream ? upstream_ref(parts->upstream) : NULL;
	s->routes = parts->routes ? routes_ref(parts->routes) : NULL;
	s->tls = parts->tls ? profile_ref(parts->tls) : NULL;
	s->handshake_timeout_ms = sc->handshake_timeout_ms;
	s->sni_wait_ms = sc->sni_wait_ms;
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

	drop_parts(old_config, &old);
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
	drop_parts(s->config, &(struct service_parts) { s->upstream, s->routes, s->tls });
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
