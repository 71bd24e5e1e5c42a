/* replay.c - gives a fuzz target the inputs that are kept, one after the other. Speaks TAP.
 *
 * replay_TARGET [FILE...]: those files, or else all of the target's corpora. A promise that is broken ends the
 * program: the line before says which file it was.
 */

#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 4096
#define INPUT_BYTES_MAX (1 << 20)

static unsigned number, failures;

static void say(bool is_good, const char *path, const char *why)
{
	failures += !is_good;
	printf("%sok %u - %s%s\n", is_good ? "" : "not ", ++number, path, why);
}

static void replay_file(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	/* The target gets a copy of exactly that size, so that a read behind it is seen. */
	uint8_t *bytes = malloc(INPUT_BYTES_MAX), *exact;
	size_t length = 0;

	if (file && bytes)
		length = fread(bytes, 1, INPUT_BYTES_MAX, file);
	if (file)
		fclose(file);
	exact = realloc(bytes, MAX(length, (size_t) 1));
	if (!file || !exact) {
		say(false, name, ": cannot be read");
		return;
	}

	printf("# %s\n", name);
	fflush(stdout);
	LLVMFuzzerTestOneInput(exact, length);
	free(exact);
	say(true, name, "");
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay_folder(const char *top, const char *folder)
{
	char path[PATH_BYTES];
	struct dirent **entries = NULL;
	struct stat st;
	int count, files = 0;

	snprintf(path, sizeof path, "%s/%s", top, folder);
	count = scandir(path, &entries, is_visible, alphasort);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%s/%s", top, folder, entries[i]->d_name);
		free(entries[i]);
		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		replay_file(path, path + strlen(top) + 1);
		files++;
	}
	free(entries);
	if (files == 0)
		say(false, folder, ": there is nothing in it");
}

int main(int argc, char **argv)
{
	const char *top = getenv("SOURCE_DIR");

	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		replay_file(argv[i], argv[i]);
	for (size_t i = 0; argc == 1 && fuzz_corpora[i]; i++)
		replay_folder(top ? top : ".", fuzz_corpora[i]);
	printf("1..%u\n", number);
	return failures > 0;
}
