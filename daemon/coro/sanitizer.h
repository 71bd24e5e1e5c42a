/* sanitizer.h - what AddressSanitizer, ThreadSanitizer and Valgrind must be told of stacks and switches.
 *
 * Each tool believes that a thread has one stack. A switch is announced just before it is made and
 * confirmed first thing on the other side; a stack is announced when it is handed out. Without the tool
 * each function here is empty.
 */
#pragma once

#include "coro/stack.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SANITIZER_ADDRESS
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define SANITIZER_THREAD
#include <sanitizer/tsan_interface.h>
#endif

#ifdef HAVE_VALGRIND
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#endif

/* For functions that look at another coroutine's frames as plain memory. */
#define SANITIZER_BLIND __attribute__((no_sanitize("address", "thread")))

/* The two calls around a switch must not be functions: one that is entered on one fiber and left on another
 * unbalances ThreadSanitizer's own stack of calls. */
#define SANITIZER_INLINE static inline __attribute__((always_inline))

/* One side of a switch: the stack it goes to. */
struct sanitizer_stack {
	const void *bottom;
	size_t bytes;
	void *fiber;
};

/* Announces a switch to that stack. *ret_frames keeps what ASan allocated for the side that is left; with
 * NULL it is freed, because that side has finished. */
SANITIZER_INLINE void sanitizer_before_switch(const struct sanitizer_stack *to, void **ret_frames)
{
#ifdef SANITIZER_ADDRESS
	__sanitizer_start_switch_fiber(ret_frames, to->bottom, to->bytes);
#endif
#ifdef SANITIZER_THREAD
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
	(void) to;
	(void) ret_frames;
}

/* Confirms the arrival. `frames` is what sanitizer_before_switch() gave when this side was left, NULL the
 * first time; *ret_from learns where control came from. */
SANITIZER_INLINE void sanitizer_after_switch(void *frames, struct sanitizer_stack *ret_from)
{
#ifdef SANITIZER_ADDRESS
	__sanitizer_finish_switch_fiber(frames, &ret_from->bottom, &ret_from->bytes);
#endif
	(void) frames;
	(void) ret_from;
}

/* What the thread runs on just now is where a later switch to `here` goes. */
static inline void sanitizer_fiber_remember(struct sanitizer_stack *here)
{
#ifdef SANITIZER_THREAD
	here->fiber = __tsan_get_current_fiber();
#endif
	(void) here;
}

static inline void *sanitizer_fiber_new(void)
{
#ifdef SANITIZER_THREAD
	return __tsan_create_fiber(0);
#else
	return NULL;
#endif
}

static inline void sanitizer_fiber_free(void *fiber)
{
#ifdef SANITIZER_THREAD
	__tsan_destroy_fiber(fiber);
#endif
	(void) fiber;
}

static inline void sanitizer_stack_begin(struct stack *s)
{
#ifdef HAVE_VALGRIND
	s->valgrind_id = VALGRIND_STACK_REGISTER(s->bottom, s->bottom + STACK_BYTES - 1);
#endif
	(void) s;
}

/* The frames that died here must not trouble those that come next. */
static inline void sanitizer_stack_end(struct stack *s)
{
#ifdef SANITIZER_ADDRESS
	__asan_unpoison_memory_region(s->bottom, STACK_BYTES);
#endif
#ifdef HAVE_VALGRIND
	VALGRIND_STACK_DEREGISTER(s->valgrind_id);
	(void) VALGRIND_MAKE_MEM_DEFINED(s->bottom, STACK_BYTES);
#endif
	(void) s;
}

/* Whether the bytes of a stack may go and come back: ThreadSanitizer and Valgrind keep books about each of them that
 * cannot be set aside. */
static inline bool sanitizer_allows_sleep(void)
{
#if defined(SANITIZER_THREAD)
	return false;
#elif defined(HAVE_VALGRIND)
	return !RUNNING_ON_VALGRIND;
#else
	return true;
#endif
}

/* AddressSanitizer watches over the memory of a sleeping stack, which therefore stays. */
#ifdef SANITIZER_ADDRESS
#define SANITIZER_KEEPS_STACKS true
#else
#define SANITIZER_KEEPS_STACKS false
#endif

/* Around a look at a live stack below its stack pointer. */
static inline void sanitizer_look_begin(void)
{
#ifdef HAVE_VALGRIND
	VALGRIND_DISABLE_ERROR_REPORTING;
#endif
}

static inline void sanitizer_look_end(void)
{
#ifdef HAVE_VALGRIND
	VALGRIND_ENABLE_ERROR_REPORTING;
#endif
}
