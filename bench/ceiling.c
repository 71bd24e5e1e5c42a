/* ceiling - the yardstick: what a bare loop does on this machine.
 *
 *   ceiling echo ADDRESS
 *   ceiling relay ADDRESS --to ADDRESS
 *   ceiling http ADDRESS
 *
 * Level-triggered epoll, one buffer, a read and a write for each message: the straightest server there is. It has no
 * timeouts, no limits, no accounting and no log, and it is right all the same: what a slow reader does not take is
 * kept, meanwhile its sender is not read, and the end of one side is passed on behind its last byte. For HTTP it
 * looks for the empty line that ends a request, and says the same to all: what is left is what the kernel takes. It
 * prints the address that it listens on.
 */
#include "base/address.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sysexits.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 512
#define BACKLOG 4096
#define BUFFER_BYTES (64 * 1024)
#define REQUEST_BYTES_MIN 16	/* "GET / HTTP/1.0" and its end */
#define ANSWERS (BUFFER_BYTES / REQUEST_BYTES_MIN + 1)

/* One socket. What is read from it goes to `other`, which is itself for echo. */
struct end {
	int fd;
	bool read_ended, write_ended;
	uint8_t matched; /* of the end of a request's head */
	uint32_t watched;
	struct end *other;
	unsigned char *held; /* what could not be written to this socket yet */
	size_t held_bytes;
	struct end *next_dead;
};

struct ceiling {
	int epoll_fd, listen_fd;
	bool relay, http;
	struct sockaddr_storage to;
	socklen_t to_length;
	struct end *dead; /* closed in this turn: events of it may still follow */
	unsigned char buffer[BUFFER_BYTES];
};

/* What corelayd says to a GET of "/", but for the date, which stands still. */
static const char answer[] = "HTTP/1.1 200 OK\r\n"
			     "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
			     "Content-Type: text/plain; charset=utf-8\r\n"
			     "Content-Length: 35\r\n\r\n"
			     "Corelay is listening. Try /whoami.\n";
static unsigned char answers[ANSWERS * (sizeof(answer) - 1)];

static void answers_prepare(void)
{
	for (size_t i = 0; i < ANSWERS; i++)
		memcpy(answers + i * (sizeof(answer) - 1), answer, sizeof(answer) - 1);
}

static void die(const char *what)
{
	fprintf(stderr, "ceiling: %s: %s\n", what, strerror(errno));
	exit(EX_OSERR);
}

static void end_watch(struct ceiling *c, struct end *e)
{
	uint32_t wanted = (e->held_bytes ? EPOLLOUT : 0) | (e->read_ended || e->other->held_bytes ? 0 : EPOLLIN);
	/* A socket that nothing is wanted of would report its hang-up for ever; so it reports it once. */
	struct epoll_event event = {.events = wanted ? wanted : EPOLLET, .data.ptr = e};

	if (wanted == e->watched)
		return;
	e->watched = wanted;
	epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, e->fd, &event);
}

static void end_close_one(struct ceiling *c, struct end *e)
{
	close(e->fd);
	e->fd = -1;
	free(e->held);
	e->held = NULL;
	e->next_dead = c->dead;
	c->dead = e;
}

static void end_close_both(struct ceiling *c, struct end *e)
{
	struct end *other = e->other;

	end_close_one(c, e);
	if (other != e)
		end_close_one(c, other);
}

/* Passes the end on once everything before it is written; closes when both ways are done. */
static void end_pass_on(struct ceiling *c, struct end *e)
{
	struct end *to = e->other;

	if (!e->read_ended || to->held_bytes || to->write_ended)
		return;
	to->write_ended = true;
	shutdown(to->fd, SHUT_WR);
	if (e->write_ended && to->read_ended)
		end_close_both(c, e);
}

static bool end_hold(struct end *e, const unsigned char *bytes, size_t length)
{
	e->held = malloc(length);
	if (!e->held)
		return false;
	memcpy(e->held, bytes, length);
	e->held_bytes = length;
	return true;
}

/* How many requests end in these bytes. */
static size_t end_count_requests(struct end *e, const unsigned char *bytes, size_t length)
{
	static const char end_of_head[] = "\r\n\r\n";
	size_t count = 0;

	for (size_t i = 0; i < length; i++) {
		if (bytes[i] != end_of_head[e->matched]) {
			e->matched = bytes[i] == '\r';
		} else if (++e->matched == sizeof(end_of_head) - 1) {
			e->matched = 0;
			count++;
		}
	}
	return count;
}

/* Writes, and keeps what does not go out. */
static void end_write(struct ceiling *c, struct end *e, const unsigned char *bytes, size_t length)
{
	struct end *to = e->other;
	ssize_t sent = send(to->fd, bytes, length, MSG_NOSIGNAL);

	if (sent == (ssize_t) length)
		return;
	if ((sent < 0 && errno != EAGAIN) || !end_hold(to, bytes + MAX(sent, 0), length - (size_t) MAX(sent, 0))) {
		end_close_both(c, e);
		return;
	}
	end_watch(c, e);
	end_watch(c, to);
}

