/* value.h - one value of one option: from text into the field of a structure, and back. */
#pragma once

#include "config/config.h"
#include "config/option.h"

#define LIST_ITEMS_MAX 1024		/* of one key */
#define VALUE_TEXT_BYTES 320		/* the longest: a server's address with its weight and role */
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

/* Reads `text` into the field of `target`, which is the structure of the option's section. A list gets one more
 * element. `service_types` is NULL-terminated. 0, -EINVAL with *ret_problem, -ENOMEM. */
int value_store(const struct option *o, const char *text, const char *const *service_types, void *target,
		struct value_problem *ret_problem) _must_check_;
/* Writes what the field holds as it would be read; of a list the last element. Returns buffer. */
char *value_print(const struct option *o, const void *target, char buffer[VALUE_TEXT_BYTES]);
/* Frees what the field holds: it is unset, or an empty list, then. */
void value_clear(const struct option *o, void *target);
