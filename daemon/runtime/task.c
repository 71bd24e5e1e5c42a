#include "runtime/task.h"

#include "base/ensure.h"
#include "base/memory.h"
#include "runtime/deadline.h"
#include "runtime/executor.h"
#include "runtime/group.h"
#include "runtime/loop.h"
#include "runtime/wait.h"

#include <string.h>

/* What a task may do in one resume before it gives way. */
#define BUDGET_OPERATIONS 8
#define BUDGET_BYTES (128 * 1024)

#define TASKS_PER_BLOCK 64

/* Tasks live in blocks that are kept until the loop is closed, so that a stale handle or wait token always
 * points at a struct task, whose id or sequence then tells that it is another one. */
struct task_block {
	struct task_block *next;
	struct task tasks[TASKS_PER_BLOCK];
};

_Thread_local struct task *task_running;

static struct {
	struct task_block *blocks;
	struct list free;		/* ready_node of tasks in state TASK_FREE */
	struct list all;		/* all_node of the others, oldest first */
	size_t count;
	uint64_t last_id;
	bool drowsy;
} pool = { .free = LIST_INIT(pool.free), .all = LIST_INIT(pool.all) };

void task_none_runs(void)
{
	ENSURE(!executor_is_pool_thread, "a call of the runtime on a pool thread");
	ENSURE(task_running, "a call of the runtime outside of a task");
	__builtin_unreachable();
}

size_t task_count(void)
{
	return pool.count;
}

static int pool_grow(void)
{
	struct task_block *block = memory_new_object(struct task_block);

	if (!block)
		return -ENOMEM;

	block->next = pool.blocks;
	pool.blocks = block;
	for (size_t i = 0; i < TASKS_PER_BLOCK; i++)
		list_append(&pool.free, &block->tasks[i].ready_node);
	return 0;
}

static struct task *pool_take(void)
{
	if (list_is_empty(&pool.free) && pool_grow() < 0)
		return NULL;

	struct task *t = list_entry(list_take_first(&pool.free), struct task, ready_node);
	uint64_t sequence = t->wait_sequence;

	*t = (struct task) { .wait_sequence = sequence, .id = ++pool.last_id, .calm_until_ns = FOREVER,
			    .outer_until_ns = INT64_MIN };
	list_init(&t->ready_node);
	list_init(&t->wait_node);
	list_append(&pool.all, &t->all_node);
	wheel_timer_init(&t->timer, wait_timer_fire);
	pool.count++;
	return t;
}

static void pool_give_back(struct task *t)
{
	list_remove(&t->all_node);
	ENSURE(!(t->wait_sequence & 1), "task %s ended in a wait for %s", t->name, t->wait_what);
	t->state = TASK_FREE;
	t->wait_sequence += 2;
	list_prepend(&pool.free, &t->ready_node);
	pool.count--;
}

void task_pool_done(void)
{
	ENSURE(pool.count == 0, "%zu tasks live at the end of the loop", pool.count);
	while (pool.blocks) {
		struct task_block *block = pool.blocks;

		pool.blocks = block->next;
		memory_free(block);
	}
	list_init(&pool.free);
}

/* The bottom frame of every task. */
static void task_main(void *arg)
{
	struct task *t = arg;

	t->result = t->fn(t->arg);
	ENSURE(!t->groups, "task %s returned with an open group", t->name);
	ENSURE(!t->deadlines, "task %s returned with an open deadline", t->name);
	ENSURE(!t->no_suspend, "task %s returned inside a NOSUSPEND section", t->name);
	t->state = TASK_DONE;
}

static void copy_name(char to[TASK_NAME_BYTES], const char *name)
{
	size_t length = strnlen(name, TASK_NAME_BYTES - 1);

	memcpy(to, name, length);
	to[length] = '\0';
}

int task_spawn_at(const struct wait_site *site, struct task_group *group, const char *name, task_fn *fn, void *arg,
		  struct task_handle *ret_handle)
{
	ENSURE(!executor_is_pool_thread, "task %s is spawned on a pool thread", name);
	if (group->cancelled)
		return -ECANCELED;
	if (pool.count >= loop_max_tasks())
		return -EAGAIN;

	struct task *t = pool_take();
	if (!t)
		return -ENOMEM;

	int r = coro_init(&t->coro, task_main, t);
	if (r < 0) {
		pool_give_back(t);
		return r;
	}

	copy_name(t->name, name);
	t->fn = fn;
	t->arg = arg;
	t->parent_id = task_running ? task_running->id : 0;
	t->spawn_site = site;
	t->created_ns = time_now_ns();
	t->group = group;
	list_append(&group->members, &t->group_node);
	group->count++;

	t->state = TASK_NEW;
	loop_ready(t);
	if (ret_handle)
		*ret_handle = (struct task_handle) { t, t->id };
	return 0;
}

static inline void prefetch_lines(const void *memory, size_t lines)
{
	for (size_t n = 0; n < lines; n++)
		__builtin_prefetch((const char *) memory + n * CACHE_LINE_BYTES);
}

/* One that sleeps is left alone: its pump may lie on its stack. */
static inline const struct wait_pump *pump_to_warm_up(const struct task *t)
{
	return coro_is_asleep(&t->coro) ? NULL : t->pump;
}

