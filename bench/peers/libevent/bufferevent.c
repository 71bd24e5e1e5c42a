/* Echo and relay with libevent's buffer events:
 *
 *   bufferevent ADDRESS             echo
 *   bufferevent ADDRESS BACKEND     relay
 *
 * What one side sends is moved, not copied, to the other side's output; a side whose output is long is not sent more:
 * the other is not read until it has become short.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BACKLOG 4096
#define OUTPUT_LONG (256 * 1024)

struct side {
	struct bufferevent *events;
	struct side *other; /* itself for echo */
	bool read_ended, write_ended;
};

static struct sockaddr_storage backend;
static int backend_length;

static void session_free(struct side *s)
{
	struct side *other = s->other;

	bufferevent_free(s->events);
	free(s);
	if (other != s) {
		bufferevent_free(other->events);
		free(other);
	}
}

/* Passes the end on behind the last byte. True when that was the end of the session. */
static bool pass_end_on(struct side *from)
{
	struct side *to = from->other;

	if (!from->read_ended || to->write_ended || evbuffer_get_length(bufferevent_get_output(to->events)))
		return false;
	to->write_ended = true;
	shutdown(bufferevent_getfd(to->events), SHUT_WR);
	if (!to->read_ended || !from->write_ended)
		return false;
	session_free(from);
	return true;
}

static void on_read(struct bufferevent *events, void *arg)
{
	struct side *from = arg, *to = from->other;

	bufferevent_write_buffer(to->events, bufferevent_get_input(events));
	if (evbuffer_get_length(bufferevent_get_output(to->events)) > OUTPUT_LONG)
		bufferevent_disable(events, EV_READ);
}

static void on_written(struct bufferevent *events, void *arg)
{
	struct side *to = arg, *from = to->other;

	(void) events;
	if (!pass_end_on(from) && !from->read_ended)
		bufferevent_enable(from->events, EV_READ);
}

static void on_event(struct bufferevent *events, short what, void *arg)
{
	struct side *from = arg;

	if (what & BEV_EVENT_CONNECTED)
		return;
	if (!(what & BEV_EVENT_EOF)) {
		session_free(from);
		return;
	}
	from->read_ended = true;
	bufferevent_disable(events, EV_READ);
	pass_end_on(from);
}

static struct side *side_new(struct event_base *base, evutil_socket_t fd)
{
	struct side *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->other = s;
	s->events = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(s->events, on_read, on_written, on_event, s);
	return s;
}

static void no_delay(evutil_socket_t fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int length,
		      void *arg)
{
	struct side *client = side_new(evconnlistener_get_base(listener), fd);

	(void) from, (void) length, (void) arg;
	no_delay(fd);
	if (backend_length) {
		struct side *server = side_new(evconnlistener_get_base(listener), -1);

		client->other = server;
		server->other = client;
		if (bufferevent_socket_connect(server->events, (struct sockaddr *) &backend, backend_length) < 0) {
			session_free(client);
			return;
		}
		no_delay(bufferevent_getfd(server->events));
		bufferevent_enable(server->events, EV_READ | EV_WRITE);
	}
	bufferevent_enable(client->events, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
	struct sockaddr_storage at;
	int length = sizeof(at);

	backend_length = argc == 3 ? sizeof(backend) : 0;
	if (argc < 2 || argc > 3 || evutil_parse_sockaddr_port(argv[1], (struct sockaddr *) &at, &length) < 0 ||
	    (argc == 3 && evutil_parse_sockaddr_port(argv[2], (struct sockaddr *) &backend, &backend_length) < 0)) {
		fputs("usage: bufferevent ADDRESS [BACKEND]\n", stderr);
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	struct event_base *base = event_base_new();
	if (!evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, BACKLOG,
				     (struct sockaddr *) &at, length)) {
		perror("listening");
		return 71;
	}
	return event_base_dispatch(base) < 0;
}
