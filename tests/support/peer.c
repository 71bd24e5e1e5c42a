/* peer - the other end of a connection, as a script of steps.
 *
 *   peer connect ADDRESS STEP...    connects, then takes the steps
 *   peer listen ADDRESS STEP...     prints where it listens, accepts one connection, then takes the steps
 *   peer greet ADDRESS TEXT         prints where it listens; says TEXT to whoever comes, and waits for their end
 *   peer full ADDRESS               prints where it listens with a backlog that is full: connecting there takes for
 * ever
 *
 *   send:TEXT     sends it (\n \r \t \\ \xHH)        expect:TEXT   reads just this
 *   fill:N        sends N position-coded bytes       check:N       reads N of those
 *   flood         sends until no more is taken, and prints how much that was
 *   drain         reads position-coded bytes to the end of the stream, and prints how many
 *   finish        sends the end                      end           reads the end
 *   reset         closes with a reset                gone          reads a reset
 *   close         closes                           over          reads either of these
 *   broken        after end: waits for a reset
 *   line          waits for a line on standard input
 *   say:TEXT      prints a line
 *
 * A step that does not come true within ten seconds, or otherwise than written, ends it with status 1 and a message.
 */
#include "base/address.h"
#include "payload.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define FLOOD_QUIET_MS 300 /* no room for so long: nobody reads there */

struct peer {
	int fd;
	const char *step;
	uint64_t filled_bytes, checked_bytes;
	struct payload payload;
	unsigned char buffer[PAYLOAD_RUN];
};

static _noreturn_ _printf_(2, 3) void peer_fail(const struct peer *p, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "peer: %s: ", p->step);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static void peer_say(const char *text)
{
	printf("%s\n", text);
	fflush(stdout);
}

static bool peer_wait(int fd, short events, int ms)
{
	struct pollfd wanted = {.fd = fd, .events = events};

	return poll(&wanted, 1, ms) > 0;
}

/* What recv() says: bytes, 0, or -errno. */
static ssize_t peer_receive(struct peer *p, size_t length)
{
	if (!peer_wait(p->fd, POLLIN, PATIENCE_MS))
		peer_fail(p, "nothing came");
	ssize_t n = recv(p->fd, p->buffer, length, 0);
	return n < 0 ? -errno : n;
}

static size_t peer_receive_some(struct peer *p, size_t length)
{
	ssize_t n = peer_receive(p, MIN(length, sizeof(p->buffer)));

	if (n == 0)
		peer_fail(p, "the stream ended");
	if (n < 0)
		peer_fail(p, "%s", strerror((int) -n));
	return (size_t) n;
}

/* How much of it was taken before there was no more room for so long. */
static size_t peer_send(struct peer *p, const unsigned char *bytes, size_t length, int ms)
{
	size_t sent = 0;

	while (sent < length) {
		if (!peer_wait(p->fd, POLLOUT, ms))
			break;
		ssize_t n = send(p->fd, bytes + sent, length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			peer_fail(p, "%s", strerror(errno));
		sent += n > 0 ? (size_t) n : 0;
	}
	return sent;
}

static unsigned char peer_unescape(const char **text)
{
	unsigned value;

	if (*(*text)++ != '\\')
		return (unsigned char) (*text)[-1];
	switch (*(*text)++) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'x':
		if (sscanf(*text, "%2x", &value) == 1) {
			*text += 2;
			return (unsigned char) value;
		}
		break;
	default:
		break;
	}
	return (unsigned char) (*text)[-1];
}

static size_t peer_text(struct peer *p, const char *text, unsigned char *ret)
{
	size_t length = 0;

	while (*text) {
		if (length == PAYLOAD_RUN)
			peer_fail(p, "too long");
		ret[length++] = peer_unescape(&text);
	}
	return length;
}

static void step_send(struct peer *p, const char *value)
{
	size_t length = peer_text(p, value, p->buffer);

	if (peer_send(p, p->buffer, length, PATIENCE_MS) < length)
		peer_fail(p, "nobody reads");
}

static void step_expect(struct peer *p, const char *value)
{
	unsigned char wanted[PAYLOAD_RUN];
	size_t length = peer_text(p, value, wanted), done = 0;

	while (done < length) {
		size_t n = peer_receive_some(p, length - done);
		if (memcmp(p->buffer, wanted + done, n) != 0)
			peer_fail(p, "got '%.*s'", (int) n, (const char *) p->buffer);
		done += n;
	}
}

