/* first_byte - how soon does a server serve?
 *
 *   first_byte ADDRESS
 *
 * Tries to connect to the address, again and again, until a byte that it sends comes back; then prints the
 * time of day in seconds. Start it first and the server next: the difference to the moment of the server's
 * exec is what it took.
 */
#include "target.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define TRIES 100000
#define BETWEEN_TRIES_NS 100000
#define PATIENCE_MS 2000

static bool wait_for(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, PATIENCE_MS) == 1;
}

/* Connected, and answered with the byte that was sent? */
static bool served(int fd, bool connected)
{
	const char byte = 'x';
	char answer = 0;

	if (!connected && !wait_for(fd, POLLOUT))
		return false;
	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || !wait_for(fd, POLLIN))
		return false;
	return recv(fd, &answer, 1, 0) == 1 && answer == byte;
}

int main(int argc, char **argv)
{
	const struct timespec pause = {.tv_nsec = BETWEEN_TRIES_NS};
	struct target target;
	struct timespec now;
	const char *error = "";

	if (argc != 2 || target_parse(argv[1], &target, &error) < 0) {
		fprintf(stderr, "usage: first_byte ADDRESS %s\n", error);
		return EX_USAGE;
	}
	for (unsigned i = 0; i < TRIES; i++) {
		bool connected;
		int fd = target_connect(&target, 0, &connected);
		bool done = fd >= 0 && served(fd, connected);

		if (done)
			clock_gettime(CLOCK_REALTIME, &now);
		if (fd >= 0)
			close(fd);
		if (done) {
			printf("%lld.%09ld\n", (long long) now.tv_sec, now.tv_nsec);
			return 0;
		}
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "first_byte: nobody serves at %s\n", argv[1]);
	return EX_UNAVAILABLE;
}
