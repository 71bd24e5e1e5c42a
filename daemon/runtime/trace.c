#include "runtime/trace.h"

#include "runtime/group.h"
#include "runtime/line.h"
#include "runtime/loop.h"

#define LINE_BYTES 640

static void put_site(struct line *l, const struct wait_site *site)
{
	if (!site)
		return;
	line_text(l, " in ");
	line_text(l, site->call);
	line_text(l, " at ");
	line_text(l, site->file);
	line_text(l, ":");
	line_number(l, (uint64_t) site->line);
}

static void put_span(struct line *l, const char *words, int64_t ns)
{
	line_text(l, words);
	line_ns(l, ns);
}

static void put_count(struct line *l, const char *words, uint64_t number)
{
	line_text(l, words);
	line_number(l, number);
}

static void put_who(struct line *l, const struct task *t)
{
	put_count(l, "task ", t->id);
	line_text(l, " '");
	line_text(l, t->name);
	line_text(l, "'");
	if (t->parent_id)
		put_count(l, " of ", t->parent_id);
	if (t->group) {
		line_text(l, " in ");
		line_text(l, t->group->name);
	}
}

static void put_wait(struct line *l, const struct task *t, int64_t now_ns)
{
	line_text(l, " for ");
	line_text(l, t->wait_what);
	put_site(l, t->wait_site);
	put_span(l, " since ", now_ns - t->wait_since_ns);
	if (t->uninterruptible)
		line_text(l, ", uninterruptible");
	else if (t->wait_until_ns != FOREVER)
		put_span(l, ", deadline in ", t->wait_until_ns - now_ns);
}

/* What it does now. The clock of the loop stood still since the slice began. */
static void put_state(struct line *l, const struct task *t, int64_t now_ns)
{
	line_text(l, ": ");
	line_text(l, task_state_name(t->state));
	switch (t->state) {
	case TASK_WAITING:
		put_wait(l, t, now_ns);
		break;
	case TASK_READY:
		put_site(l, t->wait_site);
		break;
	case TASK_RUNNING:
		put_span(l, " since ", now_ns - time_now_ns());
		break;
	case TASK_NEW:
		put_site(l, t->spawn_site);
		break;
	case TASK_FREE:
	case TASK_DONE:
		break;
	}
	if (t->cancelled)
		line_text(l, ", cancelled");
}

static void put_account(struct line *l, const struct task *t, int64_t now_ns)
{
	put_span(l, ", age ", now_ns - t->created_ns);
	put_span(l, ", ran ", t->run_ns);
	put_span(l, ", longest ", t->longest_slice_ns);
	put_count(l, ", switches ", t->switches);
	put_count(l, ", received ", t->received_bytes);
	put_count(l, ", sent ", t->sent_bytes);
	put_count(l, ", stack ", coro_depth_bytes(&t->coro));
}

static void put_task(struct line *l, const struct task *t)
{
	int64_t now_ns = time_read_ns();

	put_who(l, t);
	put_state(l, t, now_ns);
	put_account(l, t, now_ns);
}

size_t trace_print(const struct task *t, char *buffer, size_t size)
{
	struct line l = LINE_INIT(buffer, size);

	put_task(&l, t);
	return l.length;
}

static void write_task(const struct task *t, void *context)
{
	char text[LINE_BYTES];
	struct line l = LINE_INIT(text, sizeof(text));

	put_task(&l, t);
	line_write(&l, *(int *) context);
}

void trace_write(int fd)
{
	char text[LINE_BYTES];
	struct line l = LINE_INIT(text, sizeof(text));

	line_number(&l, task_count());
	line_text(&l, task_count() == 1 ? " task" : " tasks");
	line_write(&l, fd);
	task_each(write_task, &fd);
}
