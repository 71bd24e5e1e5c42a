/* batch.h - the tasks of a turn are run here: one after the other, but pumps (wait.h) together.
 *
 * Of the pumps that follow each other many read first, and then they write. That spares the processor to fetch the
 * code of both for each message, and wakes a peer once for several.
 */
#pragma once

#include "runtime/task.h"

#define PUMPS_AT_ONCE 32

/* Fields are private; { 0 } is an empty one. */
struct batch {
	size_t begun_count, waiting_count;
	struct task *begun[PUMPS_AT_ONCE];	/* they have read, and have yet to write */
	struct task *waiting[PUMPS_AT_ONCE];	/* they wait again, and are not charged yet */
};

/* Runs a slice of a task that is ready, or begins it if it is pumped. */
void batch_run(struct batch *b, struct task *t);
/* Finishes what was begun. */
void batch_finish(struct batch *b);
