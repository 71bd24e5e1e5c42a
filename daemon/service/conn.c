#include "service/conn.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "net/fd.h"
#include "service/profile.h"
#include "service/upstream.h"

#include <string.h>

/* How long a client may take to have room for our goodbye. */
#define GOODBYE_MS 500

int conn_new(struct service *service, uint64_t id, int fd, const struct endpoint *peer, struct conn **ret)
{
	struct conn *c = memory_new_object(struct conn);

	if (!c)
		return -ENOMEM;
	int r = stream_new(fd, &c->client);
	if (r < 0) {
		memory_free(c);
		return r;
	}

	c->id = id;
	c->service = service_ref(service);
	c->peer = *peer;
	c->started_ns = time_now_ns();
	c->client->waits = &c->waits;
	/* Whether the client has spoken already, the loop sees before the connection has its first turn. */
	io_drained(&c->client->io, IO_READ);
	list_append(&service->conns, &c->service_node);
	service->active++;
	*ret = c;
	return 0;
}

const char *conn_print_local(const struct conn *c, char buffer[ENDPOINT_TEXT_BYTES])
{
	struct endpoint local = { 0 };

	if (c->service->local[0])
		return c->service->local;
	(void) fd_local_endpoint(io_fd(&c->client->io), &local);
	return endpoint_print(&local, buffer);
}

void conn_set_end(struct conn *c, const char *words, char who, char when)
{
	if (!c->end.words)
		c->end = (struct conn_end) { words, who, when };
}

void conn_set_idle(struct conn *c, bool idle)
{
	c->idle = idle;
}

/* What an error code says of the end when the handler has not said more. */
static void derive_end(struct conn *c, int result)
{
	switch (result) {
	case -ECANCELED:
		conn_set_end(c, "stopped", 'K', 'D');
		break;
	case -ETIMEDOUT:
		conn_set_end(c, "idle timeout waiting for client", 'c', 'D');
		break;
	case -ECONNRESET:
	case -EPIPE:
		conn_set_end(c, "client reset", 'C', 'D');
		break;
	case -ENOMEM:
		conn_set_end(c, "out of memory", 'R', 'D');
		break;
	case -EPROTO:
		conn_set_end(c, tls_failure(c->client) ? tls_failure(c->client) : "protocol error", 'C', 'D');
		break;
	default:
		if (result >= 0)
			conn_set_end(c, "client closed", '-', '-');
		else
			conn_set_end(c, strerrordesc_np(-result), 'L', 'D');
	}
}

static void report_waits(const struct conn *c, int64_t duration_ns)
{
	const struct stream_waits *w = &c->waits;
	const struct conn_proxy *p = c->proxy;
	int64_t waited_ns = w->read_ns + w->write_ns + w->other_ns;

	if (p)
		waited_ns += p->connect_ns + p->waits.read_ns + p->waits.write_ns;
	log_field_ms("duration", duration_ns);
	log_field_ms("run", MAX(duration_ns - waited_ns, (int64_t) 0));
	log_field_ms("client_read", w->read_ns);
	log_field_ms("client_write", w->write_ns);
	if (c->service->type->config.needs_upstream) {
		log_field_ms("connect", p ? p->connect_ns : 0);
		log_field_ms("upstream_read", p ? p->waits.read_ns : 0);
		log_field_ms("upstream_write", p ? p->waits.write_ns : 0);
	}
	log_field_ms("other", w->other_ns);
}

static void log_tls(const struct conn *c)
{
	struct tls_description d;

	if (!tls_describe(c->client, &d))
		return;
	if (d.established) {
		log_field_text("tls", d.version);
		log_field_text("cipher", d.cipher);
	}
	if (d.sni[0])
		log_field_text("sni", d.sni);
	if (d.alpn[0])
		log_field_text("alpn", d.alpn);
	if (d.established)
		log_field_text("resumed", d.resumed ? "yes" : "no");
	if (d.subject[0])
		log_field_text("client_subject", d.subject);
	log_field_ms("handshake", d.handshake_ns);
}

static void log_upstream(const struct conn *c)
{
	const struct conn_proxy *p = c->proxy;

	if (p && p->sni)
		log_field_text("sni", p->sni);
	log_field_text("upstream", p && p->server ? p->server->text : "-");
	log_field_number("attempts", p ? p->attempts : 0);
	if (p && p->tls_version) {
		log_field_text("upstream_tls", p->tls_version);
		log_field_text("upstream_cipher", p->tls_cipher);
	}
}

