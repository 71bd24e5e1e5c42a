/* Connect, a handshake of TLS, a message there and back through it, the end of it, and again: handshakes per second,
 * and how long it takes from the first packet until one may send. */
#include "swarm.h"

#include <stdio.h>

#define FAILURES_ENOUGH 1000

enum { HANDSHAKE_FIRST, HANDSHAKE_RUNNING, HANDSHAKE_FINISHING };

static void handshake_start(struct swarm *s)
{
	const struct options *o = s->options;

	s->phase = HANDSHAKE_RUNNING;
	s->to_open = o->count ? o->count : UINT64_MAX;
	s->phase_ends_ns = o->count ? INT64_MAX : s->now_ns + o->duration_ns;
	swarm_measure_begin(s);
}

/* What is resumed has to come from somewhere: from a connection before those that are measured. */
static int handshake_prepare(struct swarm *s)
{
	if (s->options->resume)
		s->to_open = 1;
	else
		handshake_start(s);
	return 0;
}

static void handshake_connected(struct swarm *s, struct client *c)
{
	if (s->phase == HANDSHAKE_RUNNING) {
		s->units++;
		histogram_add(&s->histogram, clock_now_ns() - c->started_ns);
	}
	client_send_until(s, c, s->options->size_bytes);
}

static void handshake_received(struct swarm *s, struct client *c)
{
	if (c->received_bytes == s->options->size_bytes)
		client_finish(s, c);
}

static void handshake_ended(struct swarm *s, struct client *c)
{
	client_close(s, c);
}

static bool handshake_turn(struct swarm *s)
{
	if (s->phase == HANDSHAKE_RUNNING && (s->now_ns >= s->phase_ends_ns || s->failed >= FAILURES_ENOUGH)) {
		s->phase = HANDSHAKE_FINISHING;
		s->to_open = 0;
		swarm_measure_end(s);
	}
	if (s->to_open || s->connecting || s->open)
		return true;
	if (s->phase == HANDSHAKE_FIRST && s->tls.newest) {
		handshake_start(s);
		return true;
	}
	if (s->phase == HANDSHAKE_FIRST && !s->failed) {
		fputs("swarm: the server gave no session to resume\n", stderr);
		s->failed++;
	}
	swarm_measure_end(s);
	return false;
}

static void handshake_report(struct swarm *s, struct report *r)
{
	swarm_report(s, r, "handshakes");
	report_text(r, "resumed", s->options->resume ? "yes" : "no");
	swarm_report_latency(s, r);
}

const struct mode mode_handshake = {
	.name = "handshake",
	.what = "connect, a handshake of TLS, --size bytes there and back, close, and again",
	.prepare = handshake_prepare,
	.connected = handshake_connected,
	.received = handshake_received,
	.ended = handshake_ended,
	.turn = handshake_turn,
	.report = handshake_report,
};
