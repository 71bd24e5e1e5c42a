/* test_listener.c - opening, inheriting and accepting. */
#include "base/fault.h"
#include "net/fd.h"
#include "net/listener.h"
#include "net/stream.h"
#include "tests/support/child.h"
#include "tests/support/harness.h"
#include "tests/support/sockets.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

static struct address address_of(const char *text)
{
	struct address a;
	const char *error;

	assert_int_equal(address_parse(text, ADDRESS_LISTEN, &a, &error), 0);
	return a;
}

static struct listener *open_at(const char *text)
{
	struct address a = address_of(text);
	struct listener *l = NULL;

	assert_int_equal(listener_open(&a, &l), 0);
	return l;
}

static int try_open(const char *text)
{
	struct address a = address_of(text);
	struct listener *l = NULL;
	int r = listener_open(&a, &l);

	listener_free(l);
	return r;
}

static uint16_t port_of(const struct listener *l)
{
	struct endpoint e;

	assert_int_equal(listener_endpoint(l, &e), 0);
	return ntohs(e.any.sa_family == AF_INET6 ? e.ipv6.sin6_port : e.ipv4.sin_port);
}

/* A client's descriptor, connected or still connecting. */
static int dial(const char *host, uint16_t port)
{
	char text[ADDRESS_TEXT_BYTES];
	struct sockaddr_storage to;
	socklen_t length;

	snprintf(text, sizeof(text), "%s:%u", host, port);
	struct address a = address_of(text);
	assert_int_equal(address_to_sockaddr(&a, &to, &length), 0);
	int fd = fd_socket(to.ss_family);
	assert_true(fd >= 0);
	int r = fd_connect(fd, (struct sockaddr *) &to, length);
	assert_true(r == 0 || r == -EINPROGRESS);
	return fd;
}

static int dial_unix(const char *text)
{
	struct address a = address_of(text);
	struct sockaddr_storage to;
	socklen_t length;

	assert_int_equal(address_to_sockaddr(&a, &to, &length), 0);
	int fd = fd_socket(AF_UNIX);
	assert_true(fd >= 0);
	assert_int_equal(fd_connect(fd, (struct sockaddr *) &to, length), 0);
	return fd;
}

static void accept_and_close(struct listener *l, int family)
{
	struct endpoint peer;
	int fd = listener_accept(l, &peer);

	assert_true(fd >= 0);
	assert_int_equal(peer.any.sa_family, family);
	fd_close(fd);
}

static bool has_ipv6(void)
{
	const struct sockaddr_in6 loopback = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	_cleanup_(fd_closep) int fd = fd_socket(AF_INET6);

	return fd >= 0 && fd_bind(fd, (const struct sockaddr *) &loopback, sizeof(loopback)) == 0;
}

static void run(task_fn *body)
{
	assert_int_equal(harness_run_each_backend(body, NULL), 0);
}

/* -- addresses -- */

static int accepts_ipv4(void *arg)
{
	_cleanup_(listener_freep) struct listener *l = open_at("127.0.0.1:0");
	struct endpoint peer, local;
	char a[ENDPOINT_TEXT_BYTES], b[ENDPOINT_TEXT_BYTES];
	int nodelay = 0;

	(void) arg;
	assert_int_equal(listener_address(l)->kind, ADDRESS_IPV4);
	_cleanup_(fd_closep) _unused_ int client = dial("127.0.0.1", port_of(l));
	_cleanup_(fd_closep) int fd = listener_accept(l, &peer);
	assert_true(fd >= 0);
	assert_int_equal(fd_local_endpoint(client, &local), 0);
	assert_string_equal(endpoint_print(&peer, a), endpoint_print(&local, b));
	assert_int_equal(fd_option(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay), 0);
	assert_true(nodelay);

	DEADLINE(limit, 100);
	assert_int_equal(listener_accept(l, &peer), -ETIMEDOUT);
	return 0;
}

static void a_connection_is_accepted_with_its_address_and_options(void **unused)
{
	(void) unused;
	run(accepts_ipv4);
}

