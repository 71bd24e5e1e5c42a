/* child.h - a test's forked child, for what kills a process: its status and its last words. */
#pragma once

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct child_end {
	int status;		/* as waitpid(2) gives it */
	char text[32768];	/* what it wrote on standard error, cut to size */
};

/* Runs fn(arg) in a forked child, whose exit status is 0 if fn returns, and waits for it. */
static inline void child_run(void (*fn)(void *arg), void *arg, struct child_end *ret)
{
	const struct rlimit no_core = { 0, 0 };
	size_t length = 0;
	ssize_t n;
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		abort();
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		fn(arg);
		_exit(0);
	}
	close(ends[1]);
	while ((n = read(ends[0], ret->text + length, sizeof(ret->text) - 1 - length)) > 0)
		length += (size_t) n;
	ret->text[length] = '\0';
	close(ends[0]);
	waitpid(pid, &ret->status, 0);
}

static inline bool child_died_of(const struct child_end *end, int signal_number)
{
	return WIFSIGNALED(end->status) && WTERMSIG(end->status) == signal_number;
}

static inline bool child_exited(const struct child_end *end, int status)
{
	return WIFEXITED(end->status) && WEXITSTATUS(end->status) == status;
}
