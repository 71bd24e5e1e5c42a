#include "service/conn.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/connect.h"
#include "net/hello.h"
#include "service/profile.h"
#include "service/route.h"
#include "service/upstream.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Whether the failure is the server's, so that another one may do better. */
static bool is_the_servers_fault(int r)
{
	return r != -ECANCELED && r != -ETIMEDOUT && r != -ENOMEM && r != -EMFILE && r != -ENFILE;
}

static void set_connect_end(struct conn *c, int r)
{
	if (c->proxy->failure) {
		conn_set_end(c, c->proxy->failure, 'S', 'C');
		return;
	}
	switch (r) {
	case -EHOSTDOWN:
		conn_set_end(c, "upstream connect timeout", 's', 'C');
		break;
	case -ETIMEDOUT:
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
	case -EPROTO:
		if (!client && c->proxy->failure)
			conn_set_end(c, c->proxy->failure, 'S', when);
		break;
	default:
		break;
	}
}

/* -- connecting -- */

/* What the certificate of a server is checked for, unless the section has a name of its own. */
static const char *host_of(const struct address *a, char text[INET6_ADDRSTRLEN])
{
	switch (a->kind) {
	case ADDRESS_NAME:
		return a->name;
	case ADDRESS_IPV4:
		return inet_ntop(AF_INET, &a->ipv4, text, INET6_ADDRSTRLEN);
	case ADDRESS_IPV6:
		return inet_ntop(AF_INET6, &a->ipv6, text, INET6_ADDRSTRLEN);
	default:
		return NULL;
	}
}

struct noting {
	struct conn_proxy *proxy;
	const struct stream *stream;
};

static void note_tls(void *arg)
{
	const struct noting *n = arg;
	struct tls_description d;

	if (!tls_describe(n->stream, &d))
		return;
	n->proxy->tls_version = d.version;
	n->proxy->tls_cipher = d.cipher;
}

static void keep_failure(struct conn_proxy *p, const char *words)
{
	char text[256];

	snprintf(text, sizeof(text), "upstream TLS: %s", words);
	memory_free(p->failure);
	p->failure = memory_copy_text(text);
}

/* [suspends] The handshake with a server, where the upstream has TLS. */
static int secure(struct conn *c, struct upstream_server *server, struct stream *stream)
{
	struct conn_proxy *p = c->proxy;
	char text[INET6_ADDRSTRLEN];

	if (!p->upstream->tls)
		return 0;
	DEADLINE(handshake, c->service->handshake_timeout_ms);
	int r = tls_connect(stream, p->upstream->tls->context, host_of(&server->address, text),
			    &server->resumption);
	if (r == -ETIMEDOUT && deadline_passed(&handshake)) {
		keep_failure(p, "handshake timeout");
		return -EPROTO;
	}
	if (tls_failure(stream))
		keep_failure(p, tls_failure(stream));
	if (r >= 0)
		call_on_main_stack(note_tls, &(struct noting) { p, stream });
	return r;
}

/* True when the server is told something as soon as it is there. The loop has seen whether a plain client has spoken,
 * and so does not wait for a greeting; what a TLS client sent need not have anything for the server in it. */
static bool speaks_at_once(const struct conn *c)
{
	bool has_spoken = io_is_ready(&c->client->io, IO_READ) && !tls_is_established(c->client);

	return c->proxy->upstream->tls || c->client->buffered || c->proxy->has_heard || has_spoken;
}

/* [suspends] One try. */
static int connect_to(struct conn *c, struct upstream_server *server, struct stream **ret_stream)
{
	_cleanup_(stream_freep) struct stream *stream = NULL;
	int r;

	c->proxy->failure = memory_free(c->proxy->failure);
	{
		DEADLINE(attempt, c->service->connect_timeout_ms);
		unsigned hints = server->hints | (speaks_at_once(c) ? CONNECT_SPEAKS : 0);
		r = connect_stream(&server->address, &server->names, hints, &stream);
		if (r == -ETIMEDOUT && !deadline_passed(&attempt))
			return r;
		/* Another word for our own time-out than for that of a scope around it. */
		if (r == -ETIMEDOUT)
			r = -EHOSTDOWN;
	}
	if (r >= 0)
		r = secure(c, server, stream);
	if (r >= 0)
		*ret_stream = TAKE(stream);
	return r;
}

