/* fault.h - planted failures.
 *
 * Every allocation and every system call of the daemon has a named point in front of it. A build with
 * --enable-faults counts the points a scenario passes and can make the n-th of them fail, once; a test
 * runs a scenario first to count, then once per point. Without the option a point costs nothing.
 */
#pragma once

#include "base/base.h"

#ifdef ENABLE_FAULTS

/* Returns 0, or -error when the failure planted is this one. */
int fault_point(const char *name, int error);
/* Plants a failure at the n-th point passed from now on (1 is the next); 0 plants none. Restarts the count. */
void fault_plant(uint64_t nth);
/* The same, counting only points of that name, failing with `error` in place of the point's own, `times` times. */
void fault_plant_named(const char *name, uint64_t nth, int error, uint64_t times);
/* How many points were passed since the last fault_plant(). */
uint64_t fault_count(void);
/* The name of the point that failed last, or NULL if none did since the last fault_plant(). */
const char *fault_fired(void);
/* Reads CORELAY_FAULTS="name:nth:times" (the last two optional) from the environment. */
void fault_plant_from_environment(void);

#else

static inline int fault_point(const char *name, int error)
{
	(void) name;
	(void) error;
	return 0;
}

static inline void fault_plant_from_environment(void)
{
}

#endif