static int accepts_both_families(void *arg)
{
	_cleanup_(listener_freep) struct listener *l = open_at(":0");

	(void) arg;
	_cleanup_(fd_closep) _unused_ int by_ipv4 = dial("127.0.0.1", port_of(l));
	accept_and_close(l, AF_INET);
	_cleanup_(fd_closep) _unused_ int by_ipv6 = dial("[::1]", port_of(l));
	accept_and_close(l, AF_INET6);
	return 0;
}

static void a_port_alone_listens_on_both_families(void **unused)
{
	(void) unused;
	if (!has_ipv6()) {
		print_message("there is no IPv6 here\n");
		skip();
	}
	run(accepts_both_families);
}

/* A port of IPv6 whose like of IPv4 nobody else on this machine has. */
static void open_both(struct listener **ret_ipv6, struct listener **ret_ipv4)
{
	for (int tries = 0; tries < 20; tries++) {
		struct listener *ipv6 = open_at("[::]:0");
		struct address same_port = { .kind = ADDRESS_IPV4, .port = port_of(ipv6) };

		if (listener_open(&same_port, ret_ipv4) == 0) {
			*ret_ipv6 = ipv6;
			return;
		}
		listener_free(ipv6);
	}
	fail_msg("no port is free for both");
}

static int families_apart(void *arg)
{
	_cleanup_(listener_freep) struct listener *ipv6 = NULL;
	_cleanup_(listener_freep) struct listener *ipv4 = NULL;
	char text[32];

	(void) arg;
	open_both(&ipv6, &ipv4);
	_cleanup_(fd_closep) _unused_ int client = dial("127.0.0.1", port_of(ipv4));
	accept_and_close(ipv4, AF_INET);
	snprintf(text, sizeof(text), ":%u", port_of(ipv6));
	assert_int_equal(try_open(text), -EADDRINUSE);
	return 0;
}

static void an_ipv6_address_leaves_ipv4_alone(void **unused)
{
	(void) unused;
	if (!has_ipv6()) {
		print_message("there is no IPv6 here\n");
		skip();
	}
	run(families_apart);
}

#ifdef ENABLE_FAULTS
static int without_ipv6(void *arg)
{
	(void) arg;
	fault_plant_named("socket", 1, EAFNOSUPPORT, 1);
	_cleanup_(listener_freep) struct listener *l = open_at(":0");
	fault_plant(0);
	_cleanup_(fd_closep) _unused_ int client = dial("127.0.0.1", port_of(l));
	accept_and_close(l, AF_INET);
	return 0;
}

static void a_port_alone_listens_on_ipv4_where_there_is_no_ipv6(void **unused)
{
	(void) unused;
	run(without_ipv6);
}
#endif

static int in_use(void *arg)
{
	_cleanup_(listener_freep) struct listener *l = open_at("127.0.0.1:0");
	char text[32];

	(void) arg;
	snprintf(text, sizeof(text), "127.0.0.1:%u", port_of(l));
	assert_int_equal(try_open(text), -EADDRINUSE);
	assert_int_equal(try_open("systemd:nobody"), -ENOENT);

	struct address name = { .kind = ADDRESS_NAME, .name = "no-such-host.invalid" };
	struct listener *none = NULL;
	int r = listener_open(&name, &none);
	assert_true(r == -ENOENT || r == -EHOSTUNREACH);
	assert_null(none);
	return 0;
}

