/* Requests and answers of one size, on connections that stay: messages per second, and how long each one takes. */
#include "swarm.h"

#include <stdlib.h>

enum { ECHO_OPENING, ECHO_WARMING_UP, ECHO_MEASURING, ECHO_FINISHING };

static int echo_prepare(struct swarm *s)
{
	s->opened_ns = s->now_ns;
	s->asked_ns = calloc(s->options->connections * s->options->pipeline, sizeof(*s->asked_ns));
	return s->asked_ns ? 0 : -ENOMEM;
}

static bool echo_may_ask(const struct swarm *s, const struct client *c)
{
	const struct options *o = s->options;

	return s->phase != ECHO_FINISHING && c->asked - c->answered < o->pipeline &&
	       (!o->count || c->asked < o->count);
}

static int64_t *echo_asked_ns(const struct swarm *s, const struct client *c, uint32_t message)
{
	uint64_t slot = (uint64_t) (c - s->clients);

	return &s->asked_ns[slot * s->options->pipeline + message % s->options->pipeline];
}

/* Sends as many messages as may be under way, or the end when there are no more to come. */
static void echo_ask(struct swarm *s, struct client *c, int64_t now_ns)
{
	uint32_t before = c->asked;

	while (echo_may_ask(s, c))
		*echo_asked_ns(s, c, c->asked++) = now_ns;
	if (c->asked > before)
		client_send_until(s, c, c->send_limit_bytes + (c->asked - before) * s->options->size_bytes);
	else if (c->asked == c->answered)
		client_finish(s, c);
}

/* Nobody asks before all are there. */
static void echo_connected(struct swarm *s, struct client *c)
{
	if (s->phase != ECHO_OPENING)
		echo_ask(s, c, clock_now_ns());
}

static void echo_received(struct swarm *s, struct client *c)
{
	uint64_t size = s->options->size_bytes;
	int64_t now_ns;

	if (c->received_bytes < (c->answered + 1) * size)
		return;
	now_ns = clock_now_ns();
	while (c->received_bytes >= (c->answered + 1) * size) {
		if (s->phase == ECHO_MEASURING) {
			s->units++;
			histogram_add(&s->histogram, now_ns - *echo_asked_ns(s, c, c->answered));
		}
		if (c->answered++ == 0 && ++s->checked == s->options->connections)
			s->all_answered_ns = now_ns;
	}
	echo_ask(s, c, now_ns);
}

static void echo_finish_all(struct swarm *s)
{
	s->phase = ECHO_FINISHING;
	swarm_measure_end(s);
	SWARM_EACH(c, s)
	if (c->state == CLIENT_OPEN && c->asked == c->answered)
		client_finish(s, c);
}

static void echo_start_all(struct swarm *s)
{
	const struct options *o = s->options;

	s->phase = ECHO_WARMING_UP;
	s->phase_ends_ns = s->now_ns + (o->count ? 0 : o->warm_up_ns);
	if (o->count) {
		s->phase = ECHO_MEASURING;
		s->phase_ends_ns = INT64_MAX;
		swarm_measure_begin(s);
	}
	SWARM_EACH(c, s)
	if (c->state == CLIENT_OPEN)
		echo_ask(s, c, clock_now_ns());
}

/* It measures what goes on once everybody is served; how long that took is a figure of its own. */
static bool echo_turn(struct swarm *s)
{
	const struct options *o = s->options;

	if (s->phase == ECHO_OPENING && !s->to_open && !s->connecting)
		echo_start_all(s);
	else if (s->phase == ECHO_WARMING_UP && s->now_ns >= s->phase_ends_ns && s->checked >= s->open) {
		s->phase = ECHO_MEASURING;
		s->phase_ends_ns = s->now_ns + o->duration_ns;
		swarm_measure_begin(s);
	} else if (s->phase == ECHO_MEASURING && (s->now_ns >= s->phase_ends_ns || !s->open))
		echo_finish_all(s);
	return s->open || s->phase == ECHO_OPENING;
}

static void echo_ended(struct swarm *s, struct client *c)
{
	client_close(s, c);
}

static void echo_report(struct swarm *s, struct report *r)
{
	swarm_report(s, r, "messages");
	report_count(r, "size_bytes", s->options->size_bytes, "bytes");
	report_count(r, "pipeline", s->options->pipeline, "messages under way");
	if (s->all_answered_ns)
		report_number(r, "all_answered_ms", (double) (s->all_answered_ns - s->opened_ns) / 1e6,
			      "ms until each connection had an answer");
	swarm_report_memory(s, r);
	swarm_report_latency(s, r);
}

const struct mode mode_echo = {
	.name = "echo",
	.what = "requests and answers of --size bytes on lasting connections",
	.prepare = echo_prepare,
	.connected = echo_connected,
	.received = echo_received,
	.ended = echo_ended,
	.turn = echo_turn,
	.report = echo_report,
};
