/* base.h - the few words that every file of Corelay uses.
 *
 * Attributes, ownership by scope, and arithmetic that cannot overflow. It has no state.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Runs fn(&variable) when the variable leaves its scope: clean-up by plain `return`. */
#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _must_check_ __attribute__((warn_unused_result))
#define _printf_(text, first) __attribute__((__format__(__printf__, text, first)))
#define _noreturn_ __attribute__((noreturn))
#define _unused_ __attribute__((unused))

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* What memory comes and goes in, on the processors that this runs on. */
#define CACHE_LINE_BYTES 64

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Moves an owning pointer out of a variable, so that its clean-up finds NULL. */
#define TAKE(pointer)                                                                                      \
	({                                                                                                 \
		__typeof__(pointer) taken_ = (pointer);                                                    \
		(pointer) = NULL;                                                                          \
		taken_;                                                                                    \
	})

/* The structure that `pointer` is the member `member` of. */
#define container_of(pointer, type, member) ((type *) (void *) ((char *) (pointer) - offsetof(type, member)))

#define MIN(a, b)                                                                                          \
	({                                                                                                 \
		__typeof__(a) a_ = (a);                                                                    \
		__typeof__(b) b_ = (b);                                                                    \
		a_ < b_ ? a_ : b_;                                                                         \
	})
#define MAX(a, b)                                                                                          \
	({                                                                                                 \
		__typeof__(a) a_ = (a);                                                                    \
		__typeof__(b) b_ = (b);                                                                    \
		a_ > b_ ? a_ : b_;                                                                         \
	})

/* Defines <free>p(), the form of a destructor that _cleanup_ takes. */
#define DEFINE_CLEANUP(type, free_)                                                                        \
	static inline void free_##p(type *owner)                                                           \
	{                                                                                                  \
		if (*owner)                                                                                \
			free_(*owner);                                                                     \
	}

/* Spans and instants: milliseconds towards the outside, nanoseconds inside the runtime, both of
 * CLOCK_MONOTONIC. FOREVER never comes; "off" in the configuration is FOREVER. */
#define FOREVER INT64_MAX
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
