#include "service/conn.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/connect.h"
#include "service/upstream.h"

#include <string.h>

/* Whether the failure is the server's, so that another one may do better. */
static bool is_the_servers_fault(int r, const struct deadline *attempt)
{
	if (r == -ECANCELED || r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return false;
	return r != -ETIMEDOUT || deadline_passed(attempt);
}

static void set_connect_end(struct conn *c, int r)
{
	switch (r) {
	case -ETIMEDOUT:
		conn_set_end(c, "upstream connect timeout", 's', 'C');
		break;
	case -ECONNREFUSED:
		conn_set_end(c, "upstream refused", 'S', 'C');
		break;
	case -ENOENT:
		conn_set_end(c, "upstream name unknown", 'S', 'C');
		break;
	case -ECANCELED:
		conn_set_end(c, "stopped", 'K', 'C');
		break;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		conn_set_end(c, "no resources to connect", 'R', 'C');
		break;
	default:
		conn_set_end(c, "upstream unreachable", 'S', 'C');
	}
}

/* [suspends] Tries servers in turn, each within the connect timeout, until one accepts. Apart from its caller, whose
 * frame lies on the stack for the whole session. */
static __attribute__((noinline)) int connect_to_some(struct conn *c, struct stream **ret_stream)
{
	struct conn_proxy *p = c->proxy;
	struct upstream_tried tried = { 0 };
	int r = -EHOSTUNREACH;

	while (p->attempts < p->upstream->tries) {
		struct upstream_server *server = upstream_pick(p->upstream, &tried);
		if (!server)
			break;

		p->attempts++;
		p->server = server;
		DEADLINE(attempt, c->service->connect_timeout_ms);
		r = connect_stream(&server->address, &server->names, NULL, ret_stream);
		if (r >= 0) {
			server->connected++;
			return 0;
		}
		if (!is_the_servers_fault(r, &attempt))
			return r;
		server->failed++;
		log_debug("connection %llu: upstream %s: %s", (unsigned long long) c->id, server->text,
			  strerrordesc_np(-r));
	}
	return r;
}

static int proxy_begin(struct conn *c)
{
	c->proxy = memory_new_object(struct conn_proxy);
	if (!c->proxy)
		return -ENOMEM;
	c->proxy->upstream = upstream_ref(c->service->upstream);
	return 0;
}

static int proxy_connect(struct conn *c, struct stream **ret_stream)
{
	int64_t before_ns = task_waited_ns();
	int r = connect_to_some(c, ret_stream);

	c->proxy->connect_ns = task_waited_ns() - before_ns;
	if (r < 0) {
		set_connect_end(c, r);
		stream_abort(c->client);
		return r;
	}
	(*ret_stream)->waits = &c->proxy->waits;
	return 0;
}

/* What a session that failed with `r` in the relay came to. */
static void set_relay_end(struct conn *c, int r, const struct relay_end *end)
{
	bool client = end->side == RELAY_CLIENT;
	char when = end->half_closed ? 'L' : 'D';

	switch (r) {
	case 0:
		conn_set_end(c, client ? "client closed" : "upstream closed", '-', '-');
		break;
	case -ETIMEDOUT:
		if (end->half_closed)
			conn_set_end(c, "half-close timeout", client ? 'c' : 's', when);
		else
			conn_set_end(c,
				     client ? "idle timeout waiting for client" : "idle timeout waiting for upstream",
				     client ? 'c' : 's', when);
		break;
	case -ECONNRESET:
	case -EPIPE:
		conn_set_end(c, client ? "client reset" : "upstream reset", client ? 'C' : 'S', when);
		break;
	default:
		break;
	}
}

/* Relays between the client and a server of the upstream, half-close included. */
int proxy_handle(struct conn *c)
{
	_cleanup_(stream_freep) struct stream *stream = NULL;
	struct relay_end end = { RELAY_NEITHER, false, false };

	int r = proxy_begin(c);
	if (r < 0)
		return r;
	r = proxy_connect(c, &stream);
	if (r < 0)
		return r;

	struct upstream_server *server = c->proxy->server;
	server->active++;
	r = relay_run(c->client, stream, &c->service->relay, &end);
	server->active--;
	set_relay_end(c, r, &end);
	return r;
}
