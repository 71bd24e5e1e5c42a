/* log_lines.h - keeps what is logged, for tests of what an operator gets to read. */
#pragma once

#include "base/base.h"

/* From now on records of all levels are kept, and not written. */
void log_lines_open(void);
/* Forgets them. */
void log_lines_forget(void);
/* How many have all of these words, which end with NULL. */
size_t log_lines_count(const char *const *words);
#define LOG_LINES(...) log_lines_count((const char *const[]) { __VA_ARGS__, NULL })
void log_lines_print(void);
/* Fails the test, after having printed all of them, unless so many have these words. */
#define ASSERT_LOGGED(times, ...)                                                                          \
	do {                                                                                               \
		if (LOG_LINES(__VA_ARGS__) != (size_t) (times))                                            \
			log_lines_print();                                                                 \
		assert_int_equal(LOG_LINES(__VA_ARGS__), (times));                                         \
	} while (0)
