#include "swarm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 512
#define TRANSFERS_AT_ONCE 8    /* reads or writes on one socket before the others are looked at */
#define CONNECTING_AT_ONCE 256 /* below any sensible backlog */
#define TURN_MS 20
#define COMPLAINTS 5

int64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

void client_close(struct swarm *s, struct client *c)
{
	if (c->state == CLIENT_OPEN)
		s->open--;
	else
		s->connecting--;
	s->cut_off += c->channel.cut_off;
	channel_close(&c->channel);
	c->state = CLIENT_CLOSED;
	s->closed[s->closed_count++] = c;
}

void client_abort(struct swarm *s, struct client *c)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	setsockopt(c->channel.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	client_close(s, c);
}

static bool client_may_complain(struct swarm *s)
{
	if (s->failed == COMPLAINTS)
		fprintf(stderr, "swarm: more failures are counted, not shown\n");
	return s->failed++ < COMPLAINTS;
}

void client_fail(struct swarm *s, struct client *c, const char *what, int error)
{
	if (client_may_complain(s))
		fprintf(stderr, "swarm: connection %" PRIu64 ": %s%s%s (%" PRIu64 " bytes sent, %" PRIu64 " back)\n",
			c->number, what, error < 0 ? ": " : "", error < 0 ? channel_failure(error) : "",
			c->sent_bytes, c->received_bytes);
	if (c->state != CLIENT_CLOSED)
		client_close(s, c);
}

static void client_mismatch(struct swarm *s, struct client *c, size_t at, unsigned char got)
{
	uint64_t position = c->received_bytes + at;
	size_t run;

	s->mismatched++;
	if (client_may_complain(s))
		fprintf(stderr, "swarm: connection %" PRIu64 ": byte %" PRIu64 " is 0x%02x, not 0x%02x\n", c->number,
			position, got, *payload_at(&s->payload, c->number, position, &run));
	client_close(s, c);
}

/* Asks to be told of a readiness that is there already: edges are reported once, and a client that is put off would
 * not hear of its own again. */
static void client_rearm(struct swarm *s, struct client *c)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};

	epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->channel.fd, &event);
}

static bool client_wants_to_send(const struct client *c)
{
	return c->sent_bytes < c->send_limit_bytes || (c->finishing && !c->finished);
}

/* The end of TLS waits until all is back: for many a server it ends both ways, as it did before TLS 1.3. */
static void client_finish_if_due(struct swarm *s, struct client *c)
{
	if (!c->finishing || c->finished || c->sent_bytes < c->send_limit_bytes ||
	    (s->tls.context && c->received_bytes < c->sent_bytes))
		return;
	int r = channel_finish(&c->channel);
	if (r == -EAGAIN)
		return;
	c->finished = true;
	if (r < 0)
		client_fail(s, c, "finishing", r);
}

static void client_send(struct swarm *s, struct client *c)
{
	for (unsigned i = 0; c->sent_bytes < c->send_limit_bytes; i++) {
		size_t run;
		const unsigned char *bytes = payload_at(&s->payload, c->number, c->sent_bytes, &run);

		if (i == TRANSFERS_AT_ONCE) {
			client_rearm(s, c);
			return;
		}
		run = MIN(run, c->send_limit_bytes - c->sent_bytes);
		ssize_t n = channel_send(&c->channel, bytes, run);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			client_fail(s, c, "sending", (int) n);
			return;
		}
		c->sent_bytes += (size_t) n;
	}
	client_finish_if_due(s, c);
}

void client_send_until(struct swarm *s, struct client *c, uint64_t position)
{
	c->send_limit_bytes = position;
	client_send(s, c);
}

void client_finish(struct swarm *s, struct client *c)
{
	c->finishing = true;
	client_finish_if_due(s, c);
}

void client_stop(struct swarm *s, struct client *c)
{
	c->send_limit_bytes = c->sent_bytes + c->channel.held_bytes;
	client_finish(s, c);
}

/* Takes what was read. False when the client was closed over it. */
static bool client_take(struct swarm *s, struct client *c, size_t n)
{
	size_t right = payload_compare(&s->payload, c->number, c->received_bytes, s->buffer, n);

	if (right < n) {
		client_mismatch(s, c, right, s->buffer[right]);
		return false;
	}
	if (c->received_bytes + n > c->sent_bytes) {
		client_fail(s, c, "more bytes came back than were sent", 0);
		return false;
	}
	c->received_bytes += n;
	s->received_bytes += n;
	s->progress_ns = s->now_ns;
	s->options->mode->received(s, c);
	if (c->state == CLIENT_OPEN)
		client_finish_if_due(s, c);
	return c->state == CLIENT_OPEN;
}

static void client_ended(struct swarm *s, struct client *c)
{
	if (!c->finished || c->received_bytes < c->sent_bytes) {
		client_fail(s, c, "the server ended the connection too early", 0);
		return;
	}
	s->progress_ns = s->now_ns;
	s->options->mode->ended(s, c);
}

/* A read that does not fill the buffer has emptied the socket, unless the end is known to be behind it. */
static void client_receive(struct swarm *s, struct client *c, bool end_follows)
{
	for (unsigned i = 0; i < TRANSFERS_AT_ONCE || channel_has_read_ahead(&c->channel); i++) {
		ssize_t n = channel_receive(&c->channel, s->buffer, sizeof(s->buffer));

		if (n == -EAGAIN)
			return;
		if (n < 0) {
			client_fail(s, c, "receiving", (int) n);
			return;
		}
		if (n == 0) {
			client_ended(s, c);
			return;
		}
		if (!client_take(s, c, (size_t) n))
			return;
		if (!channel_may_have_more(&c->channel, (size_t) n, sizeof(s->buffer)) && !end_follows)
			return;
	}
	client_rearm(s, c);
}

