/* log.c - one record per line.
 *
 * There is one line buffer. log_begin() starts a record in it, each field is escaped straight into it, and
 * log_end() hands it to the writer. The end of the buffer is kept for what must always fit:
 * the mark of a cut, the count of records lost before, and the newline.
 */

#include "base/log.h"

#include "base/ensure.h"
#include "base/log_writer.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define TAIL_BYTES 40		/* `" ...`, `: dropped=18446744073709551615`, newline, NUL: 37 at most */
#define BODY_BYTES (LOG_LINE_BYTES - TAIL_BYTES)
#define ESCAPED_BYTES 4		/* what one byte may become */
#define STAMP_BYTES 32
#define NUMERAL_BYTES (1 + TEXT_NUMBER_BYTES + sizeof(".000ms"))

enum log_level log_level_now = LOG_LEVEL_INFO;

static struct {
	enum log_format format;		/* never AUTO */
	bool is_coloured;
	struct timespec second;		/* the one that `stamp` is of */
	char stamp[STAMP_BYTES];	/* `2026-01-31T12:34:56`, made once a second */

	log_sink *sink;
	void *sink_context;

	bool is_open;			/* between log_begin() and log_end() */
	bool is_cut;			/* the record is full; what comes now is left out */
	bool has_fields;
	enum log_level level;		/* of the open record */
	size_t length;
	char line[LOG_LINE_BYTES];
	char message[LOG_LINE_BYTES];	/* of log_message(): one longer than this is cut in `line` as well */
} state = { .format = LOG_FORMAT_TEXT };

static const struct {
	const char *name, *colour;
} levels[] = {
	[LOG_LEVEL_ALERT] = { "alert", "\033[1;31m" },
	[LOG_LEVEL_ERROR] = { "error", "\033[31m" },
	[LOG_LEVEL_WARNING] = { "warning", "\033[33m" },
	[LOG_LEVEL_NOTICE] = { "notice", "\033[32m" },
	[LOG_LEVEL_INFO] = { "info", "" },
	[LOG_LEVEL_DEBUG] = { "debug", "\033[2m" },
};

static bool wants_colour(void)
{
	const char *terminal = getenv("TERM"), *no_colour = getenv("NO_COLOR");

	return terminal && strcmp(terminal, "dumb") != 0 && !(no_colour && *no_colour);
}

void log_open(enum log_format format, enum log_level level)
{
	bool is_terminal = isatty(STDERR_FILENO);

	if (format == LOG_FORMAT_AUTO)
		format = is_terminal ? LOG_FORMAT_TEXT : LOG_FORMAT_LOGFMT;

	state.format = format;
	state.is_coloured = format == LOG_FORMAT_TEXT && is_terminal && wants_colour();
	log_writer_open();
	log_level_now = level;

	/* The zone's file is read here, not under the first record, which may be written on a small stack. */
	tzset();
}

void log_set_level(enum log_level level)
{
	log_level_now = level;
}

enum log_level log_get_level(void)
{
	return log_level_now;
}

void log_set_sink(log_sink *sink, void *context)
{
	state.sink = sink;
	state.sink_context = context;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_LENGTH(levels); i++)
		if (strcasecmp(text, levels[i].name) == 0) {
			*ret_level = (enum log_level) i;
			return 0;
		}
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	ENSURE((size_t) level < ARRAY_LENGTH(levels), "log level %d", (int) level);
	return levels[level].name;
}

/* Adds text of our own, for which there is room: in the body, or in the tail what is kept for it. */
static void add(const char *text, size_t length)
{
	memcpy(state.line + state.length, text, length);
	state.length += length;
}

static void add_char(char c)
{
	state.line[state.length++] = c;
}

/* True when `length` more bytes fit the body. If not, marks the record as cut. */
static bool has_room(size_t length)
{
	if (state.is_cut)
		return false;
	if (state.length + length <= BODY_BYTES)
		return true;

	add(" ...", 4);
	state.is_cut = true;
	return false;
}

/* Adds foreign text, escaped. Where it does not fit it is cut at a whole character, with "..." behind. */
static void add_escaped(const char *bytes, size_t length)
{
	size_t room = BODY_BYTES - state.length;

	if (length < room / ESCAPED_BYTES) {
		state.length += text_escape(bytes, length, state.line + state.length, room);
		return;
	}

	while (length > 0) {
		char piece[ESCAPED_BYTES + 1];
		size_t taken = MAX(text_utf8_length(bytes, length), (size_t) 1);
		size_t given = text_escape(bytes, taken, piece, sizeof(piece));

		/* A character that is escaped as a whole does not fit `piece`: its bytes come one by one then. */
		if (given == ESCAPED_BYTES && piece[0] == '\\')
			taken = 1;
		if (given > BODY_BYTES - state.length) {
			add("...", 3);
			state.is_cut = true;
			return;
		}
		add(piece, given);
		bytes += taken;
		length -= taken;
	}
}

static void add_quoted(const char *bytes, size_t length)
{
	if (!has_room(1))
		return;
	add_char('"');
	add_escaped(bytes, length);
	/* The closing quote has its place in the tail: a cut value still ends. */
	add_char('"');
}

/* True when the value could be mistaken for more than one value, or holds anything that is escaped. */
static bool needs_quotes(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char) bytes[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return true;
	}
	return length == 0;
}

/* Writes the start of a text line, `12:34:56.789 info    `, in local time: a person is looking at it now. */
static void begin_text(const struct timespec *now, enum log_level level)
{
	bool is_coloured = state.is_coloured && !state.sink && levels[level].colour[0];
	struct tm calendar;

	localtime_r(&now->tv_sec, &calendar);
	text_append(state.line, BODY_BYTES, &state.length, "%02d:%02d:%02d.%03ld %s%-7s%s ", calendar.tm_hour,
		    calendar.tm_min, calendar.tm_sec, now->tv_nsec / NS_PER_MS,
		    is_coloured ? levels[level].colour : "", levels[level].name, is_coloured ? "\033[0m" : "");
}

