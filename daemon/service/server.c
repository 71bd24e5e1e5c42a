#include "service/server.h"

#include "base/log.h"
#include "base/text.h"
#include "net/fd.h"
#include "service/conn.h"
#include "service/privileges.h"
#include "service/profile.h"
#include "service/try.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* What a connection takes, rounded up: asleep, with its task, its streams and the copy of its stack; and
 * awake, with the touched part of its stack too. */
#define IDLE_CONNECTION_BYTES (2 * 1024)
#define BUSY_CONNECTION_BYTES (12 * 1024)

/* The same for each TLS session, nearly all of it OpenSSL's; and with both of its buffers full. */
#define IDLE_TLS_BYTES (16 * 1024)
#define BUSY_TLS_BYTES (64 * 1024)

/* -- signals -- */

static void on_signal(struct server *s, int number)
{
	switch (number) {
	case SIGHUP:
		if (s->stop_requested) {
			log_notice("SIGHUP: stopping, so nothing is read again");
			return;
		}
		s->reload_requested = true;
		break;
	case SIGUSR1:
		log_notice("SIGUSR1: the log goes to standard error, there is no file to open again");
		return;
	default:
		if (s->stop_requested && !s->stop_now) {
			s->stop_now = true;
			s->cut = group_count(s->connections);
			group_cancel(s->connections);
		}
		s->stop_requested = true;
		log_notice("%s: %s", number == SIGINT ? "SIGINT" : "SIGTERM",
			   s->stop_now ? "stopping at once" : "stopping");
	}
	gate_open(&s->attention);
}

static int watch_signals(void *arg)
{
	struct server *s = arg;

	for (;;) {
		int r = signals_wait(s->signals);
		if (r < 0) {
			if (r != -ECANCELED)
				log_alert("signals are no longer seen: %s", strerrordesc_np(-r));
			return r;
		}
		on_signal(s, r);
	}
}

/* -- start -- */

static void say_listening(const struct port *p)
{
	char address[ADDRESS_TEXT_BYTES], bound[ENDPOINT_TEXT_BYTES];
	struct endpoint e;

	log_begin(LOG_LEVEL_NOTICE, "listening");
	log_field_text("service", p->service->name);
	log_field_text("type", p->service->type->config.name);
	log_field_text("address", address_print(listener_address(p->listener), address));
	if (listener_endpoint(p->listener, &e) >= 0)
		log_field_text("bound", endpoint_print(&e, bound));
	log_end();
}

/* How many TLS sessions a connection has at most: with the client, with the upstream. */
static size_t count_tls_sides(const struct config *config)
{
	bool accepts = false, connects = false;

	for (size_t i = 0; i < config->tls_count; i++) {
		accepts |= config->tls[i].accepts;
		connects |= config->tls[i].connects;
	}
	return (size_t) accepts + connects;
}

static void say_serving(const struct server *s)
{
	LIST_EACH (node, &s->ports)
		if (log_is_on(LOG_LEVEL_NOTICE))
			say_listening(list_entry(node, struct port, node));
	for (const char *const *name = listener_unclaimed(); *name; name++)
		log_warning("the service manager passed a socket named '%s' that no service listens on", *name);
	if (!log_is_on(LOG_LEVEL_NOTICE))
		return;

	char memory[128];
	size_t tls = count_tls_sides(s->config);
	size_t idle_bytes = s->slots.limit * (IDLE_CONNECTION_BYTES + tls * IDLE_TLS_BYTES);
	size_t full_bytes = s->slots.limit * (BUSY_CONNECTION_BYTES + BUFFERS_PER_CONNECTION * CHUNK_BYTES +
					      tls * BUSY_TLS_BYTES) +
			    CHUNKS_LARGE_MAX * (size_t) (CHUNK_LARGE_BYTES - CHUNK_BYTES);
	snprintf(memory, sizeof(memory), "%zu MiB idle, at most %zu MiB with all buffers full", idle_bytes >> 20,
		 full_bytes >> 20);
	log_begin(LOG_LEVEL_NOTICE, "serving");
	log_field_number("max_connections", (int64_t) s->slots.limit);
	log_field_text("memory", memory);
	log_field_text("backend", loop_backend());
	log_field_text("guards", stack_guard_kind());
	log_end();
}

static int start(struct server *s)
{
	const struct daemon_config *d = &s->options->config->daemon;
	const struct executor_options executor = { .threads = (unsigned) d->offload_threads };

	/* First of all: a name to listen at is looked up by these threads. */
	executor_configure(&executor);
	int r = server_apply(s, s->options->config);
	if (r < 0)
		return r;
	r = privileges_drop(d->user, d->group);
	if (r < 0)
		return r;
	say_serving(s);
	try_print(s, s->options->say_what_to_try);
	return 0;
}

