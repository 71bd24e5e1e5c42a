#include "service/conn.h"

/* Throws away every byte the client sends, until it finishes or falls silent. RFC 863. */
int discard_handle(struct conn *c)
{
	DEADLINE(idle, c->service->idle_timeout_ms);

	for (;;) {
		_cleanup_(chunk_putp) struct chunk *chunk = NULL;
		ssize_t n = stream_read_chunk(c->client, &chunk);
		if (n <= 0)
			return n < 0 ? (int) n : stream_finish(c->client);

		deadline_rearm(&idle, c->service->idle_timeout_ms);
	}
}
