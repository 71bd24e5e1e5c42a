/* check.c - looks at the configuration as a whole. */

#include "config/check.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define LISTENERS_MAX 4096

/* -- what is required -- */

static const struct config_service_type *find_type(const struct config_source *source, const char *name)
{
	for (size_t i = 0; name && i < source->type_count; i++)
		if (strcmp(source->types[i].name, name) == 0)
			return &source->types[i];
	return NULL;
}

/* NULL when there are only settings. */
static const struct source *first_file(const struct config_values *v)
{
	NODE_EACH (source, const struct source, &v->sources)
		if (source->is_file)
			return source;
	return NULL;
}

/* A section that only settings speak of was meant to be one of the file. */
static bool is_stray(const struct config *c, const struct section *s)
{
	return !s->mark.line.source->is_file && first_file(c->values);
}

static void refuse_stray(const struct config *c, const struct section *s, struct diag *diag)
{
	const char *nearest = document_suggest(c->values, s->kind, s->name);

	diag_error(diag, &s->mark, "there is no %s%s%s%s", s->title,
		   nearest ? ", did you mean '" : " in the file", nearest ? nearest : "", nearest ? "'?" : "");
}

static void check_required(const struct config *c, const struct section *s, struct diag *diag)
{
	OPTION_EACH (o, s->kind) {
		if (!o->required || s->mentioned[option_index(o)])
			continue;
		if (is_stray(c, s)) {
			refuse_stray(c, s, diag);
			return;
		}
		diag_error(diag, &s->mark, "%s the key '%s' is missing. %s", s->title, o->key, o->help);
	}
}

/* -- references -- */

const struct section *check_reference(const struct config *c, struct section *from, const char *key,
				      const char *name, const struct mark *mark, enum section_kind kind,
				      struct diag *diag)
{
	const char *advice = kind == SECTION_UPSTREAM ? ": add one, with its servers" : ": add one", *nearest;
	const struct section *found = document_find(c->values, kind, name);

	if (found)
		return found;
	from->is_incomplete = true;
	/* Of what will hardly be shown, nothing is worth a search. */
	nearest = diag->error_count < DIAG_SHOWN_MAX ? document_suggest(c->values, kind, name) : NULL;
	diag_error(diag, mark, "%s %s: there is no [%s %s]%s%s%s", from->title, key, section_kind_name(kind),
		   quote(name).text, nearest ? ", did you mean '" : advice, nearest ? nearest : "",
		   nearest ? "'?" : "");
	return NULL;
}

static void check_upstream_of(const struct config *c, struct section *s, const struct config_service_type *type,
			      struct diag *diag)
{
	struct service_config *service = s->target;
	const struct entry *e = section_last_entry(s, OPTION_UPSTREAM);
	const struct section *found;
	struct mark mark;

	if (!e) {
		if (type && type->needs_upstream && !section_last_entry(s, OPTION_SNI_ROUTES))
			diag_error(diag, &s->mark, "%s a %s needs an upstream: add 'upstream = NAME', and a section "
				   "[upstream NAME] with its servers; or match_sni, which chooses one by the name "
				   "that a TLS client asks for", s->title, type->name);
		return;
	}
	if (!e->text || !service->upstream)
		return;
	mark = entry_mark(e, 0, strlen(e->text));
	found = check_reference(c, s, "upstream", service->upstream, &mark, SECTION_UPSTREAM, diag);
	if (found)
		service->upstream_config = found->target;
}

/* The items of a list stand in the order of its elements. */
static const struct item *find_same_route(const struct section *s, const struct sni_routes *routes, size_t index)
{
	for (size_t at = 0; at < index; at++)
		if (strcmp(routes->items[at].pattern, routes->items[index].pattern) == 0)
			return section_find_item(s, "match_sni", at);
	return NULL;
}

static void check_route(const struct config *c, struct section *s, size_t index, struct diag *diag)
{
	struct service_config *service = s->target;
	struct sni_route *route = &service->match_sni.items[index];
	const struct item *item = section_find_item(s, "match_sni", index);
	const struct item *same = find_same_route(s, &service->match_sni, index);
	struct mark name = item->mark;
	const struct section *found;
	char place[PLACE_BYTES];

	if (same)
		diag_error(diag, &item->mark, "%s match_sni: '%s' is there already (%s)", s->title, route->pattern,
			   mark_print(&same->mark, place));
	/* The name of the upstream is the last word, where nothing of it is from the environment. */
	if (!item->entry->places) {
		name.length = strlen(route->upstream);
		name.start += item->mark.length - name.length;
	}
	found = check_reference(c, s, "match_sni", route->upstream, &name, SECTION_UPSTREAM, diag);
	if (found)
		route->upstream_config = found->target;
}

