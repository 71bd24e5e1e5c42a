#include "swarm.h"

#include <stdio.h>

void swarm_watch_server(const struct swarm *s, struct process_use *ret)
{
	if (s->options->server && process_use(s->options->server, ret) < 0)
		*ret = (struct process_use){0};
}

void swarm_measure_begin(struct swarm *s)
{
	swarm_watch_server(s, &s->server_before);
	s->units_before = s->units;
	s->measured_from_ns = clock_now_ns();
}

void swarm_measure_end(struct swarm *s)
{
	if (!s->measured_from_ns || s->measured_to_ns)
		return;
	s->measured_to_ns = clock_now_ns();
	s->units -= s->units_before;
	swarm_watch_server(s, &s->server_after);
}

static void swarm_report_server(const struct swarm *s, struct report *r, const char *unit, double units,
				double seconds)
{
	int64_t cpu_ns = s->server_after.cpu_ns - s->server_before.cpu_ns;
	char what[64];

	if (!s->options->server || !s->server_after.threads)
		return;
	report_number(r, "server_cpu_seconds", (double) cpu_ns / 1e9, "s");
	double busy_percent = seconds > 0 ? (double) cpu_ns / 1e7 / seconds : 0;

	report_number(r, "server_busy_percent", busy_percent, "% of a processor");
	report_count(r, "server_threads", s->server_after.threads, "");
	if (units <= 0)
		return;
	snprintf(what, sizeof(what), "us for each of the %s", unit);
	report_number(r, "server_cpu_us_per_unit", (double) cpu_ns / 1e3 / units, what);
}

void swarm_report(struct swarm *s, struct report *r, const char *unit)
{
	double seconds = (double) (s->measured_to_ns - s->measured_from_ns) / 1e9;

	report_text(r, "mode", s->options->mode->name);
	report_text(r, "to", s->target.text);
	report_count(r, "connections", s->options->connections, "");
	report_number(r, "seconds", seconds, "s");
	report_count(r, "units", s->units, unit);
	report_number(r, "units_per_second", seconds > 0 ? (double) s->units / seconds : 0, "/s");
	swarm_report_server(s, r, unit, (double) s->units, seconds);
	report_count(r, "checked_bytes", s->received_bytes, "bytes");
	report_count(r, "opened", s->opened, "connections");
	report_count(r, "failed", s->failed, "connections");
	report_count(r, "mismatched", s->mismatched, "of these");
	if (s->tls.context)
		report_count(r, "cut_off", s->cut_off, "connections ended without a close_notify");
}

void swarm_report_memory(struct swarm *s, struct report *r)
{
	int64_t grown = (int64_t) s->server_after.memory_bytes - (int64_t) s->server_at_start.memory_bytes;

	if (!s->options->server || !s->server_after.threads)
		return;
	report_count(r, "server_memory_bytes", s->server_after.memory_bytes, "bytes");
	report_number(r, "server_bytes_per_connection", (double) grown / (double) s->options->connections, "bytes");
}

void swarm_report_latency(struct swarm *s, struct report *r)
{
	static const struct {
		const char *key;
		double fraction;
	} points[] = {
		{"latency_p50_us", 0.50},   {"latency_p90_us", 0.90}, {"latency_p99_us", 0.99},
		{"latency_p999_us", 0.999}, {"latency_max_us", 1.0},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(points); i++)
		report_number(r, points[i].key, (double) histogram_at(&s->histogram, points[i].fraction) / 1e3, "us");
}
