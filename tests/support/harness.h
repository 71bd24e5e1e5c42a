/* harness.h - what all tests of tasks share.
 *
 * A body runs as the root task of a fresh loop. Afterwards nothing may be left of it: no task, no chunk, no
 * stack, no descriptor. Time is virtual, so that a test never sleeps and an order can be asserted; a state in
 * which everybody waits for ever aborts with the table of all tasks.
 */
#pragma once

#include "runtime/runtime.h"

/* Runs body(arg) in virtual time and returns its result. A leak fails the test. */
int harness_run(task_fn *body, void *arg);
/* The same with options of the caller's: the real clock, a limit of tasks. */
int harness_run_with(const struct loop_options *options, task_fn *body, void *arg);

/* A piece of work that is to keep its promises whatever happens to it. */
struct harness_scenario {
	task_fn *body;				/* may end with any result when something was done to it */
	void *arg;
	void (*prepare)(void *arg);		/* before each run; may be NULL */
	void (*check)(void *arg, int result);	/* after each run, when the loop is closed; may be NULL */
};

/* Cancels and times out at every suspension point: runs the scenario once to count the suspensions of all its
 * tasks, then four times per suspension. Its task is cancelled while it stops running; cancelled a turn later,
 * when whatever wakes it in the same turn is already on its way; and in both ways its outermost time limit runs
 * out. (The root task always has one; another task is left in peace when it has none.) Returns how many
 * suspensions were counted. With HARNESS_VERBOSE in the environment each blow is told beforehand.
 *
 * All of that is done twice, the second time with drowsy tasks (task_set_drowsy()). */
uint64_t harness_torture(const struct harness_scenario *s);

/* The same for planted failures: once per fault point passed, with that one failing, and twice as above. Returns how
 * many points were counted: 0 without ENABLE_FAULTS. */
uint64_t harness_torture_faults(const struct harness_scenario *s);

/* Lets what is ready run, and what that makes ready, a few times over. */
void harness_settle(void);
/* In a forked child, runs body(arg) in virtual time; the test fails unless that aborts with these words. */
void harness_dies(task_fn *body, void *arg, const char *words);
/* Runs the body in virtual time with each back end of libevent: with edges (epoll) and without (poll, select); twice
 * with each, the second time with drowsy tasks. Returns the first failure, or 0. */
int harness_run_each_backend(task_fn *body, void *arg);

/* Whether tasks can sleep in this flavour: not with ThreadSanitizer, under Valgrind, or where nothing tells how deep
 * a stack is. */
bool harness_can_sleep(void);
/* How many descriptors the process has open. */
size_t harness_count_descriptors(void);
/* A pair of connected, non-blocking stream sockets. */
void harness_socketpair(int ret_ends[2]);
