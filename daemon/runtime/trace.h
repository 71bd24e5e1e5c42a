/* trace.h - the table of all tasks, as text.
 *
 * One line per task: id, name, parent, group, state, what it awaits with file and line, since when, deadline,
 * age, run time, longest slice, switches, bytes in and out, depth of its stack.
 */
#pragma once

#include "runtime/task.h"

/* Writes the table to a descriptor. Async-signal-safe, does not suspend, allocates nothing. */
void trace_write(int fd);
/* One task as a line of text (without newline), cut to size. Async-signal-safe. */
size_t trace_print(const struct task *t, char *buffer, size_t size);
