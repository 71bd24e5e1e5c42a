#include "target.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Connections from one source address to one target are told apart by 28,000 ports, and a closed one keeps its
 * port for a while. Far fewer than that share a source here. */
#define CONNECTIONS_PER_SOURCE 8192
#define SOURCES 250

static int target_resolve(const struct address *a, struct target *t, const char **ret_error)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found;
	char port[8];

	snprintf(port, sizeof(port), "%u", (unsigned) a->port);
	int r = getaddrinfo(a->name, port, &hints, &found);
	if (r != 0) {
		*ret_error = gai_strerror(r);
		return -EINVAL;
	}
	memcpy(&t->to, found->ai_addr, found->ai_addrlen);
	t->length = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

int target_parse(const char *text, struct target *ret, const char **ret_error)
{
	struct target t = {0};
	struct address a;

	int r = address_parse(text, ADDRESS_CONNECT, &a, ret_error);
	if (r < 0)
		return r;
	address_print(&a, t.text);
	if (a.kind == ADDRESS_NAME)
		r = target_resolve(&a, &t, ret_error);
	else if ((r = address_to_sockaddr(&a, &t.to, &t.length)) < 0)
		*ret_error = "that is no address to connect to";
	if (r < 0)
		return r;

	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *) &t.to;

	t.spread_sources = t.to.ss_family == AF_INET && ntohl(ipv4->sin_addr.s_addr) >> 24 == 127;
	*ret = t;
	return 0;
}

/* Leaves the choice of the port to connect(), which knows that a port may serve several targets at once. */
static int target_choose_source(int fd, uint64_t number)
{
	const struct sockaddr_in source = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t) (number / CONNECTIONS_PER_SOURCE % SOURCES)),
	};
	const int on = 1;

	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *) &source, sizeof(source)) < 0)
		return -errno;
	return 0;
}

static int target_connect_fd(const struct target *t, int fd, uint64_t number, bool *ret_connected)
{
	const int on = 1;

	if (t->spread_sources) {
		int r = target_choose_source(fd, number);
		if (r < 0)
			return r;
	}
	if (t->to.ss_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *) &t->to, t->length) == 0)
		*ret_connected = true;
	else if (errno == EINPROGRESS)
		*ret_connected = false;
	else
		return -errno;
	return 0;
}

int target_connect(const struct target *t, uint64_t number, bool *ret_connected)
{
	int fd = socket(t->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;

	int r = target_connect_fd(t, fd, number, ret_connected);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}