/* Writes the start of a logfmt line, with the time as in RFC 3339 section 5.6. */
static void begin_logfmt(const struct timespec *now, enum log_level level)
{
	const char *name = levels[level].name;

	if (now->tv_sec != state.second.tv_sec || !state.stamp[0]) {
		struct tm calendar;

		gmtime_r(&now->tv_sec, &calendar);
		strftime(state.stamp, sizeof(state.stamp), "%Y-%m-%dT%H:%M:%S", &calendar);
		state.second = *now;
	}
	add("ts=", 3);
	add(state.stamp, strlen(state.stamp));
	add(".", 1);
	state.length += text_put_number(state.line + state.length, (uint64_t) (now->tv_nsec / NS_PER_MS), 3);
	add("Z level=", 8);
	add(name, strlen(name));
	add(" msg=", 5);
}

void log_begin(enum log_level level, const char *message)
{
	struct timespec now = { 0 };

	ENSURE(!state.is_open, "log_begin(\"%s\") inside of another record", message);
	ENSURE((size_t) level < ARRAY_LENGTH(levels), "log level %d", (int) level);

	clock_gettime(CLOCK_REALTIME, &now);
	state.is_open = true;
	state.is_cut = false;
	state.has_fields = false;
	state.level = level;
	state.length = 0;

	if (state.format == LOG_FORMAT_LOGFMT) {
		begin_logfmt(&now, level);
		add_quoted(message, strlen(message));
	} else {
		begin_text(&now, level);
		add_escaped(message, strlen(message));
	}
}

/* Starts a field with its label, ` key=`, behind the message of a text line `: key=`. False when there is no
 * room for it and for `value_bytes` more. */
static bool begin_field(const char *label, size_t length, size_t value_bytes)
{
	bool has_colon = state.format == LOG_FORMAT_TEXT && !state.has_fields;

	ENSURE(state.is_open, "the log field '%.*s' is outside of a record", (int) length - 2, label + 1);

	state.has_fields = true;
	if (!has_room(has_colon + length + value_bytes))
		return false;
	if (has_colon)
		add_char(':');
	add(label, length);
	return true;
}

/* Adds a field with a value that needs no quotes. */
static void add_plain_field(const char *label, size_t label_length, const char *value, size_t length)
{
	if (!begin_field(label, label_length, 0))
		return;
	if (length <= BODY_BYTES - state.length)
		add(value, length);
	else
		add_escaped(value, length);
}

void (log_field_text)(const char *label, size_t label_length, const char *value)
{
	if (value)
		(log_field_bytes)(label, label_length, value, strlen(value));
}

void (log_field_bytes)(const char *label, size_t label_length, const char *value, size_t length)
{
	if (!needs_quotes(value, length))
		add_plain_field(label, label_length, value, length);
	else if (begin_field(label, label_length, 0))
		add_quoted(value, length);
}

void (log_field_plain)(const char *label, size_t label_length, const char *value)
{
	add_plain_field(label, label_length, value, strlen(value));
}

/* Starts a field whose value has at most NUMERAL_BYTES, none of which asks for quotes. Returns where to write it;
 * then its end belongs into state.length. NULL: there is no room. */
static char *begin_numeral(const char *label, size_t length)
{
	return begin_field(label, length, NUMERAL_BYTES) ? state.line + state.length : NULL;
}

void (log_field_number)(const char *label, size_t label_length, int64_t value)
{
	char *to = begin_numeral(label, label_length);

	if (!to)
		return;
	if (value < 0)
		*to++ = '-';
	to += text_put_number(to, value < 0 ? -(uint64_t) value : (uint64_t) value, 1);
	state.length = (size_t) (to - state.line);
}

void (log_field_ms)(const char *label, size_t label_length, int64_t ns)
{
	uint64_t us = (ns < 0 ? -(uint64_t) ns : (uint64_t) ns) / 1000;
	unsigned fraction = (unsigned) (us % 1000);
	char *to = begin_numeral(label, label_length);

	if (!to)
		return;
	if (ns < 0 && us > 0)
		*to++ = '-';
	to += text_put_number(to, us / 1000, 1);
	*to++ = '.';
	*to++ = (char) ('0' + fraction / 100);
	*to++ = (char) ('0' + fraction / 10 % 10);
	*to++ = (char) ('0' + fraction % 10);
	*to++ = 'm';
	*to++ = 's';
	state.length = (size_t) (to - state.line);
}

void log_end(void)
{
	uint64_t missing = log_writer_untold();
	int saved_errno = errno;

	ENSURE(state.is_open, "log_end() without log_begin()");

	if (missing > 0)
		text_append(state.line, LOG_LINE_BYTES - 1, &state.length, "%s dropped=%llu",
			    state.format == LOG_FORMAT_TEXT && !state.has_fields ? ":" : "",
			    (unsigned long long) missing);
	add("\n", 1);

	/* Closed before the sink runs, which may fail a test and never return here. */
	state.is_open = false;
	if (state.sink) {
		state.sink(state.sink_context, state.level, state.line, state.length);
		log_writer_told();
	} else {
		log_writer_put(state.line, state.length, missing, state.level >= LOG_LEVEL_INFO);
	}
	errno = saved_errno;
}

void log_message(enum log_level level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (vsnprintf(state.message, sizeof(state.message), format, arguments) < 0)
		state.message[0] = '\0';
	va_end(arguments);

	log_begin(level, state.message);
	log_end();
}
