/* A stream through each connection, as fast as it goes, then the end of it: bytes per second. */
#include "swarm.h"

enum { BULK_OPENING, BULK_STREAMING, BULK_FINISHING };

static int bulk_prepare(struct swarm *s)
{
	s->phase_ends_ns = INT64_MAX;
	return 0;
}

static void bulk_start(struct swarm *s, struct client *c)
{
	c->finishing = s->options->size_given;
	client_send_until(s, c, s->options->size_given ? s->options->size_bytes : UINT64_MAX);
}

/* The clock starts with all connections there, so that opening them is not measured. */
static void bulk_connected(struct swarm *s, struct client *c)
{
	if (s->phase == BULK_STREAMING)
		bulk_start(s, c);
}

static void bulk_received(struct swarm *s, struct client *c)
{
	(void) c;
	if (s->phase != BULK_OPENING && !s->measured_to_ns)
		s->units = s->received_bytes;
}

static void bulk_ended(struct swarm *s, struct client *c)
{
	client_close(s, c);
}

static bool bulk_turn(struct swarm *s)
{
	if (s->phase == BULK_OPENING && !s->to_open && !s->connecting) {
		s->phase = BULK_STREAMING;
		if (!s->options->size_given)
			s->phase_ends_ns = s->now_ns + s->options->duration_ns;
		swarm_measure_begin(s);
		SWARM_EACH(c, s)
		if (c->state == CLIENT_OPEN)
			bulk_start(s, c);
	} else if (s->phase == BULK_STREAMING && s->now_ns >= s->phase_ends_ns) {
		s->phase = BULK_FINISHING;
		swarm_measure_end(s);
		SWARM_EACH(c, s)
		if (c->state == CLIENT_OPEN)
			client_stop(s, c);
	}
	if (s->open || s->phase == BULK_OPENING)
		return true;
	swarm_measure_end(s);
	return false;
}

static void bulk_report(struct swarm *s, struct report *r)
{
	double seconds = (double) (s->measured_to_ns - s->measured_from_ns) / 1e9;
	double megabytes = (double) s->units / 1e6;
	int64_t cpu_ns = s->server_after.cpu_ns - s->server_before.cpu_ns;

	swarm_report(s, r, "bytes");
	report_number(r, "megabytes_per_second", seconds > 0 ? megabytes / seconds : 0, "MB/s there and back");
	if (s->options->server && megabytes > 0)
		report_number(r, "server_cpu_us_per_megabyte", (double) cpu_ns / 1e3 / megabytes, "us");
}

const struct mode mode_bulk = {
	.name = "bulk",
	.what = "a stream of --size bytes, or for --seconds, through each connection",
	.prepare = bulk_prepare,
	.connected = bulk_connected,
	.received = bulk_received,
	.ended = bulk_ended,
	.turn = bulk_turn,
	.report = bulk_report,
};