/* The one record of a connection. On the main stack: formatting is deep. */
static void report(void *arg)
{
	const struct conn *c = arg;
	char text[ENDPOINT_TEXT_BYTES];
	char letters[3] = { c->end.who, c->end.when, '\0' };

	log_begin(LOG_LEVEL_INFO, "connection ended");
	log_field_number("id", (int64_t) c->id);
	log_field_text("service", c->service->name);
	log_field_plain("peer", endpoint_print(&c->peer, text));
	log_field_plain("local", conn_print_local(c, text));
	log_field_number("in", (int64_t) c->client->received_bytes);
	log_field_number("out", (int64_t) c->client->sent_bytes);
	if (c->requests)
		log_field_number("requests", c->requests);
	log_tls(c);
	if (c->service->type->config.needs_upstream)
		log_upstream(c);
	log_field_text("end", c->end.words);
	log_field_plain("state", letters);
	report_waits(c, time_now_ns() - c->started_ns);
	log_end();
}

/* A connection that closes without having sent a byte is a probe: counted, and not worth a line. */
static bool is_probe(const struct conn *c, int result)
{
	bool left_by_itself = result == 0 || result == -ECONNRESET || result == -EPIPE;

	return left_by_itself && c->client->received_bytes == 0 && !tls_is_established(c->client) &&
	       !tls_failure(c->client) && !(c->proxy && c->proxy->attempts) &&
	       !c->service->type->speaks_first;
}

/* [suspends] The handshake, for a service with TLS. */
static int secure(struct conn *c)
{
	DEADLINE(handshake, c->service->handshake_timeout_ms);
	int r = tls_accept(c->client, c->service->tls->context, c->service->handshakes);

	if (r == -ETIMEDOUT && deadline_passed(&handshake))
		conn_set_end(c, "TLS handshake timeout", 'c', 'R');
	else if (tls_failure(c->client))
		conn_set_end(c, tls_failure(c->client), r == -EPROTO ? 'P' : 'C', 'R');
	return r;
}

static int serve(struct conn *c)
{
	if (!service_admits(c->service, &c->peer)) {
		c->service->refused++;
		conn_set_end(c, "denied by rule", 'P', 'R');
		return -EACCES;
	}

	DEADLINE(session, c->service->session_timeout_ms);
	int r = c->service->tls ? secure(c) : 0;
	if (r >= 0)
		r = c->service->type->handle(c);
	if (r == -ETIMEDOUT && deadline_passed(&session))
		c->end = (struct conn_end) { "session timeout", 'L', 'D' };
	return r;
}

/* [suspends] A client between two requests, or one that was silent for too long, has been told all there was to tell:
 * over TLS that has to be said (RFC 8446 section 6.1). The first may still be reading the last of it; if the second
 * was in the middle of something, it gets a reset, as relays do. */
static void say_goodbye(struct conn *c, int result)
{
	unsigned want;

	if (!tls_is_established(c->client))
		return;
	if (c->idle) {
		SHIELD(goodbye, GOODBYE_MS);

		(void) stream_finish(c->client);
	} else if (result == -ETIMEDOUT && !c->proxy && stream_try_finish(c->client, &want) < 0) {
		stream_abort(c->client);
	}
}

/* [suspends] Accounts for a connection that came to `result`, and gives everything back. */
static void finish(struct conn *c, int result)
{
	derive_end(c, result);
	say_goodbye(c, result);
	c->service->received_bytes += c->client->received_bytes;
	c->service->sent_bytes += c->client->sent_bytes;
	if (is_probe(c, result))
		c->service->probes++;
	else if (log_is_on(LOG_LEVEL_INFO))
		call_on_main_stack(report, c);

	list_remove(&c->service_node);
	c->service->active--;
	stream_free(c->client);
	if (c->slot) {
		semaphore_release(c->slot);
		semaphore_release(&c->service->slots);
	}
	service_unref(c->service);
	if (c->proxy) {
		upstream_unref(c->proxy->upstream);
		memory_free(c->proxy->failure);
		memory_free(c->proxy->sni);
	}
	memory_free(c->proxy);
	memory_free(c);
}

int conn_run(void *arg)
{
	struct conn *c = arg;
	int r = serve(c);

	finish(c, r);
	return r;
}

int conn_start(struct conn *c, struct task_group *group)
{
	char name[TASK_NAME_BYTES + TEXT_NUMBER_BYTES] = "conn-";
	size_t length = strlen(name);
	struct task_handle handle = { 0 };

	length += text_put_number(name + length, c->id, 1);
	name[length++] = ' ';
	strncpy(name + length, c->service->name, sizeof(name) - 1 - length);
	int r = task_spawn(group, name, conn_run, c, &handle);

	c->task = handle.task;
	return r;
}

void conn_cancel(struct conn *c)
{
	if (c->task)
		task_cancel((struct task_handle) { c->task, c->task->id });
}

struct conn *conn_free(struct conn *c)
{
	if (!c)
		return NULL;
	conn_set_end(c, "stopped", 'K', 'R');
	finish(c, -ECANCELED);
	return NULL;
}
