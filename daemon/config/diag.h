/* diag.h - what is wrong with a configuration: collected in any order, shown in the order of the text.
 *
 * Each diagnostic is a line that names the place, the line of the source, and a line with a caret under what is
 * meant:
 *
 * 	corelay.ini:14:1: error: [service web] unknown key 'idel_timeout', did you mean 'idle_timeout'?
 * 	   14 | idel_timeout = 5m
 * 	      | ^~~~~~~~~~~~
 *
 * Columns count characters from 1; a tab is one. Whatever the text holds, what is shown of it is printable.
 */
#pragma once

#include "config/source.h"

#include <stdio.h>

#define DIAG_SHOWN_MAX 100	/* mistakes and warnings that are shown; more are counted */
#define DIAG_MESSAGE_BYTES 1024

enum severity { DIAG_WARNING, DIAG_ERROR };

struct diagnostic {
	struct mark mark;
	enum severity severity;
	char *message;
};

struct diag {
	struct diagnostic shown[DIAG_SHOWN_MAX];	/* sorted */
	size_t shown_count;
	size_t error_count, warning_count;
	bool out_of_memory;	/* a message was lost: nothing is complete then */
};

void diag_done(struct diag *d);

/* Adds one. The message comes without a newline. */
_printf_(4, 5) void diag_add(struct diag *d, enum severity severity, const struct mark *mark, const char *format,
			     ...);
#define diag_error(d, mark, ...) diag_add((d), DIAG_ERROR, (mark), __VA_ARGS__)
#define diag_warning(d, mark, ...) diag_add((d), DIAG_WARNING, (mark), __VA_ARGS__)

/* Writes one, and all that were collected. */
void diagnostic_print(const struct diagnostic *one, FILE *to);
void diag_print(const struct diag *d, FILE *to);

/* Text from outside, escaped and of bounded length, to be named in a message: quote(...).text */
struct quote {
	char text[128];
};
struct quote quote(const char *text);
struct quote quote_bytes(const char *text, size_t length);

/* The place of a mark in a few words: `corelay.ini:14`, `command line`, `default`. Returns buffer. */
#define PLACE_BYTES 300
char *mark_print(const struct mark *mark, char buffer[PLACE_BYTES]);
