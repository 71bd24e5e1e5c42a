/* test_regress_server.c - the server as a whole, where it once broke: sockets that open and close, limits,
 * stopping. */
#include "service/server.h"

#include "base/log.h"
#include "net/fd.h"
#include "service/conn.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define SERVICES_MAX 3

/* A configuration made by hand. */
struct sample {
	struct config config;
	struct service_config services[SERVICES_MAX];
	struct address addresses[SERVICES_MAX];
};

static struct address loopback(uint16_t port)
{
	return (struct address) { .kind = ADDRESS_IPV4, .port = port, .ipv4.s_addr = htonl(INADDR_LOOPBACK) };
}

static void sample_init(struct sample *s)
{
	*s = (struct sample) { .config = {
		.references = 1,	/* ours: never freed by the server */
		.daemon = {
			.max_connections = 100,
			.offload_threads = 1,
			.drain_timeout_ms = 30000,
			.stall_warn_ms = FOREVER,
			.log = LOG_FORMAT_LOGFMT,
			.log_level = LOG_LEVEL_INFO,
		},
		.services = s->services,
	} };
}

static struct service_config *sample_add(struct sample *s, const char *name, const char *type, uint16_t port)
{
	size_t n = s->config.service_count++;

	s->addresses[n] = loopback(port);
	s->services[n] = (struct service_config) {
		.name = (char *) name,
		.type = (char *) type,
		.listen = { &s->addresses[n], 1 },
		.idle_timeout_ms = 300000,
		.connect_timeout_ms = 5000,
		.half_close_timeout_ms = 60000,
		.session_timeout_ms = FOREVER,
		.header_timeout_ms = 10000,
	};
	return &s->services[n];
}

static struct task_group profile_keepers;

/* What server_run() does before and after, for tests that do only a part of what is in between. */
static void server_begin(struct server *s, struct task_group *connections)
{
	*s = (struct server) { .connections = connections, .profile_keepers = &profile_keepers };
	group_init(&profile_keepers, "certificates", GROUP_EACH);
	list_init(&s->services);
	list_init(&s->retired);
	list_init(&s->ports);
	list_init(&s->profiles);
	gate_init(&s->attention, "something to do");
	semaphore_init(&s->slots, "connection slot of the daemon", 1);
	semaphore_init(&s->handshakes, "TLS handshake", 1);
}

static void server_end(struct server *s)
{
	struct list *node;

	port_free_all(&s->ports);
	group_cancel(s->connections);
	assert_true(group_wait(s->connections) <= 0);
	while ((node = list_take_first(&s->services)))
		service_unref(list_entry(node, struct service, node));
	assert_true(list_is_empty(&s->retired));
	group_close(s->profile_keepers);
	semaphore_done(&s->handshakes);
	semaphore_done(&s->slots);
	config_unref(s->config);
}

static int dial(uint16_t port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = fd_socket(AF_INET);
	int r;

	assert_true(fd >= 0);
	r = fd_connect(fd, (struct sockaddr *) &at, sizeof(at));
	assert_true(r == 0 || r == -EINPROGRESS);
	return fd;
}

/* A moment for the server. */
static void wait_a_moment(void)
{
	assert_int_equal(sleep_for(20), 0);
}

static void say(int fd, const char *text)
{
	assert_int_equal(fd_write(fd, text, strlen(text)), (ssize_t) strlen(text));
	wait_a_moment();
}

static bool is_answered(int fd)
{
	char buffer[4096];

	return fd_read(fd, buffer, sizeof(buffer)) > 0;
}

static uint16_t bound_port(const struct server *s, const char *service)
{
	struct endpoint e;

	LIST_EACH (node, &s->ports) {
		const struct port *p = list_entry(node, struct port, node);

		if (strcmp(p->service->name, service) == 0 && listener_endpoint(p->listener, &e) == 0)
			return ntohs(e.ipv4.sin_port);
	}
	return 0;
}