/* [suspends] Tries servers in turn until one accepts. Apart from its caller, whose frame lies on the stack
 * for the whole session. */
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
		r = connect_to(c, server, ret_stream);
		if (r >= 0) {
			server->connected++;
			return 0;
		}
		if (!is_the_servers_fault(r))
			return r;
		server->failed++;
		log_debug("connection %llu: upstream %s: %s", (unsigned long long) c->id, server->text,
			  p->failure ? p->failure : strerrordesc_np(-r));
	}
	return r;
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

/* -- the choice of an upstream -- */

/* [suspends] Listens to a client that may speak TLS, for as long as it may take: who says nothing, or
 * something else, waits for no name. What was read is in *bytes. */
static int listen_for_name(struct conn *c, struct hello_bytes *bytes, struct hello *hello)
{
	DEADLINE(wait, c->service->sni_wait_ms);
	int r = hello_read(c->client, bytes, hello);

	if (r == -ETIMEDOUT && deadline_passed(&wait))
		return 0;
	/* Its end is passed on like any other. */
	return r == -ECONNRESET && c->client->read_ended ? 0 : r;
}

/* [suspends] By the name that the client asks for, if there are routes. */
static int choose_upstream(struct conn *c, struct hello_bytes *bytes, struct upstream **ret)
{
	struct upstream *found = NULL;
	struct hello hello = { 0 };
	const char *name = tls_sni(c->client);

	/* The service may have got or lost its TLS since: what counts is what this client has. */
	if (c->service->routes && !tls_is_established(c->client)) {
		int r = listen_for_name(c, bytes, &hello);
		if (r < 0)
			return r;
		name = c->proxy->sni = hello.has_name ? memory_copy_text(hello.name) : NULL;
		if (hello.has_name && !name)
			return -ENOMEM;
	}
	if (c->service->routes && name)
		found = routes_find(c->service->routes, name);
	if (!found)
		found = c->service->upstream;
	if (!found) {
		conn_set_end(c,
			     name ? "no upstream for the name asked for" : "no upstream for a client without a name",
			     'P', 'R');
		stream_abort(c->client);
		return -EACCES;
	}
	*ret = upstream_ref(found);
	return 0;
}

/* [suspends] */
static __attribute__((noinline)) int proxy_begin(struct conn *c, struct stream **ret_stream)
{
	_cleanup_(hello_bytes_done) struct hello_bytes bytes = { 0 };

	c->proxy = memory_new_object(struct conn_proxy);
	if (!c->proxy)
		return -ENOMEM;
	int r = choose_upstream(c, &bytes, &c->proxy->upstream);
	c->proxy->has_heard = bytes.length > 0;
	if (r >= 0)
		r = proxy_connect(c, ret_stream);
	if (r < 0 || bytes.length == 0)
		return r;

	/* What was read to find the name goes first. */
	DEADLINE(idle, c->service->idle_timeout_ms);
	r = stream_write(*ret_stream, bytes.bytes, bytes.length);
	if (r == -ETIMEDOUT)
		conn_set_end(c, "idle timeout waiting for upstream", 's', 'D');
	else if (r < 0)
		set_relay_end(c, r, &(struct relay_end) { .side = RELAY_UPSTREAM, .writing = true });
	return r;
}

/* -- the whole -- */

/* Relays between the client and a server of the upstream, half-close included. */
int proxy_handle(struct conn *c)
{
	_cleanup_(stream_freep) struct stream *stream = NULL;
	struct relay_end end = { RELAY_NEITHER, false, false };

	int r = proxy_begin(c, &stream);
	if (r < 0)
		return r;

	struct upstream_server *server = c->proxy->server;
	server->active++;
	r = relay_run(c->client, stream, &c->service->relay, &end);
	server->active--;
	if (end.side == RELAY_UPSTREAM && tls_failure(stream))
		keep_failure(c->proxy, tls_failure(stream));
	set_relay_end(c, r, &end);
	return r;
}
