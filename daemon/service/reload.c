#include "service/server.h"

#include "base/ensure.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/fd.h"
#include "service/plan.h"
#include "service/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Descriptors that are not connections: standard streams, epoll, eventfd, signalfd, listeners, a file being read. */
#define RESERVED_FDS 32

/* How long a start or a reload waits for the name of a listener. */
#define LOOKUP_TIMEOUT_MS 10000

static void unclaim_ports(struct server *s)
{
	LIST_EACH (node, &s->ports)
		list_entry(node, struct port, node)->claimed = false;
}

/* The first open socket at that address that was not claimed yet: there can be several of port 0, each with another
 * port of the kernel's choice. */
static struct port *claim_port(struct server *s, const struct address *at)
{
	LIST_EACH (node, &s->ports) {
		struct port *p = list_entry(node, struct port, node);

		if (p->claimed || !address_equal(listener_address(p->listener), at))
			continue;
		p->claimed = true;
		return p;
	}
	return NULL;
}

/* Who has the address? Nobody can open one that overlaps another of ours, not even when that is to be closed. */
static const char *hint_in_use(const struct server *s, const struct address *at)
{
	LIST_EACH (node, &s->ports)
		if (address_overlaps(listener_address(list_entry(node, struct port, node)->listener), at))
			return "this daemon listens there under another address: such a change takes a restart";
	return "another process has it: see `ss -ltnp`";
}

static void say_cannot_listen(const struct server *s, const struct service_config *sc, const struct address *at,
			      int error)
{
	char address[ADDRESS_TEXT_BYTES];

	if (!log_is_on(LOG_LEVEL_ERROR))
		return;
	log_begin(LOG_LEVEL_ERROR, "cannot listen");
	log_field_text("service", sc->name);
	log_field_text("address", address_print(at, address));
	if (error == -ENOENT && at->kind == ADDRESS_SYSTEMD)
		log_field_text("reason", "the service manager passed no socket of that name");
	else if (error == -ENOENT && at->kind == ADDRESS_NAME)
		log_field_text("reason", "there is no host of that name");
	else if (error == -EHOSTUNREACH || error == -ETIMEDOUT)
		log_field_text("reason", "the name servers do not answer");
	else
		log_field_text("reason", strerrordesc_np(-error));
	if (error == -EADDRINUSE)
		log_field_text("hint", hint_in_use(s, at));
	if (error == -EACCES)
		log_field_text("hint", "ports below 1024 need CAP_NET_BIND_SERVICE");
	log_end();
}

/* Sockets that are open already are kept, whoever they belonged to. */
static int plan_ports(struct server *s, struct plan *plan)
{
	unclaim_ports(s);
	for (size_t i = 0; i < plan->config->service_count; i++) {
		const struct service_config *sc = &plan->config->services[i];

		for (size_t n = 0; n < sc->listen.count; n++) {
			const struct address *at = &sc->listen.items[n];
			struct port *p;

			if (claim_port(s, at))
				continue;
			DEADLINE(lookup, LOOKUP_TIMEOUT_MS);
			int r = port_new(s, at, &p);
			if (r < 0) {
				say_cannot_listen(s, sc, at, r);
				return r;
			}
			list_append(&plan->ports, &p->node);
		}
	}
	return 0;
}

/* From here to the end of the change nothing suspends, so the accept loops find their services when they first
 * run. */
static int start_ports(struct plan *plan)
{
	LIST_EACH (node, &plan->ports) {
		int r = port_start(list_entry(node, struct port, node));
		if (r < 0)
			return r;
	}
	return 0;
}

/* -- the change itself: nothing here can fail -- */

static uint64_t affordable_connections(const struct config *config)
{
	size_t reserved = RESERVED_FDS;
	bool relays = false;

	for (size_t i = 0; i < config->service_count; i++) {
		relays |= config->services[i].upstream != NULL;
		reserved += config->services[i].listen.count;
	}
	if (relays)
		reserved += pipe_pool_fds();

	size_t limit = MIN(fd_limit(), loop_max_fds());
	uint64_t fds_each = relays ? 2 : 1;
	uint64_t by_fds = limit > reserved ? (limit - reserved) / fds_each : 1;
	return MIN(MAX(by_fds, UINT64_C(1)), (uint64_t) stack_limit());
}

static uint64_t effective_max_connections(const struct config *config)
{
	uint64_t wanted = config->daemon.max_connections;
	uint64_t possible = affordable_connections(config);

	if (wanted <= possible)
		return wanted;
	if (!log_is_on(LOG_LEVEL_WARNING))
		return possible;
	log_begin(LOG_LEVEL_WARNING, "max_connections lowered to what the limits of this process carry");
	log_field_number("max_connections", (int64_t) wanted);
	log_field_number("lowered_to", (int64_t) possible);
	log_field_number("fd_limit", (int64_t) fd_limit());
	log_field_text("hint", "raise LimitNOFILE= or `ulimit -n`");
	log_end();
	return possible;
}

static void apply_daemon_options(struct server *s, const struct config *config)
{
	struct executor_options executor = { .threads = (unsigned) config->daemon.offload_threads };

	uint64_t connections = effective_max_connections(config);

	semaphore_resize(&s->slots, connections);
	semaphore_resize(&s->handshakes, MAX(config->daemon.max_handshakes, UINT64_C(1)));
	chunk_set_limit(BUFFERS_PER_CONNECTION * connections);
	loop_set_stall_warn(config->daemon.stall_warn_ms);
	executor_configure(&executor);
	log_open(config->daemon.log, config->daemon.log_level);
}

