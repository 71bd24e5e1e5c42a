#include "service/conn.h"

/* The pattern that RFC 864 suggests: lines of 72 of the 95 printable characters, each line beginning one further. */
#define FIRST_PRINTABLE ' '
#define PRINTABLES 95
#define LINE_CHARACTERS 72
#define LINE_BYTES (LINE_CHARACTERS + 2)

static void fill_line(unsigned char *to, unsigned line)
{
	for (unsigned i = 0; i < LINE_CHARACTERS; i++)
		to[i] = (unsigned char) (FIRST_PRINTABLE + (line + i) % PRINTABLES);
	to[LINE_CHARACTERS] = '\r';
	to[LINE_CHARACTERS + 1] = '\n';
}

/* Fills the chunk with whole lines; returns the number of the line after them. */
static unsigned fill(struct chunk *chunk, unsigned line)
{
	while (CHUNK_BYTES - chunk->end >= LINE_BYTES) {
		fill_line(chunk->bytes + chunk->end, line);
		chunk->end += LINE_BYTES;
		line = (line + 1) % PRINTABLES;
	}
	return line;
}

/* Reads between two writes. Without a bound a client that sends faster than we read would have the loop to itself. */
#define READS_PER_TURN 8

/* "Any data received is thrown away": of what has come meanwhile a part, without waiting for it. */
static int throw_away_input(struct stream *s)
{
	unsigned char dropped[512];
	unsigned want;
	ssize_t n = sizeof(dropped);

	for (int i = 0; i < READS_PER_TURN && n == (ssize_t) sizeof(dropped); i++)
		n = stream_try_read(s, dropped, sizeof(dropped), &want);
	return n == -EAGAIN || n >= 0 ? 0 : (int) n;
}

/* Sends characters as fast as the client reads them, until it goes away. RFC 864. */
int chargen_handle(struct conn *c)
{
	unsigned line = 0;
	DEADLINE(idle, c->service->idle_timeout_ms);

	for (;;) {
		struct chunk *chunk;
		int r = chunk_get(&chunk);
		if (r < 0)
			return r;

		line = fill(chunk, line);
		r = stream_write_chunk(c->client, chunk);
		if (r >= 0)
			r = throw_away_input(c->client);
		if (r < 0)
			return r;

		deadline_rearm(&idle, c->service->idle_timeout_ms);
	}
}