static int by_name(void *arg)
{
	_cleanup_(listener_freep) struct listener *l = NULL;
	struct address name = { .kind = ADDRESS_NAME, .name = "localhost" };
	struct endpoint bound;

	(void) arg;
	assert_int_equal(listener_open(&name, &l), 0);
	assert_int_equal(listener_endpoint(l, &bound), 0);
	if (bound.any.sa_family == AF_INET)
		assert_int_equal(bound.ipv4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	else
		assert_true(IN6_IS_ADDR_LOOPBACK(&bound.ipv6.sin6_addr));
	return 0;
}

static void a_name_listens_on_its_addresses(void **unused)
{
	(void) unused;
	run(by_name);
}

static void what_cannot_be_listened_on_is_told(void **unused)
{
	(void) unused;
	run(in_use);
}

/* -- Unix sockets -- */

static char directory[] = "/tmp/test_listener.XXXXXX";
static char path[64], path_text[80];

static int make_directory(void **unused)
{
	(void) unused;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	snprintf(path_text, sizeof(path_text), "unix:%s", path);
	return 0;
}

static int remove_directory(void **unused)
{
	(void) unused;
	unlink(path);
	return rmdir(directory);
}

static bool path_exists(void)
{
	struct stat s;

	return lstat(path, &s) == 0;
}

static int listens_on_a_path(void *arg)
{
	struct listener *l = open_at(path_text);

	(void) arg;
	_cleanup_(fd_closep) _unused_ int client = dial_unix(path_text);
	accept_and_close(l, AF_UNIX);
	assert_int_equal(try_open(path_text), -EADDRINUSE);
	assert_true(path_exists());
	l = listener_free(l);
	assert_false(path_exists());
	return 0;
}

static void a_path_is_made_and_removed_again_and_not_taken_from_its_owner(void **unused)
{
	(void) unused;
	run(listens_on_a_path);
}

/* A path with a socket behind it that nobody listens on. */
static void leave_behind_a_path(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	_cleanup_(fd_closep) int fd = fd_socket(AF_UNIX);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	assert_int_equal(fd_bind(fd, (struct sockaddr *) &at, sizeof(at)), 0);
}

static int takes_over(void *arg)
{
	(void) arg;
	leave_behind_a_path();
	_cleanup_(listener_freep) struct listener *l = open_at(path_text);
	_cleanup_(fd_closep) _unused_ int client = dial_unix(path_text);
	accept_and_close(l, AF_UNIX);
	return 0;
}

static void a_path_that_a_dead_daemon_left_is_taken_over(void **unused)
{
	(void) unused;
	run(takes_over);
}

static int leaves_others_alone(void *arg)
{
	int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void) arg;
	assert_true(file >= 0);
	fd_close(file);
	assert_int_equal(try_open(path_text), -EADDRINUSE);
	assert_true(path_exists());
	unlink(path);

	struct listener *l = open_at(path_text);
	unlink(path);
	leave_behind_a_path();
	l = listener_free(l);
	assert_true(path_exists());
	unlink(path);
	return 0;
}

static void a_path_of_somebody_else_is_left_alone(void **unused)
{
	(void) unused;
	run(leaves_others_alone);
}

static int listens_on_an_abstract_name(void *arg)
{
	char text[64];

	(void) arg;
	snprintf(text, sizeof(text), "unix:@test_listener.%d", getpid());
	_cleanup_(listener_freep) struct listener *l = open_at(text);
	_cleanup_(fd_closep) _unused_ int client = dial_unix(text);
	accept_and_close(l, AF_UNIX);
	assert_int_equal(try_open(text), -EADDRINUSE);
	return 0;
}

static void an_abstract_name_is_listened_on(void **unused)
{
	(void) unused;
	run(listens_on_an_abstract_name);
}

/* -- accepting -- */

#ifdef ENABLE_FAULTS
static int skips_the_dead(void *arg)
{
	static const int errors[] = { ECONNABORTED, EPROTO, ENETDOWN, EPERM, EHOSTUNREACH, ENOPROTOOPT, ETIMEDOUT };
	_cleanup_(listener_freep) struct listener *l = open_at("127.0.0.1:0");

	(void) arg;
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		_cleanup_(fd_closep) _unused_ int client = dial("127.0.0.1", port_of(l));

		fault_plant_named("accept4", 1, errors[i], 6);
		accept_and_close(l, AF_INET);
		fault_plant(0);
	}
	return 0;
}

static void connections_that_are_gone_again_are_skipped(void **unused)
{
	(void) unused;
	run(skips_the_dead);
}