/* With many connections everything of the next task is cold, also in the TLB, and processors drop a prefetch whose
 * translation is missing. So first a byte of each page is loaded, for several tasks at once, that the walks through
 * the page tables go side by side; nobody waits for the values. Then the rest can be prefetched. */
void task_warm_up(const struct list *ready)
{
	const struct list *node = ready->next;
	const struct task *tasks[TASKS_WARMED];
	const struct wait_pump *pumps[TASKS_WARMED];
	int count = 0;

	for (; count < TASKS_WARMED && node != ready; count++, node = node->next) {
		const struct task *t = tasks[count] = list_entry(node, struct task, ready_node);

		pumps[count] = pump_to_warm_up(t);
		if (pumps[count])
			memory_touch(pumps[count]);
		else
			coro_touch(&t->coro);
		if (t->waits_for_io)
			memory_touch(t->wait_object);
	}
	for (int n = 0; n < count; n++)
		if (pumps[n] && pumps[n]->other)
			memory_touch(pumps[n]->other);
	for (int n = 0; n < count; n++) {
		const struct task *t = tasks[n];

		if (pumps[n]) {
			prefetch_lines(pumps[n], pumps[n]->bytes / CACHE_LINE_BYTES);
			prefetch_lines(pumps[n]->other, 4);
		} else {
			coro_prefetch(&t->coro);
		}
		prefetch_lines((const char *) t + CACHE_LINE_BYTES, 3);
		prefetch_lines(t->wait_object, 4);
		prefetch_lines(t->arg, 3);
	}
}

/* Takes apart a task that has returned, or was cancelled before it began. */
static void task_end(struct task *t)
{
	struct task_group *group = t->group;

	wheel_clear(loop_wheel(), &t->timer);
	coro_done(&t->coro, t->name);
	list_remove(&t->group_node);
	group_task_ended(group, t);
	pool_give_back(t);
}

bool task_is_stillborn(struct task *t)
{
	if (t->state != TASK_NEW || !t->cancelled)
		return false;
	t->result = -ECANCELED;
	t->state = TASK_DONE;
	task_end(t);
	return true;
}

void task_begin_slice(struct task *t)
{
	ENSURE(t->state == TASK_NEW || t->state == TASK_READY, "task %s is resumed while %s", t->name,
	       task_state_name(t->state));

	t->state = TASK_RUNNING;
	t->budget_operations = BUDGET_OPERATIONS;
	t->budget_bytes = BUDGET_BYTES;
	t->switches++;
	loop_hot.counters.slices++;
}

/* It has run, and the time is charged. */
static inline void end_slice(struct task *t)
{
	t->wait_since_ns = time_now_ns();
	if (UNLIKELY(pool.drowsy))
		task_sleep(t);
}

void task_enter(struct task *t)
{
	task_running = t;
	coro_resume(&t->coro);
	task_running = NULL;
	loop_account_slice(t, loop_lap_ns());
	if (UNLIKELY(t->state == TASK_DONE))
		task_end(t);
	else
		end_slice(t);
}

bool task_begin_pump(struct task *t)
{
	task_running = t;
	bool begun = wait_begin_pump(t);
	task_running = NULL;
	return begun;
}

bool task_finish_pump(struct task *t)
{
	task_running = t;
	bool waits = wait_run_pump(t);
	task_running = NULL;
	return waits;
}

void task_charge_pump(struct task *t, int64_t slice_ns)
{
	loop_account_slice(t, slice_ns);
	end_slice(t);
}

void task_set_drowsy(bool on)
{
	pool.drowsy = on;
}

void task_sleep(struct task *t)
{
	if (t->state == TASK_WAITING && !t->groups && !t->lends_stack)
		(void) coro_sleep(&t->coro);
}

bool task_is_alive(struct task_handle h)
{
	return h.task && h.task->id == h.id && h.task->state != TASK_FREE;
}

struct task_handle task_handle_self(void)
{
	struct task *t = task_self();

	return (struct task_handle) { t, t->id };
}

void task_cancel(struct task_handle h)
{
	if (!task_is_alive(h) || h.task->cancelled)
		return;

	h.task->cancelled = true;
	h.task->calm_until_ns = INT64_MIN;
	wait_interrupt(h.task, -ECANCELED);
}

void task_rename(const char *name)
{
	copy_name(task_self()->name, name);
}

int task_check(void)
{
	return deadline_check(task_self(), time_now_ns());
}

void task_nosuspend_begin(int *scope)
{
	struct task *t = task_self();

	*scope = ++t->no_suspend;
	t->calm_until_ns = INT64_MIN;
}

void task_nosuspend_end(int *scope)
{
	struct task *t = task_self();

	ENSURE(t->no_suspend == *scope, "NOSUSPEND sections of task %s are not nested", t->name);
	t->no_suspend--;
}

const char *task_state_name(enum task_state state)
{
	switch (state) {
	case TASK_FREE:
		return "free";
	case TASK_NEW:
		return "new";
	case TASK_READY:
		return "ready";
	case TASK_RUNNING:
		return "running";
	case TASK_WAITING:
		return "waiting";
	case TASK_DONE:
		return "done";
	}
	return "?";
}

void task_each(void (*fn)(const struct task *t, void *context), void *context)
{
	LIST_EACH (node, &pool.all)
		fn(list_entry(node, struct task, all_node), context);
}
