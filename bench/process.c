#include "process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 8 /* of the tree of processes */

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* The first number of a schedstat file is the time on a processor, in nanoseconds: exact, where stat counts ticks. */
static int64_t process_thread_cpu_ns(pid_t pid, const char *thread)
{
	char path[300];
	int64_t ns = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int) pid, thread);
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	if (!file || fscanf(file, "%" SCNd64, &ns) != 1)
		return 0;
	return ns;
}

/* The figure of a line such as "VmPTE:  44 kB". */
static uint64_t process_line_bytes(pid_t pid, const char *name, const char *key)
{
	char path[64], line[256];
	size_t length = strlen(key);
	uint64_t kib = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, key, length) == 0 && sscanf(line + length, " %" SCNu64, &kib) == 1)
			break;
	return kib * 1024;
}

static int process_add(pid_t pid, unsigned depth, struct process_use *use);

static void process_add_children(pid_t pid, const char *thread, unsigned depth, struct process_use *use)
{
	char path[300];
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int) pid, thread);
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	while (file && fscanf(file, "%d", &child) == 1)
		(void) process_add(child, depth + 1, use);
}

static int process_add(pid_t pid, unsigned depth, struct process_use *use)
{
	char path[64];
	const struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
	_cleanup_(closedirp) DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		use->cpu_ns += process_thread_cpu_ns(pid, entry->d_name);
		use->threads++;
		if (depth < DEPTH_MAX)
			process_add_children(pid, entry->d_name, depth, use);
	}
	/* The summary is exact; the figure of statm lags behind by what each processor has not yet added up. */
	use->memory_bytes += process_line_bytes(pid, "smaps_rollup", "Pss:");
	use->memory_bytes += process_line_bytes(pid, "status", "VmPTE:");
	return 0;
}

int process_use(pid_t pid, struct process_use *ret)
{
	struct process_use use = {0};

	int r = process_add(pid, 0, &use);
	if (r < 0)
		return r;
	*ret = use;
	return 0;
}
