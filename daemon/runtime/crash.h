/* crash.h - the last words of a dying process: which task was it?
 *
 * Handlers for SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT run on a stack of their own, say on standard error
 * what happened, to which task, and whether the address lies in a stack's guard ("stack overflow in task ..."),
 * and let the signal kill the process, so the core file and the exit status are as usual. SIGQUIT writes the
 * table of all tasks first, even when the loop is stuck. Everything here is async-signal-safe.
 */
#pragma once

#include "base/base.h"

/* Installs the handlers, with a stack for the calling thread; 0 or -errno. A second call does nothing. */
int crash_install(void) _must_check_;
/* Frees the alternate stack and restores the default actions. */
void crash_remove(void);
