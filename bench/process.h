/* process.h - what another process and its children have used, from proc(5). */
#pragma once

#include "base/base.h"

struct process_use {
	int64_t cpu_ns; /* of all threads that are alive */
	unsigned threads;
	uint64_t memory_bytes; /* resident, shared pages divided among those who share them, and page tables */
};

/* Adds up the process and all its descendants. 0; -ESRCH when there is no such process; -errno. */
int process_use(pid_t pid, struct process_use *ret) _must_check_;