static uint64_t peer_number(struct peer *p, const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (end == text || *end)
		peer_fail(p, "a number, please");
	return value;
}

static uint64_t peer_fill(struct peer *p, uint64_t length, int ms)
{
	uint64_t done = 0;

	while (done < length) {
		size_t run;
		const unsigned char *bytes = payload_at(&p->payload, 0, p->filled_bytes, &run);

		run = MIN(run, length - done);
		size_t sent = peer_send(p, bytes, run, ms);
		p->filled_bytes += sent;
		done += sent;
		if (sent < run)
			break;
	}
	return done;
}

static void step_fill(struct peer *p, const char *value)
{
	uint64_t length = peer_number(p, value);

	if (peer_fill(p, length, PATIENCE_MS) < length)
		peer_fail(p, "nobody reads");
}

static void step_flood(struct peer *p, const char *value)
{
	(void) value;
	peer_fill(p, UINT64_MAX, FLOOD_QUIET_MS);
	printf("%" PRIu64 "\n", p->filled_bytes);
	fflush(stdout);
}

static void peer_check(struct peer *p, size_t n)
{
	size_t right = payload_compare(&p->payload, 0, p->checked_bytes, p->buffer, n);

	if (right < n)
		peer_fail(p, "byte %" PRIu64 " is wrong", p->checked_bytes + right);
	p->checked_bytes += n;
}

static void step_check(struct peer *p, const char *value)
{
	uint64_t end = p->checked_bytes + peer_number(p, value);

	while (p->checked_bytes < end)
		peer_check(p, peer_receive_some(p, end - p->checked_bytes));
}

static void step_drain(struct peer *p, const char *value)
{
	ssize_t n;

	(void) value;
	while ((n = peer_receive(p, sizeof(p->buffer))) > 0)
		peer_check(p, (size_t) n);
	if (n < 0)
		peer_fail(p, "%s", strerror((int) -n));
	printf("%" PRIu64 "\n", p->checked_bytes);
	fflush(stdout);
}

static void step_finish(struct peer *p, const char *value)
{
	(void) value;
	if (shutdown(p->fd, SHUT_WR) < 0)
		peer_fail(p, "%s", strerror(errno));
}

static void step_end(struct peer *p, const char *value)
{
	(void) value;
	ssize_t n = peer_receive(p, sizeof(p->buffer));
	if (n > 0)
		peer_fail(p, "got '%.*s'", (int) n, (const char *) p->buffer);
	if (n < 0)
		peer_fail(p, "%s", strerror((int) -n));
}

/* Reads on, whatever it is; 0 or -errno is how it ended. */
static ssize_t peer_read_out(struct peer *p)
{
	ssize_t n;

	while ((n = peer_receive(p, sizeof(p->buffer))) > 0)
		continue;
	return n;
}

static void step_gone(struct peer *p, const char *value)
{
	ssize_t n = peer_read_out(p);

	(void) value;
	if (n != -ECONNRESET)
		peer_fail(p, "%s", n == 0 ? "it was a clean end" : strerror((int) -n));
}

static void step_over(struct peer *p, const char *value)
{
	(void) value;
	(void) peer_read_out(p);
}

/* Bytes and the end have been read: only the state of the socket tells of a reset now. */
static void step_broken(struct peer *p, const char *value)
{
	(void) value;
	if (!peer_wait(p->fd, 0, PATIENCE_MS))
		peer_fail(p, "the connection is whole");
}

static void step_close(struct peer *p, const char *value)
{
	(void) value;
	close(p->fd);
	p->fd = -1;
}

static void step_reset(struct peer *p, const char *value)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	step_close(p, value);
}

static void step_line(struct peer *p, const char *value)
{
	(void) value;
	for (int c = 0; c != '\n';) {
		c = getchar();
		if (c == EOF)
			peer_fail(p, "standard input ended");
	}
}

static void step_say(struct peer *p, const char *value)
{
	(void) p;
	peer_say(value);
}