/* End records are counted, and kept from the test's output. */
static unsigned records;

static void count_records(void *context, enum log_level level, const char *line, size_t length)
{
	(void) context;
	(void) level;
	records += memmem(line, length, "connection ended", strlen("connection ended")) != NULL;
}

/* -- sockets -- */

static int two_on_port_0(void *arg)
{
	TASK_GROUP(connections, GROUP_EACH);
	struct sample sample;
	struct server s;

	(void) arg;
	sample_init(&sample);
	sample_add(&sample, "one", "echo", 0);
	sample_add(&sample, "two", "daytime", 0);
	server_begin(&s, &connections);
	assert_int_equal(server_apply(&s, &sample.config), 0);

	uint16_t one = bound_port(&s, "one"), two = bound_port(&s, "two");
	assert_true(one != 0 && two != 0 && one != two);
	assert_int_equal(server_apply(&s, &sample.config), 0);
	assert_int_equal(bound_port(&s, "one"), one);
	assert_int_equal(bound_port(&s, "two"), two);
	server_end(&s);
	return 0;
}

static void every_listener_on_port_0_is_one_of_its_own_and_kept(void **state)
{
	(void) state;
	assert_int_equal(harness_run(two_on_port_0, NULL), 0);
}

struct caller {
	uint16_t port;
	int fd;
};

/* Runs while a name is looked up: one socket is open by then, and nobody accepts yet. */
static int call_in_between(void *arg)
{
	struct caller *c = arg;

	c->fd = dial(c->port);
	return 0;
}

static int half_of_a_plan(void *arg)
{
	TASK_GROUP(connections, GROUP_EACH);
	TASK_GROUP(callers, GROUP_EACH);
	struct caller caller = { .port = sockets_free_port(), .fd = -1 };
	struct address at = loopback(0), by_name = { .kind = ADDRESS_NAME, .name = "localhost" };
	struct listener *taken = NULL;
	struct sample sample;
	struct endpoint e;
	struct server s;

	(void) arg;
	assert_int_equal(listener_open(&at, &taken), 0);
	assert_int_equal(listener_endpoint(taken, &e), 0);
	sample_init(&sample);
	sample_add(&sample, "first", "echo", caller.port);
	sample_add(&sample, "second", "echo", 0)->listen = (struct address_list) { &by_name, 1 };
	sample_add(&sample, "third", "echo", ntohs(e.ipv4.sin_port));
	server_begin(&s, &connections);

	assert_int_equal(task_spawn(&callers, "caller", call_in_between, &caller, NULL), 0);
	assert_int_equal(server_apply(&s, &sample.config), -EADDRINUSE);
	assert_true(caller.fd >= 0);
	wait_a_moment();
	assert_int_equal(group_count(&connections), 0);
	assert_true(list_is_empty(&s.ports));
	fd_close(caller.fd);
	listener_free(taken);
	server_end(&s);
	return 0;
}

static void nobody_is_accepted_by_a_plan_that_fails(void **state)
{
	(void) state;
	assert_int_equal(harness_run(half_of_a_plan, NULL), 0);
}

/* -- limits -- */

static int one_service_is_full(void *arg)
{
	TASK_GROUP(connections, GROUP_EACH);
	struct sample sample;
	struct server s;

	(void) arg;
	sample_init(&sample);
	sample.config.daemon.max_connections = 2;
	sample_add(&sample, "full", "echo", 0)->max_connections = 1;
	sample_add(&sample, "other", "echo", 0);
	server_begin(&s, &connections);
	assert_int_equal(server_apply(&s, &sample.config), 0);

	int served = dial(bound_port(&s, "full"));
	say(served, "x");
	assert_true(is_answered(served));
	int waiting = dial(bound_port(&s, "full"));
	say(waiting, "x");
	assert_false(is_answered(waiting));
	int other = dial(bound_port(&s, "other"));
	say(other, "x");
	assert_true(is_answered(other));

	records = 0;
	server_end(&s);
	assert_int_equal(records, 3);
	fd_close(served);
	fd_close(waiting);
	fd_close(other);
	return 0;
}

