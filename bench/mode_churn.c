/* Connect, one request and its answer, close, and again: connections per second, and how long each one takes. */
#include "swarm.h"

#define FAILURES_ENOUGH 1000

enum { CHURN_RUNNING, CHURN_FINISHING };

static int churn_prepare(struct swarm *s)
{
	const struct options *o = s->options;

	s->to_open = o->count ? o->count : UINT64_MAX;
	s->phase_ends_ns = o->count ? INT64_MAX : s->now_ns + o->duration_ns;
	swarm_measure_begin(s);
	return 0;
}

static void churn_count(struct swarm *s, const struct client *c)
{
	if (s->phase != CHURN_RUNNING)
		return;
	s->units++;
	histogram_add(&s->histogram, clock_now_ns() - c->started_ns);
}

/* All is back: ends the connection in the way that was asked for. */
static void churn_end(struct swarm *s, struct client *c)
{
	switch (s->options->close) {
	case CHURN_CLOSE_HALF:
		client_finish(s, c);
		break;
	case CHURN_CLOSE_NOW:
		churn_count(s, c);
		client_close(s, c);
		break;
	case CHURN_CLOSE_RESET:
		churn_count(s, c);
		client_abort(s, c);
		break;
	}
}

static void churn_connected(struct swarm *s, struct client *c)
{
	if (s->options->size_bytes)
		client_send_until(s, c, s->options->size_bytes);
	else
		churn_end(s, c);
}

static void churn_received(struct swarm *s, struct client *c)
{
	if (c->received_bytes == s->options->size_bytes)
		churn_end(s, c);
}

static void churn_ended(struct swarm *s, struct client *c)
{
	churn_count(s, c);
	client_close(s, c);
}

static bool churn_turn(struct swarm *s)
{
	if (s->phase == CHURN_RUNNING && (s->now_ns >= s->phase_ends_ns || s->failed >= FAILURES_ENOUGH)) {
		s->phase = CHURN_FINISHING;
		s->to_open = 0;
		swarm_measure_end(s);
	}
	if (s->to_open || s->connecting || s->open)
		return true;
	swarm_measure_end(s);
	return false;
}

static void churn_report(struct swarm *s, struct report *r)
{
	swarm_report(s, r, "connections");
	report_count(r, "size_bytes", s->options->size_bytes, "bytes");
	swarm_report_latency(s, r);
}

const struct mode mode_churn = {
	.name = "churn",
	.what = "connect, a request of --size bytes and its answer, close, and again",
	.prepare = churn_prepare,
	.connected = churn_connected,
	.received = churn_received,
	.ended = churn_ended,
	.turn = churn_turn,
	.report = churn_report,
};
