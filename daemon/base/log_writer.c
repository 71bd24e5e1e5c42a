/* log_writer.c - standard error, asked first whether it would take something. */

#include "base/log_writer.h"

#include "base/fault.h"
#include "base/log.h"

#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
	bool has_nowait;		/* standard error is a pipe or a socket, where RWF_NOWAIT may work */
	bool is_file;			/* it is a regular file, which always takes what it is given, open(2) */
	bool is_gathering;

	uint64_t dropped, told;		/* records lost, and how many of them a written record has told of */
	uint64_t told_in_pending;	/* `told`, once what is pending has been written */

	size_t pending_count;		/* records */
	size_t pending_length;
	char pending[LOG_LINE_BYTES];
} writer;

void log_writer_open(void)
{
	struct stat status;
	bool is_known = fstat(STDERR_FILENO, &status) == 0;

	writer.has_nowait = is_known && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
	writer.is_file = is_known && S_ISREG(status.st_mode);
}

/* True when standard error would take a line at once. A pipe that is writable has room for PIPE_BUF bytes
 * (pipe(7)), a stream socket for three quarters of its buffer. One whose reader has gone is not worth a SIGPIPE. */
static bool is_writable(void)
{
	struct pollfd sink = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (fault_point("log_poll", EAGAIN) < 0)
		return false;
	return writer.is_file || (poll(&sink, 1, 0) == 1 && sink.revents == POLLOUT);
}

/* Writes bytes and returns how many, 0 when it is none. Another process may fill the same pipe between the look and
 * the write, so the write itself does not wait either where the kernel can do that (pipes: Linux 6.4). */
static size_t write_now(const char *bytes, size_t length)
{
	const struct iovec piece = { .iov_base = (char *) (uintptr_t) bytes, .iov_len = length };
	ssize_t written = -1;

	if (!is_writable() || fault_point("log_write", EAGAIN) < 0)
		return 0;

	if (writer.has_nowait) {
		written = pwritev2(STDERR_FILENO, &piece, 1, -1, RWF_NOWAIT);
		if (written < 0 && errno != EAGAIN)
			writer.has_nowait = false;
	}
	if (!writer.has_nowait)
		written = writev(STDERR_FILENO, &piece, 1);
	return (size_t) MAX(written, (ssize_t) 0);
}

/* How many of the pending records are among the first bytes of them, whole. */
static size_t count_whole(size_t bytes)
{
	const char *end = writer.pending + bytes;
	size_t count = 0;

	if (bytes == writer.pending_length)
		return writer.pending_count;
	for (const char *at = writer.pending; (at = memchr(at, '\n', (size_t) (end - at))); at++)
		count++;
	return count;
}

void log_flush(void)
{
	if (writer.pending_count == 0)
		return;

	size_t whole = count_whole(write_now(writer.pending, writer.pending_length));

	/* It is the first of them that tells of those lost before. */
	if (whole > 0)
		writer.told = writer.told_in_pending;
	writer.told_in_pending = writer.told;
	writer.dropped += writer.pending_count - whole;
	writer.pending_count = 0;
	writer.pending_length = 0;
}

void log_gather(bool gather)
{
	writer.is_gathering = gather;
	if (!gather)
		log_flush();
}

void log_writer_put(const char *record, size_t length, uint64_t tells, bool can_wait)
{
	if (writer.pending_length + length > sizeof(writer.pending))
		log_flush();

	memcpy(writer.pending + writer.pending_length, record, length);
	writer.pending_length += length;
	writer.pending_count++;
	writer.told_in_pending += tells;
	if (!can_wait || !writer.is_gathering)
		log_flush();
}

uint64_t log_writer_untold(void)
{
	return writer.dropped - writer.told_in_pending;
}

void log_writer_told(void)
{
	writer.told = writer.told_in_pending = writer.dropped;
}

uint64_t log_dropped(void)
{
	return writer.dropped;
}