/* -- stop -- */

void server_stop_connections(struct service *service)
{
	LIST_EACH (node, &service->conns) {
		struct conn *c = list_entry(node, struct conn, service_node);

		c->stop_requested = true;
		if (c->idle)
			conn_cancel(c);
	}
}

/* [suspends] Lame: still accepting, while whoever asks for health learns that this one is about to go. */
static void linger_lame(struct server *s)
{
	LIST_EACH (node, &s->services)
		list_entry(node, struct service, node)->health_status = 503;
	if (s->config->daemon.drain_delay_ms == 0)
		return;

	DEADLINE(delay, s->config->daemon.drain_delay_ms);
	while (!s->stop_now && gate_wait(&s->attention) >= 0)
		gate_close(&s->attention);
}

/* [suspends] Waits for the connections to end by themselves, within the drain timeout. */
static int drain(struct server *s)
{
	linger_lame(s);
	port_free_all(&s->ports);
	LIST_EACH (node, &s->services)
		server_stop_connections(list_entry(node, struct service, node));
	LIST_EACH (node, &s->retired)
		server_stop_connections(list_entry(node, struct service, node));

	size_t left = group_count(s->connections);
	char timeout_text[TEXT_SHORT_BYTES];
	if (left > 0 && !s->stop_now)
		log_notice("draining: %zu connections, drain_timeout %s", left,
			   text_print_duration(s->config->daemon.drain_timeout_ms, timeout_text));

	DEADLINE(timeout, s->config->daemon.drain_timeout_ms);
	if (group_wait(s->connections) < 0 && !s->stop_now)
		s->cut = group_count(s->connections);
	if (s->cut == 0)
		return 0;
	log_warning("%s: %zu connections are cut", s->stop_now ? "stopped at once" : "drain_timeout passed", s->cut);
	return SERVER_FORCED;
}

/* -- life -- */

static int serve(struct server *s)
{
	while (!s->stop_requested) {
		int r = gate_wait(&s->attention);
		if (r < 0)
			return r;
		gate_close(&s->attention);
		if (s->reload_requested && !s->stop_requested) {
			s->reload_requested = false;
			server_reload(s);
		}
	}
	return drain(s);
}

/* Connections whose tasks were cancelled before they ran. */
static void free_unborn(struct list *services)
{
	LIST_EACH_SAFE (node, services) {
		struct service *service = service_ref(list_entry(node, struct service, node));

		while (!list_is_empty(&service->conns))
			conn_free(list_entry(service->conns.next, struct conn, service_node));
		service_unref(service);
	}
}

static void server_done(struct server *s)
{
	struct list *node;

	port_free_all(&s->ports);
	free_unborn(&s->services);
	free_unborn(&s->retired);
	while ((node = list_take_first(&s->services)))
		service_unref(list_entry(node, struct service, node));
	while ((node = list_take_first(&s->profiles)))
		profile_unref(list_entry(node, struct tls_profile, node));
	tls_keep_free(s->tls_keep);
	gate_done(&s->attention);
	semaphore_done(&s->handshakes);
	semaphore_done(&s->slots);
	config_unref(s->config);
}

static int run_with_groups(struct server *s)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, 0 };
	_cleanup_(signals_freep) struct signals *signals = NULL;
	TASK_GROUP(connections, GROUP_EACH);
	TASK_GROUP(watchers, GROUP_ALL);
	TASK_GROUP(profile_keepers, GROUP_EACH);

	int r = signals_new(numbers, &signals);
	if (r < 0) {
		log_error("cannot watch signals: %s", strerrordesc_np(-r));
		return r;
	}
	s->signals = signals;
	s->connections = &connections;
	s->profile_keepers = &profile_keepers;
	r = task_spawn(&watchers, "signals", watch_signals, s, NULL);
	if (r >= 0)
		r = start(s);
	if (r >= 0)
		r = serve(s);
	port_free_all(&s->ports);
	return r;
}

int server_run(void *arg)
{
	struct server s = { .options = arg };

	list_init(&s.services);
	list_init(&s.retired);
	list_init(&s.ports);
	list_init(&s.profiles);
	gate_init(&s.attention, "something to do");
	semaphore_init(&s.slots, "connection slot of the daemon", 1);
	semaphore_init(&s.handshakes, "TLS handshake", 1);

	int r = run_with_groups(&s);
	server_done(&s);
	if (r >= 0)
		log_notice("stopped");
	return r;
}