static void apply_services(struct server *s, struct plan *plan)
{
	struct list old = LIST_INIT(old);

	list_splice(&old, &s->services);
	for (size_t i = 0; i < plan->config->service_count; i++) {
		const struct service_config *sc = &plan->config->services[i];
		struct service *service = plan->services[i];

		const struct service_parts parts = plan_parts(plan, i);

		service_update(service, sc, plan->config, &parts);
		service->relay.pipes = &s->pipes;
		service->handshakes = &s->handshakes;
		if (list_is_linked(&service->node))
			list_remove(&service->node);	/* it was known: the list has its reference already */
		else
			service_ref(service);
		list_append(&s->services, &service->node);
	}

	struct list *node;
	while ((node = list_take_first(&old))) {
		struct service *service = list_entry(node, struct service, node);

		service->retired = true;
		list_append(&s->retired, &service->node);
		server_stop_connections(service);
		service_unref(service);
	}
}

static void apply_ports(struct server *s, struct plan *plan)
{
	/* In the order of the plan again, so that each address gets the socket that was found or made for it. */
	unclaim_ports(s);
	list_splice(&s->ports, &plan->ports);
	for (size_t i = 0; i < plan->config->service_count; i++) {
		const struct address_list *listen = &plan->config->services[i].listen;

		for (size_t n = 0; n < listen->count; n++) {
			struct port *p = claim_port(s, &listen->items[n]);

			ENSURE(p, "a planned socket is missing");
			port_set_service(p, plan->services[i]);
		}
	}
}

/* [suspends] From now on files are watched for the new profiles, and no longer for the old ones. */
static void apply_profiles(struct server *s, struct plan *plan)
{
	struct list *node;

	group_close(s->profile_keepers);
	group_init(s->profile_keepers, "certificates", GROUP_EACH);
	while ((node = list_take_first(&s->profiles)))
		profile_unref(list_entry(node, struct tls_profile, node));
	for (size_t i = 0; i < plan->config->tls_count; i++) {
		struct tls_profile *p = plan->profiles[i];

		if (!p)
			continue;
		list_append(&s->profiles, &profile_ref(p)->node);
		profile_log(p);
		int r = task_spawn(s->profile_keepers, "certificates", profile_keep, p, NULL);
		if (r < 0)
			log_warning("[tls %s] changes of its files are not seen, SIGHUP takes them up: %s",
				    p->tls->name, strerrordesc_np(-r));
	}
}

/* [suspends] */
static void close_unclaimed_ports(struct server *s)
{
	LIST_EACH_SAFE (node, &s->ports) {
		struct port *p = list_entry(node, struct port, node);

		if (!p->claimed)
			port_free(p);
	}
}

int server_apply(struct server *s, struct config *config)
{
	_cleanup_(plan_done) struct plan plan = { .config = config, .ports = LIST_INIT(plan.ports) };

	int r = plan_make(s, &plan);
	if (r >= 0)
		r = plan_ports(s, &plan);
	if (r >= 0)
		r = start_ports(&plan);
	if (r < 0)
		return r;

	apply_daemon_options(s, config);
	apply_services(s, &plan);
	apply_ports(s, &plan);
	struct config *old = s->config;
	s->config = config_ref(config);
	config_unref(old);
	close_unclaimed_ports(s);
	apply_profiles(s, &plan);
	return 0;
}

/* -- reading the file again -- */

struct load {
	const struct config_source *source;
	struct config *config;
	char *diagnostics;
	size_t diagnostics_bytes;
	int result;
};

/* On the main stack: the reader and its libraries are deep. */
static void load(void *arg)
{
	struct load *l = arg;
	FILE *to = open_memstream(&l->diagnostics, &l->diagnostics_bytes);

	if (!to) {
		l->result = -ENOMEM;
		return;
	}
	l->result = config_load(l->source, to, &l->config);
	fclose(to);
}

void server_log_diagnostics(char *text)
{
	char *rest = NULL;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (strstr(line, "error: ") || strstr(line, "warning: "))
			log_if(strstr(line, "error: ") ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s", line);
}

static void log_change(void *context, const char *section, const char *key, const char *old_value,
		       const char *new_value, bool live)
{
	unsigned *changes = context;

	(*changes)++;
	if (!log_is_on(LOG_LEVEL_NOTICE))
		return;
	log_begin(LOG_LEVEL_NOTICE,
		  live ? "configuration changed" : "configuration changed, takes effect at the next start");
	log_field_text("section", section);
	log_field_text("key", key);
	log_field_text("old", old_value);
	log_field_text("new", new_value);
	log_end();
}

void server_reload(struct server *s)
{
	struct load l = { .source = &s->options->source };

	call_on_main_stack(load, &l);
	server_log_diagnostics(l.diagnostics);
	if (l.result >= 0) {
		unsigned changes = 0;

		config_compare(s->config, l.config, log_change, &changes);
		l.result = server_apply(s, l.config);
		if (l.result >= 0)
			log_notice("reloaded: %u changes", changes);
	}
	if (l.result < 0)
		log_error("reload failed, the old configuration stays: %s",
			  l.result == -EINVAL ? "mistakes in the configuration" : strerrordesc_np(-l.result));
	config_unref(l.config);
	free(l.diagnostics);
}