static void who_waits_for_one_service_keeps_nobody_from_another_and_leaves_a_record(void **state)
{
	(void) state;
	assert_int_equal(harness_run(one_service_is_full, NULL), 0);
}

/* -- stopping -- */

struct life {
	struct sample sample;
	struct server_options options;
	int result;
};

static int live(void *arg)
{
	struct life *l = arg;

	l->result = server_run(&l->options);
	return 0;
}

static void life_begin(struct life *l, struct task_group *g, const char *type, uint16_t *ret_port)
{
	*ret_port = sockets_free_port();
	sample_init(&l->sample);
	sample_add(&l->sample, "served", type, *ret_port);
	l->options = (struct server_options) { .config = &l->sample.config };
	l->result = -1;
	assert_int_equal(task_spawn(g, "server", live, l, NULL), 0);
}

static void signal_and_wait(int number)
{
	assert_int_equal(kill(getpid(), number), 0);
	wait_a_moment();
}

static int stopped_twice_while_lame(void *arg)
{
	TASK_GROUP(g, GROUP_EACH);
	const int *clients = arg;
	struct life life;
	uint16_t port;
	int fd = -1;

	life_begin(&life, &g, "echo", &port);
	life.sample.config.daemon.drain_delay_ms = 20000;
	wait_a_moment();
	if (*clients > 0) {
		fd = dial(port);
		say(fd, "x");
		assert_true(is_answered(fd));
	}
	signal_and_wait(SIGTERM);
	signal_and_wait(SIGTERM);
	assert_int_equal(group_count(&g), 0);
	fd_close(fd);
	return life.result;
}

static void a_second_signal_during_the_drain_delay_is_a_forced_stop_when_it_cuts_somebody(void **state)
{
	int clients = 1;

	(void) state;
	assert_int_equal(harness_run(stopped_twice_while_lame, &clients), SERVER_FORCED);
	clients = 0;
	assert_int_equal(harness_run(stopped_twice_while_lame, &clients), 0);
}

/* A file that is there as long as the test. */
struct file {
	char path[32];
	struct config_service_type types[16];
	struct config_source source;
};

static void file_write(const struct file *f, const char *format, ...)
{
	FILE *to = fopen(f->path, "w");
	va_list arguments;

	assert_non_null(to);
	va_start(arguments, format);
	vfprintf(to, format, arguments);
	va_end(arguments);
	assert_int_equal(fclose(to), 0);
}

static void file_init(struct file *f)
{
	*f = (struct file) { .path = "/tmp/test_regress.XXXXXX", .source = { .file = f->path, .types = f->types } };
	int fd = mkstemp(f->path);
	assert_true(fd >= 0);
	close(fd);
	for (const struct service_type *t = service_types; t->config.name; t++) {
		assert_true(f->source.type_count < ARRAY_LENGTH(f->types));
		f->types[f->source.type_count++] = t->config;
	}
}

struct replaced {
	struct file file;
	struct config *config;
	uint16_t port;
};

