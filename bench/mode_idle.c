/* Connections that are open and silent: each one is checked, held, and checked again before it is closed. */
#include "swarm.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { IDLE_CHECKING, IDLE_HOLDING, IDLE_CHECKING_AGAIN, IDLE_FINISHING };

static int idle_prepare(struct swarm *s)
{
	swarm_measure_begin(s);
	return 0;
}

static void idle_check(struct swarm *s, struct client *c)
{
	client_send_until(s, c, c->send_limit_bytes + s->options->size_bytes);
}

static void idle_received(struct swarm *s, struct client *c)
{
	if (c->received_bytes == c->send_limit_bytes)
		s->checked++;
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
	if (s->phase == IDLE_CHECKING && !s->to_open && !s->connecting && s->checked >= s->open)
		idle_hold(s);
	else if (s->phase == IDLE_HOLDING && idle_hold_ends(s)) {
		swarm_measure_end(s);
		s->phase = IDLE_CHECKING_AGAIN;
		s->checked = 0;
		SWARM_EACH(c, s)
		if (c->state == CLIENT_OPEN)
			idle_check(s, c);
	} else if (s->phase == IDLE_CHECKING_AGAIN && s->checked >= s->open) {
		s->phase = IDLE_FINISHING;
		SWARM_EACH(c, s)
		if (c->state == CLIENT_OPEN)
			client_finish(s, c);
	}
	return s->open || s->phase == IDLE_CHECKING;
}

static void idle_report(struct swarm *s, struct report *r)
{
	int64_t grown = (int64_t) s->server_after.resident_bytes - (int64_t) s->server_before.resident_bytes;

	swarm_report(s, r, "connections");
	if (!s->options->server || !s->server_after.threads)
		return;
	report_count(r, "server_resident_bytes", s->server_after.resident_bytes, "bytes");
	report_number(r, "server_bytes_per_connection", (double) grown / (double) s->options->connections, "bytes");
}

const struct mode mode_idle = {
	.name = "idle",
	.what = "open, check --size bytes, hold for --seconds, check again, close",
	.prepare = idle_prepare,
	.connected = idle_check,
	.received = idle_received,
	.ended = idle_ended,
	.turn = idle_turn,
	.report = idle_report,
};
