#include "service/conn.h"

#include <arpa/inet.h>
#include <time.h>

/* Seconds between 1900-01-01 and 1970-01-01, RFC 868. */
#define SECONDS_1900_TO_1970 UINT32_C(2208988800)

/* How long the client may take to notice that we have finished. */
#define GOODBYE_MS 1000

static int send_and_finish(struct conn *c, const void *bytes, size_t length)
{
	DEADLINE(idle, c->service->idle_timeout_ms);

	int r = stream_write(c->client, bytes, length);
	if (r < 0)
		return r;
	stream_linger(c->client, GOODBYE_MS);
	conn_set_end(c, "answered", '-', '-');
	return 0;
}

/* One line with the date and time, in the form that RFC 867 gives first, in UTC. */
int daytime_handle(struct conn *c)
{
	char line[64];
	struct tm tm;
	time_t now = time(NULL);

	gmtime_r(&now, &tm);
	size_t length = strftime(line, sizeof(line), "%A, %B %d, %Y %H:%M:%S-UTC\r\n", &tm);
	return send_and_finish(c, line, length);
}

/* The time as a 32-bit number of seconds since 1900, in network byte order; it wraps in 2036. RFC 868. */
int time_handle(struct conn *c)
{
	uint32_t since_1900 = htonl((uint32_t) ((uint64_t) time(NULL) + SECONDS_1900_TO_1970));

	return send_and_finish(c, &since_1900, sizeof(since_1900));
}