static int out_of_descriptors(void *arg)
{
	static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };
	_cleanup_(listener_freep) struct listener *l = open_at("127.0.0.1:0");
	struct endpoint peer;

	(void) arg;
	_cleanup_(fd_closep) _unused_ int client = dial("127.0.0.1", port_of(l));
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		fault_plant_named("accept4", 1, errors[i], 1);
		assert_int_equal(listener_accept(l, &peer), -errors[i]);
	}
	fault_plant(0);
	accept_and_close(l, AF_INET);
	return 0;
}

static void a_lack_of_descriptors_is_told_and_the_connection_waits(void **unused)
{
	(void) unused;
	run(out_of_descriptors);
}
#endif

#define CROWD 11

struct crowd {
	struct listener *listener;
	int accepted;
};

static int accept_crowd(void *arg)
{
	struct crowd *c = arg;

	while (c->accepted < CROWD) {
		accept_and_close(c->listener, AF_INET);
		c->accepted++;
	}
	return 0;
}

static int accepts_in_batches(void *arg)
{
	_cleanup_(listener_freep) struct listener *l = open_at("127.0.0.1:0");
	struct crowd crowd = { .listener = l };
	int clients[CROWD];

	(void) arg;
	for (int i = 0; i < CROWD; i++)
		clients[i] = dial("127.0.0.1", port_of(l));
	TASK_GROUP(group, GROUP_ALL);
	assert_int_equal(task_spawn(&group, "acceptor", accept_crowd, &crowd, NULL), 0);
	for (int turns = 0; turns < 2; turns++) {
		int before = crowd.accepted;

		assert_int_equal(task_yield(), 0);
		assert_int_equal(crowd.accepted - before, LISTENER_BATCH);
	}
	assert_int_equal(group_wait(&group), 0);
	for (int i = 0; i < CROWD; i++)
		fd_close(clients[i]);
	return 0;
}

static void a_crowd_is_accepted_in_small_batches(void **unused)
{
	(void) unused;
	run(accepts_in_batches);
}

static int accept_until_it_fails(void *arg)
{
	struct endpoint peer;
	int fd;

	while ((fd = listener_accept((struct listener *) arg, &peer)) >= 0)
		fd_close(fd);
	return fd;
}

static int closed_meanwhile(void *arg)
{
	struct listener *l = open_at("127.0.0.1:0");
	int clients[CROWD];

	(void) arg;
	TASK_GROUP(waits, GROUP_ANY);
	assert_int_equal(task_spawn(&waits, "waits", accept_until_it_fails, l, NULL), 0);
	assert_int_equal(sleep_for(1), 0);
	l = listener_free(l);
	assert_int_equal(group_wait(&waits), -EBADF);

	l = open_at("127.0.0.1:0");
	for (int i = 0; i < CROWD; i++)
		clients[i] = dial("127.0.0.1", port_of(l));
	TASK_GROUP(yields, GROUP_ANY);
	assert_int_equal(task_spawn(&yields, "yields", accept_until_it_fails, l, NULL), 0);
	assert_int_equal(task_yield(), 0);
	l = listener_free(l);
	assert_int_equal(group_wait(&yields), -EBADF);
	for (int i = 0; i < CROWD; i++)
		fd_close(clients[i]);
	return 0;
}

static void closing_a_listener_ends_the_wait_in_it(void **unused)
{
	(void) unused;
	run(closed_meanwhile);
}

/* -- inherited sockets: in a child, whose process id and low descriptors they are -- */