static void check_service(const struct config *c, struct section *s, const struct config_service_type *type,
			  struct diag *diag)
{
	const struct service_config *service = s->target;

	check_upstream_of(c, s, type, diag);
	for (size_t i = 0; i < service->match_sni.count; i++)
		check_route(c, s, i, diag);
}

static bool leads_to(const struct service_config *service, const struct upstream_config *upstream)
{
	for (size_t i = 0; i < service->match_sni.count; i++)
		if (service->match_sni.items[i].upstream_config == upstream)
			return true;
	return service->upstream_config == upstream;
}

static bool is_used(const struct config *c, const struct section *s)
{
	const struct tls_config *tls = s->target;

	if (s->kind == SECTION_TLS)
		return tls->accepts || tls->connects;
	for (size_t i = 0; i < c->service_count; i++)
		if (leads_to(&c->services[i], s->target))
			return true;
	return false;
}

/* False when a section that could use one of that kind has a mistake: the one that nobody uses may be meant there. */
static bool are_users_known(const struct config *c, enum section_kind kind)
{
	SECTION_EACH (s, c->values)
		if ((s->is_duplicate || s->is_incomplete) &&
		    (s->kind == SECTION_SERVICE || (s->kind == SECTION_UPSTREAM && kind == SECTION_TLS)))
			return false;
	return true;
}

static void check_unused(const struct config *c, enum section_kind kind, struct diag *diag)
{
	if (!are_users_known(c, kind))
		return;
	SECTION_EACH (s, c->values) {
		if (s->kind != kind || !s->target || is_used(c, s))
			continue;
		/* An upstream that is no part of the file lacks servers, which check_required() has said. */
		if (is_stray(c, s) && kind == SECTION_TLS)
			refuse_stray(c, s, diag);
		else if (!is_stray(c, s))
			diag_warning(diag, &s->mark, "%s is used by no service%s", s->title,
				     kind == SECTION_TLS ? " and no upstream" : "");
	}
}

/* -- addresses -- */

/* One address that is listened on. */
struct listener {
	const struct section *section;
	const struct item *item;
	const struct address *address;
};

struct listeners {
	struct listener *items;
	size_t count;
};

static void listeners_done(struct listeners *l)
{
	memory_free(l->items);
}

/* The items of a list stand in the order of its elements. */
static void add_listeners_of(struct listeners *l, const struct section *s)
{
	const struct service_config *service = s->target;
	size_t index = 0;

	ITEM_EACH (i, s) {
		if (i->option->type != OPTION_LISTEN)
			continue;
		if (l->count == LISTENERS_MAX)
			return;
		l->items[l->count++] = (struct listener) {
			.section = s, .item = i, .address = &service->listen.items[index++],
		};
	}
}

static int list_listeners(const struct config *c, struct listeners *l, struct diag *diag)
{
	size_t total = 0;

	for (size_t i = 0; i < c->service_count; i++)
		total += c->services[i].listen.count;
	if (total > LISTENERS_MAX) {
		struct mark mark = mark_source(NULL);

		diag_error(diag, &mark, "%zu addresses to listen on, and there may be %d", total, LISTENERS_MAX);
	}
	l->items = memory_new_array(MIN(total, (size_t) LISTENERS_MAX), sizeof *l->items);
	if (!l->items)
		return -ENOMEM;
	SECTION_EACH (s, c->values)
		if (s->kind == SECTION_SERVICE && s->target)
			add_listeners_of(l, s);
	return 0;
}

static bool has_port(const struct address *a)
{
	return a->kind == ADDRESS_ANY || a->kind == ADDRESS_IPV4 || a->kind == ADDRESS_IPV6 ||
	       a->kind == ADDRESS_NAME;
}