/* Goes on with the handshake of TLS, which without TLS is done at once. */
static void client_shake_hands(struct swarm *s, struct client *c)
{
	int r = channel_handshake(&c->channel);
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		client_fail(s, c, "the handshake", r);
		return;
	}
	if (channel_lost_session(&c->channel)) {
		client_fail(s, c, "the server did not resume the session", 0);
		return;
	}
	c->state = CLIENT_OPEN;
	s->connecting--;
	s->open++;
	s->progress_ns = s->now_ns;
	s->options->mode->connected(s, c);
}

static void client_connected(struct swarm *s, struct client *c)
{
	c->state = CLIENT_SHAKING_HANDS;
	client_shake_hands(s, c);
}

static void client_event(struct swarm *s, struct client *c, uint32_t events)
{
	if (c->state == CLIENT_CONNECTING) {
		int error = 0;
		socklen_t length = sizeof(error);

		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		getsockopt(c->channel.fd, SOL_SOCKET, SO_ERROR, &error, &length);
		if (error) {
			client_fail(s, c, "connecting", -error);
			return;
		}
		client_connected(s, c);
	} else if (c->state == CLIENT_SHAKING_HANDS)
		client_shake_hands(s, c);
	if (c->state == CLIENT_OPEN && events & EPOLLOUT && client_wants_to_send(c))
		client_send(s, c);
	if (c->state == CLIENT_OPEN && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		client_receive(s, c, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
}

/* Opens one connection in a free slot. False when that has to wait. */
static bool swarm_open(struct swarm *s)
{
	struct client *c = s->closed[s->closed_count - 1];
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
	bool connected;

	*c = (struct client){.number = s->opened, .started_ns = s->now_ns};
	int fd = target_connect(&s->target, c->number, &connected);
	s->backlog_full = fd == -EAGAIN;
	if (s->backlog_full)
		return false;
	s->to_open--;
	s->opened++;
	if (fd < 0) {
		client_fail(s, c, "connecting", fd);
		return true;
	}
	s->closed_count--;
	s->connecting++;
	c->state = CLIENT_CONNECTING;
	int r = channel_open(&c->channel, &s->tls, fd);
	if (r == 0 && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		r = -errno;
	if (r < 0) {
		client_fail(s, c, "watching", r);
		return true;
	}
	if (connected)
		client_connected(s, c);
	return true;
}

static void swarm_open_more(struct swarm *s)
{
	for (unsigned i = 0; i < CONNECTING_AT_ONCE; i++)
		if (!s->to_open || !s->closed_count || s->connecting >= CONNECTING_AT_ONCE || !swarm_open(s))
			return;
}

/* Nothing came for too long: names what each connection waits for, and gives up. */
static void swarm_give_up(struct swarm *s)
{
	uint64_t connecting = 0, shaking_hands = 0, for_bytes = 0, for_end = 0;

	SWARM_EACH(c, s)
	{
		if (c->state == CLIENT_CLOSED)
			continue;
		if (c->state == CLIENT_CONNECTING)
			connecting++;
		else if (c->state == CLIENT_SHAKING_HANDS)
			shaking_hands++;
		else if (c->finished && c->received_bytes == c->sent_bytes)
			for_end++;
		else
			for_bytes++;
		s->failed++;
		client_close(s, c);
	}
	fprintf(stderr,
		"swarm: nothing came for %.0f s: %" PRIu64 " connections wait to be connected, %" PRIu64
		" for the handshake, %" PRIu64 " for bytes, %" PRIu64 " for the end, %" PRIu64 " were not opened\n",
		(double) s->options->patience_ns / (double) NS_PER_S, connecting, shaking_hands, for_bytes, for_end,
		s->to_open);
	s->failed += s->to_open;
}

static int swarm_prepare(struct swarm *s, const struct options *o)
{
	payload_init(&s->payload);
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return -errno;
	s->clients = calloc(o->connections, sizeof(*s->clients));
	s->closed = calloc(o->connections, sizeof(*s->closed));
	if (!s->clients || !s->closed)
		return -ENOMEM;
	SWARM_EACH(c, s)
	s->closed[s->closed_count++] = c;
	swarm_watch_server(s, &s->server_at_start);
	s->now_ns = s->progress_ns = clock_now_ns();
	return o->mode->prepare(s);
}

int swarm_run(struct swarm *s, const struct options *o)
{
	struct epoll_event events[EVENTS_AT_ONCE];

	s->options = o;
	int r = swarm_prepare(s, o);
	if (r < 0)
		return r;

	do {
		swarm_open_more(s);
		int n = epoll_wait(s->epoll_fd, events, EVENTS_AT_ONCE, s->backlog_full ? 1 : TURN_MS);
		if (n < 0 && errno != EINTR)
			return -errno;
		s->now_ns = clock_now_ns();
		for (int i = 0; i < n; i++)
			client_event(s, events[i].data.ptr, events[i].events);
		if (s->now_ns - s->progress_ns > o->patience_ns) {
			swarm_give_up(s);
			swarm_measure_end(s);
			return 0;
		}
	} while (o->mode->turn(s));
	swarm_measure_end(s); /* it has not ended yet when every connection was lost */
	return 0;
}

void swarm_done(struct swarm *s)
{
	SWARM_EACH(c, s)
	if (c->state != CLIENT_CLOSED)
		channel_close(&c->channel);
	tls_close(&s->tls);
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	free(s->asked_ns);
	free(s->closed);
	free(s->clients);
}
