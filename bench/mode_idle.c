/* Connections that are open and silent: each one is checked, held, and woken alone before it is closed. */
#include "swarm.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { IDLE_CHECKING, IDLE_HOLDING, IDLE_WAKING, IDLE_FINISHING };

static int idle_prepare(struct swarm *s)
{
	swarm_measure_begin(s);
	return 0;
}

static void idle_check(struct swarm *s, struct client *c)
{
	client_send_until(s, c, c->send_limit_bytes + s->options->size_bytes);
}

/* Asks one more of those that were held, so that each one's first answer after the silence is measured by
 * itself. False when all have been asked. */
static bool idle_wake_next(struct swarm *s)
{
	const struct client *end = s->clients + s->options->connections;

	for (s->waking = s->waking ? s->waking + 1 : s->clients; s->waking < end; s->waking++) {
		if (s->waking->state != CLIENT_OPEN)
			continue;
		s->waking->started_ns = clock_now_ns();
		idle_check(s, s->waking);
		return true;
	}
	return false;
}

static void idle_finish_all(struct swarm *s)
{
	s->phase = IDLE_FINISHING;
	swarm_watch_server(s, &s->server_woken);
	SWARM_EACH(c, s)
	if (c->state == CLIENT_OPEN)
		client_finish(s, c);
}

static void idle_received(struct swarm *s, struct client *c)
{
	if (c->received_bytes < c->send_limit_bytes)
		return;
	s->checked++;
	if (s->phase != IDLE_WAKING)
		return;
	histogram_add(&s->histogram, clock_now_ns() - c->started_ns);
	if (!idle_wake_next(s))
		idle_finish_all(s);
}

static void idle_ended(struct swarm *s, struct client *c)
{
	s->units++;
	client_close(s, c);
}

/* Scripts wait for this line: all connections are there, and right. */
static void idle_hold(struct swarm *s)
{
	s->phase = IDLE_HOLDING;
	s->phase_ends_ns = s->options->until_line ? INT64_MAX : s->now_ns + s->options->duration_ns;
	fprintf(stderr, "holding %" PRIu64 " connections\n", s->open);
}

static bool idle_hold_ends(struct swarm *s)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	s->progress_ns = s->now_ns;
	return s->now_ns >= s->phase_ends_ns || (s->options->until_line && poll(&input, 1, 0) != 0);
}

static bool idle_turn(struct swarm *s)
{
	bool wake = false;

	if (s->phase == IDLE_CHECKING && !s->to_open && !s->connecting && s->checked >= s->open)
		idle_hold(s);
	else if (s->phase == IDLE_HOLDING && idle_hold_ends(s)) {
		swarm_measure_end(s);
		s->phase = IDLE_WAKING;
		wake = true;
	} else if (s->phase == IDLE_WAKING)
		wake = s->waking->state != CLIENT_OPEN; /* it was lost: on with the others */
	if (wake && !idle_wake_next(s))
		idle_finish_all(s);
	return s->open || s->phase == IDLE_CHECKING;
}

static void idle_report(struct swarm *s, struct report *r)
{
	int64_t woken_ns = s->server_woken.cpu_ns - s->server_after.cpu_ns;

	swarm_report(s, r, "connections");
	swarm_report_memory(s, r);
	swarm_report_latency(s, r);
	if (s->server_woken.threads && s->histogram.count)
		report_number(r, "server_cpu_us_per_wake", (double) woken_ns / 1e3 / (double) s->histogram.count,
			      "us");
}

const struct mode mode_idle = {
	.name = "idle",
	.what = "open, check --size bytes, hold for --seconds, wake one by one, close",
	.prepare = idle_prepare,
	.connected = idle_check,
	.received = idle_received,
	.ended = idle_ended,
	.turn = idle_turn,
	.report = idle_report,
};
