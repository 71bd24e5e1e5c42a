/* signal.h - signals as something a task waits for.
 *
 * The signals named are blocked and read through a signalfd, so none lands on a task's stack. Fatal
 * signals (crash.h) are another matter.
 */
#pragma once

#include "runtime/wait.h"

struct signals;

/* Blocks the signals of the 0-terminated list and opens a descriptor for them. They stay blocked when it is
 * freed: one that comes late, while the process takes itself apart, kills nobody. 0, -EINVAL, -ENOMEM,
 * -errno. */
int signals_new(const int *numbers, struct signals **ret) _must_check_;
struct signals *signals_free(struct signals *s);
DEFINE_CLEANUP(struct signals *, signals_free)
/* [suspends] The next signal's number. */
#define signals_wait(s) AWAIT(signals_wait, (s))
int (signals_wait)(struct signals *s) _must_check_;
