/* log.h - one record per line to standard error, never blocking.
 *
 * A record is a message and fields. As text it reads `12:34:56.789 info    message: key=value ...`, in local
 * time and with the level coloured on a terminal (not if NO_COLOR is set or TERM is dumb); as logfmt
 * `ts=2024-01-02T12:34:56.789Z level=info msg="message" key=value ...`, in UTC (RFC 3339). A value stands in
 * quotes when it is empty or has blanks, '=', or anything but printable ASCII.
 *
 * Every byte that came from outside is escaped, so a record is always one line of printable UTF-8. When the
 * sink is full the record is dropped and counted; the next one that fits ends in `dropped=N`, the number lost
 * since the last. A record longer than LOG_LINE_BYTES is cut, visibly ("...").
 *
 * While the loop runs, records of level info and debug are gathered: they go to the kernel with one call before
 * it looks at the sockets again, or sooner when LOG_LINE_BYTES are full or something more urgent is said. A fatal
 * signal sends them off too; what kills without one (SIGKILL) takes those of the turn along.
 *
 * The state is one of the two sets of mutable globals that Corelay has (the other is the runtime's).
 * All calls belong to the loop's thread.
 */
#pragma once

#include "base/base.h"

#define LOG_LINE_BYTES 4000	/* below PIPE_BUF, so that a line is written whole or not at all */

enum log_level {
	LOG_LEVEL_ALERT,	/* the daemon is broken: misuse, internal error */
	LOG_LEVEL_ERROR,	/* something asked for was not done */
	LOG_LEVEL_WARNING,	/* it works, but the operator should look */
	LOG_LEVEL_NOTICE,	/* start, stop, reload */
	LOG_LEVEL_INFO,		/* one end record per connection */
	LOG_LEVEL_DEBUG,
};

enum log_format {
	LOG_FORMAT_AUTO,	/* text on a terminal, logfmt elsewhere */
	LOG_FORMAT_TEXT,
	LOG_FORMAT_LOGFMT,
};

/* Where a finished line (with its newline) goes; for tests. */
typedef void log_sink(void *context, enum log_level level, const char *line, size_t length);

void log_open(enum log_format format, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* Sends lines to a function instead of standard error; NULL goes back to standard error. */
void log_set_sink(log_sink *sink, void *context);
/* From now on records that can wait are gathered; or no longer, and those that were are written. For the loop. */
void log_gather(bool gather);
/* Writes what was gathered. Async-signal-safe. */
void log_flush(void);
/* How many records were dropped since the start because the sink was full. */
uint64_t log_dropped(void);

/* "info" and the like; the parser returns -EINVAL for an unknown name. */
int log_level_parse(const char *text, enum log_level *ret_level);
const char *log_level_name(enum log_level level);

/* True when a record of that level would be written: the one branch that a silent debug line costs. */
#define log_is_on(level) UNLIKELY((level) <= log_level_now)
extern enum log_level log_level_now;

/* One record without fields. */
#define log_alert(...) log_if(LOG_LEVEL_ALERT, __VA_ARGS__)
#define log_error(...) log_if(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_if(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_if(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_if(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_if(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_if(level, ...)                                                                                 \
	do {                                                                                               \
		if (log_is_on(level))                                                                      \
			log_message(level, __VA_ARGS__);                                                   \
	} while (0)
_printf_(2, 3) void log_message(enum log_level level, const char *format, ...);

/* A record with fields: begin, any number of fields, end. No suspension in between (there is one
 * buffer), and begin only under log_is_on(). Keys are literals. */
void log_begin(enum log_level level, const char *message);
#define log_field_text(key, value) (log_field_text)(LOG_LABEL(key), value)	/* NULL: left out */
#define log_field_bytes(key, value, length) (log_field_bytes)(LOG_LABEL(key), value, length)
#define log_field_plain(key, value) (log_field_plain)(LOG_LABEL(key), value)	/* nothing in it asks for quotes */
#define log_field_number(key, value) (log_field_number)(LOG_LABEL(key), value)
#define log_field_ms(key, ns) (log_field_ms)(LOG_LABEL(key), ns)	/* printed as 12.345ms */
void log_end(void);

/* What stands before a value, and its length. */
#define LOG_LABEL(key) " " key "=", sizeof(" " key "=") - 1
void (log_field_text)(const char *label, size_t label_length, const char *value);
void (log_field_bytes)(const char *label, size_t label_length, const char *value, size_t length);
void (log_field_plain)(const char *label, size_t label_length, const char *value);
void (log_field_number)(const char *label, size_t label_length, int64_t value);
void (log_field_ms)(const char *label, size_t label_length, int64_t ns);