static void peer_step(struct peer *p, const char *step)
{
	static const struct {
		const char *name;
		void (*take)(struct peer *p, const char *value);
	} steps[] = {
		{"send", step_send},   {"expect", step_expect}, {"fill", step_fill},     {"check", step_check},
		{"flood", step_flood}, {"drain", step_drain},   {"finish", step_finish}, {"end", step_end},
		{"reset", step_reset}, {"gone", step_gone},     {"over", step_over},     {"close", step_close},
		{"line", step_line},   {"say", step_say},       {"broken", step_broken},
	};
	size_t length = strcspn(step, ":");

	p->step = step;
	for (size_t i = 0; i < ARRAY_LENGTH(steps); i++)
		if (strlen(steps[i].name) == length && strncmp(steps[i].name, step, length) == 0) {
			steps[i].take(p, step + length + (step[length] == ':'));
			return;
		}
	peer_fail(p, "there is no such step");
}

static void peer_parse(struct peer *p, const char *text, enum address_use use, struct sockaddr_storage *ret,
		       socklen_t *ret_length)
{
	struct address a;
	const char *error = "a number for the address, please";

	if (address_parse(text, use, &a, &error) < 0 || address_to_sockaddr(&a, ret, ret_length) < 0)
		peer_fail(p, "%s", error);
}

static int peer_listen(struct peer *p, const char *text, int backlog)
{
	struct sockaddr_storage at;
	socklen_t length;
	struct endpoint local;
	char printed[ENDPOINT_TEXT_BYTES];
	const int on = 1;

	peer_parse(p, text, ADDRESS_LISTEN, &at, &length);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *) &at, length) < 0 || listen(fd, backlog) < 0)
		peer_fail(p, "%s", strerror(errno));
	if (at.ss_family == AF_UNIX) {
		peer_say(text);
		return fd;
	}
	length = sizeof(at);
	getsockname(fd, (struct sockaddr *) &at, &length);
	endpoint_from_sockaddr((struct sockaddr *) &at, length, &local);
	peer_say(endpoint_print(&local, printed));
	return fd;
}

static void peer_connect(struct peer *p, const char *text)
{
	struct sockaddr_storage to;
	socklen_t length;

	peer_parse(p, text, ADDRESS_CONNECT, &to, &length);
	p->fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(p->fd, (struct sockaddr *) &to, length) < 0)
		peer_fail(p, "%s", strerror(errno));
}

static void peer_accept(struct peer *p, int listener)
{
	if (!peer_wait(listener, POLLIN, PATIENCE_MS))
		peer_fail(p, "nobody came");
	p->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (p->fd < 0)
		peer_fail(p, "%s", strerror(errno));
}

/* Waits for the end of each before it closes, so that a close with unread bytes never takes the greeting back. */
static _noreturn_ void peer_greet(struct peer *p, int listener, const char *text)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		if (send(fd, text, strlen(text), MSG_NOSIGNAL) > 0)
			shutdown(fd, SHUT_WR);
		while (recv(fd, p->buffer, sizeof(p->buffer), 0) > 0)
			continue;
		close(fd);
	}
}

/* A queue of one takes two at most; whoever comes later hears nothing. */
static void peer_fill_backlog(struct peer *p, int listener)
{
	struct sockaddr_storage at;
	socklen_t length = sizeof(at);

	getsockname(listener, (struct sockaddr *) &at, &length);
	for (;;) {
		int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0 || (connect(fd, (struct sockaddr *) &at, length) < 0 && errno != EINPROGRESS))
			peer_fail(p, "%s", strerror(errno));
		if (!peer_wait(fd, POLLOUT, FLOOD_QUIET_MS))
			break;
	}
	peer_say("full");
	pause();
}

int main(int argc, char **argv)
{
	static struct peer p = {.fd = -1};

	if (argc < 3) {
		fputs("usage: peer connect|listen|greet|full ADDRESS [STEP...]\n", stderr);
		return EX_USAGE;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);	/* a test that is killed cannot clean up */
	payload_init(&p.payload);
	p.step = argv[2];
	if (strcmp(argv[1], "full") == 0) {
		peer_fill_backlog(&p, peer_listen(&p, argv[2], 0));
		return 0;
	}
	if (strcmp(argv[1], "greet") == 0)
		peer_greet(&p, peer_listen(&p, argv[2], 128), argc > 3 ? argv[3] : "");
	if (strcmp(argv[1], "listen") == 0)
		peer_accept(&p, peer_listen(&p, argv[2], 16));
	else
		peer_connect(&p, argv[2]);
	for (int i = 3; i < argc; i++)
		peer_step(&p, argv[i]);
	return 0;
}
