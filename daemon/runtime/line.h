/* line.h - text put together without the C library: what a signal handler may do.
 *
 * A line is written into a buffer that the caller lends, is cut to its size and always ends with NUL.
 */
#pragma once

#include "base/base.h"

struct line {
	char *text;
	size_t size;			/* of the buffer, at least 1 */
	size_t length;			/* without the NUL */
};

#define LINE_INIT(buffer, bytes) { (buffer), (bytes), 0 }

/* NULL is written as "?"; what is not printable ASCII becomes '?'. */
void line_text(struct line *l, const char *text);
void line_number(struct line *l, uint64_t number);
/* 0x and hexadecimal digits. */
void line_address(struct line *l, const void *address);
/* A span: `0.123ms` below a second, else `12.345s`; a negative one counts as 0. */
void line_ns(struct line *l, int64_t ns);
/* Writes the line and a newline, and empties it. A descriptor that takes no more loses the rest. */
void line_write(struct line *l, int fd);
