/* test_conn.c - what a connection knows before it has done anything: where it came in, and whether the client has
 * spoken. */
#include "net/fd.h"
#include "net/listener.h"
#include "service/conn.h"
#include "service/upstream.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

/* Never freed by the services: the test's own reference stays. */
static struct config configuration = { .references = 1 };
static const struct service_parts no_parts;

static struct service_config config_for(const char *type)
{
	return (struct service_config) {
		.name = (char *) type,
		.type = (char *) type,
		.idle_timeout_ms = 60000,
		.connect_timeout_ms = 5000,
		.half_close_timeout_ms = 60000,
		.session_timeout_ms = FOREVER,
	};
}

static struct address address_of(const char *text)
{
	struct address a;
	const char *error;

	assert_int_equal(address_parse(text, ADDRESS_LISTEN, &a, &error), 0);
	return a;
}

/* -- the place -- */

static void assert_known_place(const char *first, const char *second, const char *expected)
{
	struct address places[] = { address_of(first), address_of(second ? second : first) };
	struct service_config sc = config_for("echo");
	struct service *s = NULL;

	sc.listen = (struct address_list) { .items = places, .count = second ? 2 : 1 };
	assert_int_equal(service_new(&sc, &configuration, &no_parts, &s), 0);
	assert_string_equal(s->local, expected);
	service_unref(s);
}

static void a_service_with_one_fixed_address_knows_where_its_connections_come_in(void **state)
{
	(void) state;
	assert_known_place("127.0.0.1:7007", NULL, "127.0.0.1:7007");
	assert_known_place("[::1]:7007", NULL, "[::1]:7007");
	assert_known_place("[::ffff:10.1.2.3]:80", NULL, "10.1.2.3:80");
}

static void where_there_is_a_choice_the_kernel_is_asked(void **state)
{
	(void) state;
	assert_known_place(":7007", NULL, "");
	assert_known_place("0.0.0.0:7007", NULL, "");
	assert_known_place("[::]:7007", NULL, "");
	assert_known_place("127.0.0.1:0", NULL, "");
	assert_known_place("localhost:7007", NULL, "");
	assert_known_place("unix:/run/echo", NULL, "");
	assert_known_place("systemd:echo", NULL, "");
	assert_known_place("127.0.0.1:7007", "127.0.0.1:7008", "");
}

static void a_place_that_moves_is_known_no_longer(void **state)
{
	struct address old = address_of("127.0.0.1:7007"), new = address_of("127.0.0.1:7008");
	struct service_config sc = config_for("echo");
	struct service *s = NULL;

	(void) state;
	sc.listen = (struct address_list) { .items = &old, .count = 1 };
	assert_int_equal(service_new(&sc, &configuration, &no_parts, &s), 0);
	service_update(s, &sc, &configuration, &no_parts);
	assert_string_equal(s->local, "127.0.0.1:7007");

	/* Connections that came in at the old one may be there still, also when it moves back. */
	sc.listen.items = &new;
	service_update(s, &sc, &configuration, &no_parts);
	assert_string_equal(s->local, "");
	sc.listen.items = &old;
	service_update(s, &sc, &configuration, &no_parts);
	assert_string_equal(s->local, "");
	service_unref(s);
}

/* -- who has spoken -- */

struct proxy {
	struct service *service;
	struct listener *origin;
};

static void proxy_done(struct proxy *p)
{
	if (p->service)
		service_unref(p->service);
	listener_free(p->origin);
}

static int proxy_open(struct proxy *p)
{
	struct server_config server = { .weight = 1 };
	struct upstream_config uc = { .name = "origin", .servers = &server, .server_count = 1 };
	struct service_config sc = config_for("proxy");
	struct address at = address_of("127.0.0.1:0");
	struct upstream *upstream = NULL;
	struct endpoint e;

	int r = listener_open(&at, &p->origin);
	if (r >= 0)
		r = listener_endpoint(p->origin, &e);
	if (r < 0)
		return r;
	server.address = at;
	server.address.port = ntohs(e.ipv4.sin_port);
	r = upstream_new(&uc, NULL, &upstream);
	if (r >= 0)
		r = service_new(&sc, &configuration, &(struct service_parts) { .upstream = upstream }, &p->service);
	upstream_unref(upstream);
	return r;
}

/* One session, whose client speaks before or after its connection is served. Returns the segments that the origin has
 * got when it has read what the client said. */
static int session(struct proxy *p, bool speaks_first, unsigned *ret_segments)
{
	_cleanup_(stream_freep) struct stream *client = NULL, *inner = NULL;
	struct endpoint peer = { .any.sa_family = AF_INET };
	struct tcp_info info;
	socklen_t length = sizeof(info);
	struct conn *c;
	char byte;
	int ends[2];

	TASK_GROUP(group, GROUP_EACH);
	sockets_tcp_pair(ends);
	assert_int_equal(stream_new(ends[0], &client), 0);
	if (speaks_first)
		assert_int_equal(stream_write(client, "x", 1), 0);
	assert_int_equal(conn_new(p->service, 1, ends[1], &peer, &c), 0);
	assert_int_equal(conn_start(c, &group), 0);
	int fd = listener_accept(p->origin, &peer);
	assert_true(fd >= 0);
	assert_int_equal(stream_new(fd, &inner), 0);
	if (!speaks_first)
		assert_int_equal(stream_write(client, "x", 1), 0);
	assert_int_equal(stream_read(inner, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
	*ret_segments = info.tcpi_segs_in;
	group_close(&group);
	return 0;
}

static int sessions(void *arg)
{
	_cleanup_(proxy_done) struct proxy p = { NULL, NULL };
	unsigned fewest[2] = { 100, 100 };

	(void) arg;
	assert_int_equal(proxy_open(&p), 0);
	for (int i = 0; i < 50; i++)
		for (int speaks_first = 0; speaks_first < 2; speaks_first++) {
			unsigned segments;
			int r = session(&p, speaks_first, &segments);

			if (r < 0)
				return r;
			fewest[speaks_first] = MIN(fewest[speaks_first], segments);
		}
	assert_int_equal(fewest[true], fewest[false] - 1);
	return 0;
}

static void what_a_client_has_said_already_carries_the_last_step_of_the_handshake(void **state)
{
	(void) state;
	assert_int_equal(harness_run(sessions, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_with_one_fixed_address_knows_where_its_connections_come_in),
		cmocka_unit_test(where_there_is_a_choice_the_kernel_is_asked),
		cmocka_unit_test(a_place_that_moves_is_known_no_longer),
		cmocka_unit_test(what_a_client_has_said_already_carries_the_last_step_of_the_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