/* A connection that waited for a slot when its service went comes to life with nobody left to end it. */
static int retired_while_it_waits(void *arg)
{
	TASK_GROUP(g, GROUP_EACH);
	struct replaced *r = arg;
	struct life life = {
		.options = { .source = r->file.source, .config = r->config }, .result = -1,
	};

	assert_int_equal(task_spawn(&g, "server", live, &life, NULL), 0);
	wait_a_moment();
	int served = dial(r->port);
	say(served, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_true(is_answered(served));
	int waiting = dial(r->port);
	wait_a_moment();
	file_write(&r->file, "[service new]\ntype = echo\nlisten = 127.0.0.1:%u\n", r->port);
	signal_and_wait(SIGHUP);
	assert_int_equal(group_count(&g), 1);

	signal_and_wait(SIGTERM);
	assert_int_equal(group_count(&g), 0);
	fd_close(served);
	fd_close(waiting);
	return life.result;
}

static void an_idle_connection_of_a_retired_service_does_not_hold_up_the_end(void **state)
{
	struct replaced r = { .port = sockets_free_port() };

	(void) state;
	file_init(&r.file);
	file_write(&r.file, "[service old]\ntype = http\nmax_connections = 1\nlisten = 127.0.0.1:%u\n", r.port);
	assert_int_equal(config_load(&r.file.source, NULL, &r.config), 0);
	assert_int_equal(harness_run(retired_while_it_waits, &r), 0);
	config_unref(r.config);
	unlink(r.file.path);
}

/* -- threads -- */

static int nothing_to_compute(void *arg)
{
	(void) arg;
	usleep(1000);	/* long enough that a second job would want a second thread */
	return 0;
}

static int offload(void *arg)
{
	(void) arg;
	return executor_run(EXECUTOR_CPU, "nothing", nothing_to_compute, NULL);
}

static int one_thread_and_a_name(void *arg)
{
	TASK_GROUP(g, GROUP_EACH);
	struct executor_counters counters;
	struct life life;
	uint16_t port;

	(void) arg;
	life_begin(&life, &g, "echo", &port);
	life.sample.addresses[0] = (struct address) { .kind = ADDRESS_NAME, .port = port, .name = "localhost" };
	wait_a_moment();
	{
		TASK_GROUP(jobs, GROUP_ALL);
		for (int i = 0; i < 3; i++)
			assert_int_equal(task_spawn(&jobs, "job", offload, NULL, NULL), 0);
		assert_int_equal(group_wait(&jobs), 0);
	}
	executor_counters(&counters);
	assert_int_equal(counters.done[EXECUTOR_DNS], 1);
	assert_int_equal(counters.threads, 1);
	signal_and_wait(SIGTERM);
	return life.result;
}

static void a_name_to_listen_at_does_not_start_more_threads_than_configured(void **state)
{
	(void) state;
	assert_int_equal(harness_run(one_thread_and_a_name, NULL), 0);
}

/* -- fairness -- */

#define FLOOD_BYTES (200 * 1024)
#define CHARGEN_CHUNK_BYTES 16000	/* at least so much goes out per chunk */
#define READ_PER_CHUNK_BYTES 4096

static int flood_of_chargen(void *arg)
{
	TASK_GROUP(connections, GROUP_EACH);
	struct config config = { .references = 1 };
	struct endpoint peer = { .any.sa_family = AF_UNIX };
	struct sample sample;
	struct service *service = NULL;
	struct conn *c = NULL;
	char *flood = calloc(1, FLOOD_BYTES);
	int ends[2];

	(void) arg;
	sample_init(&sample);
	const struct service_parts none = { 0 };
	assert_int_equal(service_new(sample_add(&sample, "c", "chargen", 0), &config, &none, &service), 0);
	harness_socketpair(ends);
	ssize_t sent = fd_write(ends[0], flood, FLOOD_BYTES);
	assert_true(sent > FLOOD_BYTES / 2);
	assert_int_equal(conn_new(service, 1, ends[1], &peer, &c), 0);
	assert_int_equal(conn_start(c, &connections), 0);
	wait_a_moment();

	/* It has filled the socket now and waits. */
	uint64_t chunks = c->client->sent_bytes / CHARGEN_CHUNK_BYTES + 1;
	assert_true(c->client->received_bytes <= chunks * READ_PER_CHUNK_BYTES);
	group_close(&connections);
	group_init(&connections, "connections", GROUP_EACH);
	service_unref(service);
	fd_close(ends[0]);
	free(flood);
	return 0;
}

static void a_client_that_floods_chargen_gets_no_more_than_its_turn(void **state)
{
	(void) state;
	assert_int_equal(harness_run(flood_of_chargen, NULL), 0);
}

/* -- the log -- */

static void count_line(void *context, enum log_level level, const char *line, size_t length)
{
	(void) level;
	(void) line;
	(void) length;
	++*(unsigned *) context;
}

static int more_than_possible(void *arg)
{
	TASK_GROUP(connections, GROUP_EACH);
	enum log_level *level = arg;
	unsigned lines = 0;
	struct sample sample;
	struct server s;

	sample_init(&sample);
	sample_add(&sample, "echo", "echo", 0);
	sample.config.daemon.max_connections = 1000000000;
	sample.config.daemon.log_level = *level;
	server_begin(&s, &connections);
	log_open(LOG_FORMAT_LOGFMT, *level);
	log_set_sink(count_line, &lines);
	assert_int_equal(server_apply(&s, &sample.config), 0);
	log_open(LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	log_set_sink(count_records, NULL);
	server_end(&s);
	return (int) lines;
}

static void a_lowered_limit_is_told_once_and_only_to_who_wants_warnings(void **state)
{
	enum log_level loud = LOG_LEVEL_WARNING, quiet = LOG_LEVEL_ERROR;

	(void) state;
	assert_int_equal(harness_run(more_than_possible, &loud), 1);
	assert_int_equal(harness_run(more_than_possible, &quiet), 0);
}

/* -- descriptors -- */

static uint64_t connections_with(const char *type, struct upstream_config *upstream)
{
	TASK_GROUP(connections, GROUP_EACH);
	struct sample sample;
	struct server s;

	sample_init(&sample);
	struct service_config *sc = sample_add(&sample, "some", type, 0);
	if (upstream) {
		sample.config.upstreams = upstream;
		sample.config.upstream_count = 1;
		sc->upstream = upstream->name;
		sc->upstream_config = upstream;
	}
	sample.config.daemon.max_connections = 1000000000;
	server_begin(&s, &connections);
	assert_int_equal(server_apply(&s, &sample.config), 0);
	uint64_t limit = s.slots.limit;
	server_end(&s);
	return limit;
}

static int descriptors_are_shared_out(void *arg)
{
	struct server_config at = { .address = loopback(9), .weight = 1 };
	struct upstream_config upstream = { .name = (char *) "behind", .servers = &at, .server_count = 1 };
	struct rlimit before;

	(void) arg;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	const struct rlimit low = { .rlim_cur = 512, .rlim_max = before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	uint64_t plain = connections_with("echo", NULL);
	uint64_t relayed = connections_with("proxy", &upstream);
	assert_int_equal(relayed, (plain - pipe_pool_fds()) / 2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	return 0;
}

static void a_relayed_connection_takes_two_descriptors_and_pipes_take_theirs(void **state)
{
	(void) state;
	assert_int_equal(harness_run(descriptors_are_shared_out, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_listener_on_port_0_is_one_of_its_own_and_kept),
		cmocka_unit_test(nobody_is_accepted_by_a_plan_that_fails),
		cmocka_unit_test(who_waits_for_one_service_keeps_nobody_from_another_and_leaves_a_record),
		cmocka_unit_test(a_second_signal_during_the_drain_delay_is_a_forced_stop_when_it_cuts_somebody),
		cmocka_unit_test(an_idle_connection_of_a_retired_service_does_not_hold_up_the_end),
		cmocka_unit_test(a_name_to_listen_at_does_not_start_more_threads_than_configured),
		cmocka_unit_test(a_client_that_floods_chargen_gets_no_more_than_its_turn),
		cmocka_unit_test(a_lowered_limit_is_told_once_and_only_to_who_wants_warnings),
		cmocka_unit_test(a_relayed_connection_takes_two_descriptors_and_pipes_take_theirs),
	};

	log_open(LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO);
	log_set_sink(count_records, NULL);
	return cmocka_run_group_tests_name("regress_server", tests, NULL, NULL);
}
