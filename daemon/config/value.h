/* value.h - one value of one option: from text into the field of a structure, and back. */
#pragma once

#include "config/config.h"
#include "config/option.h"
#include "config/source.h"

#define LIST_ITEMS_MAX 1024		/* of one key */
#define VALUE_TEXT_BYTES 1024		/* the longest is a path; with its dollars doubled it is a line of a dump */
#define PROBLEM_BYTES 400

/* The next element of a comma-separated list, without blanks around it, or for a single value the whole text. Begin
 * with zeroes. False behind the last one; an element may be empty. */
struct span {
	size_t start, length;
	size_t next;			/* private */
	bool is_done;			/* private */
};
bool span_next(const char *text, bool is_list, struct span *span);

/* What is wrong with a value, and with which bytes of it. */
struct value_problem {
	size_t start, length;
	char text[PROBLEM_BYTES];
};

/* What the meaning of a value depends on. */
struct value_context {
	const char *const *service_types;	/* NULL-terminated */
	const struct source *source;		/* whose folder relative paths begin at; of a setting: where we are */
};

/* Reads `text` into the field of `target`, which is the structure of the option's section. A list gets one more
 * element. 0, -EINVAL with *ret_problem, -ENOMEM. */
int value_store(const struct option *o, const char *text, const struct value_context *context, void *target,
		struct value_problem *ret_problem) _must_check_;
/* Writes what the field holds as it would be read; of a list the last element. Returns buffer. */
char *value_print(const struct option *o, const void *target, char buffer[VALUE_TEXT_BYTES]);
/* Frees what the field holds: it is unset, or an empty list, then. */
void value_clear(const struct option *o, void *target);
