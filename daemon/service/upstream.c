#include "service/upstream.h"

#include "base/memory.h"
#include "net/connect.h"
#include "net/fd.h"
#include "service/profile.h"

#include <string.h>

/* A port that is given to clients later on, because the range was changed, is noticed by the next reload. */
static unsigned hints_for(const struct address *to)
{
	return to->kind == ADDRESS_UNIX || !fd_port_is_ephemeral(to->port) ? CONNECT_PORT_IS_FIXED : 0;
}

int upstream_new(const struct upstream_config *uc, struct tls_profile *tls, struct upstream **ret)
{
	size_t count = MIN(uc->server_count, (size_t) UPSTREAM_SERVERS_MAX);
	struct upstream *u = memory_new(sizeof(*u) + count * sizeof(u->servers[0]));

	if (!u)
		return -ENOMEM;

	u->references = 1;
	strncpy(u->name, uc->name, sizeof(u->name) - 1);
	u->tries = uc->tries ? uc->tries : count;
	u->tls = tls ? profile_ref(tls) : NULL;
	u->server_count = count;
	for (size_t i = 0; i < count; i++) {
		u->servers[i].address = uc->servers[i].address;
		address_print(&u->servers[i].address, u->servers[i].text);
		u->servers[i].weight = uc->servers[i].weight;
		u->servers[i].backup = uc->servers[i].backup;
		u->servers[i].hints = hints_for(&u->servers[i].address);
		resolve_cache_init(&u->servers[i].names);
	}
	*ret = u;
	return 0;
}

struct upstream *upstream_ref(struct upstream *u)
{
	u->references++;
	return u;
}

struct upstream *upstream_unref(struct upstream *u)
{
	if (!u || --u->references > 0)
		return NULL;
	for (size_t i = 0; i < u->server_count; i++) {
		resolve_cache_done(&u->servers[i].names);
		tls_resumption_done(&u->servers[i].resumption);
	}
	profile_unref(u->tls);
	return memory_free(u);
}

static bool was_tried(const struct upstream_tried *tried, size_t i)
{
	return tried->bits[i / 64] & (UINT64_C(1) << (i % 64));
}

static struct upstream_server *pick_among(struct upstream *u, struct upstream_tried *tried, bool backup)
{
	size_t best = SIZE_MAX;
	int64_t sum = 0;

	for (size_t i = 0; i < u->server_count; i++) {
		struct upstream_server *s = &u->servers[i];

		if (s->backup != backup || was_tried(tried, i))
			continue;
		s->credit += s->weight;
		sum += s->weight;
		if (best == SIZE_MAX || s->credit > u->servers[best].credit)
			best = i;
	}
	if (best == SIZE_MAX)
		return NULL;

	u->servers[best].credit -= sum;
	tried->bits[best / 64] |= UINT64_C(1) << (best % 64);
	return &u->servers[best];
}

struct upstream_server *upstream_pick(struct upstream *u, struct upstream_tried *tried)
{
	struct upstream_server *s = pick_among(u, tried, false);

	return s ? s : pick_among(u, tried, true);
}
