/* runtime.h - tasks, time and cancellation on one event loop: the contract, stated once.
 *
 *  - A call marked [suspends] may run other tasks before it returns: look at shared state again after it. A call
 *    without the mark never does.
 *  - Failure is a negative errno; outputs are untouched then. errno itself does not survive a suspension.
 *  - Every task belongs to a group; leaving the group's block cancels its members and waits for them.
 *  - Once a task is cancelled, every [suspends] call fails with -ECANCELED, again and again, until the task
 *    returns; once a deadline has passed, with -ETIMEDOUT until its scope ends. Cancel outranks timeout,
 *    timeout outranks completion, and both are looked at before acting: a call that failed so has done
 *    nothing. But what was handed over already - bytes, a lock, a slot, an item, a socket - is returned, and
 *    the cancel shows at the next call.
 *  - A goodbye that has to wait does so in a SHIELD, which has a bound of its own.
 *  - A wake names one wait. One waiter per direction of a descriptor.
 *  - A task whose calls keep succeeding gives way after a budget.
 *  - Tasks never change thread, nothing suspends inside a foreign library, deep calls run on the main stack.
 *  - Blocking work goes to the executor.
 *
 * docs/RUNTIME.md has the 25 rules with their reasons, and names the test of each.
 */
#pragma once

#include "runtime/chunk.h"
#include "runtime/deadline.h"
#include "runtime/executor.h"
#include "runtime/group.h"
#include "runtime/io.h"
#include "runtime/loop.h"
#include "runtime/queue.h"
#include "runtime/signal.h"
#include "runtime/sync.h"
#include "runtime/task.h"
#include "runtime/trace.h"
#include "runtime/wait.h"