#define MUST(condition)                                                                                    \
	do {                                                                                               \
		if (!(condition)) {                                                                        \
			fprintf(stderr, "line %d: not %s\n", __LINE__, #condition);                        \
			_exit(1);                                                                          \
		}                                                                                          \
	} while (0)

/* A blocking TCP socket of loopback, as a service manager would make one. */
static int make_socket(bool listening)
{
	const struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	MUST(fd >= 0);
	MUST(bind(fd, (const struct sockaddr *) &at, sizeof(at)) == 0);
	MUST(!listening || listen(fd, 8) == 0);
	return fd;
}

static void hand_over(int count, bool listening, pid_t pid, const char *fds, const char *names)
{
	char text[16];
	int high[8];

	for (int i = 0; i < count; i++)
		MUST((high[i] = fcntl(make_socket(listening), F_DUPFD, 100)) >= 0);
	for (int i = 3; i < 100; i++)
		close(i);
	for (int i = 0; i < count; i++) {
		MUST(dup2(high[i], 3 + i) == 3 + i);
		close(high[i]);
	}
	snprintf(text, sizeof(text), "%d", pid);
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", fds, 1);
	if (names)
		setenv("LISTEN_FDNAMES", names, 1);
	else
		unsetenv("LISTEN_FDNAMES");
}

static bool variables_are_gone(void)
{
	return !getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES");
}

static int port_of_descriptor(int fd)
{
	struct endpoint e;

	MUST(fd_local_endpoint(fd, &e) == 0);
	return ntohs(e.ipv4.sin_port);
}

static int take_by_name(void *arg)
{
	struct address web = { .kind = ADDRESS_SYSTEMD, .name = "web" };
	struct address none = { .kind = ADDRESS_SYSTEMD, .name = "none" };
	struct listener *l = NULL;
	struct endpoint peer;
	int fd;

	(void) arg;
	MUST(listener_open(&none, &l) == -ENOENT);
	MUST(listener_open(&web, &l) == 0);
	MUST(listener_fd(l) == 3);
	MUST(strcmp(listener_unclaimed()[0], "admin") == 0 && !listener_unclaimed()[1]);

	/* The first and the third socket are called so: connections to either come in, and neither keeps the other
	 * waiting. */
	static const int expected[] = { 3, 5, 3 };
	int clients[3];
	for (int i = 0; i < 3; i++)
		clients[i] = dial("127.0.0.1", (uint16_t) port_of_descriptor(i < 2 ? 3 : 5));
	for (int i = 0; i < 3; i++) {
		MUST((fd = listener_accept(l, &peer)) >= 0);
		MUST(port_of_descriptor(fd) == port_of_descriptor(expected[i]));
		fd_close(fd);
		fd_close(clients[i]);
	}

	struct listener *second = NULL;
	MUST(listener_open(&web, &second) == -ENOENT);

	/* Given back, they can be taken again, after a reload that failed for instance. */
	listener_free(l);
	MUST(listener_open(&web, &second) == 0);
	MUST(listener_fd(second) == 3);
	int client = dial("127.0.0.1", (uint16_t) port_of_descriptor(5));
	MUST((fd = listener_accept(second, &peer)) >= 0);
	fd_close(fd);
	fd_close(client);
	listener_free(second);
	return 0;
}

static void inherits_by_name(void *arg)
{
	const struct loop_options options = { .virtual_clock = true };

	(void) arg;
	hand_over(3, true, getpid(), "3", "web:admin:web");
	MUST(listener_inherit() == 3);
	MUST(variables_are_gone());
	for (int fd = 3; fd < 6; fd++)
		MUST((fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	MUST(loop_open(&options) == 0);
	MUST(loop_run("root", take_by_name, NULL) == 0);
	loop_close();
}

static void inherits_nothing(void *arg)
{
	(void) arg;
	unsetenv("LISTEN_PID");
	MUST(listener_inherit() == 0);
	hand_over(1, true, getppid(), "1", "web");
	MUST(listener_inherit() == 0);
	MUST(variables_are_gone());
	MUST(!listener_unclaimed()[0]);
	MUST(!(fcntl(3, F_GETFL) & O_NONBLOCK));
}

static void inherits_without_names(void *arg)
{
	(void) arg;
	hand_over(1, true, getpid(), "1", NULL);
	MUST(listener_inherit() == 1);
	MUST(strcmp(listener_unclaimed()[0], "unknown") == 0);
}

static void inherits_nonsense(void *arg)
{
	(void) arg;
	hand_over(1, true, getpid(), "one", "web");
	MUST(listener_inherit() == -EINVAL);
	hand_over(1, true, getpid(), "1000", "web");
	MUST(listener_inherit() == -E2BIG);
	hand_over(2, true, getpid(), "2", "web");
	MUST(listener_inherit() == -EINVAL);
	hand_over(1, true, getpid(), "1", "web:admin");
	MUST(listener_inherit() == -EINVAL);
	hand_over(1, true, getpid(), "2", "web:admin");
	MUST(listener_inherit() == -EBADF);
	hand_over(1, false, getpid(), "1", "web");
	MUST(listener_inherit() == -ENOTSOCK);
	MUST(variables_are_gone());
	MUST(!listener_unclaimed()[0]);
}

static void in_a_child(void (*fn)(void *arg))
{
	static struct child_end end;

	child_run(fn, NULL, &end);
	if (end.status != 0)
		fail_msg("child ended with %d: %s", end.status, end.text);
}

static void inherited_sockets_are_taken_by_name_all_of_one_name_together(void **unused)
{
	(void) unused;
	in_a_child(inherits_by_name);
}

static void sockets_for_another_process_are_left_alone(void **unused)
{
	(void) unused;
	in_a_child(inherits_nothing);
}

static void sockets_without_names_are_called_unknown(void **unused)
{
	(void) unused;
	in_a_child(inherits_without_names);
}

static void variables_that_make_no_sense_are_refused(void **unused)
{
	(void) unused;
	in_a_child(inherits_nonsense);
}

/* -- everything, with something done to it -- */

static int one_connection(void *arg)
{
	struct address at = { .kind = ADDRESS_ABSTRACT, .name = "test_listener_torture" };
	_cleanup_(listener_freep) struct listener *l = NULL;
	int r = listener_open(&at, &l);

	(void) arg;
	if (r < 0)
		return r;
	TASK_GROUP(group, GROUP_EACH);
	r = task_spawn(&group, "acceptor", accept_until_it_fails, l, NULL);
	if (r < 0)
		return r;
	_cleanup_(fd_closep) int client = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_storage to;
	socklen_t length;
	assert_int_equal(address_to_sockaddr(&at, &to, &length), 0);
	assert_int_equal(connect(client, (struct sockaddr *) &to, length), 0);
	return sleep_for(10);
}

static void nothing_is_left_whatever_happens(void **unused)
{
	const struct harness_scenario s = { .body = one_connection };

	(void) unused;
	assert_true(harness_torture(&s) > 1);
#ifdef ENABLE_FAULTS
	assert_true(harness_torture_faults(&s) > 5);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_is_accepted_with_its_address_and_options),
		cmocka_unit_test(a_port_alone_listens_on_both_families),
		cmocka_unit_test(an_ipv6_address_leaves_ipv4_alone),
#ifdef ENABLE_FAULTS
		cmocka_unit_test(a_port_alone_listens_on_ipv4_where_there_is_no_ipv6),
		cmocka_unit_test(connections_that_are_gone_again_are_skipped),
		cmocka_unit_test(a_lack_of_descriptors_is_told_and_the_connection_waits),
#endif
		cmocka_unit_test(what_cannot_be_listened_on_is_told),
		cmocka_unit_test(a_name_listens_on_its_addresses),
		cmocka_unit_test(a_path_is_made_and_removed_again_and_not_taken_from_its_owner),
		cmocka_unit_test(a_path_that_a_dead_daemon_left_is_taken_over),
		cmocka_unit_test(a_path_of_somebody_else_is_left_alone),
		cmocka_unit_test(an_abstract_name_is_listened_on),
		cmocka_unit_test(a_crowd_is_accepted_in_small_batches),
		cmocka_unit_test(closing_a_listener_ends_the_wait_in_it),
		cmocka_unit_test(inherited_sockets_are_taken_by_name_all_of_one_name_together),
		cmocka_unit_test(sockets_for_another_process_are_left_alone),
		cmocka_unit_test(sockets_without_names_are_called_unknown),
		cmocka_unit_test(variables_that_make_no_sense_are_refused),
		cmocka_unit_test(nothing_is_left_whatever_happens),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
