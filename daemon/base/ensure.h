/* ensure.h - assertions that stay on in release builds.
 *
 * Misuse dies at once, by name: the message says what was expected and what was found, then the
 * process aborts, so that a core file shows the culprit and no connection is served by a broken state.
 */
#pragma once

#include "base/base.h"

/* ENSURE(condition, "format", ...): aborts with the message unless the condition holds. */
#define ENSURE(condition, ...)                                                                             \
	do {                                                                                               \
		if (UNLIKELY(!(condition)))                                                                \
			ensure_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);                        \
	} while (0)

_noreturn_ _printf_(4, 5) void ensure_failed(const char *file, int line, const char *condition,
					     const char *format, ...);
