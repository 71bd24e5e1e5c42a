#include "runtime/crash.h"

#include "base/fault.h"
#include "base/log.h"
#include "runtime/line.h"
#include "runtime/trace.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* A frame of the signal with all vector registers takes up to 12 KiB, the rest is ours. */
#define CRASH_STACK_BYTES (128 * 1024)
#define LINE_BYTES 640

static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT };

static struct {
	void *stack;			/* of the handlers, on the thread that installed them */
} crash;

static const char *signal_name(int number)
{
	switch (number) {
	case SIGSEGV:
		return "SIGSEGV";
	case SIGBUS:
		return "SIGBUS";
	case SIGILL:
		return "SIGILL";
	case SIGFPE:
		return "SIGFPE";
	case SIGABRT:
		return "SIGABRT";
	default:
		return "?";
	}
}

/* -- who -- */

/* The running task need not be on its own stack: a pump of it is not, nor is what it has called on the main one. */
static bool is_on_its_stack(void)
{
	return coro_running() && !coro_is_on_main_stack();
}

struct search {
	const struct stack *stack;
	const struct task *found;
};

static void compare_stack(const struct task *t, void *context)
{
	struct search *search = context;

	if (t->coro.stack == search->stack)
		search->found = t;
}

static const struct task *task_of_stack(const struct stack *stack)
{
	struct search search = { stack, NULL };

	task_each(compare_stack, &search);
	return search.found;
}

static void put_task_name(struct line *l, const struct task *t)
{
	line_text(l, "task ");
	line_number(l, t->id);
	line_text(l, " '");
	line_text(l, t->name);
	line_text(l, "'");
}

static void put_place(struct line *l, const struct task *t)
{
	if (t) {
		line_text(l, " in ");
		put_task_name(l, t);
		if (!is_on_its_stack())
			line_text(l, " (on the main stack)");
	} else if (gettid() == getpid()) {
		line_text(l, " in the main context");
	} else {
		line_text(l, " in thread ");
		line_number(l, (uint64_t) gettid());
	}
}

/* -- what -- */

static void put_guard(struct line *l, const struct stack *guarded)
{
	const struct task *owner = task_of_stack(guarded);

	line_text(l, ", in the guard of the stack of ");
	if (owner)
		put_task_name(l, owner);
	else
		line_text(l, "nobody");
}

/* A fault in the guard of one's own stack, while on it, is an overflow; in any other guard it is a stray access. */
static void put_fault(struct line *l, int number, const void *address, const struct task *t)
{
	const struct stack *guarded = stack_of_guard(address);

	if (guarded && t && t->coro.stack == guarded && is_on_its_stack()) {
		line_text(l, "stack overflow");
		put_place(l, t);
		line_text(l, " (guard of its ");
		line_number(l, STACK_BYTES / 1024);
		line_text(l, " KiB stack)");
		return;
	}
	line_text(l, "fatal signal ");
	line_text(l, signal_name(number));
	line_text(l, " at address ");
	line_address(l, address);
	put_place(l, t);
	if (guarded)
		put_guard(l, guarded);
}

static void report(int number, const siginfo_t *info)
{
	const struct task *t = task_current();
	char text[LINE_BYTES];
	struct line l = LINE_INIT(text, sizeof(text));

	if (number == SIGABRT || info->si_code <= 0) {
		line_text(&l, "fatal signal ");
		line_text(&l, signal_name(number));
		put_place(&l, t);
	} else {
		put_fault(&l, number, info->si_addr, t);
	}
	line_write(&l, STDERR_FILENO);
	if (t) {
		l.length = trace_print(t, text, sizeof(text));
		line_write(&l, STDERR_FILENO);
	}
}

/* The default action is back by now. A fault happens again when the handler returns, and so kills with its own
 * address in the core file; a signal that was sent has to be sent again. */
static void handle(int number, siginfo_t *info, void *context)
{
	(void) context;
	if (gettid() == getpid())
		log_flush();		/* the records belong to the loop's thread */
	if (number == SIGQUIT)
		trace_write(STDERR_FILENO);
	else
		report(number, info);
	if (info->si_code <= 0 || number == SIGQUIT)
		raise(number);
}

/* -- installing -- */

static int set_action(int number, const struct sigaction *action)
{
	int r = fault_point("sigaction", EINVAL);

	if (r == 0 && sigaction(number, action, NULL) < 0)
		r = -errno;
	return r;
}

static int install_stack(void)
{
	int r = fault_point("mmap", ENOMEM);
	if (r < 0)
		return r;

	void *stack = mmap(NULL, CRASH_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED)
		return -errno;

	const stack_t alternate = { .ss_sp = stack, .ss_size = CRASH_STACK_BYTES };
	r = fault_point("sigaltstack", ENOMEM);
	if (r == 0 && sigaltstack(&alternate, NULL) < 0)
		r = -errno;
	if (r < 0) {
		munmap(stack, CRASH_STACK_BYTES);
		return r;
	}
	crash.stack = stack;
	return 0;
}

int crash_install(void)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND };

	if (crash.stack)
		return 0;

	int r = install_stack();
	/* All signals wait meanwhile, and a fault in the handler kills at once. */
	sigfillset(&action.sa_mask);
	for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(fatal_signals); i++)
		r = set_action(fatal_signals[i], &action);
	if (r < 0)
		crash_remove();
	return r;
}

void crash_remove(void)
{
	const struct sigaction standard = { .sa_handler = SIG_DFL };
	const stack_t none = { .ss_flags = SS_DISABLE };

	if (!crash.stack)
		return;
	for (size_t i = 0; i < ARRAY_LENGTH(fatal_signals); i++)
		sigaction(fatal_signals[i], &standard, NULL);
	sigaltstack(&none, NULL);
	munmap(crash.stack, CRASH_STACK_BYTES);
	crash.stack = NULL;
}