static void end_readable(struct ceiling *c, struct end *e)
{
	ssize_t n = recv(e->fd, c->buffer, sizeof(c->buffer), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		end_close_both(c, e);
		return;
	}
	if (n == 0) {
		e->read_ended = true;
		end_watch(c, e);
		end_pass_on(c, e);
		return;
	}
	if (!c->http) {
		end_write(c, e, c->buffer, (size_t) n);
		return;
	}
	size_t count = end_count_requests(e, c->buffer, (size_t) n);
	if (count > 0)
		end_write(c, e, answers, count * (sizeof(answer) - 1));
}

static void end_writable(struct ceiling *c, struct end *e)
{
	ssize_t sent = send(e->fd, e->held, e->held_bytes, MSG_NOSIGNAL);

	if (sent < 0 && errno == EAGAIN)
		return;
	if (sent < 0) {
		end_close_both(c, e);
		return;
	}
	e->held_bytes -= (size_t) sent;
	memmove(e->held, e->held + sent, e->held_bytes);
	if (e->held_bytes)
		return;
	free(e->held);
	e->held = NULL;
	end_watch(c, e);
	end_watch(c, e->other);
	end_pass_on(c, e->other);
}

static struct end *end_new(struct ceiling *c, int fd)
{
	const int on = 1;
	struct end *e = calloc(1, sizeof(*e));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = e};

	if (!e)
		die("a connection");
	e->fd = fd;
	e->other = e;
	e->watched = EPOLLIN;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
	return e;
}

/* The connection to the server may still be on its way: a write to it then finds no room, and is kept. */
static void ceiling_accept(struct ceiling *c)
{
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;

	struct end *client = end_new(c, fd);

	if (!c->relay)
		return;
	fd = socket(c->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, (struct sockaddr *) &c->to, c->to_length) < 0 && errno != EINPROGRESS)) {
		if (fd >= 0)
			close(fd);
		end_close_both(c, client);
		return;
	}
	client->other = end_new(c, fd);
	client->other->other = client;
}

static void ceiling_event(struct ceiling *c, struct end *e, uint32_t events)
{
	if (e->fd >= 0 && events & (EPOLLOUT | EPOLLERR | EPOLLHUP) && e->held_bytes)
		end_writable(c, e);
	if (e->fd >= 0 && events & (EPOLLIN | EPOLLERR | EPOLLHUP) && (e->watched & EPOLLIN || events & EPOLLERR))
		end_readable(c, e);
}

static _noreturn_ void ceiling_run(struct ceiling *c)
{
	struct epoll_event events[EVENTS_AT_ONCE];

	for (;;) {
		int n = epoll_wait(c->epoll_fd, events, EVENTS_AT_ONCE, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				ceiling_event(c, events[i].data.ptr, events[i].events);
			else
				ceiling_accept(c);
		}
		while (c->dead) {
			struct end *e = c->dead;

			c->dead = e->next_dead;
			free(e);
		}
	}
}

static void ceiling_listen(struct ceiling *c, const struct address *at)
{
	const int on = 1;
	struct sockaddr_storage local;
	socklen_t length = sizeof(local);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	struct address bound = *at;
	char text[ADDRESS_TEXT_BYTES];

	if (address_to_sockaddr(at, &local, &length) < 0) {
		fputs("ceiling: a number for an address, please\n", stderr);
		exit(EX_USAGE);
	}
	c->listen_fd = socket(local.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->listen_fd < 0)
		die("socket");
	setsockopt(c->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(c->listen_fd, (struct sockaddr *) &local, length) < 0 || listen(c->listen_fd, BACKLOG) < 0)
		die("listening");
	if (local.ss_family != AF_UNIX) {
		length = sizeof(local);
		getsockname(c->listen_fd, (struct sockaddr *) &local, &length);
		bound.port = ntohs(((struct sockaddr_in *) &local)->sin_port); /* at the same place in IPv6's */
	}
	if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->listen_fd, &event) < 0)
		die("epoll_ctl");
	printf("%s\n", address_print(&bound, text));
	fflush(stdout);
}

static _noreturn_ void usage(const char *why)
{
	fprintf(stderr, "ceiling: %s\nusage: ceiling echo|http ADDRESS | ceiling relay ADDRESS --to ADDRESS\n", why);
	exit(EX_USAGE);
}

int main(int argc, char **argv)
{
	static struct ceiling c;
	struct address at, to;
	const char *error;

	if (argc == 5 && strcmp(argv[1], "relay") == 0 && strcmp(argv[3], "--to") == 0)
		c.relay = true;
	else if (argc == 3 && strcmp(argv[1], "http") == 0)
		c.http = true;
	else if (argc != 3 || strcmp(argv[1], "echo") != 0)
		usage("echo, relay or http?");
	if (address_parse(argv[2], ADDRESS_LISTEN, &at, &error) < 0)
		usage(error);
	if (c.relay && address_parse(argv[4], ADDRESS_CONNECT, &to, &error) < 0)
		usage(error);
	if (c.relay && address_to_sockaddr(&to, &c.to, &c.to_length) < 0)
		usage("a number for the address of the server, please");

	answers_prepare();
	signal(SIGPIPE, SIG_IGN);
	c.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c.epoll_fd < 0)
		die("epoll_create1");
	ceiling_listen(&c, &at);
	ceiling_run(&c);
}
