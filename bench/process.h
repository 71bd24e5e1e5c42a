/* process.h - what another process has used, from proc(5). */
#pragma once

#include "base/base.h"

struct process_use {
	int64_t cpu_ns; /* of all its threads that are alive */
	unsigned threads;
	uint64_t resident_bytes;
};

/* 0; -ESRCH when there is no such process; -errno. */
int process_use(pid_t pid, struct process_use *ret) _must_check_;
