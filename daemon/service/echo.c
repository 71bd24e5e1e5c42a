#include "service/conn.h"

/* Returns to the client every byte it sends, until it half-closes or falls silent. RFC 862. */
int echo_handle(struct conn *c)
{
	DEADLINE(idle, c->service->idle_timeout_ms);

	for (;;) {
		struct chunk *chunk;
		ssize_t n = stream_read_chunk(c->client, &chunk);
		if (n <= 0)
			return n < 0 ? (int) n : stream_finish(c->client);

		int r = stream_write_chunk(c->client, chunk);
		if (r < 0)
			return r;

		deadline_rearm(&idle, c->service->idle_timeout_ms);
	}
}
