/* fault.c - counts the points passed, and makes the planned one fail.
 *
 * The plan and its counters are mutable globals. That is accepted here because they exist only in a build
 * for tests (--enable-faults); in any other build this file is empty. A plan is made while no other thread
 * runs; the points themselves may be passed by the executor's threads too, hence the atomic counters.
 */

#include "base/fault.h"

#ifdef ENABLE_FAULTS

#include "base/ensure.h"
#include "base/text.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULT_NAME_BYTES 64

static struct {
	char name[FAULT_NAME_BYTES];	/* only points of this name count; empty: all */
	uint64_t nth, times;		/* fail from the n-th point on, so often; 0: never */
	int error;			/* in place of the point's own; 0: the point's own */
} plan;

static atomic_uint_fast64_t passed;
static _Atomic(const char *) fired;

int fault_point(const char *name, int error)
{
	uint64_t position;

	if (plan.name[0] && strcmp(plan.name, name) != 0)
		return 0;

	position = atomic_fetch_add(&passed, 1) + 1;
	if (plan.nth == 0 || position < plan.nth || position - plan.nth >= plan.times)
		return 0;

	atomic_store(&fired, name);
	return -(plan.error ? plan.error : error);
}

void fault_plant(uint64_t nth)
{
	fault_plant_named("", nth, 0, 1);
}

void fault_plant_named(const char *name, uint64_t nth, int error, uint64_t times)
{
	ENSURE(strlen(name) < sizeof(plan.name), "the name of the fault point '%s' is too long", name);

	snprintf(plan.name, sizeof(plan.name), "%s", name);
	plan.nth = nth;
	plan.times = times;
	plan.error = error;
	atomic_store(&passed, 0);
	atomic_store(&fired, NULL);
}

uint64_t fault_count(void)
{
	return atomic_load(&passed);
}

const char *fault_fired(void)
{
	return atomic_load(&fired);
}

void fault_plant_from_environment(void)
{
	const char *text = getenv("CORELAY_FAULTS");
	uint64_t number[2] = { 1, 1 };	/* the n-th, how often */
	char fields[2 * FAULT_NAME_BYTES], *name, *rest = fields;

	if (!text)
		return;
	ENSURE(strlen(text) < sizeof(fields), "CORELAY_FAULTS is too long");

	snprintf(fields, sizeof(fields), "%s", text);
	name = strsep(&rest, ":");
	for (size_t i = 0; i < ARRAY_LENGTH(number) && rest; i++) {
		const char *field = strsep(&rest, ":");

		ENSURE(text_parse_number(field, &number[i]) == 0, "CORELAY_FAULTS: '%s' is not a number", field);
	}
	ENSURE(!rest, "CORELAY_FAULTS has more fields than name:nth:times");

	fault_plant_named(name, number[0], 0, number[1]);
}

#endif