static bool collide(const struct address *a, const struct address *b)
{
	/* The kernel chooses another port for each 0. */
	if (has_port(a) && a->port == 0)
		return false;
	return address_overlaps(a, b);
}

static void check_collisions(const struct listeners *l, struct diag *diag)
{
	for (size_t later = 1; later < l->count; later++)
		for (size_t first = 0; first < later; first++) {
			const struct listener *a = &l->items[first], *b = &l->items[later];
			char place[PLACE_BYTES];

			if (!collide(a->address, b->address))
				continue;
			diag_error(diag, &b->item->mark, "%s listen: '%s' is taken by '%s' of %s (%s)",
				   b->section->title, quote(b->item->text).text, quote(a->item->text).text,
				   a->section->title, mark_print(&a->item->mark, place));
			break;
		}
}

static bool is_wildcard(const struct address *a)
{
	return a->kind == ADDRESS_ANY || (a->kind == ADDRESS_IPV4 && a->ipv4.s_addr == htonl(INADDR_ANY)) ||
	       (a->kind == ADDRESS_IPV6 && IN6_IS_ADDR_UNSPECIFIED(&a->ipv6));
}

static bool is_this_host(const struct address *a)
{
	switch (a->kind) {
	case ADDRESS_IPV4:
		return ntohl(a->ipv4.s_addr) >> 24 == IN_LOOPBACKNET || is_wildcard(a);
	case ADDRESS_IPV6:
		return IN6_IS_ADDR_LOOPBACK(&a->ipv6) || is_wildcard(a);
	case ADDRESS_NAME:
		return strcasecmp(a->name, "localhost") == 0;
	default:
		return a->kind == ADDRESS_ANY;
	}
}

/* True when a connection to `server` would certainly come in at `listen`. An address of another host with the same
 * port is the usual case, and none of ours. */
static bool leads_back(const struct address *server, const struct address *listen)
{
	if (address_equal(server, listen))
		return true;
	return has_port(listen) && has_port(server) && listen->port == server->port && is_this_host(server) &&
	       (is_wildcard(listen) || (server->kind == ADDRESS_NAME && is_this_host(listen)));
}

static void check_server(const struct item *server_item, const struct section *upstream,
			 const struct address *server, const struct listeners *l, struct diag *diag)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct listener *listener = &l->items[i];
		const struct service_config *service = listener->section->target;
		char place[PLACE_BYTES];

		if (!leads_back(server, listener->address) || !leads_to(service, upstream->target))
			continue;
		diag_error(diag, &server_item->mark, "%s server: '%s' leads back to %s, which listens on '%s' (%s): "
			   "it would connect to itself", upstream->title, quote(server_item->text).text,
			   listener->section->title, quote(listener->item->text).text,
			   mark_print(&listener->item->mark, place));
		return;
	}
}

static void check_loops(const struct config *c, const struct listeners *l, struct diag *diag)
{
	SECTION_EACH (s, c->values) {
		const struct upstream_config *u = s->target;
		size_t index = 0;

		if (s->kind != SECTION_UPSTREAM || !u)
			continue;
		ITEM_EACH (i, s)
			if (i->option->type == OPTION_SERVERS)
				check_server(i, s, &u->servers[index++].address, l, diag);
	}
}

int check_document(struct config *c, const struct config_source *source, struct diag *diag)
{
	_cleanup_(listeners_done) struct listeners listeners = { 0 };
	bool has_service = false;
	int r;

	SECTION_EACH (s, c->values) {
		has_service |= s->kind == SECTION_SERVICE;
		if (!s->target)
			continue;
		check_required(c, s, diag);
		if (s->kind == SECTION_SERVICE)
			check_service(c, s, find_type(source, s->service_type), diag);
	}
	check_tls(c, diag);
	check_unused(c, SECTION_UPSTREAM, diag);
	check_unused(c, SECTION_TLS, diag);
	/* After another mistake, a service may just not have been recognized. */
	if (!has_service && diag->error_count == 0) {
		struct mark mark = mark_source(first_file(c->values));

		diag_error(diag, &mark, "there is nothing to serve: add a section [service NAME] with 'type' and "
			   "'listen'");
	}

	r = list_listeners(c, &listeners, diag);
	if (r < 0)
		return r;
	check_collisions(&listeners, diag);
	check_loops(c, &listeners, diag);
	return 0;
}
