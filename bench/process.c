#include "process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* The summary is exact; the figure of statm lags behind by what each processor has not yet added up. */
static uint64_t process_resident_bytes(pid_t pid)
{
	char path[64], line[256];
	uint64_t kib = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int) pid);
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Rss: %" SCNu64, &kib) == 1)
			break;
	return kib * 1024;
}

int process_use(pid_t pid, struct process_use *ret)
{
	char path[64];
	struct process_use use = {0};
	const struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
	_cleanup_(closedirp) DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		use.cpu_ns += process_thread_cpu_ns(pid, entry->d_name);
		use.threads++;
	}
	use.resident_bytes = process_resident_bytes(pid);
	*ret = use;
	return 0;
}
