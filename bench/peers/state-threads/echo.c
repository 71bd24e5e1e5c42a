/* Echo with State Threads: echo ADDRESS, where ADDRESS is IPv4:PORT. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <st.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKLOG 4096
#define BUFFER_BYTES 4096
#define STACK_BYTES (32 * 1024)
#define RETRY_US 100000

static void *serve(void *arg)
{
	st_netfd_t client = arg;
	char buffer[BUFFER_BYTES];
	ssize_t n;

	while ((n = st_read(client, buffer, sizeof(buffer), ST_UTIME_NO_TIMEOUT)) > 0)
		if (st_write(client, buffer, (size_t) n, ST_UTIME_NO_TIMEOUT) != n)
			break;
	st_netfd_close(client);
	return NULL;
}

static int listen_at(char *address)
{
	const int on = 1;
	char *colon = strrchr(address, ':');
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (!colon)
		return -1;
	*colon = '\0';
	at.sin_port = htons((uint16_t) strtoul(colon + 1, NULL, 10));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* those it accepts inherit it */
	if (inet_pton(AF_INET, address, &at.sin_addr) != 1 || bind(fd, (struct sockaddr *) &at, sizeof(at)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	int fd;
	st_netfd_t listener, client;

	if (argc != 2 || (fd = listen_at(argv[1])) < 0) {
		perror("listening");
		return 1;
	}
	/* Debian's library is built without epoll: its other choice is select(2), which ends at 1024 descriptors. */
	if (st_set_eventsys(ST_EVENTSYS_POLL) < 0 || st_init() < 0 || !(listener = st_netfd_open_socket(fd))) {
		perror("st_init");
		return 1;
	}
	for (;;) {
		client = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT);
		if (!client)
			st_usleep(RETRY_US); /* out of descriptors, perhaps: not again and again at once */
		else if (!st_thread_create(serve, client, 0, STACK_BYTES))
			st_netfd_close(client);
	}
}
