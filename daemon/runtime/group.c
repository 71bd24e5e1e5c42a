#include "runtime/group.h"

#include "base/ensure.h"

void group_init(struct task_group *g, const char *name, enum group_policy policy)
{
	*g = (struct task_group) { .name = name, .policy = policy, .owner = task_current() };
	list_init(&g->members);
	if (g->owner) {
		g->next_of_owner = g->owner->groups;
		g->owner->groups = g;
	}
}

static void decide(struct task_group *g, int outcome)
{
	if (!g->decided) {
		g->decided = true;
		g->outcome = outcome;
	}
}

static void cancel_members(struct task_group *g)
{
	g->cancelled = true;
	LIST_EACH (node, &g->members) {
		struct task *t = list_entry(node, struct task, group_node);

		task_cancel((struct task_handle) { t, t->id });
	}
}

void group_cancel(struct task_group *g)
{
	decide(g, -ECANCELED);
	cancel_members(g);
}

void group_task_ended(struct task_group *g, struct task *t)
{
	g->count--;
	if (t->result < 0)
		g->failed++;

	bool decides = !g->decided && (g->policy == GROUP_ANY || (g->policy == GROUP_ALL && t->result < 0));
	if (decides) {
		decide(g, t->result);
		cancel_members(g);
	}
	if (g->count == 0)
		wait_wake(g->waiter, 0);
}

int (group_wait)(struct task_group *g)
{
	int r = wait_enter();
	if (r < 0)
		return r;

	ENSURE(g->owner == task_self(), "group %s is waited for by task %s, not by its owner", g->name,
	       task_self()->name);
	while (g->count > 0) {
		g->waiter = wait_begin("group", g);
		r = wait_park(g->waiter);
		if (r < 0)
			return r;
	}
	return g->decided ? g->outcome : 0;
}

/* Scopes end in the order of their nesting, so it is nearly always the first; groups in objects end when those do. */
static void disown(struct task_group *g)
{
	struct task_group **link = &g->owner->groups;

	while (*link && *link != g)
		link = &(*link)->next_of_owner;
	if (*link)
		*link = g->next_of_owner;
}

void group_close(struct task_group *g)
{
	ENSURE(g->owner == task_current(), "group %s is closed by a task that does not own it", g->name);
	group_cancel(g);
	while (g->count > 0) {
		g->waiter = wait_begin("group to end", g);
		(void) wait_park_uninterruptible(g->waiter);
	}
	if (g->owner)
		disown(g);
}
